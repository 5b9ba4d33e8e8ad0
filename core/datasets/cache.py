"""Arrays that were parsed before, so that the second load of a data set costs reading one file.

One uncompressed .npz a data set: zip members carry a CRC, so a flipped bit is noticed. MNIST's second load takes about
0.02 s (measured: benchmarks/RESULTS.md). The cache may be deleted at any time.
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

READING = 2  # counted up when arrays come out differently for the same files, of drawings too


def version(paths: Iterable[Path]) -> str:
    """What names one state of these files: their places, sizes and times of change."""
    facts = [(str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return hashlib.sha256(repr((READING, facts)).encode()).hexdigest()


def get(name: str, version: str) -> dict[str, np.ndarray] | None:
    """The arrays kept under this name if they came from files of this version; None where they are not, or damaged."""
    try:
        with _path(name).open("rb") as file, np.load(file, allow_pickle=False) as kept:
            if str(kept["version"]) != version:
                return None
            return {key: kept[key] for key in kept.files if key != "version"}
    except UNREADABLE:
        return None


def put(name: str, version: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Keep arrays in place of an older version's; a cache that cannot be written is only slow."""
    with contextlib.suppress(OSError):
        _path(name).parent.mkdir(parents=True, exist_ok=True)
        with written_aside(_path(name)) as file:
            np.savez(file, allow_pickle=False, version=np.array(version), **arrays)


def _path(name: str) -> Path:
    return settings.cache_folder() / "arrays" / f"{name}.npz"
