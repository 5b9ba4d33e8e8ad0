"""A small disk of its own for a test, which can be filled and made read-only."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


class CannotMountError(Exception):
    """This machine or this user may not mount a file system."""


@contextlib.contextmanager
def small_disk(folder: Path, mebibytes: int = 3) -> Iterator[Path]:
    """Mount an empty file system of this size at the folder. Raises: CannotMountError."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs"]
    if sys.platform != "linux" or _mount(*options, str(folder)):
        raise CannotMountError("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder read-only for everybody, root included, except for files open already. Raises: CannotMountError."""
    if sys.platform != "linux" or _mount("--bind", str(folder), str(folder)):
        raise CannotMountError("only root may make a folder read-only for root")
    try:
        if _mount("-o", "remount,bind,ro", str(folder)):
            raise CannotMountError("this machine mounts nothing read-only")
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def full(disk: Path, spare: int = 0) -> Iterator[None]:
    """Fill a small disk until only `spare` bytes, in whole pages of 4 KiB, are left."""
    ballast, rest = disk / "ballast", disk / "rest"
    rest.write_bytes(bytes(spare))
    with ballast.open("wb", buffering=0) as file:
        size = 1 << 16
        while size >= 4096:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
    rest.unlink()
    try:
        yield
    finally:
        ballast.unlink()


def _mount(*arguments: str) -> int:
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode
    return 1
