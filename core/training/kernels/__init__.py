"""Training steps compiled for this processor: a network becomes a program, which one interpreter runs for all networks.

`program` turns layers into instructions and memory, `interpreter` runs these on blocks of images with the vectors of
`tiles`, by `steps` its threads meet and change the parameters, and `kernels` lets a PyTorch model be trained so.
`compiled` keeps the machine code on disk.

What its 2,020 lines are for: `program` has 390, of which 60 are the fields of 13 instructions; `interpreter` and
`tiles` have 580, those instructions for any width of vectors; `steps` has 90; torch's side and the machine code on
disk, on any system, 290. The other 670 are docstrings, reasons and empty lines.
"""
