"""What is claimed about speed, as commands; `RESULTS.md` holds what they printed."""
