"""Training steps compiled for this processor: a network becomes a program, which one interpreter runs for all networks.

`program` turns layers into instructions and memory, `interpreter` runs these on blocks of images with the vectors of
`tiles`, and `kernels` lets a PyTorch model be computed so. `compiled` keeps the machine code on disk.

What the lines are for: 400 are `program`, half of them the fields of 13 instructions; 460 are `interpreter` and `tiles`,
13 instructions in 3 widths of vectors; 200 are torch's side and the machine code on disk, in all three systems. The
other 550 are docstrings, reasons and empty lines.
"""
