"""The formats to which a run can be exported.

To add a format, write a module here with a function that writes a run into a folder, and add a line to `EXPORTS`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from core.exports import model, tensorboard
from core.store import Run

EXPORTS: dict[str, Callable[[Run, Path], None]] = {"tensorboard": tensorboard.write, "model": model.write}
"""By name, the function that exports a run into a new folder. Raises: Refusal."""


def zipped(run: Run, name: str) -> bytes:
    """A zip of the folder, named after the run, that this export makes. Raises: Refusal, as the export does."""
    with tempfile.TemporaryDirectory() as aside:
        EXPORTS[name](run, Path(aside) / run.name)
        return Path(shutil.make_archive(f"{aside}/export", "zip", aside, run.name)).read_bytes()
