"""What files of many kinds hold, as images with labels in splits: folders of pictures, arrays, tables, IDX files.

It is used in the process of `core/datasets/importing.py` only.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import re
import struct
import unicodedata
import zipfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from core.datasets import npz, pictures, tables
from core.datasets.arrays import (
    IMAGES,
    LABELS,
    LEAST_SIDE,
    MOST_SIDE,
    PART_WORDS,
    ArrayError,
    Axes,
    Header,
    Named,
    axes,
    good_names,
    named,
    part_in,
    plain_labels,
    read_header,
    texts,
    words_in,
)
from core.datasets.entries import ARCHIVES, DAMAGED_ARCHIVE, PICTURES, Entry, entries
from core.datasets.files import UNREADABLE
from core.datasets.torchvision_sets import DIGIT_NAMES
from core.drawing.picture import rims
from core.events import LONGEST_NAME, MOST_CLASSES, MOST_IMAGES
from core.refusal import Refusal

KNOWN = (*PICTURES, *tables.SUFFIXES, *ARCHIVES, ".npz", ".npy", "ubyte")  # ends of names that may be imported
IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
ROWS = 1000  # images that are converted at a time
SOME = 256  # images of a split's array that are looked at, to see on what ground they are
NAMED = 5  # most names in a sentence
PLAIN = 8  # grey levels: an image with fewer between its darkest and brightest is of one colour
# What is not read, with the line of Python that makes of it what is.
SAVED = "numpy.savez({arrays}, images={images}, labels={labels})"
NO_PIXELS = ("import.table", "import.table_columns", "import.table_empty")  # why a table is not one of pixels
PACKED = (".rar", ".7z")  # which Python cannot unpack
DIGIT_WORDS = {"digit", "digito", "algarismo", "number", "numero"}
FOREIGN = {
    (".pkl", ".pickle"): ("d = pandas.read_pickle({file})", 'd["data"]', 'd["labels"]'),
    (".pt", ".pth"): ("x, y = torch.load({file})[:2]", "x.numpy()", "y.numpy()"),
    (".mat",): ("d = scipy.io.loadmat({file})", 'd["X"]', 'd["y"]'),
    (".h5", ".hdf5"): ("d = h5py.File({file})", 'd["images"][:]', 'd["labels"][:]'),
    (".parquet",): ("pandas.read_parquet({file}).to_csv({table}, index=False)",),
    (".xlsx", ".xls"): ("pandas.read_excel({file}).to_csv({table}, index=False)",),
    # "xb": another table is not written over
    (".txt",): ('with open({table}, "xb") as new: new.write(pathlib.Path({file}).read_bytes())',),
    (".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".heic", ".avif", ".tga"): (
        'for f in pathlib.Path("FOLDER").rglob({every}): PIL.Image.open(f).save(f.with_suffix(".png"))',
    ),
}
Tell = Callable[[str, int, int], None]
Said = tuple[str, dict[str, Any]]  # a text key and its slots
Row = tuple[str, list[Said], list[Said]]


@dataclass(frozen=True)
class Wishes:
    """What the visitor decides."""

    side: int | None = None  # px of the square images; None: as proposed
    colour: bool | None = None  # None: as proposed
    digits: bool = False  # the images are handwritten digits
    seed: int = 0  # of the test images, if nobody has set any aside
    turned: bool | None = None  # the rows of the images become their columns; None: as proposed
    by_pixel: bool | None = None  # flat images have their colours pixel by pixel (RGBRGB); None: as proposed

    def __post_init__(self) -> None:
        if self.side is not None and not LEAST_SIDE <= self.side <= MOST_SIDE:
            raise Refusal("import.side", least=LEAST_SIDE, most=MOST_SIDE)


class Source(ABC):
    """Images with labels, in the splits that their files name; "" for a single set."""

    labels: dict[str, np.ndarray]  # int64 (N,), 0 to K - 1, by split
    names: tuple[str, ...]  # K
    colour: bool  # the images have colours
    choices: Mapping[str, bool] = {}  # wishes that make a difference beside those of any source, and what is proposed

    @property
    def can_be_digits(self) -> bool:
        """Whether the classes are the digits, so that the images can be marked as handwritten ones."""
        return npz.are_digits((1, 1, 1), self.names)

    @property
    def looks_like_digits(self) -> bool:
        """Whether the images are grey and each class is a digit, though perhaps not all ten are there."""
        return not self.colour and (self.can_be_digits or set(self.names) <= set("0123456789"))

    def shape(self, wishes: Wishes) -> tuple[int, int, int]:
        """The (C, H, W) of the images with these wishes."""
        channels, height, width = self.natural(wishes)
        if wishes.side:
            height = width = wishes.side
        elif wishes.digits:
            height = width = max(height, width)
        wanted = self.colour if wishes.colour is None else wishes.colour
        return (1 if wishes.digits or not wanted else 3 if wishes.colour else channels), height, width

    @abstractmethod
    def natural(self, wishes: Wishes) -> tuple[int, int, int]:
        """The (C, H, W) that is proposed."""

    @abstractmethod
    def images(
        self, part: str, places: np.ndarray, wishes: Wishes, tell: Callable[[str, int], None]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Some images of a split, uint8 (n, C, H, W), and a mask (len(places),) of those that could be read."""

    @abstractmethod
    def rows(self, wishes: Wishes) -> list[Row]:
        """What was found, and what becomes of it with these wishes."""

    @abstractmethod
    def left_rows(self) -> list[Row]:
        """What was left out, and why, so far."""


def look(sources: Sequence[tuple[str, Path]], tell: Tell) -> Source:
    """What the named files and folders hold. Raises: Refusal."""
    found = entries(sources)
    label = ", ".join(name for name, _ in sources)
    kinds: dict[str, list[Entry]] = {}
    for entry in found.files:
        kinds.setdefault(_kind(entry, len(found.files)), []).append(entry)
    chosen = next((kind for kind in ("npz", "idx", "npy") if kind in kinds), None)
    if chosen is None and "picture" in kinds:
        by_class, _ = pictures.arranged(kinds["picture"])
        is_told = len({name for of_part in by_class.values() for name in of_part}) > 1
        chosen = "picture" if is_told or "table" not in kinds else "table"
    chosen = chosen or ("table" if "table" in kinds else None)
    if chosen is None:
        raise _nothing(kinds, label, found.left_out)
    others = Counter({"other": sum(len(some) for kind, some in kinds.items() if kind not in (chosen, "other"))})
    others["other"] += len(kinds.get("other", ()))
    found.left_out += others
    if chosen == "picture":
        return PictureSource(kinds["picture"], found.left_out, tell, found.named)
    if chosen == "table":
        try:
            return _of_tables(kinds["table"], found.left_out, tell)
        except Refusal as refusal:
            if "picture" not in kinds or refusal.key not in NO_PIXELS:
                raise
            if listed := _listed(kinds["table"], kinds["picture"]):
                raise listed from refusal
        return PictureSource(kinds["picture"], found.left_out, tell, found.named)  # refuses pictures of one class
    return _of_arrays(kinds[chosen], found.left_out, tell)


def _kind(entry: Entry, count: int) -> str:
    name = entry.path[-1].lower()
    if entry.suffix in PICTURES:
        return "picture"
    if entry.suffix in (".npz", ".npy"):
        return entry.suffix[1:]
    if entry.suffix in tables.SUFFIXES:
        return "table"
    if re.search(r"idx\d|ubyte", name):
        return "idx"
    if count <= 50 and not name.endswith(ARCHIVES):  # a file that a browser or a friend has renamed
        with contextlib.suppress(*UNREADABLE, Refusal), entry.unpacked() as file:
            start = file.read(4)
            if len(start) == 4 and start[:2] == b"\0\0" and start[2] in IDX_TYPES and 1 <= start[3] <= 4:
                return "idx"
            if start in (b"\x89PNG", b"GIF8", b"RIFF") or start[:3] == b"\xff\xd8\xff" or start[:2] == b"BM":
                return "picture"
    return "other"


def _listed(files: Sequence[Entry], images: Sequence[Entry]) -> Refusal | None:
    """Why pictures are not taken whose labels are in a table, with the line that puts them into folders.

    It is the table whose first column names the most pictures; None if none names any.
    """
    known = {Path(one.path[-1]).stem: Path(one.path[-1]).suffix for one in images}
    known |= {one.path[-1]: "" for one in images}
    ends = {table: _ends(table, known) for table in files}
    table = max(files, key=lambda one: ends[one].total())
    if not ends[table]:
        return None
    end = ends[table].most_common(1)[0][0]
    line = (
        f"for name, label in pandas.read_csv({_quoted(table.path[-1])}, dtype=str, keep_default_na=False, sep=None, "
        'engine="python").iloc[:, :2].values.tolist(): '
        '(new := pathlib.Path("NEW", label)).mkdir(parents=True, exist_ok=True); '
        f'shutil.copy(pathlib.Path("FOLDER", name{f" + {_quoted(end)}" if end else ""}), new)'
    )
    return Refusal("import.listed", file=table.name, line=line)


def _ends(table: Entry, known: Mapping[str, str]) -> Counter[str]:
    """How many pictures the first column of a table names, by what is missing at the end of their names."""
    found: Counter[str] = Counter()
    with contextlib.suppress(*UNREADABLE, Refusal):
        names = {re.split(r"[/\\]", cell)[-1] for cell in tables.first_column(table)}
        found.update(known[name] for name in names & known.keys())
    return found


def _nothing(kinds: Mapping[str, Sequence[Entry]], label: str, left_out: Mapping[str, int]) -> Refusal:
    """Why there is nothing to import, with the line that mends it if one is known."""
    for entry in sorted(kinds.get("other", ()), key=lambda one: one.suffix == ".txt"):
        if entry.suffix == ".txt" and not _begins_with_numbers(entry):
            continue
        if entry.suffix in PACKED:
            return Refusal("import.unpack", file=entry.name)
        for suffixes, (first, *arrays) in FOREIGN.items():
            if entry.suffix in suffixes:
                stem = entry.path[-1].partition(".")[0]
                slots = {"file": entry.path[-1], "arrays": f"{stem}.npz", "table": f"{stem}.csv"}
                slots = {name: _quoted(one) for name, one in (slots | {"every": f"*{entry.suffix}"}).items()}
                slots |= dict(zip(("images", "labels"), arrays, strict=False))
                line = (f"{first}; {SAVED}" if arrays else first).format(**slots)
                return Refusal("import.foreign", file=entry.name, line=line)
        if entry.path[-1].lower().endswith(ARCHIVES):
            line = f'shutil.unpack_archive({_quoted(entry.path[-1])}, "FOLDER")'
            return Refusal("import.foreign", file=entry.name, line=line)
    return Refusal("import.links" if left_out.get("link") and not kinds else "import.nothing", file=label)


def _begins_with_numbers(entry: Entry) -> bool:
    with contextlib.suppress(*UNREADABLE, Refusal):
        return tables.begins_with_numbers(entry)
    return False


# --- folders of pictures ----------------------------------------------------------------------------------------------


class PictureSource(Source):
    """Pictures in one folder a class."""

    def __init__(self, files: Sequence[Entry], left_out: Counter[str], tell: Tell, archives: Sequence[str]):
        """Read the headers of the pictures, of which some lie in folders that are archives. Raises: Refusal."""
        if len(files) > pictures.MOST_PICTURES:
            raise Refusal("import.many_pictures", count=len(files), most=pictures.MOST_PICTURES)
        self.left_out, self.unread = left_out, Counter[str]()
        self.plain: set[str] = set()  # names of pictures of one colour
        by_class, loose = pictures.arranged(files)
        if not by_class:
            line = (
                'for f in list(pathlib.Path("FOLDER").glob("*.*")): '
                '(c := f.parent / f.name.split("_")[0]).mkdir(exist_ok=True); f.rename(c / f.name)'
            )
            raise Refusal("import.no_folders", file=files[0].name, line=line)
        self.left_out["no_class"] += len(loose)
        if "train" not in by_class and len(by_class) == 1:
            by_class = {"": next(iter(by_class.values()))}
        if "train" not in by_class and "" not in by_class:
            raise Refusal("import.no_train", found=", ".join(by_class))
        check_alike(by_class)
        raw = sorted({name for of_part in by_class.values() for name in of_part})
        names, order = classes(raw)
        self.names = as_digits(names)
        self.archives = sorted({unicodedata.normalize("NFC", name) for name in archives} & set(raw))  # that are classes
        self.files: dict[str, list[Entry]] = {}
        self.labels = {}
        self.facts: dict[str, list[pictures.Facts]] = {}
        for part, of_part in by_class.items():
            some, labels, known = [], [], []
            for name in sorted(of_part):
                for entry in of_part[name]:
                    tell(entry.name, sum(map(len, self.files.values())) + len(some), len(files))
                    try:
                        known.append(pictures.facts(entry))
                    except Refusal as refusal:
                        self.left_out[refusal.key] += 1
                        self.unread[entry.name] += 1
                        continue
                    some.append(entry)
                    labels.append(order[name])
            self.files[part], self.labels[part] = some, np.array(labels, np.int64)
            self.facts[part] = known
        self._check()
        every = [entry for some in self.files.values() for entry in some]
        facts = [fact for some in self.facts.values() for fact in some]
        self.sizes = Counter(fact.size for fact in facts)
        self.formats = Counter(fact.format for fact in facts)
        self.counts = {kind: sum(getattr(fact, kind) for fact in facts) for kind in ("deep", "clear", "turned")}
        self.look, self.colour = pictures.look_at(every, facts, np.concatenate([*self.labels.values()]), tell)
        self._ground: tuple[bool, bool] | None = None

    def _check(self) -> None:
        used = sorted({int(label) for labels in self.labels.values() for label in labels})
        if len(used) < 2:
            names = ", ".join(self.names[k] for k in used)
            if self.unread and not used:
                raise Refusal("import.none_read", file=next(iter(self.unread)))
            if self.unread:
                raise Refusal("import.one_class_read", file=next(iter(self.unread)), names=names)
            raise Refusal("import.one_class", names=names)
        if len(used) < len(self.names):  # all pictures of some class are damaged
            new = {old: k for k, old in enumerate(used)}
            self.labels = {
                part: np.array([new[k] for k in some.tolist()], np.int64) for part, some in self.labels.items()
            }
            self.names = tuple(self.names[k] for k in used)
        self.labels = {part: labels for part, labels in self.labels.items() if len(labels)}
        if not {"train", ""} & self.labels.keys():
            raise Refusal("import.no_train", found=", ".join(self.labels))

    def natural(self, wishes: Wishes) -> tuple[int, int, int]:
        colour = self.colour if wishes.colour is None else wishes.colour
        return pictures.natural_shape(self.sizes, digits=self.looks_like_digits, colour=colour and not wishes.digits)

    def _whole(self, wishes: Wishes) -> bool:
        """Whether pictures get a margin rather than being cut: those of digits, whose ends matter."""
        return wishes.digits or self.looks_like_digits

    def images(
        self, part: str, places: np.ndarray, wishes: Wishes, tell: Callable[[str, int], None]
    ) -> tuple[np.ndarray, np.ndarray]:
        shape, whole = self.shape(wishes), self._whole(wishes)
        found, good = np.empty((len(places), *shape), np.uint8), np.ones(len(places), bool)
        is_dark = self.ground()[0] if wishes.digits else False
        for row, place in enumerate(places.tolist()):
            entry = self.files[part][place]
            tell(entry.name, row)
            try:
                image = pictures.decoded(entry, self.look, max(shape[1:]))
                found[row] = pictures.fitted(image, shape, whole=whole)
                if np.ptp(found[row]) < PLAIN:
                    self.plain.add(entry.name)
            except Refusal as refusal:
                good[row] = False
                if entry.name not in self.unread:
                    self.left_out[refusal.key] += 1
                self.unread[entry.name] += 1
        return (pictures.light_on_dark(found[good], is_dark=is_dark) if wishes.digits else found[good]), good

    def ground(self) -> tuple[bool, bool]:
        """Whether most pictures have dark strokes on a light ground, and whether some are the other way round."""
        if self._ground is None:
            small = Wishes(side=pictures.DIGIT_SIDE, colour=False)
            some = [
                self.images(part, pictures.spread(labels, pictures.LOOKED_AT), small, lambda *_: None)[0]
                for part, labels in self.labels.items()
            ]
            self._ground = pictures.grounds(rims(np.concatenate(some)))
        return self._ground

    def rows(self, wishes: Wishes) -> list[Row]:
        count = sum(map(len, self.files.values()))
        formats = ", ".join(f"{name} {n}" for name, n in self.formats.most_common())
        channels, height, width = self.shape(wishes)
        (wide, high), often = self.sizes.most_common(1)[0]
        widths, heights = zip(*self.sizes, strict=True)
        size: Said = ("import.size.one", {"width": wide, "height": high})
        if len(self.sizes) > 1:
            slots = {"width": wide, "height": high, "often": often, "least": min(*widths, *heights)}
            size = ("import.size.many", slots | {"most": max(*widths, *heights)})
        colour: Said = (f"import.colour.{'rgb' if self.colour else 'grey'}", {})
        becomes: list[Said] = [("import.size.one", {"width": width, "height": height})]
        becomes.append((f"import.colour.{'rgb' if channels == 3 else 'grey'}", {}))
        if any(w * height != h * width for w, h in self.sizes):
            becomes.append((f"import.size.{'margin' if self._whole(wishes) else 'cut'}", {}))
        rows: list[Row] = [
            ("files", [("import.files.pictures", {"count": count, "formats": formats})], []),
            ("size", [size, colour], becomes),
        ]
        if self.counts["turned"]:
            turned: Said = ("import.size.pictures", {"count": self.counts["turned"]})
            rows.append(("turned", [turned], [("import.upright", {})]))
        if self.counts["deep"]:
            deep: Said = ("import.values.scaled", {"high": self.look.depth})
            rows.append(("deep", [("import.size.pictures", {"count": self.counts["deep"]})], [deep]))
        if self.counts["clear"]:
            ground, rest = ("white", "black") if self.look.ground else ("black", "white")
            becomes = [(f"import.ground.{ground}", {})]
            if self.look.mixed:
                becomes.append((f"import.ground.rest_{rest}", {}))
            rows.append(("clear", [("import.size.pictures", {"count": self.counts["clear"]})], becomes))
        told: list[Said] = [("import.labels.folders", {})]
        if self.archives:
            told.append(("import.labels.archives", {"names": _first(self.archives)}))
        rows.append(("labels", told, [_classes_said(self.names)]))
        return rows + _ground_rows(wishes, self.ground)

    def left_rows(self) -> list[Row]:
        names = sorted(self.plain)
        plain: Said = ("import.left.pictures", {"count": len(names), "names": _first(names)})
        return _left_rows(self.left_out, list(self.unread)) + _plain_rows(plain)


def _ground_rows(wishes: Wishes, ground: Callable[[], tuple[bool, bool]]) -> list[Row]:
    if not wishes.digits:
        return []
    dark, both = ground()
    found = "both" if both else "dark" if dark else "light"
    return [("ground", [(f"import.ink.{found}", {})], [(f"import.ink.{'kept' if found == 'light' else 'turned'}", {})])]


def _left_rows(left_out: Counter[str], examples: Sequence[str] = ()) -> list[Row]:
    rows: list[Row] = []
    for why, count in left_out.items():
        if count:
            is_picture = "." in why
            key = "import.left.unread" if is_picture else f"import.left.{why}"
            found: Said = ("import.left.pictures", {"count": count, "names": _first(examples)})
            rows.append(("left", [found if is_picture else ("import.left.files", {"count": count})], [(key, {})]))
    return rows


def _plain_rows(found: Said) -> list[Row]:
    """What is said of images of one colour, if there are any."""
    return [("plain", [found], [("import.plain", {})])] if found[1]["count"] else []


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + ("" if len(names) <= 3 else " …")


def _classes_said(names: Sequence[str]) -> Said:
    shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    return "import.classes", {"count": len(names), "names": shown}


def classes(raw: Sequence[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """The names of the classes in their order, and the class of each raw name, of which there are as many.

    Numbers stand in their order, words for digits too, others by the alphabet. Raises: Refusal, for unusable names.
    """
    clean = {name: _clean(name) for name in raw}
    if not good_names(clean.values()):
        counts = Counter(clean.values())
        bad = [name for name, cleaned in clean.items() if not cleaned or counts[cleaned] > 1]
        key = "import.many_classes" if len(raw) > MOST_CLASSES else "import.names"
        raise Refusal(key, names=", ".join(map(repr, bad[:NAMED])), most=LONGEST_NAME, count=len(raw))
    folded = {name.casefold() for name in clean.values()}
    words = next((one for one in DIGIT_NAMES.values() if folded == set(map(str.casefold, one))), None)

    def place(name: str) -> tuple[Any, ...]:
        cleaned = clean[name].casefold()
        if words:
            return (tuple(map(str.casefold, words)).index(cleaned),)
        pieces = re.split(r"(\d+)", cleaned)
        return tuple((0, int(one), "") if one.isdecimal() else (1, 0, one) for one in pieces if one)

    ordered = sorted(raw, key=place)
    return tuple(clean[name] for name in ordered), {name: k for k, name in enumerate(ordered)}


def as_digits(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the classes as the ten digits if they say no more than these, such as `digit_0` or `00`."""
    numbers = [re.findall(r"\d+", name) for name in names]
    words = {word for name in names for word in words_in(name)}
    if len(words) > 1 or not words <= DIGIT_WORDS or any(len(found) != 1 for found in numbers):
        return names
    return tuple("0123456789") if [int(found[0]) for found in numbers] == list(range(10)) else names


def check_alike(parts: Mapping[str, Iterable[str]]) -> None:
    """Refuse classes that differ in capitals or leading zeros only: `Cat` and `cat`, but not the letters `A` and `a`.

    Letters are refused where no split has both.
    """
    alike: dict[str, set[str]] = {}
    for name in sorted({name for names in parts.values() for name in names}):
        alike.setdefault(re.sub(r"(?<!\d)0+(?=\d)", "", _clean(name).casefold()), set()).add(name)
    for same in alike.values():
        are_letters = max(map(len, same)) == 1 and any(len(same & set(names)) > 1 for names in parts.values())
        if len(same) > 1 and not are_letters:
            raise Refusal("import.alike", names=", ".join(map(repr, sorted(same)[:NAMED])))


def _clean(name: str) -> str:
    """A name in one line, without what cannot be printed."""
    plain = "".join(letter if letter.isprintable() else " " for letter in unicodedata.normalize("NFC", name))
    return " ".join(plain.split())[:LONGEST_NAME].strip()


# --- arrays -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """An array in a file, read when it is needed."""

    file: str
    header: Header
    load: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Scale:
    """How values become 0 to 255: x -> (x + offset) * factor."""

    offset: float
    factor: float
    said: str  # end of the text key that says it
    low: float
    high: float

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The values as uint8."""
        if values.dtype == np.uint8 and self.said == "kept":
            return values
        scaled = (values.astype(np.float32) + np.float32(self.offset)) * np.float32(self.factor)
        return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def scale(low: float, high: float, *, whole: bool) -> Scale:
    """How values from `low` to `high`, whole numbers or fractions, become 0 to 255.

    0 to 1 and -1 to 1 are taken for what they are called; whole numbers up to 17 for that many levels (of the digits of
    UCI and scikit-learn), and greater ones for 10 to 16 bits; what is left is stretched.
    """
    said, offset, factor = "stretched", -low, 255 / (high - low) if high > low else 1.0
    if whole and low >= 0 and high <= 255:
        said, offset, factor = ("levels", 0.0, 255 / high) if 1 < high <= 17 else ("kept", 0.0, 1.0)
        if high == 1:
            said, factor = "unit", 255.0
    elif whole and low >= 0 and high <= pictures.DEPTHS[-1]:
        depth = next(one for one in pictures.DEPTHS if one >= high)
        said, offset, factor = "scaled", 0.0, 255 / depth
    elif whole and low >= -128 and high <= 127:
        said, offset, factor = "signed", 128.0, 1.0
    elif low >= 0 and high <= 1:
        said, offset, factor = "unit", 0.0, 255.0
    elif low >= -0.5 and high <= 0.5:
        said, offset, factor = "half", 0.5, 255.0
    elif low >= -1 and high <= 1:
        said, offset, factor = "both", 1.0, 127.5
    elif low >= 0 and high <= 255:
        said, offset, factor = "rounded", 0.0, 1.0
    return Scale(offset, factor, said, low, high)


@dataclass
class ArraySource(Source):
    """Arrays of images with their labels."""

    files: str  # what they were read from
    arrays: dict[str, tuple[str, np.ndarray, Axes]]  # by split: name of the array, and the array (N, ...)
    labels: dict[str, np.ndarray]
    names: tuple[str, ...]
    scale: Scale
    said_labels: list[Said]
    left_out: Counter[str]
    dropped: tuple[str, ...] = ()  # names of classes without an image
    transposed: bool = False  # the images probably lie on their side, mirrored
    plain: set[tuple[str, int]] = field(default_factory=set)  # splits and places of images of one colour
    notes: list[Row] = field(default_factory=list)  # on the files, if there is more to say than what arrays they hold

    def __post_init__(self) -> None:
        self.shapes = Counter(meant.shape for _, _, meant in self.arrays.values())
        self.choices = {"turned": self.transposed}
        if any(meant.order == "flat" and meant.shape[0] == 3 for _, _, meant in self.arrays.values()):
            self.choices["by_pixel"] = self._is_by_pixel()
        self.colour = any(self._coloured())
        some = [rims(self._some(part, pictures.spread(labels, SOME))) for part, labels in self.labels.items()]
        self.ground = pictures.grounds(np.concatenate(some))

    def _coloured(self) -> Iterator[bool]:
        """Whether images have colours, part by part: all are looked at, since a few among many grey ones count."""
        for part, (_, images, meant) in self.arrays.items():
            for begin in range(0, len(images) if meant.shape[0] == 3 else 0, ROWS):
                some = self._some(part, np.s_[begin : begin + ROWS])
                yield bool((np.ptp(some, axis=1).mean(axis=(1, 2)) > pictures.COLOURED).any())

    def _some(self, part: str, which: np.ndarray | slice) -> np.ndarray:
        """Some images of a split, uint8 (n, C, H, W)."""
        _, images, meant = self.arrays[part]
        return self.scale(self._meant(meant, Wishes()).arranged(images[which]))

    def _is_by_pixel(self) -> bool:
        """Whether neighbours in flat coloured images are more alike if each pixel's colours stand together."""
        _, images, meant = next(one for one in self.arrays.values() if one[2].order == "flat")
        some = images[np.unique(np.linspace(0, len(images) - 1, 64).astype(int))].astype(np.float32)
        steps = [
            sum(np.abs(np.diff(Axes(meant.shape, order).arranged(some), axis=axis)).mean() for axis in (2, 3))
            for order in ("flat", "flat-hwc")
        ]
        return bool(steps[1] < steps[0])

    def _meant(self, meant: Axes, wishes: Wishes) -> Axes:
        is_by_pixel = meant.order == "flat" and meant.shape[0] == 3 and self._chosen("by_pixel", wishes)
        return Axes(meant.shape, "flat-hwc") if is_by_pixel else meant

    def _chosen(self, name: str, wishes: Wishes) -> bool:
        wanted = getattr(wishes, name)
        return self.choices[name] if wanted is None else wanted

    def natural(self, wishes: Wishes) -> tuple[int, int, int]:
        channels, height, width = self.shapes.most_common(1)[0][0]
        if self._chosen("turned", wishes):
            height, width = width, height
        if not all(LEAST_SIDE <= side <= MOST_SIDE for side in (height, width)):
            side = LEAST_SIDE if max(height, width) < LEAST_SIDE else min(max(height, width), pictures.LARGEST_SIDE)
            height = width = side
        return (channels if self.colour else 1), height, width

    def images(
        self, part: str, places: np.ndarray, wishes: Wishes, tell: Callable[[str, int], None]
    ) -> tuple[np.ndarray, np.ndarray]:
        shape = self.shape(wishes)
        name, images, meant = self.arrays[part]
        found = np.empty((len(places), *shape), np.uint8)
        for begin in range(0, len(places), ROWS):
            tell(name, begin)
            some = self.scale(self._meant(meant, wishes).arranged(images[places[begin : begin + ROWS]]))
            if self._chosen("turned", wishes):
                some = some.transpose(0, 1, 3, 2)
            if some.shape[1:] == shape:
                found[begin : begin + ROWS] = some
                continue
            for row, image in enumerate(some):
                picture = Image.fromarray(
                    np.ascontiguousarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
                )
                found[begin + row] = pictures.fitted(picture, shape, whole=self.looks_like_digits)
        self.plain |= {(part, place) for place in places[np.ptp(found, axis=(1, 2, 3)) < PLAIN].tolist()}
        found = pictures.light_on_dark(found, is_dark=self.ground[0]) if wishes.digits else found
        return found, np.ones(len(places), bool)

    def rows(self, wishes: Wishes) -> list[Row]:
        listed = "; ".join(
            f"{name} {images.dtype} ({', '.join(map(str, images.shape))})" for name, images, _ in self.arrays.values()
        )
        channels, height, width = self.shape(wishes)
        _, high, wide = self.shapes.most_common(1)[0][0]
        orders = {self._meant(meant, wishes).order for _, _, meant in self.arrays.values()}
        if "by_pixel" in self.choices:
            orders = {"flat-chw" if order == "flat" else order for order in orders}
        becomes: list[Said] = [("import.size.one", {"width": width, "height": height})]
        becomes.append((f"import.colour.{'rgb' if channels == 3 else 'grey'}", {}))
        if len(self.shapes) > 1 or (high, wide) != (height, width):
            becomes.append(("import.size.resized", {}))
        if self._chosen("turned", wishes):
            becomes.append(("import.transposed" if self.transposed else "import.turned", {}))
        elif self.transposed:
            becomes.append(("import.not_turned", {}))
        found: list[Said] = [(f"import.order.{order}", {}) for order in sorted(orders)]
        found.append(("import.size.one", {"width": wide, "height": high}))
        low, top = (
            int(one) if float(one).is_integer() else round(float(one), 4) for one in (self.scale.low, self.scale.high)
        )
        values: Said = ("import.values.found", {"low": low, "high": top})
        rows: list[Row] = [
            *(self.notes or [("files", [("import.files.arrays", {"file": self.files, "arrays": listed})], [])]),
            ("size", found, becomes),
            ("values", [values], [(f"import.values.{self.scale.said}", {"high": round(255 / self.scale.factor)})]),
            ("labels", self.said_labels, [_classes_said(self.names)]),
        ]
        if self.dropped:
            names = ", ".join(self.dropped[:NAMED]) + (", …" if len(self.dropped) > NAMED else "")
            rows.append(("empty", [("import.labels.empty", {"names": names})], [("import.left.empty", {})]))
        return [*rows, *_ground_rows(wishes, lambda: self.ground)]

    def left_rows(self) -> list[Row]:
        return _left_rows(self.left_out) + _plain_rows(("import.size.pictures", {"count": len(self.plain)}))


def _of_arrays(files: Sequence[Entry], left_out: Counter[str], tell: Tell) -> Source:
    """The arrays in .npz, .npy or IDX files. Raises: Refusal."""
    held: dict[str, Held] = {}
    titles: dict[str, str] = {}  # of the files of the arrays
    for title, entry in zip(_titles_of(files), files, strict=True):
        tell(entry.name, 0, 0)
        try:
            if entry.suffix == ".npz":
                some = {name if len(files) == 1 else f"{title} {name}": one for name, one in _in_npz(entry).items()}
            else:
                some = {title: _in_npy(entry) if entry.suffix == ".npy" else _in_idx(entry)}
            held |= some
            titles |= dict.fromkeys(some, title)
        except ArrayError as error:
            raise mended(error, entry.name, {}) from error
        except (*UNREADABLE, MemoryError) as error:
            if isinstance(error, Refusal):
                raise
            raise Refusal("import.damaged", file=entry.name, reason="") from error
    label = ", ".join(sorted({one.file for one in held.values()})[:NAMED])
    headers = {name: one.header for name, one in held.items()}
    try:
        roles = _roles(headers)
        loaded = _loaded(held, roles, tell)
        left_out["arrays"] += len(files) - len({titles[name] for name in loaded})
        return _array_source(label, roles, loaded, left_out, is_emnist=_is_emnist(files))
    except ArrayError as error:
        raise mended(error, label, headers) from error
    except UNREADABLE as error:
        if isinstance(error, Refusal):
            raise
        raise Refusal("import.damaged", file=label, reason="") from error


def _titles_of(files: Sequence[Entry]) -> list[str]:
    """What each file is called, without its end: with its folders if they alone say the split or tell it from others.

    Folders around all files say nothing.
    """
    around = 0
    while len({one.path[:-1][: around + 1] for one in files}) == 1 and around < len(files[0].path) - 1:
        around += 1
    ends = r"\.(gz|npy|npz|idx)$|(?<=.)[.-]idx\d-ubyte.*"
    pairs = [(one.path[around:-1], re.sub(ends, "", one.path[-1], flags=re.IGNORECASE)) for one in files]
    often = Counter(stem for _, stem in pairs)
    found = [
        "/".join((*folders, stem)) if often[stem] > 1 or (part_in(" ".join(folders)) and not part_in(stem)) else stem
        for folders, stem in pairs
    ]
    often = Counter(found)
    return [one if often[one] == 1 else f"{one} {k}" for k, one in enumerate(found, start=1)]


def _part(entry: Entry) -> str:
    """The split that a file's path speaks of, the innermost name that does; "" if none."""
    names = (*entry.path[:-1], entry.path[-1].partition(".")[0])
    return next((part for name in reversed(names) if (part := part_in(name))), "")


def _is_emnist(files: Sequence[Entry]) -> bool:
    """Whether files are those of EMNIST by their names; its authors stored each image on its side, mirrored."""
    return any(one.path[-1].lower().startswith("emnist") and one.suffix not in (".npz", ".npy") for one in files)


def _in_npz(entry: Entry) -> dict[str, Held]:
    def load(name: str) -> np.ndarray:
        with entry.open() as file, zipfile.ZipFile(file) as archive:
            return npz.array_in(archive, name)

    with entry.open() as file, zipfile.ZipFile(file) as archive:
        headers = npz.headers_in(archive)
    return {name: Held(entry.name, header, partial(load, name)) for name, header in headers.items()}


def _in_npy(entry: Entry) -> Held:
    def load() -> np.ndarray:
        with entry.open() as file:
            return np.lib.format.read_array(file, allow_pickle=False)

    with entry.open() as file:
        return Held(entry.name, read_header(file, entry.size), load)


def _in_idx(entry: Entry) -> Held:
    """An IDX file. Source: LeCun, Cortes, Burges, THE MNIST DATABASE."""

    def start(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
        zeros, kind, dimensions = struct.unpack(">HBB", file.read(4))
        if zeros or kind not in IDX_TYPES or not 1 <= dimensions <= 4:
            raise ValueError(entry.name)
        return struct.unpack(f">{dimensions}I", file.read(4 * dimensions)), np.dtype(IDX_TYPES[kind])

    def load() -> np.ndarray:
        with entry.unpacked() as file:
            shape, dtype = start(file)
            expected = math.prod(shape) * dtype.itemsize
            content = file.read(expected + 1)
        if len(content) != expected:
            raise ArrayError("damaged")
        return np.frombuffer(content, dtype).reshape(shape)

    try:
        with entry.unpacked() as file:
            return Held(entry.name, start(file), load)
    except struct.error as error:
        raise ValueError(entry.name) from error


def _roles(headers: Mapping[str, Header]) -> Named:
    """Which arrays are what: by their names, else by their shapes, or one array a class. Raises: ArrayError."""
    with contextlib.suppress(ArrayError):
        return named(headers)
    images = [name for name, (shape, dtype) in headers.items() if len(shape) > 1 and dtype.kind in "buif"]
    labels = [name for name, (shape, _) in headers.items() if len(shape) == 1 or shape[1:] == (1,)]
    images = [name for name in images if name not in labels]
    if len(images) == len(labels) == 1:
        return Named({"": (images[0], labels[0])}, None)
    known = {*IMAGES, *LABELS, *PART_WORDS}
    if len(images) > 1 and not labels and not any(known & set(words_in(name)) for name in images):
        return Named({f"class {name}": (name, "") for name in images}, None)
    return named(headers)


def _loaded(held: Mapping[str, Held], roles: Named, tell: Tell) -> dict[str, np.ndarray]:
    """The arrays that are needed. Raises: ArrayError; Refusal, if they are too large."""
    needed = {name for pair in roles.pairs.values() for name in pair if name} | {roles.class_names or ""} - {""}
    bytes_of = {name: math.prod(held[name].header[0]) * held[name].header[1].itemsize for name in needed}
    if sum(bytes_of.values()) > npz.LARGEST:
        raise Refusal("import.large", mebibytes=npz.LARGEST // 2**20)
    loaded = {}
    for name in sorted(needed):
        tell(name, sum(bytes_of[done] for done in loaded), sum(bytes_of.values()))
        if held[name].header[1].kind not in "buifSU":
            raise ArrayError("kind", name)
        try:
            loaded[name] = held[name].load()
        except UNREADABLE as error:
            if isinstance(error, ArrayError) and error.why == "damaged":
                raise Refusal("import.damaged", file=held[name].file, reason="") from error
            raise
    return loaded


def _array_source(
    label: str, roles: Named, loaded: Mapping[str, np.ndarray], left_out: Counter[str], *, is_emnist: bool
) -> ArraySource:
    """The source of loaded arrays. Raises: ArrayError, Refusal."""
    images: dict[str, tuple[str, np.ndarray]] = {}
    raw: dict[str, np.ndarray] = {}
    said: list[Said] = []
    if any(part.startswith("class ") for part in roles.pairs):
        named_arrays = {part.removeprefix("class "): loaded[array] for part, (array, _) in roles.pairs.items()}
        if len({one.shape[1:] for one in named_arrays.values()}) > 1:
            raise ArrayError("axes", next(iter(named_arrays)))
        _check_ranges({name: _range(name, values) for name, values in named_arrays.items() if values.size})
        images[""] = (", ".join(list(named_arrays)[:NAMED]), np.concatenate(list(named_arrays.values())))
        raw[""] = np.repeat(list(named_arrays), [len(one) for one in named_arrays.values()])
        said = [("import.labels.arrays", {})]
    else:
        for part, (array, label_array) in roles.pairs.items():
            values, given = loaded[array], loaded[label_array]
            if not math.prod(values.shape):
                continue  # an empty val
            if len(values) != len(given) and values.shape[-1] == len(given):
                values = np.moveaxis(values, -1, 0)  # as MATLAB stores them
            if len(values) != len(given):
                raise ArrayError("counts", f"{array}, {label_array}")
            images[part], raw[part] = (array, values), plain_labels(given, label_array)
            said.append(_labels_said(label_array, given, raw[part]))
    return _made(label, images, raw, _texts_of(roles, loaded), said, left_out, is_emnist=is_emnist)


def _texts_of(roles: Named, loaded: Mapping[str, np.ndarray]) -> list[str] | None:
    return texts(loaded[roles.class_names], roles.class_names) if roles.class_names else None


def _labels_said(array: str, given: np.ndarray, plain: np.ndarray) -> Said:
    if given.ndim == 2 and given.shape[1] > 1:
        return "import.labels.one_hot", {"array": array, "count": given.shape[1]}
    if plain.dtype.kind == "U":
        return "import.labels.text", {"array": array}
    slots = {"array": array, "low": int(plain.min()), "high": int(plain.max())}
    return f"import.labels.{'floats' if given.dtype.kind == 'f' else 'whole'}", slots


def _made(
    label: str,
    images: dict[str, tuple[str, np.ndarray]],
    raw: dict[str, np.ndarray],
    given_names: list[str] | None,
    said: list[Said],
    left_out: Counter[str],
    *,
    is_emnist: bool,
) -> ArraySource:
    """The source of images and labels (N,), int64 or text, by split. Raises: ArrayError, Refusal."""
    if not images:
        raise ArrayError("arrays")
    if "train" not in images and len(images) == 1:
        images, raw = {"": next(iter(images.values()))}, {"": next(iter(raw.values()))}
    if "" in images and "test" in images:
        images["train"], raw["train"] = images.pop(""), raw.pop("")
    if not {"train", ""} & images.keys():
        raise Refusal("import.no_train", found=", ".join(images))
    if sum(len(one) for _, one in images.values()) > MOST_IMAGES:
        raise Refusal("import.many_images", most=MOST_IMAGES)
    if any(values.dtype.kind == "U" for values in raw.values()):
        raw = {part: values.astype(str) for part, values in raw.items()}
        check_alike({part: np.unique(values).tolist() for part, values in raw.items()})
        with contextlib.suppress(ValueError):  # whole numbers as text
            numbers = {part: values.astype(np.float64) for part, values in raw.items()}
            raw = {part: plain_labels(values) for part, values in numbers.items()}
    _check_first_labels({images[part][0]: values for part, values in raw.items()})
    known = np.unique(np.concatenate(list(raw.values())))
    if len(known) > MOST_CLASSES:
        raise Refusal("import.many_classes", names="", most=LONGEST_NAME, count=len(known))
    dropped: list[str] = []
    if known.dtype.kind == "U":
        names, order = classes(known.tolist())
        if given_names:
            if not set(names) <= set(given_names):
                raise ArrayError("names")
            dropped = [name for name in given_names if name not in names]
            places = sorted(range(len(names)), key=lambda k: given_names.index(names[k]))
            names, order = tuple(names[k] for k in places), {one: places.index(k) for one, k in order.items()}
    else:
        titles, dropped = _titles(known.tolist(), given_names)
        if given_names:
            said = [*said, ("import.labels.called", {"label": known.tolist()[0], "name": titles[0]})]
        names, order = tuple(titles), {value: k for k, value in enumerate(known.tolist())}
        if not good_names(names):
            names, _ = classes(titles)  # raises the reason, unless cleaning is enough
            names = tuple(_clean(title) for title in titles)
    if len(names) < 2:
        raise Refusal("import.one_class", names=", ".join(names))
    labels = {part: np.array([order[one] for one in values.tolist()], np.int64) for part, values in raw.items()}
    arrays = {part: (name, values, axes(values.shape, name)) for part, (name, values) in images.items()}
    ranges = {name: _range(name, values) for name, values, _ in arrays.values()}
    _check_ranges(ranges)
    low, high = min(one[0] for one in ranges.values()), max(one[1] for one in ranges.values())
    whole = all(one[2] for one in ranges.values())
    scaled, titles = scale(low, high, whole=whole), as_digits(names)
    return ArraySource(label, arrays, labels, titles, scaled, said, left_out, tuple(dropped), is_emnist)


def _titles(values: list[int], given: list[str] | None) -> tuple[list[str], list[str]]:
    """The names of the classes with these labels, and the given names that no label uses. Raises: ArrayError."""
    if given is None:
        return [str(value) for value in values], []
    if values[0] >= 0 and values[-1] < len(given):
        first = 0
    elif values[0] >= 1 and values[-1] == len(given):
        first = 1
    elif len(values) == len(given):
        return given, []
    else:
        raise ArrayError("names")
    used = [value - first for value in values]
    return [given[k] for k in used], [name for k, name in enumerate(given) if k not in set(used)]


def _check_first_labels(labels: Mapping[str, np.ndarray]) -> None:
    """Refuse splits, by the names of their arrays, of which one counts its classes from 1 and another from 0."""
    ends = {name: (int(some.min()), int(some.max())) for name, some in labels.items() if some.dtype.kind == "i"}
    for one, (low, high) in ends.items():
        for other, lower in ends.items():
            if low < high and (low, high) == (1, lower[1] + 1) and lower[0] == 0:
                raise Refusal("import.first_labels", one=one, other=other, low=low, high=high, most=lower[1])


def _check_ranges(ranges: Mapping[str, tuple[float, float, bool]]) -> None:
    """Refuse arrays of which one has values of another kind than all together: 0 to 1 beside 0 to 255."""
    low, high = min(one[0] for one in ranges.values()), max(one[1] for one in ranges.values())
    together = scale(low, high, whole=all(one[2] for one in ranges.values()))
    for name, (least, most, whole) in ranges.items():
        own = scale(least, most, whole=whole)
        if own.said not in (together.said, "kept") and least < most and 10 * (most - least) < high - low:
            line = f"x = (x + {round(own.offset, 6)}) * {round(own.factor, 6)}"
            least, most, low, high = (round(value, 4) for value in (least, most, low, high))
            raise Refusal("import.ranges", array=name, least=least, most=most, low=low, high=high, line=line)


def _range(name: str, images: np.ndarray) -> tuple[float, float, bool]:
    """The least and greatest value, and whether all values are whole. Raises: ArrayError, for values that are none."""
    low, high, whole = np.inf, -np.inf, True
    for begin in range(0, len(images), ROWS):
        some = images[begin : begin + ROWS]
        least, most = float(some.min()), float(some.max())
        if not (math.isfinite(least) and math.isfinite(most)):
            raise ArrayError("values", name)
        low, high = min(low, least), max(high, most)
        if whole and some.dtype.kind == "f":
            whole = bool((some == np.floor(some)).all())
    return low, high, whole


def _quoted(name: str) -> str:
    """A name from outside as Python's text, so that whoever runs a line with it runs no more than the line."""
    return json.dumps(name, ensure_ascii=False)


def _saved(arrays: str) -> str:
    return f'numpy.savez("new.npz", {arrays})'


def _likely_pair(headers: Mapping[str, Header]) -> tuple[str, str]:
    """The images and labels that seem to belong together; … for one that is missing."""
    images = [name for name, (shape, _) in headers.items() if len(shape) > 1]
    labels = [name for name, (shape, _) in headers.items() if len(shape) == 1]
    for one, other in itertools.product(images, labels):
        parts = {part_in(one), part_in(other)} - {""}
        if len(parts) < 2 and headers[other][0][0] in (headers[one][0][0], headers[one][0][-1]):
            return one, other
    return next(iter(images), "…"), "…"


def mended(error: ArrayError, file: str, headers: Mapping[str, Header]) -> Refusal:
    """The refusal of an array, with the line of Python that mends its file."""
    array = error.array
    known = "; ".join(f"{name} {dtype} ({', '.join(map(str, shape))})" for name, (shape, dtype) in headers.items())
    shape = ", ".join(map(str, headers[array][0])) if array in headers else ""
    one, _, other = array.partition(", ")
    images, labels = _likely_pair(headers)
    whole = ".argmax(axis=1)" if array in headers and len(headers[array][0]) > 1 else ".round().astype(int)"
    q, q_one, q_other, q_images, q_labels = map(_quoted, (array, one, other, images, labels))
    lines = {
        "arrays": _saved(f"images=d[{q_images}], labels=d[{q_labels}]"),
        "axes": _saved(f"**{{**d, {q}: d[{q}].reshape(-1, 28, 28)}}"),
        "labels": _saved(f"**{{**d, {q}: d[{q}]{whole}}}"),
        "names": _saved('**{**d, "class_names": numpy.array(["a", "b", "c"])}'),
        "objects": _saved(f"**{{**d, {q}: numpy.array(d[{q}].tolist())}}"),
        "counts": f"n = min(len(d[{q_one}]), len(d[{q_other}])); "
        + _saved(f"images=d[{q_one}][:n], labels=d[{q_other}][:n]"),
        "values": _saved(f"**{{**d, {q}: numpy.nan_to_num(d[{q}])}}"),
        "kind": _saved(f'**{{**d, {q}: d[{q}].astype("float32")}}'),
    }
    if error.why == "arrays" and not file.lower().endswith(".npz"):
        return Refusal("import.array.pair", file=file)
    if error.why == "counts" and not file.lower().endswith(".npz"):
        return Refusal("import.array.uneven", array=array)
    if error.why not in lines:
        return Refusal("import.damaged", file=file, reason=array)
    pickled = ", allow_pickle=True" if error.why == "objects" else ""
    load = f"d = dict(numpy.load({_quoted(file)}{pickled})); "
    if file.lower().endswith(".npy"):
        load = f"d = {{{q}: numpy.load({_quoted(file)}{pickled})}}; "
    slots = {"file": file, "array": array, "shape": shape, "arrays": known, "line": load + lines[error.why]}
    return Refusal(f"import.array.{error.why}", **slots)


# --- tables -----------------------------------------------------------------------------------------------------------


def _of_tables(files: Sequence[Entry], left_out: Counter[str], tell: Tell) -> Source:
    """The images in tables of pixels. Raises: Refusal."""
    images: dict[str, tuple[str, np.ndarray]] = {}
    raw: dict[str, np.ndarray] = {}
    said: list[Said] = []
    notes: list[Row] = []
    unlike: Refusal | None = None  # why another file, such as Kaggle's sample submission, is no table of pixels
    for entry in sorted(files, key=lambda one: one.name):
        try:
            table = tables.read_table(entry, lambda rows, name=entry.name: tell(name, rows, 0))
        except DAMAGED_ARCHIVE as error:
            raise Refusal("import.damaged", file=entry.name, reason="") from error
        except Refusal as refusal:
            if len(files) == 1 or refusal.key not in NO_PIXELS:
                raise
            unlike = unlike or refusal
            left_out["no_table"] += 1
            continue
        if table.labels is None:
            left_out["no_labels"] += 1
            continue
        slots = {"file": entry.name, "rows": len(table.pixels), "columns": table.columns}
        header: Said = ("import.header.there" if table.has_header else "import.header.none", {})
        named_columns = [name for name in table.left_out.values() if name]
        left: list[Said] = [("import.left.columns", {"names": _first(named_columns)})] if named_columns else []
        left += [("import.left.column", {"place": place}) for place, name in table.left_out.items() if not name]
        notes.append(("files", [("import.files.table", slots), header], left))
        part = _part(entry)
        parts = table.parts if table.parts is not None else np.full(len(table.pixels), part)
        for one in np.unique(parts).tolist():
            if one in images:
                raise Refusal("import.two_tables", file=entry.name, other=images[one][0])
            rows = parts == one
            images[one], raw[one] = (entry.name, table.pixels[rows]), table.labels[rows]
        place = table.place if table.place in ("first", "last") else "named"
        column: Said = (f"import.column.{place}", {"name": table.place})
        said += [column] * (column not in said)
    label = ", ".join(entry.name for entry in files[:NAMED])
    if not images:
        raise unlike or Refusal("import.no_labels", file=label)
    try:
        source = _made(label, images, raw, None, said, left_out, is_emnist=_is_emnist(files))
    except ArrayError as error:
        raise mended(error, label, {}) from error
    source.notes = notes
    return source
