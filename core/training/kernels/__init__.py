"""Training steps compiled for this processor: a network becomes a program, which one interpreter runs for all networks.

`program` turns layers into instructions and memory, `interpreter` runs these on blocks of images with the vectors of
`tiles`, and `kernels` lets a PyTorch model be computed so. `compiled` keeps the machine code on disk.

What its 1,660 lines are for: `program` has 390, of which 60 are the fields of 13 instructions; `interpreter` and
`tiles` have 500, those instructions for any width of vectors; torch's side and the machine code on disk, on any system,
200. The other 570 are docstrings, reasons and empty lines.
"""
