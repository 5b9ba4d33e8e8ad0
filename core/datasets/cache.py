"""A cache of parsed data sets, so that loading one again takes reading a single file.

There is one uncompressed .npz per data set: zip members carry a CRC, so flipped bits are detected. MNIST's second load
takes about 0.02 s (measured: benchmarks/RESULTS.md). The cache may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from core import settings
from core.datasets.files import UNREADABLE
from core.files import written_aside

READING = 3  # increment when a change of the code gives other arrays for the same files, also for pen drawings


def version(paths: Iterable[Path]) -> str:
    """An identifier of the state of these files: a hash of their paths, sizes and modification times."""
    facts = [(str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return hashlib.sha256(repr((READING, facts)).encode()).hexdigest()


def get(name: str, version: str) -> dict[str, np.ndarray] | None:
    """The arrays stored under this name for files of this version; None if there are none or they are damaged."""
    try:
        with _path(name).open("rb") as file, np.load(file, allow_pickle=False) as kept:
            if str(kept["version"]) != version:
                return None
            return {key: kept[key] for key in kept.files if key != "version"}
    except UNREADABLE:
        return None


def put(name: str, version: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Store arrays, replacing those of an older version; write errors are ignored, since they only cost speed."""
    with contextlib.suppress(OSError):
        _path(name).parent.mkdir(parents=True, exist_ok=True)
        with written_aside(_path(name)) as file:
            np.savez(file, allow_pickle=False, version=np.array(version), **arrays)


def _path(name: str) -> Path:
    return settings.cache_folder() / "arrays" / f"{name}.npz"
