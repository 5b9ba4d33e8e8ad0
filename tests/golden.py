"""Writes a small store by today's code, to be kept: every later version has to open it.

`python -m tests.golden NAME` writes the folder `tests/golden/NAME`: a run of each status that lasts, with a label, a
model and predictions, and two drawings. A change of what is stored adds a folder; none is ever changed.
"""

from __future__ import annotations

import functools
import itertools
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from core import store
from core.drawing import SHEET, collection
from core.spec import checked
from tests.browser import ROOT
from tests.faults.fault import surroundings

GOLDEN = ROOT / "tests" / "golden"
FIELDS = {"data": "tiny", "split": "official", "layers": "flatten, dense(classes)", "image_size": 8, "batch_size": 16}
DIVERGES = {"layers": "flatten, dense(9), dense(classes)", "optimizer": "sgd", "learning_rate": 1e6}
STATUSES = {"done": {}, "interrupted": {"seed": 1}, "stopped": {"seed": 2}, "failed": DIVERGES}


def write(home: Path) -> None:
    """Fill the store with a run of each status of `STATUSES`, one that is queued, and two drawings."""
    from core.work import work

    for status, fields in STATUSES.items():
        label = store.Label(owner="Ana", study="golden", trial=1, note="kept for ever", tags=("tiny",))
        run = store.create(checked({**FIELDS, **fields}), home, label)
        left = [False] * 12 if status in ("interrupted", "stopped") else itertools.repeat(False)
        looks = itertools.chain(left, itertools.repeat(True))
        work(str(run.folder), leaving=functools.partial(next, looks))
        if status == "stopped":
            run.ask("stop")
        assert run.status() == status, run.status()
        run.folder.rename(home / f"golden-{status}")
    store.create(checked(FIELDS), home).folder.rename(home / "golden-queued")
    for label, stroke in ((1, np.s_[20:90, 50:58]), (7, np.s_[20:28, 30:80])):
        pixels = np.zeros((SHEET, SHEET), dtype=np.uint8)
        pixels[stroke] = 255
        collection.keep(pixels, label, "Ana", home)


def main(name: str) -> None:
    # The kernels that a run did not wait for may still be written to the cache.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, surroundings(Path(folder)):
        write(Path(folder) / "store")
        for lock in Path(folder).glob("store/*/lock"):
            lock.unlink()
        shutil.copytree(Path(folder) / "store", GOLDEN / name)


if __name__ == "__main__":
    main(sys.argv[1])
