"""`python -m core.training.kernels`: compile the kernels for this processor, unless another process is at it."""

import contextlib
import os
import sys

import psutil
from filelock import FileLock, Timeout

from core.training.kernels import compiled

if __name__ == "__main__":
    psutil.Process().nice(19 if os.name == "posix" else psutil.IDLE_PRIORITY_CLASS)
    if compiled.is_usable() and not compiled.is_ready() and compiled.use_folder():
        with contextlib.suppress(Timeout), FileLock(compiled.folder() / "lock", timeout=0):
            compiled.compile_here()
            compiled.tidy()
    if not compiled.is_ready():
        sys.exit("Not compiled: Numba is missing or fails, the cache cannot be written, or another process compiles.")
    print(compiled.folder())
