"""Digits written with a pen on a tablet, stored as strokes, and a data set of them, MNIST, and what is no digit.

Each digit is rendered at its original position and size and then prepared like every drawing. The splits have different
writers, so results on the last ten writers hold for people whom no model has seen.

Source: Fevzi Alimoglu, Ethem Alpaydin, Pen-Based Recognition of Handwritten Digits, UCI, original version (1998).
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from core.datasets.files import UNREADABLE, Download
from core.datasets.no_digits import no_digit
from core.datasets.record import Dataset, Split, Splits
from core.datasets.torchvision_sets import DIGIT_NAMES, MNIST
from core.files import written_aside
from core.refusal import Refusal

FILE = "pendigits/pendigits-orig.tra"
MD5 = "28e269fb7eaf8cb51af3f561743a0de5"
BOX = 500  # tablet units per side of the box in which people were told to write; y grows upward
WRITERS = {"train": range(1, 17), "val": range(17, 21), "test": range(21, 31)}
NO_DIGITS = 12_000  # drawings that are no digit, in the train split of `mnist-and-drawings`
LARGEST = 2**26  # bytes, unpacked; the file has 4 million


@dataclass(frozen=True)
class PenDigit:
    """One digit as recorded strokes."""

    digit: int
    writer: int  # 1 to 30
    strokes: tuple[np.ndarray, ...]  # float32 (n, 2) each: x to the right, y downward, as fractions of the box's side


def pen_digits(path: Path) -> list[PenDigit]:
    """The digits in a file of UNIPEN's format, in file order. Raises: ValueError, if it has another format."""
    return [_pen_digit(segment) for segment in path.read_text("ascii").split(".SEGMENT DIGIT")[1:]]


def _pen_digit(segment: str) -> PenDigit:
    named = re.search(r"^\.COMMENT +(\d) +(\d+) ", segment, re.MULTILINE)
    strokes = []
    for stroke in re.findall(r"^\.PEN_DOWN\n(.*?)^\.PEN_UP", segment, re.MULTILINE | re.DOTALL):
        points = np.array(stroke.split(), dtype=np.float32).reshape(-1, 2)
        strokes.append(np.stack([points[:, 0], BOX - points[:, 1]], axis=1) / BOX)
    if not named or not strokes:
        raise ValueError(segment[:60])
    return PenDigit(int(named[1]), int(named[2]), tuple(strokes))


def drawn(digits: Iterable[PenDigit], pens: Sequence[float], random: np.random.Generator | None = None) -> Split:
    """The digits as images like MNIST's, uint8 (N, 1, 28, 28), each rendered with every pen (width in px).

    With `random`, each of them is bent first, see `core.drawing.strokes.bent`.
    """
    from core.drawing.strokes import bent  # imports Pillow, which listing the data sets does not need

    pairs = [(one, pen) for one in digits for pen in pens]
    strokes = ((bent(one.strokes, random) if random else one.strokes, pen) for one, pen in pairs)
    return Split(_images(strokes), np.array([one.digit for one, _ in pairs], dtype=np.int64))


def no_digits(digits: Sequence[PenDigit], random: np.random.Generator) -> Split:
    """`NO_DIGITS` drawings that are no digit, with pens of any width, each under a digit that is drawn by lot.

    So the best answer to such a drawing is that all digits are equally probable; nothing else about a training changes.
    """
    from core.drawing.strokes import PENS

    thinnest, thickest = np.log((PENS[0], PENS[-1]))
    written = [(one.digit, one.strokes) for one in digits]
    made = ((no_digit(random, written), float(np.exp(random.uniform(thinnest, thickest)))) for _ in range(NO_DIGITS))
    return Split(_images(made), random.integers(0, 10, NO_DIGITS))


def _images(drawings: Iterable[tuple[Sequence[np.ndarray], float]]) -> np.ndarray:
    """Drawings that are not empty, strokes with a pen each, as images like MNIST's, uint8 (N, 1, 28, 28)."""
    from core.drawing.prepare import prepare
    from core.drawing.strokes import inked

    images = [prepare(inked(strokes, pen)).image for strokes, pen in drawings]
    return np.stack(cast("list[np.ndarray]", images))[:, None]


def _read(folder: Path) -> Splits:
    from core.drawing.strokes import PENS

    parts = _by_writer(folder)
    # Several pens only in train: in val and test, copies of a digit would make confidence intervals too narrow.
    train = drawn(parts["train"], PENS, np.random.default_rng(0))
    return Splits(train, drawn(parts["val"], PENS[1:2]), drawn(parts["test"], PENS[1:2]))


def _by_writer(folder: Path) -> dict[str, list[PenDigit]]:
    """The digits of each split."""
    digits = pen_digits(folder / FILE)
    return {name: [one for one in digits if one.writer in writers] for name, writers in WRITERS.items()}


def _read_with_mnist(folder: Path) -> Splits:
    pens, mnist = PEN_DIGITS.load(), MNIST.load()  # each from the cache if possible
    none = no_digits(_by_writer(folder)["train"], np.random.default_rng(1))
    return Splits(_joined(mnist.train, pens.train, none), pens.val, _joined(mnist.test, pens.test))


def _joined(*splits: Split) -> Split:
    return Split(np.concatenate([one.images for one in splits]), np.concatenate([one.labels for one in splits]))


def uncompressed(packed: bytes) -> bytes:
    """The content of a `.Z` file of the Unix program compress (LZW). Raises: ValueError, if it is not one or damaged.

    Codes have 9 bits or more, lowest bit first, in groups of eight; a change of the code width begins a new group.
    Source: Welch 1984.
    """
    if packed[:2] != b"\x1f\x9d":
        raise ValueError("no .Z file")
    most, empties = packed[2] & 31, packed[2] & 128
    table = [bytes([value]) for value in range(256)] + [b""] * bool(empties)
    first, width, group, at, last, content = len(table), 9, 24, 24, b"", bytearray()
    while at + width <= 8 * len(packed):
        code = int.from_bytes(packed[at // 8 : at // 8 + 4], "little") >> at % 8 & ((1 << width) - 1)
        at += width
        emptied = empties and code == 256
        if emptied:
            del table[first:]
            last = b""
        else:
            entry = table[code] if code < len(table) else last + last[:1]  # else the entry that is being added now
            if code > len(table) or not entry or len(content) > LARGEST:
                raise ValueError("a damaged .Z file")
            content += entry
            if last and len(table) < 1 << most:
                table.append(last + entry[:1])
            last = entry
        if emptied or (len(table) == 1 << width and width < most):
            at += -(at - group) % (8 * width)
            width = 9 if emptied else width + 1
            group = at
    return bytes(content)


def _unpack(archive: Path, folder: Path) -> None:
    """Extract the file from UCI's archive. Raises: Refusal, if it does not have the known md5."""
    try:
        with zipfile.ZipFile(archive) as packed:
            member = packed.getinfo(f"{Path(FILE).name}.Z")
            content = uncompressed(packed.read(member)) if member.file_size < LARGEST else b""
    except UNREADABLE:
        content = b""
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != MD5:
        raise Refusal("error.download_altered", file=archive.name, folder=str(archive.parent))
    with written_aside(folder / FILE) as file:
        file.write(content)


def _downloads() -> tuple[Download, ...]:
    address = "https://archive.ics.uci.edu/static/public/81/pen+based+recognition+of+handwritten+digits.zip"
    return (Download((address,), None, "pendigits/pendigits.zip", (FILE,), _unpack),)


PEN_DIGITS = Dataset(
    name="pen-digits",
    shape=(1, 28, 28),
    class_names=DIGIT_NAMES,
    counts={"train": 19_995, "val": 997, "test": 2_498},
    source="Fevzi Alimoglu, Ethem Alpaydin; https://archive.ics.uci.edu/dataset/81",
    licence="CC BY 4.0",
    files=(FILE,),
    read=_read,
    md5=lambda: {FILE: MD5},
    downloads=_downloads,
    digits=True,
    note="data.pen-digits.note",
)
MNIST_AND_DRAWINGS = Dataset(
    name="mnist-and-drawings",
    shape=(1, 28, 28),
    class_names=DIGIT_NAMES,
    counts={"train": 91_995, "val": 997, "test": 12_498},
    source=f"{MNIST.source}; {PEN_DIGITS.source}",
    licence=f"MNIST: {MNIST.licence}; Alimoglu, Alpaydin: {PEN_DIGITS.licence}",
    files=(*MNIST.files, FILE),
    read=_read_with_mnist,
    md5=lambda: {**MNIST.md5(), FILE: MD5},
    copies=MNIST.copies,
    downloads=lambda: (*(MNIST.downloads or tuple)(), *_downloads()),
    digits=True,
    note="data.mnist-and-drawings.note",
    pitfalls=MNIST.pitfalls,
    label_errors=MNIST.label_errors,  # MNIST's test images come first
)
