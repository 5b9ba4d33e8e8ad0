"""Files on the way to becoming data: downloaded and verified."""

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

Progress = Callable[[int, int], None]  # (bytes done, bytes in total; 0 while no server has said how many)

# What readers raise on a damaged file: torchvision's, numpy's (whose headers are Python literals), zipfile's.
UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, AssertionError),
    *(SyntaxError, TokenError, zipfile.BadZipFile, zlib.error),
)
TIMEOUT = 20.0  # seconds without a byte after which a server counts as away
CHUNK = 2**16  # bytes
LARGEST_DOWNLOAD = 2**32  # bytes; far above every official file, far below what would fill a disk


@dataclass(frozen=True)
class Download:
    """One file that a server of the authors gives, and how it becomes files of a data folder."""

    urls: tuple[str, ...]  # the same file on several servers, tried in this order
    md5: str | None  # None: nobody has published one, `unpack` verifies what comes of it
    path: str  # where the downloaded file goes, relative to the data folder
    gives: tuple[str, ...]  # the files that come of it, relative to the data folder
    unpack: Callable[[Path, Path], None] | None = None  # (downloaded file, data folder); None: it is used as it is


class _UnreachableError(Exception):
    """The server or the network is away, or went away on the way."""


class _AlteredError(Exception):
    """A whole file came, but not the one that its authors published."""


def is_file(path: Path) -> bool:
    """Whether a file is there; not, too, where nobody may look."""
    try:
        return path.is_file()
    except OSError:
        return False


def md5_of(path: Path) -> str:
    """The md5 of a file, in hexadecimal: the checksum that the authors of these data sets publish."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, _md5).hexdigest()


def download(urls: Sequence[str], md5: str | None, path: Path, progress: Progress) -> None:
    """Write to `path` what the first of the servers gives whose md5, if any is known, fits; one alone is asked twice.

    Raises:
        Refusal: no server could be reached, or what came was not the file.
        OSError: the folder cannot be written.
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
    """The bytes at an address, piece by piece, each with the length that the server promises (0: none)."""
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
