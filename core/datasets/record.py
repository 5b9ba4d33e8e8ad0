"""The data classes that describe a data set, and its loading, download and verification."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from core import settings
from core.datasets import cache
from core.datasets.files import DAMAGED_GZ, UNREADABLE, Download, Progress, download, is_file, md5_of, unpack
from core.refusal import Refusal, writing

NOT_STATED = "{not_stated}"  # a licence, or part of one, that the authors do not state


@dataclass(frozen=True)
class Split:
    """Images with their labels; the arrays are made read-only, since runs and users share them."""

    images: np.ndarray  # uint8 (N, C, H, W)
    labels: np.ndarray  # int64 (N,), 0 to K - 1

    def __post_init__(self) -> None:
        self.images.flags.writeable = False
        self.labels.flags.writeable = False


@dataclass(frozen=True)
class Splits:
    """The splits of a data set; `val` is None if its authors define none."""

    train: Split
    val: Split | None
    test: Split

    def parts(self) -> dict[str, Split]:
        """The splits that are not None, by name."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}


@dataclass(frozen=True)
class Pitfall:
    """A known problem of a data set, found after its publication, that may affect results."""

    text: str  # text key of the description (slot `count`: the number of known label errors)
    source: str
    link: str


@dataclass(frozen=True)
class Dataset:
    """One data set: its description, the location of its files, their download, and how to read them."""

    name: str  # identifier; the display name of a built-in data set is the text `dataset.NAME`
    shape: tuple[int, int, int]  # (C, H, W)
    class_names: Mapping[str, tuple[str, ...]]  # by language: K names
    counts: Mapping[str, int]  # images in "train", "val" (0: none) and "test"
    source: str  # authors and URLs; like `licence`, not translated
    licence: str  # may contain the slot `NOT_STATED`
    files: tuple[str, ...]  # the required files, relative to one of the folders
    read: Callable[[Path], Splits]  # reads the files in a folder
    read_labels: Callable[[Path], Mapping[str, np.ndarray]] | None = None  # without the images, if that is quicker
    md5: Callable[[], Mapping[str, str]] = dict  # by file, for the files whose md5 is known
    downloads: Callable[[], tuple[Download, ...]] | None = None  # None if there is no fixed URL to download from
    # For a data folder: a copy of a required file, by file, that is packed or lies in another place of the folder.
    copies: Callable[[Path], Mapping[str, Path]] = lambda _: {}
    folders: Callable[[], tuple[Path, ...]] = settings.data_folders
    digits: bool = False  # handwritten digits, so that drawings can be prepared to resemble its images
    note: str = ""  # text key of a remark to show
    pitfalls: tuple[Pitfall, ...] = ()
    # By index in the test split, for labels that most people reject: the class seen by a majority, None without one.
    label_errors: Mapping[int, int | None] = field(default_factory=dict)
    unfit: str = ""  # text key of the reason why an existing file cannot be used

    @property
    def class_count(self) -> int:
        """K, the number of classes."""
        return len(self.class_names["en"])

    def state(self) -> tuple[Literal["ready", "fetchable", "missing"], str | None]:
        """Whether the data are ready, can be downloaded, or are missing; in the last case with the reason's text key.

        Only checks that the files exist, which takes microseconds and no imports; `load` verifies them. The text has
        the slot `name`.
        """
        if self.unfit:
            return "missing", self.unfit
        if self._places() or self._to_unpack():
            return "ready", None
        if self.downloads is None:
            return "missing", "data.absent"
        return ("fetchable", None) if any(map(writable, self.folders())) else ("missing", "data.no_folder")

    def fetch(self, progress: Progress) -> None:
        """Download and verify all missing or damaged files into the first writable folder.

        `progress` is called with the bytes done and in total (0 while the total is unknown).

        Raises:
            Refusal: no network, an altered file, no writable folder, or a broken library.
        """
        folder = next(filter(writable, self.folders()), None)
        if self.downloads is None or folder is None:
            raise Refusal("data.absent" if self.downloads is None else "data.no_folder", name=self.name)
        md5 = self.md5()
        with writing(folder, "error.folder_unwritable"):
            for place in self.folders():
                with contextlib.suppress(Refusal):  # what is damaged is downloaded
                    self._unpack(place, folder)
            good = {file for file in self.files if is_file(folder / file) and md5_of(folder / file) == md5[file]}
            amounts: dict[str, tuple[int, int]] = {}  # by download: bytes done, bytes in total

            def add_up(path: str, done: int, total: int) -> None:
                amounts[path] = (done, total)
                known = all(total for _, total in amounts.values())
                progress(sum(done for done, _ in amounts.values()), known * sum(total for _, total in amounts.values()))

            for one in self.downloads():
                if good.issuperset(one.gives):
                    continue
                if (
                    one.unpack is not None
                    and one.md5
                    and is_file(folder / one.path)
                    and md5_of(folder / one.path) == one.md5
                ):
                    one.unpack(folder / one.path, folder)  # somebody has put it there, and keeps it
                else:
                    download(one.urls, one.md5, folder / one.path, partial(add_up, one.path))
                    if one.unpack is not None:
                        try:
                            one.unpack(folder / one.path, folder)
                        finally:
                            (folder / one.path).unlink()

    def verify(self, folder: Path) -> None:
        """Compare the files in a folder with their known checksums.

        Raises:
            Refusal: a file differs from the published one or cannot be read.
        """
        for file, md5 in self.md5().items():
            try:
                fits = md5_of(folder / file) == md5
            except OSError:
                fits = False
            if not fits:
                raise Refusal("error.data_rotten", file=str(folder / file), name=self.name)

    def load(self) -> Splits:
        """The data from the first folder with undamaged files, or from the cache if those files have been read before.

        Never downloads.

        Raises:
            Refusal: the files are missing, damaged or unusable, or the library that reads them is broken.
        """
        if self.unfit:
            raise Refusal(self.unfit, name=self.name)
        folders = self.folders()
        if not self._places() and (packed := self._to_unpack()):
            folder = next(filter(writable, (packed, *folders)), None)
            if folder is None:
                raise Refusal("data.no_folder", name=self.name)
            with writing(folder, "error.folder_unwritable"):
                self._unpack(packed, folder)
        refusal = Refusal("error.data_missing", name=self.name, folder=str(folders[0]) if folders else "")
        for folder in self._places():
            try:
                return self._load_from(folder)
            except Refusal as damaged:
                refusal = damaged
        raise refusal

    def labels(self) -> Mapping[str, np.ndarray]:
        """The labels int64 (N,), 0 to K - 1, of each split that its authors define. Raises: Refusal, as `load`."""
        places = self._places()
        if self.read_labels is None or self.unfit or not places:
            return {name: split.labels for name, split in self.load().parts().items()}
        try:
            return self.read_labels(places[0])
        except UNREADABLE as error:
            raise self._rotten(places[0]) from error

    def version(self) -> str:
        """An identifier of the state of the files that `load` tries first; "" if there are none."""
        return next((cache.version(folder / file for file in self.files) for folder in self._places()), "")

    def _places(self) -> list[Path]:
        return [folder for folder in self.folders() if all(is_file(folder / file) for file in self.files)]

    def _to_unpack(self) -> Path | None:
        """The first folder with all files, some of which are packed or in another place, see `copies`."""
        for folder in self.folders():
            copies = self.copies(folder)
            if copies and all(file in copies or is_file(folder / file) for file in self.files):
                return folder
        return None

    def _unpack(self, place: Path, folder: Path) -> None:
        """Write the files of `place`, unpacked, to where they belong in `folder`. Raises: OSError, Refusal."""
        copies = self.copies(place)
        for file in self.files:
            copy = copies.get(file) or (place / file if place != folder and copies else None)
            if copy and is_file(copy) and not is_file(folder / file):
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                try:
                    unpack(copy, folder / file)
                except DAMAGED_GZ as error:
                    raise Refusal("error.data_rotten", file=str(copy), name=self.name) from error

    def _load_from(self, folder: Path) -> Splits:
        try:
            version = cache.version(folder / file for file in self.files)
        except OSError as error:
            raise self._rotten(folder) from error
        arrays = cache.get(self.name, version)
        splits = _splits(arrays) if arrays else None
        if splits is None or not self._fits(splits):
            self.verify(folder)
            try:
                splits = self.read(folder)
            except Refusal:
                raise
            except UNREADABLE as error:
                raise self._rotten(folder) from error
            if not self._fits(splits):
                raise self._rotten(folder)
            cache.put(self.name, version, _arrays(splits))
        return splits

    def _rotten(self, folder: Path) -> Refusal:
        return Refusal("error.data_rotten", file=str(folder / self.files[0]), name=self.name)

    def _fits(self, splits: Splits) -> bool:
        classes = self.class_count
        counts = {name: len(split.labels) for name, split in splits.parts().items()}
        return counts == {name: n for name, n in self.counts.items() if n} and all(
            split.images.dtype == np.uint8
            and split.images.shape == (len(split.labels), *self.shape)
            and split.labels.dtype == np.int64
            and split.labels.ndim == 1
            and split.labels.min() >= 0
            and split.labels.max() < classes
            for split in splits.parts().values()
        )


def writable(folder: Path) -> bool:
    """Whether a file could be written to this folder, after creating it and its parents if necessary."""
    try:
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        return there.is_dir() and os.access(there, os.W_OK)
    except (OSError, StopIteration):  # no permission; a drive that does not exist
        return False


def _arrays(splits: Splits) -> dict[str, np.ndarray]:
    return {
        f"{name}_{kind}": getattr(split, kind)
        for name, split in splits.parts().items()
        for kind in ("images", "labels")
    }


def _splits(arrays: Mapping[str, np.ndarray]) -> Splits | None:
    def split(name: str) -> Split | None:
        images, labels = arrays.get(f"{name}_images"), arrays.get(f"{name}_labels")
        return None if images is None or labels is None else Split(images, labels)

    train, test = split("train"), split("test")
    return None if train is None or test is None else Splits(train, split("val"), test)
