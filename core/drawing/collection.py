"""Labelled drawings that users have saved, as an additional test set for every model.

Each drawing is a PNG in a folder of the store, written atomically, so that several servers may save at the same time,
and synced to disk, so that a power cut loses none that was confirmed.
The file name contains time and label; the nickname is PNG metadata, and so are the round and the models' answers, if it
was drawn in a lesson with a class. The stored pixels are the ink as the pad sends it, so that a changed preparation can
be applied to the same strokes.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from core import settings
from core.drawing import SHEET
from core.drawing.decoder import DAMAGED
from core.drawing.prepare import SIDE, prepare
from core.files import written_aside
from core.refusal import Refusal, writing

FOLDER = "_drawings"  # in the store; no run has such a name
CLASSES = 10  # the digits
MOST = 10_000  # stored drawings: 120 MiB when all are in memory
MOST_BYTES = 2**16  # per file; a drawing of pure noise takes 13 KiB
LONGEST_NICKNAME = 30  # letters
TEST_SHARE = 5  # one person in this many goes into the exported test split

PngImagePlugin.MAX_TEXT_MEMORY = 2**20  # bytes; a text may be packed, and Pillow would unpack up to 64 MiB of a file

TIME = "%Y%m%d-%H%M%S-%f"
_NAME = re.compile(r"(\d{8}-\d{6}-\d{6})-([0-9])-[0-9a-f]{8}\.png")


@dataclass(frozen=True)
class Reading:
    """What a model answered to a drawing."""

    run: str
    predicted: int  # 0 to 9
    of_label: float  # the probability, 0 to 1, that it gave to the label


@dataclass(frozen=True)
class InClass:
    """The lesson with a class in which a drawing was handed in."""

    lesson: str  # the time of its beginning, written as `TIME`
    round: int  # from 1
    answers: tuple[Reading, ...]  # of the models that the teacher had chosen, at that time
    pupil: int = 0  # who drew it, from 1, whatever the name; 0: not known


@dataclass(frozen=True)
class LabelledDrawing:
    """A drawing with the label that its author gave it."""

    name: str  # of its file; sorts by time
    label: int  # 0 to 9
    time: datetime  # local
    nickname: str  # after `printable`; "" if none was given
    pixels: np.ndarray  # uint8 (SHEET, SHEET), 0 background to 255 ink, read-only
    in_class: InClass | None = None

    @property
    def writer(self) -> str:
        """The nickname; without one the pupil of the lesson; without both the drawing is a person of its own."""
        pupil = f"{self.in_class.lesson}-{self.in_class.pupil}" if self.in_class and self.in_class.pupil else ""
        return self.nickname or pupil or self.name


def keep(
    pixels: np.ndarray, label: int, nickname: str = "", store: Path | None = None, *, in_class: InClass | None = None
) -> str:
    """Save the ink uint8 (SHEET, SHEET) of a digit 0 to 9; returns the drawing's name. Raises: as `keep_all` does."""
    return keep_all([(pixels, label, nickname)], store, in_class=in_class)[0]


def keep_all(
    drawings: Sequence[tuple[np.ndarray, int, str]], store: Path | None = None, *, in_class: InClass | None = None
) -> list[str]:
    """Save drawings, each the ink uint8 (SHEET, SHEET) of a digit, the digit 0 to 9 and a nickname, or none of them.

    Returns their names.

    Raises:
        Refusal: nothing is drawn, there would be more than `MOST` drawings, or the folder is not writable.
    """
    if any(prepare(pixels).image is None for pixels, _, _ in drawings):
        raise Refusal("error.drawing_empty")
    if len(_names(store)) + len(drawings) > MOST:
        raise Refusal("error.drawings_full", most=MOST)
    names: list[str] = []
    try:
        with writing(_folder(store)):
            _folder(store).mkdir(parents=True, exist_ok=True)
            for pixels, label, nickname in drawings:
                now = datetime.now()
                names.append(f"{now.strftime(TIME)}-{label:d}-{secrets.token_hex(4)}.png")
                _write(LabelledDrawing(names[-1], label, now, printable(nickname), pixels, in_class), _folder(store))
    except Refusal:
        with contextlib.suppress(Refusal):
            delete(names, store)
        raise
    return names


def find(name: str, store: Path | None = None) -> LabelledDrawing:
    """The stored drawing of this name. Raises: Refusal, if there is none or its file is damaged."""
    with contextlib.suppress(*DAMAGED):
        if _NAME.fullmatch(name) and (_folder(store) / name).is_file():  # what was read may be deleted since
            return _read(_folder(store) / name)
    raise Refusal("error.drawing_gone")


def _write(drawing: LabelledDrawing, folder: Path) -> None:
    """Write a drawing's file. Raises: OSError."""
    text = PngImagePlugin.PngInfo()
    text.add_itxt("nickname", drawing.nickname)
    if drawing.in_class:
        text.add_itxt("class", json.dumps(asdict(drawing.in_class)))
    with written_aside(folder / drawing.name, durable=True) as file:
        Image.fromarray(drawing.pixels).save(file, "PNG", pnginfo=text)


def rename(name: str, nickname: str, store: Path | None = None) -> str:
    """Give a drawing another nickname; returns its new name, by which a reader knows a change. Raises: Refusal."""
    again = f"{name.rpartition('-')[0]}-{secrets.token_hex(4)}.png"
    drawing = replace(find(name, store), nickname=printable(nickname))
    with writing(_folder(store)):
        _write(drawing, _folder(store))  # over the file itself, so that there is one drawing at every moment
        (_folder(store) / name).rename(_folder(store) / again)
    return again


def kept(store: Path | None = None) -> list[LabelledDrawing]:
    """All stored drawings, oldest first, except those with a damaged file."""
    found = []
    for name in _names(store):
        with contextlib.suppress(*DAMAGED, MemoryError, Image.DecompressionBombWarning, Image.DecompressionBombError):
            found.append(_read(_folder(store) / name))
    return found


def missing(names: Iterable[str], store: Path | None = None) -> set[str]:
    """Which of these drawings were deleted; none while their folder cannot be read."""
    try:
        there = {path.name for path in _folder(store).iterdir()}
    except FileNotFoundError:
        there = set()
    except OSError:
        return set()
    return set(names) - there


def delete(names: Iterable[str], store: Path | None = None) -> None:
    """Remove drawings by name; names of drawings that do not exist and invalid names are ignored. Raises: Refusal."""
    with writing(_folder(store)):
        for name in names:
            if _NAME.fullmatch(name):
                (_folder(store) / name).unlink(missing_ok=True)


def export(drawings: Sequence[LabelledDrawing]) -> bytes:
    """The drawings as an .npz in MedMNIST's layout (`core/datasets/npz.py`), prepared like MNIST; val is empty.

    One person in `TEST_SHARE`, see `LabelledDrawing.writer`, goes into the test split, so that no person is in both
    splits. In addition to that layout, the file holds `drawings`, uint8 (N, SHEET, SHEET), with `labels`, `times` and
    `writers`, (N,); writers are numbers, without their nicknames.
    """
    numbers: dict[str, int] = {}
    writers = np.array([numbers.setdefault(one.writer, len(numbers)) for one in drawings], dtype=np.int64)
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
    """A nickname on one line, without unprintable characters, of at most `LONGEST_NICKNAME` letters."""
    seen = "".join(letter for letter in nickname if letter.isprintable() or letter.isspace())
    return " ".join(seen.split())[:LONGEST_NICKNAME].strip()


def _folder(store: Path | None) -> Path:
    return (store or settings.store_folder()) / FOLDER


def _names(store: Path | None) -> list[str]:
    try:
        return sorted(path.name for path in _folder(store).iterdir() if _NAME.fullmatch(path.name))
    except OSError:  # the folder does not exist yet
        return []


@functools.lru_cache(maxsize=MOST)  # files never change, and pages read them at every rerun
def _read(path: Path) -> LabelledDrawing:
    """The drawing in a file. Raises: as Pillow does, or ValueError, if `keep` cannot have written the file."""
    named = _NAME.fullmatch(path.name)
    assert named
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise ValueError(path)
    with Image.open(io.BytesIO(path.read_bytes()), formats=("PNG",)) as image:
        if image.size != (SHEET, SHEET) or image.mode != "L":
            raise ValueError(path)
        pixels, nickname = np.array(image), printable(str(image.info.get("nickname", "")))
        in_class = _in_class(image.info.get("class"))
    if prepare(pixels).image is None:
        raise ValueError(path)
    pixels.flags.writeable = False
    return LabelledDrawing(path.name, int(named[2]), datetime.strptime(named[1], TIME), nickname, pixels, in_class)


def _in_class(text: object) -> InClass | None:
    """What a file says of the lesson; None if it says nothing, or what `_write` cannot have written."""
    try:
        said = json.loads(str(text))
        datetime.strptime(said["lesson"], TIME)
        answers = [Reading(str(one["run"]), int(one["predicted"]), float(one["of_label"])) for one in said["answers"]]
        found = InClass(said["lesson"], int(said["round"]), tuple(answers), max(0, int(said.get("pupil", 0))))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return found if all(0 <= one.predicted < CLASSES and 0 <= one.of_label <= 1 for one in answers) else None
