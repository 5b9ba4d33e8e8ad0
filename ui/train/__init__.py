"""The page Train: the network that the form describes, and the live view of a run."""
