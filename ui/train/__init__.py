"""The page Train: the network of the form, and a training watched while it runs."""
