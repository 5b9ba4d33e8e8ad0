"""Users' own data sets: .npz files that are placed in a data folder.

Such an .npz holds `train_images`, `val_images`, `test_images`: uint8 (N, H, W) or (N, H, W, 3), and `train_labels`,
`val_labels`, `test_labels`: integers (N, 1) or (N,), 0 to K - 1. The two arrays of val may be empty or absent. Optional
are `class_names`, text (K,); `digits`, true if the images are handwritten digits that drawings can be prepared to
resemble; and `source`, a line of text. `core/datasets/importing.py` writes this layout.

What needs no decision is read as it is found too: Keras' names `x_train` and `y_train` and others of the kind, channels
first, one grey channel, flat grey images, labels from 1, one-hot or as whole floats, names as bytes.
"""

from __future__ import annotations

import functools
import math
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from core import settings
from core.datasets.arrays import IMAGES as IMAGE_WORDS
from core.datasets.arrays import LABELS as LABEL_WORDS
from core.datasets.arrays import (
    LEAST_SIDE,
    MOST_SIDE,
    NAMES,
    PARTS,
    ArrayError,
    Axes,
    Header,
    axes,
    good_names,
    named,
    plain_labels,
    read_header,
    texts,
    words_in,
)
from core.datasets.files import UNREADABLE, is_file
from core.datasets.record import NOT_STATED, Dataset, Split, Splits
from core.datasets.torchvision_sets import DIGIT_NAMES
from core.events import LONGEST_NAME, MOST_CLASSES, MOST_IMAGES

LARGEST = 2**31  # most bytes of images that are loaded
MOST_ARRAYS = 200  # in a file
LONGEST_SOURCE = 200  # letters
NO_LINE = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # the last are bytes that are not UTF-8
LONGEST_STEM = 100  # letters of a file's name, which is the data set's and bounded by `RunSpec.data`
# The text key of the reason for each reason of an `ArrayError`.
REASONS = {
    "arrays": "data.npz_arrays",
    "axes": "data.npz_images",
    "labels": "data.npz_labels",
    "names": "data.npz_names",
    "objects": "data.npz_unreadable",
    "damaged": "data.npz_unreadable",
}


class _UnfitError(ValueError):
    """A file cannot be used as a data set; the argument is the text key of the reason."""


@dataclass(frozen=True)
class _Layout:
    """What the headers and labels of a file say."""

    axes: Mapping[str, Axes]  # by split that has images
    images: Mapping[str, str]  # the array of each such split
    labels: Mapping[str, np.ndarray]  # int64 (N,), 0 to K - 1, of each such split
    names: tuple[str, ...]
    digits: bool
    source: str

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.axes["train"].shape


def own_datasets(known: frozenset[str]) -> list[Dataset]:
    """The .npz files directly in the data folders, except `known` file names, which belong to built-in data sets.

    Files that cannot be used are included, with the reason as their state, except those whose name is no line of text.
    Of files with the same name, the first is taken.
    """
    found: dict[str, Dataset] = {}
    for folder in settings.data_folders():
        for path in sorted(folder.glob("*.npz")):
            is_ours = path.name not in known and path.stem not in found and not NO_LINE.search(path.name)
            if is_ours and is_file(path):
                found[path.stem] = _described(path)
    return list(found.values())


def read_npz(path: Path) -> Splits:
    """The splits in a file of such a layout, with the channels moved to the front.

    Raises:
        ValueError: the file does not have this layout or is too large; damaged files raise other `UNREADABLE` errors.
    """
    with zipfile.ZipFile(path) as archive:
        found = _layout(archive)

        def split(part: str) -> Split:
            images = found.axes[part].arranged(array_in(archive, found.images[part]))
            return Split(np.ascontiguousarray(images), found.labels[part])

        return Splits(split("train"), split("val") if "val" in found.images else None, split("test"))


def read_labels(path: Path) -> dict[str, np.ndarray]:
    """The labels int64 (N,) of each split that has images. Raises: ValueError and others, as `read_npz`."""
    with zipfile.ZipFile(path) as archive:
        return dict(_layout(archive).labels)


def are_digits(shape: tuple[int, int, int], names: tuple[str, ...]) -> bool:
    """Whether images of this shape and these classes can be handwritten digits, for which drawings can be prepared."""
    folded = tuple(name.casefold() for name in names)
    digits = (tuple(map(str, range(10))), *(tuple(map(str.casefold, one)) for one in DIGIT_NAMES.values()))
    return shape[0] == 1 and shape[1] == shape[2] and folded in digits


def _described(path: Path) -> Dataset:
    if len(path.stem) > LONGEST_STEM:
        return _unfit(path, "data.npz_name")
    try:
        facts = path.stat()
    except OSError:
        return _unfit(path, "data.npz_unreadable")
    return _described_version(path, facts.st_size, facts.st_mtime_ns)


@functools.lru_cache(maxsize=256)  # pages call it at every rerun
def _described_version(path: Path, size: int, mtime_ns: int) -> Dataset:  # noqa: ARG001
    try:
        with zipfile.ZipFile(path) as archive:
            found = _layout(archive)
    except _UnfitError as error:
        return _unfit(path, str(error))
    except (*UNREADABLE, MemoryError):  # parsing a header with very many brackets raises MemoryError
        return _unfit(path, "data.npz_unreadable")
    counts = dict.fromkeys(PARTS, 0) | {part: len(labels) for part, labels in found.labels.items()}
    own = _own(path, found.shape, counts, found.names)
    return replace(own, digits=found.digits, source=found.source or path.name)


def _own(path: Path, shape: tuple[int, int, int], counts: dict[str, int], names: tuple[str, ...]) -> Dataset:
    return Dataset(
        name=path.stem,
        shape=shape,
        class_names={"en": names, "pt_BR": names},
        counts=counts,
        source=path.name,
        licence=NOT_STATED,
        files=(path.name,),
        read=lambda folder: read_npz(folder / path.name),
        read_labels=lambda folder: read_labels(folder / path.name),
        folders=lambda: (path.parent,),
    )


def _unfit(path: Path, why: str) -> Dataset:
    nothing = _own(path, (1, 0, 0), dict.fromkeys(PARTS, 0), ())
    return replace(nothing, unfit=why)


def _layout(archive: zipfile.ZipFile) -> _Layout:
    """What a file's headers and labels say; reads no image. Raises: _UnfitError."""
    try:
        return _read_layout(archive)
    except ArrayError as error:
        raise _UnfitError(REASONS[error.why]) from error


def _read_layout(archive: zipfile.ZipFile) -> _Layout:
    headers = headers_in(archive)
    roles = named(headers)
    if not {"train", "test"} <= roles.pairs.keys():
        raise ArrayError("arrays")
    images = {part: pair[0] for part, pair in roles.pairs.items() if headers[pair[0]][0][0]}
    if not {"train", "test"} <= images.keys() or any(headers[name][1] != np.uint8 for name in images.values()):
        raise ArrayError("axes")
    meant = {part: axes(headers[name][0]) for part, name in images.items()}
    shape = meant["train"].shape
    if len({one.shape for one in meant.values()}) > 1 or not all(LEAST_SIDE <= n <= MOST_SIDE for n in shape[1:]):
        raise ArrayError("axes")
    if any(one.order == "hwa" or (one.order == "flat" and one.shape[0] == 3) for one in meant.values()):
        raise ArrayError("axes")  # what becomes of transparency, or how the colours lie, is to be decided: `importing`
    shapes = [headers[name][0] for name in images.values()]
    if sum(one[0] for one in shapes) > MOST_IMAGES or sum(map(math.prod, shapes)) > LARGEST:
        raise _UnfitError("data.npz_large")
    labels = {}
    for part, name in ((part, roles.pairs[part][1]) for part in images):
        count, wide = headers[images[part]][0][0], headers[name][0][1:]
        if headers[name][0][0] != count or math.prod(wide) > MOST_CLASSES:
            raise ArrayError("labels")
        labels[part] = plain_labels(array_in(archive, name))
    labels, names = _classes(archive, headers, roles.class_names, labels)
    digits = "drawings" in headers and "writers" in headers  # what `collection.export` writes
    if "digits" in headers and headers["digits"][0] in ((), (1,)) and headers["digits"][1].kind in "bui":
        digits = bool(array_in(archive, "digits").any())
    return _Layout(meant, images, labels, names, digits and are_digits(shape, names), _source(archive, headers))


def _classes(
    archive: zipfile.ZipFile, headers: Mapping[str, Header], array: str | None, labels: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The labels from 0 and the names of the classes. Raises: ArrayError."""
    if any(values.dtype.kind != "i" for values in labels.values()):
        raise ArrayError("labels")  # text: the order of the classes is to be decided
    low = min(int(values.min()) for values in labels.values())
    high = max(int(values.max()) for values in labels.values())
    names = _class_names(archive, headers, array) if array else None
    first = int(low == 1 and len(names or ()) in (0, high))  # they count from 1
    if names is None:
        names = tuple(str(label) for label in range(first, min(high + 1, first + MOST_CLASSES)))
    if low < 0 or high - first >= len(names) or len(names) < 2:
        raise ArrayError("labels")
    return {part: values - first for part, values in labels.items()}, names


def _class_names(archive: zipfile.ZipFile, headers: Mapping[str, Header], array: str) -> tuple[str, ...]:
    shape, dtype = headers[array]
    if shape[0] > MOST_CLASSES or dtype.itemsize > 4 * LONGEST_NAME:
        raise ArrayError("names", array)
    names = tuple(texts(array_in(archive, array), array))
    if not good_names(names):
        raise ArrayError("names", array)
    return names


def _source(archive: zipfile.ZipFile, headers: Mapping[str, Header]) -> str:
    shape, dtype = headers.get("source", ((0,), np.dtype(np.uint8)))
    if shape or dtype.kind != "U" or dtype.itemsize > 4 * LONGEST_SOURCE:
        return ""
    return NO_LINE.sub(" ", str(array_in(archive, "source"))).strip()


def headers_in(archive: zipfile.ZipFile) -> dict[str, Header]:
    """Shape and dtype of each array in an .npz, whose size is checked against the archive's directory.

    Arrays that are damaged, or that only pickle could read, are left out unless their name says that they are needed.
    Raises: ArrayError, and `UNREADABLE` errors, for one that is needed.
    """
    found = {}
    for member in archive.infolist()[:MOST_ARRAYS]:
        name = member.filename.removesuffix(".npy")
        try:
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ArrayError("damaged")
            with archive.open(member) as file:
                found[name] = read_header(cast("BinaryIO", file), member.file_size)
        except (*UNREADABLE, MemoryError) as error:
            if name != member.filename and _tells(name):
                raise ArrayError(getattr(error, "why", "damaged"), name) from error
    return found


def _tells(name: str) -> bool:
    """Whether an array of this name is one of images, labels or class names."""
    return bool({*IMAGE_WORDS, *LABEL_WORDS, *NAMES} & {*words_in(name), name.lower()})


def array_in(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """An array of an .npz. Raises: ValueError, if only pickle could read it, and other `UNREADABLE` errors."""
    with archive.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)
