"""The files in what somebody brings: a folder, an archive or several files. Nothing is unpacked to the disk."""

from __future__ import annotations

import gzip
import io
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, cast

from core.datasets.arrays import part_in
from core.datasets.files import UNREADABLE
from core.files import opened
from core.refusal import Refusal

MOST_FILES = 200_000  # in a folder or an archive, those that are left out too
MOST_UNPACKED = 2**31  # bytes that are read of one file, and of all files of an archive
DEEPEST = 12  # folders in one another
GZIP = b"\x1f\x8b"  # the beginning of what gzip has packed
MOST_PACKED = 2  # times that a file is packed by gzip
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
PICTURES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif")
SYSTEM = re.compile(r"__MACOSX|Thumbs\.db|desktop\.ini|Icon\r|\..*", re.IGNORECASE)  # what systems put beside pictures
# What opening and reading a file of a damaged archive raises. The last: it is packed in a way that nobody reads.
DAMAGED_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)


@dataclass(frozen=True)
class Entry:
    """One file: its path as parts, its size in bytes, and how to open it."""

    path: tuple[str, ...]
    size: int
    open: Callable[[], BinaryIO]

    @property
    def name(self) -> str:
        """The path in one line of text."""
        return "/".join(self.path)

    @property
    def suffix(self) -> str:
        """The end of the file's name in lower case, that of a `.gz` being of what is in it: `.csv` of `a.CSV.gz`."""
        stem = self.path[-1].lower().removesuffix(".gz")
        return stem[stem.rfind(".") :] if "." in stem else ""

    def unpacked(self) -> io.BufferedReader:
        """The opened file; if it is packed by gzip, what is in it. Reading goes on to at most `MOST_UNPACKED` bytes.

        The content tells whether it is: some browsers unpack a `.gz` and keep its name, some servers pack it twice.
        """
        file = content = self.open()
        try:
            for _ in range(MOST_PACKED):
                begin = content.read(len(GZIP))
                content.seek(0)
                if begin != GZIP:
                    break
                content = cast("BinaryIO", gzip.GzipFile(fileobj=content, mode="rb"))
        except BaseException:
            file.close()
            raise
        return io.BufferedReader(_Bounded(content, file, self.name))

    def content(self, most: int) -> bytes:
        """All of the file. Raises: Refusal, if it has more than `most` bytes."""
        with self.open() as file:
            found = file.read(most + 1)
        if len(found) > most:
            raise Refusal("import.file_large", file=self.name, most=most // 2**20)
        return found


@dataclass
class Entries:
    """The files found, and how many others were left out, by the end of the text key of the reason."""

    files: list[Entry] = field(default_factory=list)
    named: list[str] = field(default_factory=list)  # folders that stand for archives, with their names
    left_out: Counter[str] = field(default_factory=Counter)


class _Bounded(io.RawIOBase):
    """The content of a file, of which no more than `MOST_UNPACKED` bytes can be read."""

    def __init__(self, content: BinaryIO, file: BinaryIO, name: str):
        self.content, self.file, self.name, self.left = content, file, name, MOST_UNPACKED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        found = self.content.read(len(buffer))
        self.left -= len(found)
        if self.left < 0:
            raise Refusal("import.file_large", file=self.name, most=MOST_UNPACKED // 2**20)
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        self.file.close()
        super().close()


def entries(sources: Sequence[tuple[str, Path]]) -> Entries:
    """The files in each named source: a folder, an archive, or the file itself.

    Of several archives, one whose folders do not say what its name says counts as a folder with this name.

    Raises: Refusal, if a source is missing, damaged, neither file nor folder, or holds too much.
    """
    found, several = Entries(), len(sources) > 1
    for name, path in sources:
        begun = len(found.files)
        try:
            mode = path.stat().st_mode  # what the visitor names may be a link; nothing inside of it may
            if stat.S_ISDIR(mode):
                _add(found, _in_folder(path, found))
            elif not stat.S_ISREG(mode):
                raise Refusal("import.no_file", file=name)
            elif name.lower().endswith(ARCHIVES):
                _add(found, (_in_zip if zipfile.is_zipfile(path) else _in_tar)(path, name, found))
                if several:
                    _name(name, found, begun)
            else:
                found.files.append(Entry((name,), path.stat().st_size, lambda path=path: opened(path.resolve())))
        except Refusal:
            raise
        except (tarfile.TarError, *UNREADABLE) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else ""
            key = "import.no_read" if reason else "import.damaged"
            raise Refusal(key, file=name, reason=reason) from error
    return found


def _add(found: Entries, files: Iterable[Entry]) -> None:
    for entry in files:
        if any(SYSTEM.fullmatch(part) for part in entry.path):
            found.left_out["system"] += 1
        elif len(found.files) + found.left_out.total() >= MOST_FILES:
            raise Refusal("import.many_files", most=MOST_FILES)
        else:
            found.files.append(entry)


def _name(archive: str, found: Entries, begun: int) -> None:
    """Put an archive's files, which begin there, into a folder with its name, if only that says the class or the split.

    It says the class of the pictures that lie in no folder; what other files lie beside them does not matter.
    """
    files = found.files[begun:]
    name = archive[: archive.lower().rfind(next(end for end in ARCHIVES if archive.lower().endswith(end)))]
    is_split = part_in(name) and not any(part_in(folder) for one in files for folder in one.path[:-1])
    deciding = [one for one in files if one.suffix in PICTURES] or files
    if is_split or any(len(one.path) == 1 for one in deciding):
        found.files[begun:] = [replace(one, path=(name, *one.path)) for one in files]
        found.named.append(name)


def _in_folder(folder: Path, found: Entries) -> Iterator[Entry]:
    """The regular files below a folder, in the order of their names; links are not followed."""
    waiting: list[tuple[Path, tuple[str, ...]]] = [(folder, ())]
    while waiting:
        place, parts = waiting.pop()
        with os.scandir(place) as listed:
            inside = sorted(listed, key=lambda one: one.name)
        below = []
        for one in inside:
            path = (*parts, one.name)
            if one.is_dir(follow_symlinks=False):
                if len(path) > DEEPEST:
                    found.left_out["deep"] += 1
                elif SYSTEM.fullmatch(one.name):
                    found.left_out["system"] += 1
                else:
                    below.append((place / one.name, path))
            elif one.is_file(follow_symlinks=False):
                yield Entry(path, one.stat().st_size, lambda file=place / one.name: opened(file))
            else:
                found.left_out["link"] += 1
        waiting += reversed(below)


def _parts(name: str, found: Entries) -> tuple[str, ...]:
    """The parts of a file's path in an archive; () if it leads out of the archive."""
    parts = tuple(part for part in name.replace("\\", "/").split("/") if part != ".")
    if not parts or "" in parts or ".." in parts or ":" in parts[0]:
        found.left_out["outside"] += 1
        return ()
    return parts


def _in_zip(path: Path, name: str, found: Entries) -> Iterator[Entry]:
    archive = zipfile.ZipFile(path)  # stays open as long as one of its files can be
    total = 0
    for member in archive.infolist():
        if member.is_dir():
            continue
        if member.flag_bits & 1:
            raise Refusal("import.encrypted", file=name)
        if stat.S_ISLNK(member.external_attr >> 16):
            found.left_out["link"] += 1
        elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            found.left_out["packed"] += 1
        elif parts := _parts(member.filename, found):
            total += member.file_size
            if total > MOST_UNPACKED:
                raise Refusal("import.file_large", file=name, most=MOST_UNPACKED // 2**20)
            yield Entry(parts, member.file_size, lambda member=member: cast("BinaryIO", archive.open(member)))


def _in_tar(path: Path, name: str, found: Entries) -> Iterator[Entry]:
    """The files of a tar archive, read into memory, since one cannot go back in a compressed one."""
    total = 0
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            if member.isdir():
                continue
            if not member.isreg():
                found.left_out["link"] += 1
            elif parts := _parts(member.name, found):
                total += member.size
                if total > MOST_UNPACKED:
                    raise Refusal("import.file_large", file=name, most=MOST_UNPACKED // 2**20)
                packed = archive.extractfile(member)
                content = packed.read() if packed else b""
                yield Entry(parts, len(content), lambda content=content: io.BytesIO(content))
