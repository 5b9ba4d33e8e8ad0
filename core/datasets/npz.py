"""Users' own data sets: .npz files in MedMNIST's layout that are placed in a data folder.

Such an .npz holds `train_images`, `val_images`, `test_images`: uint8 (N, H, W) or (N, H, W, 3), and `train_labels`,
`val_labels`, `test_labels`: integers (N, 1) or (N,), 0 to K - 1. The two arrays of val may be empty or absent. An array
`class_names`, text (K,), is optional.
"""

from __future__ import annotations

import functools
import math
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from core import settings
from core.datasets.files import UNREADABLE, is_file
from core.datasets.record import NOT_STATED, Dataset, Split, Splits
from core.events import LONGEST_NAME, MOST_CLASSES, MOST_IMAGES

PARTS = ("train", "val", "test")
LARGEST = 2**31  # most bytes of images that are loaded
LEAST_SIDE, MOST_SIDE = 8, 512  # px
NO_LINE = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # the last are bytes that are not UTF-8
LONGEST_STEM = 100  # letters of a file's name, which is the data set's and bounded by `RunSpec.data`


class _UnfitError(ValueError):
    """A file cannot be used as a data set; the argument is the text key of the reason."""


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
    """The splits in a file of MedMNIST's layout, with the channels moved to the front.

    Raises:
        ValueError: the file does not have this layout or is too large; damaged files raise other `UNREADABLE` errors.
    """
    with zipfile.ZipFile(path) as archive:
        shape, counts, _ = _layout(archive)

        def split(part: str) -> Split:
            images = _array(archive, f"{part}_images")  # (N, H, W) or (N, H, W, 3)
            images = images[:, None] if shape[0] == 1 else images.transpose(0, 3, 1, 2)
            return Split(np.ascontiguousarray(images), _labels(archive, part))

        return Splits(split("train"), split("val") if counts["val"] else None, split("test"))


def read_labels(path: Path) -> dict[str, np.ndarray]:
    """The labels int64 (N,) of each split that has images. Raises: ValueError and others, as `read_npz`."""
    with zipfile.ZipFile(path) as archive:
        _, counts, _ = _layout(archive)
        return {part: _labels(archive, part) for part in PARTS if counts[part]}


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
            shape, counts, names = _layout(archive)
    except _UnfitError as error:
        return _unfit(path, str(error))
    except (*UNREADABLE, MemoryError):  # parsing a header with very many brackets raises MemoryError
        return _unfit(path, "data.npz_unreadable")
    return _own(path, shape, counts, names)


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


def _layout(archive: zipfile.ZipFile) -> tuple[tuple[int, int, int], dict[str, int], tuple[str, ...]]:
    """The shape (C, H, W), the number of images in each split and the class names; reads no image.

    Raises: _UnfitError.
    """
    headers = dict(_headers(archive))
    parts = PARTS if {"val_images", "val_labels"} & headers.keys() else ("train", "test")
    if not {f"{part}_{kind}" for part in parts for kind in ("images", "labels")} <= headers.keys():
        raise _UnfitError("data.npz_arrays")
    images = {part: headers[f"{part}_images"] for part in parts}
    sides = {shape[1:] for shape, _ in images.values()}
    side = next(iter(sides))
    if len(sides) > 1 or any(dtype != np.uint8 for _, dtype in images.values()):
        raise _UnfitError("data.npz_images")
    if len(side) not in (2, 3) or side[2:] not in ((), (3,)) or not all(LEAST_SIDE <= n <= MOST_SIDE for n in side[:2]):
        raise _UnfitError("data.npz_images")
    counts = dict.fromkeys(PARTS, 0) | {part: shape[0] for part, (shape, _) in images.items()}
    if counts["train"] < 1 or counts["test"] < 1:
        raise _UnfitError("data.npz_images")
    if sum(counts.values()) > MOST_IMAGES or sum(math.prod(shape) for shape, _ in images.values()) > LARGEST:
        raise _UnfitError("data.npz_large")
    for part in parts:
        shape, dtype = headers[f"{part}_labels"]
        if dtype.kind not in "ui" or shape not in ((counts[part],), (counts[part], 1)):
            raise _UnfitError("data.npz_labels")
    labels = np.concatenate([_array(archive, f"{part}_labels").reshape(-1) for part in PARTS if counts[part]])
    names = _class_names(archive, headers, labels)
    if labels.min() < 0 or labels.max() >= len(names) or len(names) < 2:
        raise _UnfitError("data.npz_labels")
    return ((side[2] if len(side) == 3 else 1), side[0], side[1]), counts, names


def _class_names(
    archive: zipfile.ZipFile, headers: dict[str, tuple[tuple[int, ...], np.dtype]], labels: np.ndarray
) -> tuple[str, ...]:
    if "class_names" not in headers:
        return tuple(str(label) for label in range(min(int(labels.max()) + 1, MOST_CLASSES)))
    shape, dtype = headers["class_names"]
    if dtype.kind != "U" or len(shape) != 1 or shape[0] > MOST_CLASSES or dtype.itemsize > 4 * LONGEST_NAME:
        raise _UnfitError("data.npz_names")
    names = tuple(str(name).strip() for name in _array(archive, "class_names"))
    if not all(name and name.isprintable() for name in names) or len(set(names)) < len(names):
        raise _UnfitError("data.npz_names")
    return names


def _headers(archive: zipfile.ZipFile) -> Iterator[tuple[str, tuple[tuple[int, ...], np.dtype]]]:
    """Yields name, shape and dtype of each array of the layout, checking its size against the archive's directory.

    Raises: _UnfitError.
    """
    wanted = {f"{part}_{kind}" for part in PARTS for kind in ("images", "labels")} | {"class_names"}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if name not in wanted or name == member.filename:
            continue
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _UnfitError("data.npz_unreadable")
        with archive.open(member) as file:
            if np.lib.format.read_magic(file) != (1, 0):  # later versions are for headers of more than 64 KiB
                raise _UnfitError("data.npz_unreadable")
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            if dtype.hasobject or file.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
                raise _UnfitError("data.npz_unreadable")
        yield name, (shape, dtype)


def _labels(archive: zipfile.ZipFile, part: str) -> np.ndarray:
    return _array(archive, f"{part}_labels").reshape(-1).astype(np.int64)


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)
