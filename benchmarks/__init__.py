"""Commands that measure every claim about speed; `RESULTS.md` holds their output."""
