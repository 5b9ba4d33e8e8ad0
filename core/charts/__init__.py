"""Pure functions that return charts, and pictures of arrays; the only package that imports altair."""
