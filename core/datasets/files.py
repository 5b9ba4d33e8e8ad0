"""Download and verification of data files."""

from __future__ import annotations

import contextlib
import errno
import functools
import gzip
import hashlib
import http.client
import os
import queue
import threading
import time
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError

from core.files import opened, written_aside
from core.refusal import Refusal

Progress = Callable[[int, int], None]  # (bytes done, bytes in total, which is 0 while unknown)

# The exceptions of torchvision, numpy (whose headers are Python literals) and zipfile on a damaged file.
UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, AssertionError),
    *(SyntaxError, TokenError, zipfile.BadZipFile, zlib.error),
)
DAMAGED_GZ = (gzip.BadGzipFile, EOFError, zlib.error)
TIMEOUT = 20.0  # seconds without a byte after which a server counts as unreachable
LEAST_SPEED = 2**10  # bytes a second, from the first `TIMEOUT` on; a server that drips would else hold us for ever
CHUNK = 2**16  # bytes
LARGEST_DOWNLOAD = 2**30  # bytes; larger than every official file, too small to fill a disk


@dataclass(frozen=True)
class Download:
    """A file to download from the authors' servers, and how to unpack it into a data folder."""

    urls: tuple[str, ...]  # the same file on several servers, tried in this order
    md5: str | None  # None if none is published; then `unpack` verifies the content
    path: str  # where to save the download, relative to the data folder
    gives: tuple[str, ...]  # the resulting files, relative to the data folder
    unpack: Callable[[Path, Path], None] | None = None  # (downloaded file, data folder); None: no unpacking needed


class _UnreachableError(Exception):
    """The server or the network is unreachable, or the connection was lost during the download."""


class _AlteredError(Exception):
    """A complete file was received, but not the one that the authors published."""


def is_file(path: Path) -> bool:
    """Whether the file exists; False if that cannot be determined, for example without permission."""
    try:
        return path.is_file()
    except OSError:
        return False


def checksum(path: Path) -> int | None:
    """The CRC-32 of a file's content, or of what a `.gz` says to hold, of which only the end is read; None without."""
    try:
        facts = path.stat()
        return _checksum(path, facts.st_size, facts.st_mtime_ns)
    except OSError:
        return None


@functools.lru_cache(maxsize=256)  # pages call it at every rerun
def _checksum(path: Path, size: int, mtime_ns: int) -> int:  # noqa: ARG001
    with opened(path) as file:
        if path.suffix == ".gz":
            file.seek(max(0, size - 8))  # CRC-32 and length. Source: RFC 1952
            return int.from_bytes(file.read(4), "little")
        found = 0
        while chunk := file.read(2**20):
            found = zlib.crc32(chunk, found)
        return found


def unpack(source: Path, path: Path) -> None:
    """Copy a file, a `.gz` unpacked, to `path`.

    Raises:
        OSError: it cannot be read or written, or gives more than `LARGEST_DOWNLOAD` bytes.
        DAMAGED_GZ: a `.gz` is damaged.
    """
    with opened(source) as packed, written_aside(path) as file:
        content = gzip.GzipFile(fileobj=packed) if source.suffix == ".gz" else packed
        written = 0
        while chunk := content.read(2**20):
            written += file.write(chunk)
            if written > LARGEST_DOWNLOAD:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(source))


def md5_of(path: Path) -> str:
    """The md5 of a file in hexadecimal, as published by the authors of these data sets."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, _md5).hexdigest()


def download(urls: Sequence[str], md5: str | None, path: Path, progress: Progress) -> None:
    """Download to `path` from the first server that works and whose file has the md5, if given.

    A single server is tried twice.

    Raises:
        Refusal: no server could be reached, or no server sent the right file.
        OSError: the folder is not writable.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    altered = False
    for url in urls if len(urls) > 1 else [*urls, *urls]:
        try:
            with written_aside(path) as file:
                received, seen = 0, _md5()
                for chunk, total in _chunks(url):
                    file.write(chunk)
                    seen.update(chunk)
                    received += len(chunk)
                    progress(received, total)
                    if received > LARGEST_DOWNLOAD:
                        raise _AlteredError
                if md5 and seen.hexdigest() != md5:
                    raise _AlteredError
        except _UnreachableError:
            continue
        except _AlteredError:
            altered = True
            continue
        return
    key = "error.download_altered" if altered else "error.no_network"
    raise Refusal(key, file=path.name, folder=str(path.parent))


def _md5():
    return hashlib.md5(usedforsecurity=False)


def _chunks(url: str) -> Iterator[tuple[bytes, int]]:
    """Yields the content of a URL in chunks, each with the total length that the server announced (0 if none).

    A thread reads them, since nothing else ends a server that sends a byte now and then.

    Raises: _UnreachableError.
    """
    came: queue.Queue[tuple[bytes, int] | Exception] = queue.Queue(maxsize=16)
    over = threading.Event()
    threading.Thread(target=_read, args=(url, came, over), daemon=True).start()
    received = due = total = 0
    end = 0.0
    try:
        while True:
            if received >= due:
                due, end = received + int(LEAST_SPEED * TIMEOUT), time.monotonic() + TIMEOUT
            try:
                found = came.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty as error:
                raise _UnreachableError(url) from error
            if isinstance(found, Exception):
                raise _UnreachableError(url) from found
            chunk, total = found
            if not chunk:
                break
            received += len(chunk)
            yield chunk, total
        if received < total:
            raise _UnreachableError(url)
    finally:
        over.set()
        with contextlib.suppress(queue.Empty):  # the thread may wait for room
            while True:
                came.get_nowait()


def _read(url: str, came: queue.Queue[tuple[bytes, int] | Exception], over: threading.Event) -> None:
    """Put the chunks of a URL into a queue, at their end an empty one, or what went wrong; until it is over."""
    request = urllib.request.Request(url, headers={"User-Agent": "bancada"})  # noqa: S310  (urls of the libraries)
    try:
        with urllib.request.build_opener(_Redirects).open(request, timeout=TIMEOUT) as response:
            total = response.length or 0
            while (chunk := response.read1(CHUNK)) and not over.is_set():
                came.put((chunk, total))
            came.put((b"", total))
    except (OSError, http.client.HTTPException, ValueError) as error:
        came.put(error)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirection to a web address only, and does not read what comes with it, which may have no end."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        fp.close()
        if not newurl.startswith(("http://", "https://")):
            raise ValueError(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
