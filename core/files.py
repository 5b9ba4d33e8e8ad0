"""Files that are read only if they are regular and small enough, and written so that no reader sees half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from filelock import FileLock


def opened(path: Path, mode: str = "rb") -> BinaryIO:
    """Open a regular file without following a link; a FIFO, on which opening would hang, or a device is not opened.

    Raises: OSError, if the file is missing (unless `mode` creates it), not a regular one, or not readable.
    """
    return cast("BinaryIO", open(path, mode, opener=_opener))


def _opener(path: str, flags: int) -> int:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)


def content(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes. Raises: OSError, also for a larger file."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        return file.read(most)


@contextlib.contextmanager
def written_aside(path: Path, *, durable: bool = False, new: bool = False) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` when the block ends normally and is deleted when it raises.

    The temporary name is unique: when two processes write the same `path` at once, the later replacement remains.

    Args:
        path: the file to write; its folder must exist.
        new: there must be no such file yet, also when the block ends.
        durable: sync content and name to disk before the block ends, so that they survive a crash of the machine.

    Raises:
        FileExistsError: `new` and there is such a file.
        OSError: the folder does not exist or is not writable, or the disk is full.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with aside.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if new:
            put(aside, path)
        else:
            _replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock beside the file, so that of two processes that read and rewrite it neither loses the other's change.

    Raises: OSError, if the folder does not exist or cannot be written.
    """
    path.parent.stat()  # filelock would create a missing folder, such as that of a deleted run
    with FileLock(path.with_name(f".{path.name}.lock")):
        yield


def sync(folder: Path) -> None:
    """Sync a folder's entries (its file names) to disk."""
    if os.name == "posix":  # Windows cannot sync a folder; its file system records names in a journal
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def put(aside: Path, path: Path) -> None:
    """Move a file to where there is none. Raises: FileExistsError."""
    try:
        path.hardlink_to(aside)  # in one step, also if another process does the same
    except FileExistsError:
        raise
    except OSError as error:  # a file system without such links
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        _replace(aside, path)
    else:
        aside.unlink()


def _replace(aside: Path, path: Path) -> None:
    """Move a file over another; on Windows, retry for up to a second while another process has the target open."""
    for _ in range(50 if os.name == "nt" else 0):
        with contextlib.suppress(PermissionError):
            aside.replace(path)
            return
        time.sleep(0.02)
    aside.replace(path)
