"""Drawings that people have labelled and kept: a test set of their own for every model.

One PNG a drawing in a folder of the store: it is written aside and moved, so that any number of servers may keep at the
same time and nobody sees half of one. Its name says when it was kept and as what; a nickname is data inside it.
What is kept is the ink as the pad sends it, so that another preparation sees the same strokes.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core import settings
from core.drawing import SHEET
from core.drawing.picture import DAMAGED
from core.drawing.prepare import SIDE, prepare
from core.files import written_aside
from core.refusal import Refusal

FOLDER = "_drawings"  # in the store; no run has such a name
CLASSES = 10  # the digits
MOST = 10_000  # drawings that are kept: 120 MiB once all are in memory
MOST_BYTES = 2**16  # of a file; a sheet of noise takes 13 KiB
LONGEST_NICKNAME = 30  # letters
TEST_SHARE = 5  # one person in so many is in the exported test split

TIME = "%Y%m%d-%H%M%S-%f"
_NAME = re.compile(r"(\d{8}-\d{6}-\d{6})-([0-9])-[0-9a-f]{8}\.png")


@dataclass(frozen=True)
class LabelledDrawing:
    """A drawing and what its drawer says that it is."""

    name: str  # of its file; sorts by time
    label: int  # 0 to 9
    time: datetime  # local
    nickname: str  # as `printable` leaves it; empty where none was given
    pixels: np.ndarray  # uint8 (SHEET, SHEET), 0 ground to 255 ink, read-only


def keep(pixels: np.ndarray, label: int, nickname: str = "", store: Path | None = None) -> str:
    """Keep the ink uint8 (SHEET, SHEET) of a digit 0 to 9; returns the name by which it is found again.

    Raises:
        Refusal: nothing is drawn, `MOST` are kept already, or the folder cannot be written.
    """
    if prepare(pixels).image is None:
        raise Refusal("error.drawing_empty")
    if len(_names(store)) >= MOST:
        raise Refusal("error.drawings_full", most=MOST)
    name = f"{datetime.now().strftime(TIME)}-{label:d}-{secrets.token_hex(4)}.png"
    text = PngInfo()
    text.add_itxt("nickname", printable(nickname))
    with _writing(store):
        _folder(store).mkdir(parents=True, exist_ok=True)
        with written_aside(_folder(store) / name) as file:
            Image.fromarray(pixels).save(file, "PNG", pnginfo=text)
    return name


def kept(store: Path | None = None) -> list[LabelledDrawing]:
    """All drawings, oldest first; without those whose file is damaged."""
    found = []
    for name in _names(store):
        with contextlib.suppress(*DAMAGED, Image.DecompressionBombWarning, Image.DecompressionBombError):
            found.append(_read(_folder(store) / name))
    return found


def delete(names: Iterable[str], store: Path | None = None) -> None:
    """Remove drawings; one that is gone already, or is no drawing's name, is passed over. Raises: Refusal."""
    with _writing(store):
        for name in names:
            if _NAME.fullmatch(name):
                (_folder(store) / name).unlink(missing_ok=True)


def export(drawings: Sequence[LabelledDrawing]) -> bytes:
    """An .npz of MedMNIST's layout (`core/datasets/npz.py`), the images prepared as MNIST's; val is empty.

    One person in `TEST_SHARE`, as nicknames tell them apart, is in the test split, so that nobody is in both; without
    a nickname a drawing counts as a person's only one. Beside the layout: `drawings`, uint8 (N, SHEET, SHEET), with
    `labels`, `times` and `writers`, (N,); a writer is a number and no nickname goes along.
    """
    numbers: dict[str, int] = {}
    writers = np.array([numbers.setdefault(one.nickname or one.name, len(numbers)) for one in drawings], dtype=np.int64)
    pixels = np.array([one.pixels for one in drawings], dtype=np.uint8).reshape(-1, SHEET, SHEET)
    images = np.array([prepare(one.pixels).image for one in drawings], dtype=np.uint8).reshape(-1, SIDE, SIDE)
    labels = np.array([one.label for one in drawings], dtype=np.uint8)
    test = writers % TEST_SHARE == 0
    times = np.array([one.time for one in drawings], dtype="datetime64[s]")
    arrays = {"drawings": pixels, "labels": labels, "times": times, "writers": writers}
    for part, chosen in (("train", ~test), ("val", np.zeros_like(test)), ("test", test)):
        arrays |= {f"{part}_images": images[chosen], f"{part}_labels": labels[chosen]}
    file = io.BytesIO()
    np.savez_compressed(file, class_names=np.array([str(k) for k in range(CLASSES)]), **arrays)
    return file.getvalue()


def printable(nickname: str) -> str:
    """A nickname on one line, without signs that cannot be seen, at most `LONGEST_NICKNAME` letters."""
    seen = "".join(letter for letter in nickname if letter.isprintable() or letter.isspace())
    return " ".join(seen.split())[:LONGEST_NICKNAME].strip()


def _folder(store: Path | None) -> Path:
    return (store or settings.store_folder()) / FOLDER


def _names(store: Path | None) -> list[str]:
    try:
        return sorted(path.name for path in _folder(store).iterdir() if _NAME.fullmatch(path.name))
    except OSError:  # there is none yet
        return []


@contextlib.contextmanager
def _writing(store: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise Refusal("error.store_write", folder=str(_folder(store)), reason=reason) from error


@functools.lru_cache(maxsize=MOST)  # a file is never written again, and pages ask at every click
def _read(path: Path) -> LabelledDrawing:
    """The drawing in a file. Raises: what Pillow raises, or ValueError, if it is not what `keep` has written."""
    named = _NAME.fullmatch(path.name)
    assert named
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise ValueError(path)
    with Image.open(io.BytesIO(path.read_bytes()), formats=("PNG",)) as image:
        if image.size != (SHEET, SHEET) or image.mode != "L":
            raise ValueError(path)
        pixels, nickname = np.array(image), printable(str(image.info.get("nickname", "")))
    if prepare(pixels).image is None:
        raise ValueError(path)
    pixels.flags.writeable = False
    return LabelledDrawing(path.name, int(named[2]), datetime.strptime(named[1], TIME), nickname, pixels)
