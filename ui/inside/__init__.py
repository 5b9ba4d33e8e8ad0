"""The page Inside: what a run's network makes of one image, layer by layer, and why it answers as it does."""
