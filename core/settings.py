"""Settings of this machine: folders, device, threads and the number of simultaneous runs.

Each of these can be set by an environment variable. None is a hyperparameter: those are fields of the spec.
"""

from __future__ import annotations

import contextlib
import os
import platform
import socket
from pathlib import Path
from typing import Literal

import platformdirs

ROOT = Path(__file__).resolve().parents[1]


def data_folders() -> tuple[Path, ...]:
    """The folders to search for data sets, in order; downloads go to the first folder that is writable.

    `BANCADA_DATA` may list several, separated as in PATH; the default is `data` in `cache_folder()`.
    """
    named = os.environ.get("BANCADA_DATA", "")
    folders = tuple(Path(part).expanduser() for part in named.split(os.pathsep) if part)
    return folders or (cache_folder() / "data",)


def cache_folder() -> Path:
    """The folder for files that can be recreated at any time (`BANCADA_CACHE`; by default the user's cache folder)."""
    named = os.environ.get("BANCADA_CACHE")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("bancada", appauthor=False)


def store_folder() -> Path:
    """The folder with one subfolder per run (`BANCADA_STORE`; by default `models_store` in the folder of `app.py`)."""
    named = os.environ.get("BANCADA_STORE")
    return Path(named).expanduser() if named else ROOT / "models_store"


def threads() -> int:
    """The number of compute threads of a new run (`BANCADA_THREADS`; by default `cores() // runs_at_once()`).

    A run records the number and keeps it when it is resumed, since another number changes the last bits of the weights.
    """
    named = os.environ.get("BANCADA_THREADS")
    return max(1, int(named)) if named else max(1, cores() // runs_at_once())


def kernels() -> Literal["ready", "always", "never"]:
    """When runs are computed by our own kernels (`BANCADA_KERNELS`): by default where they are compiled and faster.

    1: wherever they can be, even if the run has to wait for their compilation. 0: never.
    """
    named = os.environ.get("BANCADA_KERNELS")
    return "never" if named == "0" else "always" if named == "1" else "ready"


def runs_at_once() -> int:
    """The number of runs that train at the same time on this machine (`BANCADA_RUNS`, by default 1); others queue."""
    return max(1, int(os.environ.get("BANCADA_RUNS", "1")))


def engine() -> str:
    """The address of the Dask scheduler whose workers train the queued runs (`BANCADA_ENGINE`); by default "": here."""
    return os.environ.get("BANCADA_ENGINE", "")


def class_port() -> int:
    """The port of the pupils' page (`BANCADA_CLASS_PORT`, by default 8510); 0 lets the system choose one."""
    return int(os.environ.get("BANCADA_CLASS_PORT", "8510"))


def addresses() -> list[str]:
    """The IPv4 addresses of this machine: first the one from which it reaches others, last the loopback."""
    import psutil  # only the class needs it in the server

    first = ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # an address of nobody's (RFC 5737); nothing is sent
        first = probe.getsockname()[0]
    found = {one.address for net in psutil.net_if_addrs().values() for one in net if one.family == socket.AF_INET}
    return sorted(found, key=lambda one: (one.startswith("127."), one != first, one))


def cores() -> int:
    """The number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The processor's model name."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def device() -> str:
    """The device on which runs compute: `BANCADA_DEVICE`, by default the first available of cuda, mps and cpu."""
    named = os.environ.get("BANCADA_DEVICE")
    if named:
        return named
    import torch  # slow to import, and only processes that compute need the device

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def wait_passively() -> None:
    """Make OpenMP threads sleep while they wait instead of spinning; has no effect once torch has been imported.

    A spinning thread keeps its core from other processes: the server, the browser, another run.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
