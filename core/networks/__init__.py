"""Networks as lists of layers: what a layer is, the named lists, and the PyTorch modules that come of them."""
