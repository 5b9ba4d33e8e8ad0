"""Training steps compiled for this processor: a network becomes a program, which one interpreter runs for all networks.

`program` turns layers into instructions and memory, `interpreter` runs these on blocks of images with the vectors of
`tiles`, and `kernels` lets a PyTorch model be computed so. `compiled` keeps the machine code on disk.
"""
