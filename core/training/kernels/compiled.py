"""The processor's vectors, and where the machine code for them is kept, so that no run waits for its compilation.

Numba keeps compiled functions in a folder, but does not notice that another file which they use has changed, and fails
where it cannot write. So the folder's name holds all that the code depends on, and one that cannot be written is not
used: then each process that needs the code compiles it again. Numba's files are pickles, the only ones that are read
here: the folder is in the user's own cache, and nobody else may write to it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from core import settings

READY = "ready"
"""The file in `folder()` which says that everything is compiled."""
FAILED = "failed"
"""The file in it which says that Numba cannot be imported with these versions."""
UNUSED = 30 * 24 * 3600
INTERPRETER = "core.training.kernels.interpreter"


def is_usable() -> bool:
    """Whether Numba, which compiles, is there and has not failed here: not every Python and processor has it."""
    if not importlib.util.find_spec("numba"):
        return False
    try:
        return not (folder() / FAILED).exists()
    except Exception:
        return False


@functools.cache
def _processor() -> tuple[str, str]:
    """The processor's name and its instruction sets as LLVM calls them, or others by Numba's own variables."""
    from llvmlite import binding

    name = os.environ.get("NUMBA_CPU_NAME") or binding.get_host_cpu_name()
    return name, os.environ.get("NUMBA_CPU_FEATURES") or binding.get_host_cpu_features().flatten()


@functools.cache
def lanes() -> int:
    """float32 in a vector: 16 with AVX-512, 8 with AVX2, else 4, unless `BANCADA_LANES` names another number."""
    named = os.environ.get("BANCADA_LANES")
    if named in ("4", "8", "16"):
        return int(named)
    features = _processor()[1].split(",")
    return 16 if "+avx512f" in features else 8 if "+avx2" in features else 4


def registers() -> int:
    """The number of vector registers, which bounds the size of a tile, unless `BANCADA_REGISTERS` names another."""
    named = os.environ.get("BANCADA_REGISTERS")
    if named in ("16", "32"):
        return int(named)
    return 32 if lanes() == 16 or platform.machine().lower() in ("arm64", "aarch64") else 16


def folder() -> Path:
    """The folder of the machine code: one for each version of the sources, of Python and Numba, and each processor."""
    return settings.cache_folder() / "kernels" / f"{_version()}-{lanes()}-{registers()}"


@functools.cache
def _version() -> str:
    """A name for all that the code depends on, but its vectors' width."""
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    # Numba keeps the code by the sources' path.
    versions = [
        __file__,
        sys.version,
        *(importlib.metadata.version(package) for package in ("numba", "llvmlite", "numpy")),
    ]
    parts = [*sources, repr((versions, _processor())).encode()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def is_ready() -> bool:
    """Whether the machine code is in this process, or on disk, from where it comes in a fraction of a second."""
    # Numba does not read a folder that it cannot write.
    return INTERPRETER in sys.modules or (is_usable() and (folder() / READY).exists() and os.access(folder(), os.W_OK))


def use_folder() -> bool:
    """Have Numba keep its code in `folder()`, and look for it there; returns whether that can be written."""
    from numba.core import config

    kept: Any = config
    try:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder()).close()
    except OSError:
        return False
    kept.CACHE_DIR = str(folder())  # as its environment variable would
    return True


def compile_here() -> bool:
    """Have the code in this process: from the disk, or else compiled, for some seconds; returns whether that worked."""
    try:
        importlib.import_module(INTERPRETER)
    except ImportError:  # Numba refuses a NumPy that is newer than it knows
        with contextlib.suppress(OSError):
            (folder() / FAILED).touch()
        return False
    except Exception:
        shutil.rmtree(folder(), ignore_errors=True)
        return False
    with contextlib.suppress(OSError):
        (folder() / READY).touch()
    return True


def tidy() -> None:
    """Remove the code of other versions that no process has used for `UNUSED` seconds.

    Another version that runs here uses its own each time that a worker starts; should it be gone, it is compiled again.
    """
    for other in folder().parent.iterdir():
        with contextlib.suppress(OSError):
            used = max(path.stat().st_mtime for path in (other, *other.glob(READY)))
            if other != folder() and time.time() - used > UNUSED:
                (other / READY).unlink(missing_ok=True)  # first: what is left by a failure is not taken for all of it
                shutil.rmtree(other)


def prepare(*, waits: bool = False) -> None:
    """Have the code compiled for the runs to come, unless it is ready or not used here.

    That is done by a process of its own, which yields to all others. Where it could leave nothing, since the folder
    cannot be written, this process does it if it `waits` for work.
    """
    if settings.kernels() == "never" or settings.device() != "cpu" or not is_usable() or is_ready():
        return
    try:
        is_kept = use_folder()
    except ImportError:
        is_kept = False
    if not is_kept:
        if waits:
            compile_here()
        return
    with contextlib.suppress(OSError):  # the system currently has no memory or process left
        process = subprocess.Popen(
            [sys.executable, "-m", "core.training.kernels"],
            cwd=settings.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=os.name == "posix",
        )
        _processes.append(process)


_processes: list[
    subprocess.Popen[bytes]
] = []  # of `prepare`, since Python warns of one that is forgotten while it runs
