"""The page Recipes: the published experiments and the searches, each beside what repeating it came to here."""
