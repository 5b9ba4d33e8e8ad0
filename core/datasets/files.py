"""Download and verification of data files."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError

from core.files import written_aside
from core.refusal import Refusal

Progress = Callable[[int, int], None]  # (bytes done, bytes in total, which is 0 while unknown)

# The exceptions of torchvision, numpy (whose headers are Python literals) and zipfile on a damaged file.
UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, AssertionError),
    *(SyntaxError, TokenError, zipfile.BadZipFile, zlib.error),
)
TIMEOUT = 20.0  # seconds without a byte after which a server counts as unreachable
CHUNK = 2**16  # bytes
LARGEST_DOWNLOAD = 2**32  # bytes; far larger than every official file, far too small to fill a disk


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
    """Yields the content of a URL in chunks, each with the total length that the server announced (0 if none)."""
    request = urllib.request.Request(url, headers={"User-Agent": "bancada"})  # noqa: S310  (urls of the libraries)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
            total = int(response.headers.get("Content-Length") or 0)
            received = 0
            while chunk := response.read(CHUNK):
                received += len(chunk)
                yield chunk, total
            if received < total:
                raise _UnreachableError(url)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _UnreachableError(url) from error
