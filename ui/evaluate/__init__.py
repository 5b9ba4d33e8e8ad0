"""The page Evaluate: what a finished run came to, and the images behind its numbers."""
