"""The page Draw: the drawing pad, the models' answers to a drawing, and drawings that are labelled and saved."""
