"""How people name and lay out arrays of images and labels: which array is what, and what its axes mean."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from core.events import LONGEST_NAME, MOST_CLASSES

PARTS = ("train", "val", "test")
LEAST_SIDE, MOST_SIDE = 8, 512  # px
PART_WORDS = {
    **dict.fromkeys(("train", "training", "tr", "treino", "treinamento"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validacao", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "te", "t10k", "teste"), "test"),
}
# What an array is, by the words in its name; of several that fit, the one whose word stands first.
IMAGES = ("images", "image", "imgs", "img", "imagens", "x", "data", "pixels", "features", "inputs")
LABELS = ("labels", "label", "rotulos", "rotulo", "y", "targets", "target", "classes", "class", "lbl")
NAMES = ("class_names", "label_names", "target_names", "classes", "names", "categories")

Header = tuple[tuple[int, ...], np.dtype]


class ArrayError(ValueError):
    """An array cannot be used; the first argument is the end of the text key of the reason, the second its name."""

    def __init__(self, why: str, array: str = ""):
        super().__init__(why, array)
        self.why, self.array = why, array


@dataclass(frozen=True)
class Named:
    """Which arrays of a file hold the images and labels of each split, and which one the names of the classes."""

    pairs: Mapping[str, tuple[str, str]]  # by split, or by "" for a single set of images
    class_names: str | None


@dataclass(frozen=True)
class Axes:
    """What the axes of an array of images mean."""

    shape: tuple[int, int, int]  # (C, H, W) of an image; C is 1 or 3
    order: str
    """"hw", "hwc", "chw", "flat", "flat-hwc", or "hwa": channels last, the fourth of which is transparency."""

    def arranged(self, images: np.ndarray) -> np.ndarray:
        """Images (N, ...) as (N, C, H, W), a view where that is possible."""
        if self.order == "flat-hwc":
            channels, height, width = self.shape
            images = images.reshape(len(images), height, width, channels)
        if self.order == "hwa":
            images = images[..., :3]
        if self.order in ("hwc", "hwa", "flat-hwc"):
            images = images.transpose(0, 3, 1, 2)
        return images.reshape(len(images), *self.shape)


def read_header(file: BinaryIO, size: int) -> Header:
    """Shape and dtype of the array in an opened .npy file of `size` bytes; reads nothing of the array.

    Raises:
        ArrayError: `objects` for an array that only pickle could read, `damaged` if the size does not fit the header.
        UNREADABLE, MemoryError: the file is no .npy file.
    """
    if np.lib.format.read_magic(file) != (1, 0):  # later versions are for headers of more than 64 KiB
        raise ArrayError("damaged")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.hasobject:
        raise ArrayError("objects")
    if dtype.itemsize == 0 or file.tell() + math.prod(shape) * dtype.itemsize != size:
        raise ArrayError("damaged")
    return shape, dtype


def words_in(name: str) -> list[str]:
    """The words of a name, in lower case and without accents: `X_train`, `xTrain` and `x-train` give x and train."""
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    found = re.findall(r"t10k|[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain).lower())
    kinds = {*IMAGES, *LABELS}
    parted = []
    for word in found:  # xtrain, trainlabels
        for split in range(1, len(word)):
            one, other = word[:split], word[split:]
            if (one in kinds and other in PART_WORDS) or (one in PART_WORDS and other in kinds):
                parted += [one, other]
                break
        else:
            parted.append(word)
    return parted


def part_in(name: str) -> str:
    """The split that a name speaks of: `train`, `val` or `test`; "" if none."""
    return next((PART_WORDS[word] for word in words_in(name) if word in PART_WORDS), "")


def named(headers: Mapping[str, Header]) -> Named:
    """Which of the arrays are images, labels and class names, by their names.

    Raises: ArrayError, `arrays`, if images or labels are missing.
    """
    found: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
    for name, (shape, dtype) in headers.items():
        words, part = words_in(name), part_in(name)
        if (places := [IMAGES.index(word) for word in words if word in IMAGES]) and len(shape) > 1:
            found.setdefault((part, "images"), []).append((min(places), len(name), name))
        if (places := [LABELS.index(word) for word in words if word in LABELS]) and 0 < len(shape) < 3:
            found.setdefault((part, "labels"), []).append((min(places), len(name), name))
        if len(shape) == 1 and dtype.kind in "SU" and (re.sub(r"\W+", "_", name.lower()) in NAMES):
            found.setdefault(("", "names"), []).append((0, len(name), name))
    best = {role: min(candidates)[2] for role, candidates in found.items()}
    parts = [part for part in PARTS if {(part, "images"), (part, "labels")} & best.keys()] or [""]
    pairs = {}
    for part in parts:
        images, labels = best.get((part, "images")), best.get((part, "labels"))
        if not images or not labels:
            raise ArrayError("arrays", images or labels or "")
        pairs[part] = (images, labels)
    names = best.get(("", "names"))
    if names in {labels for _, labels in pairs.values()}:
        names = None
    return Named(pairs, names)


def axes(shape: Sequence[int], array: str = "") -> Axes:
    """What the axes of an array (N, ...) of images mean: (N, H, W), channels last or first, or flat images of a square.

    Flat colour images have their channels one after the other, as in CIFAR's files.
    Raises: ArrayError, `axes`.
    """
    inner = tuple(shape[1:])
    found = None
    if len(inner) == 1:
        for channels in (1, 3):
            side = math.isqrt(inner[0] // channels)
            if side and channels * side * side == inner[0]:
                found = Axes((channels, side, side), "flat")
    elif len(inner) == 2:
        found = Axes((1, *inner), "hw")
    elif len(inner) == 3:
        if inner[2] in (1, 3, 4) and min(inner[:2]) >= min(inner[2], LEAST_SIDE):
            found = Axes((min(inner[2], 3), *inner[:2]), "hwa" if inner[2] == 4 else "hwc")
        elif inner[0] in (1, 3):
            found = Axes((inner[0], *inner[1:]), "chw")
    if found is None or not all(side >= 1 for side in found.shape):
        raise ArrayError("axes", array)
    return found


def plain_labels(labels: np.ndarray, array: str = "") -> np.ndarray:
    """Labels as a row (N,) of int64 or text: from one column, one-hot rows, whole floats, bytes or truth values.

    Raises: ArrayError, `labels`.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.dtype.kind in "buif":
        if not (((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise ArrayError("labels", array)
        return labels.argmax(axis=1).astype(np.int64)
    if labels.ndim != 1 or labels.dtype.kind not in "buifSU":
        raise ArrayError("labels", array)
    if labels.dtype.kind in "SU":
        return np.array(texts(labels, array), dtype=str)
    if labels.dtype.kind == "f" and not (np.isfinite(labels).all() and (labels == np.floor(labels)).all()):
        raise ArrayError("labels", array)
    if len(labels) and not -(2**53) <= labels.min() <= labels.max() <= 2**53:
        raise ArrayError("labels", array)
    return labels.astype(np.int64)


def texts(values: np.ndarray, array: str = "") -> list[str]:
    """Texts of an array of text or UTF-8 bytes, without the spaces around them. Raises: ArrayError, `names`."""
    try:
        return [(one.decode() if isinstance(one, bytes) else str(one)).strip() for one in values.tolist()]
    except UnicodeDecodeError as error:
        raise ArrayError("names", array) from error


def good_names(names: Iterable[str]) -> bool:
    """Whether classes can have these names: different ones, each a line that can be printed."""
    known = list(names)
    return len(set(known)) == len(known) <= MOST_CLASSES and all(
        name and len(name) <= LONGEST_NAME and name.isprintable() for name in known
    )
