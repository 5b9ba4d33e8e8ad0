"""The one way to write a file: under another name first, then moved into its place, so that nobody sees half of one."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def written_aside(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` when the block ends well; else it is deleted.

    Its own name is new each time: two processes may write the same file at the same moment, and the later one stays.

    Args:
        path: in a folder that exists.
        durable: content and name are on the disk when the block has ended, whatever happens to the machine then.

    Raises:
        OSError: the folder is not there or cannot be written, or the disk is full.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with aside.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        _replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def sync(folder: Path) -> None:
    """Make sure that the names in a folder are on the disk."""
    if os.name == "posix":  # Windows cannot sync a folder; its file system records names in a journal
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _replace(aside: Path, path: Path) -> None:
    """Move a file over another; on Windows that has to wait while another process has it open."""
    for _ in range(50 if os.name == "nt" else 0):
        with contextlib.suppress(PermissionError):
            aside.replace(path)
            return
        time.sleep(0.02)
    aside.replace(path)
