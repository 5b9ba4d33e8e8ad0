"""Networks as lists of layers: the layer types, named architectures, and the PyTorch modules built from them."""
