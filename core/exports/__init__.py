"""What a run can be taken away as: a literal table of formats.

To add one: a file here with a function that writes a run into a folder, and a line in `EXPORTS`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from core.exports import tensorboard
from core.store import Run

EXPORTS: dict[str, Callable[[Run, Path], None]] = {"tensorboard": tensorboard.write}
"""By name: writes the run's export into a new folder. Raises: Refusal."""


def zipped(run: Run, name: str) -> bytes:
    """An export, in a folder of the run's name, as a zip. Raises: Refusal, as the export."""
    with tempfile.TemporaryDirectory() as aside:
        EXPORTS[name](run, Path(aside) / run.name)
        return Path(shutil.make_archive(f"{aside}/export", "zip", aside, run.name)).read_bytes()
