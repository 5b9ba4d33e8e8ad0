"""The page Recipes: the published experiments and searches, with the figures that were reported and measured here."""
