"""The page Draw: the drawing pad, what models take a drawing for, and drawings that are kept."""
