"""`python -m core.training.kernels`: compile the kernels for this processor, unless another process is at it."""

import os

import psutil
from filelock import FileLock, Timeout

from core.training.kernels import compiled

if __name__ == "__main__":
    psutil.Process().nice(19 if os.name == "posix" else psutil.IDLE_PRIORITY_CLASS)
    if not compiled.is_ready() and compiled.use_folder():
        try:
            with FileLock(compiled.folder() / "lock", timeout=0):
                compiled.compile_here()
        except Timeout:
            pass
