"""The commands of `python -m core`, one file a family."""
