"""What a run can be taken away as: a literal table of formats.

To add one: a file here with a function that writes a run into a folder, and a line in `EXPORTS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.exports import tensorboard
from core.store import Run

EXPORTS: dict[str, Callable[[Run, Path], None]] = {"tensorboard": tensorboard.write}
"""By name: writes the run's export into a new folder. Raises: Refusal."""
