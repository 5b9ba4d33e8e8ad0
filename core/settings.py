"""What this machine has: folders, devices, threads and how many runs at once.

Each value can be set by an environment variable. Nothing here decides the outcome of a run, which is the spec's part.
"""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path

import platformdirs

ROOT = Path(__file__).resolve().parents[1]


def data_folders() -> tuple[Path, ...]:
    """The folders in which data sets are looked for, in order; downloads go to the first one that can be written.

    `BANCADA_DATA` may name several, parted as in PATH; by default `data` in the user's cache folder.
    """
    named = os.environ.get("BANCADA_DATA", "")
    folders = tuple(Path(part).expanduser() for part in named.split(os.pathsep) if part)
    return folders or (cache_folder() / "data",)


def cache_folder() -> Path:
    """The folder for what can be made again at any time (`BANCADA_CACHE`; by default the user's cache folder)."""
    named = os.environ.get("BANCADA_CACHE")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("bancada", appauthor=False)


def store_folder() -> Path:
    """The folder that holds one folder a run (`BANCADA_STORE`; by default `models_store` beside `app.py`)."""
    named = os.environ.get("BANCADA_STORE")
    return Path(named).expanduser() if named else ROOT / "models_store"


def threads() -> int:
    """How many threads a new run computes with (`BANCADA_THREADS`; by default all cores, shared by the runs).

    A run records the number and keeps it when it is resumed, since another number gives other last bits.
    """
    named = os.environ.get("BANCADA_THREADS")
    return max(1, int(named)) if named else max(1, cores() // runs_at_once())


def runs_at_once() -> int:
    """How many runs train at the same time on this server (`BANCADA_RUNS`, by default 1); the others wait."""
    return max(1, int(os.environ.get("BANCADA_RUNS", "1")))


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The processor's name."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def device() -> str:
    """The device that a new run computes on: `BANCADA_DEVICE`, else the first that is there of cuda, mps, cpu."""
    named = os.environ.get("BANCADA_DEVICE")
    if named:
        return named
    import torch  # heavy: only a worker asks for the device

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def wait_passively() -> None:
    """Make the threads of a process that has not yet imported torch sleep while they wait instead of spinning.

    A spinning thread takes its core from whoever could work there: the server, the browser, another run.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
