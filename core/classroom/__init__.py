"""A lesson with a class: who may come in, what is asked, what was drawn, and its results."""
