"""Training: the loop, its performance optimisations, transfer of layers, time estimates and diagnosis."""
