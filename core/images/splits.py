"""The train, val and test splits of a data set according to a spec."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from core.datasets import Dataset, Split, Splits
from core.refusal import Refusal

if TYPE_CHECKING:
    from core.spec import RunSpec


def choose(spec: RunSpec, splits: Splits) -> Splits:
    """The splits by the spec's rule, resized to its image size; val is never None, test always the authors' own.

    The rule chooses val: `stratified` is a random `val_fraction` of each class of the authors' train split, see
    `val_indices`; `first_last` is the end of that split, like Keras's `validation_split`; `official` is the authors'
    val split; `test` is the test split, as in many published experiments, so that test results are biased, see
    `RunSpec.test_use`.
    Raises: Refusal, for `official` with a data set that has no val split, or if no train image can be set aside.
    """
    if spec.split == "official":
        if splits.val is None:
            raise Refusal("error.no_official_val", data=spec.data)
        train, val = splits.train, splits.val
    elif spec.split == "test":
        train, val = splits.train, splits.test
    else:
        chosen = val_indices(spec, splits.train.labels)
        train, val = _without(splits.train, chosen), _only(splits.train, chosen)
    if not spec.image_size:
        return Splits(train, val, splits.test)
    return Splits(*(Split(resized(part.images, spec.image_size), part.labels) for part in (train, val, splits.test)))


def counts_of(spec: RunSpec, counts: Mapping[str, int]) -> tuple[int, int]:
    """The approximate numbers of images that `choose` puts into train and val, from a data set's `counts` alone.

    `stratified` rounds within each class and takes an image of the smallest too, so it may differ by an image a class.
    Raises: Refusal, for `official` with a data set that has no val split.
    """
    if spec.split == "official":
        if not counts.get("val"):
            raise Refusal("error.no_official_val", data=spec.data)
        return counts["train"], counts["val"]
    n_val = max(1, round(counts["train"] * spec.val_fraction))
    return max(1, counts["train"] - n_val), n_val


def class_counts(spec: RunSpec, source: Dataset) -> dict[str, np.ndarray]:
    """The number of images of each class, int64 (K,), in each split that `choose` makes: `train`, `val` and `test`.

    Only the labels are needed, so users' own images are not read. Raises: Refusal, as `choose` and `Dataset.labels`.
    """
    bare = {name: Split(np.empty((len(labels), 0), np.uint8), labels) for name, labels in source.labels().items()}
    unsized = spec.model_copy(update={"image_size": None})
    return counts_in(choose(unsized, Splits(bare["train"], bare.get("val"), bare["test"])), source.class_count)


def counts_in(splits: Splits, classes: int) -> dict[str, np.ndarray]:
    """The number of images of each class, int64 (K,), in each of these splits."""
    return {name: np.bincount(split.labels, minlength=classes) for name, split in splits.parts().items()}


def val_indices(spec: RunSpec, labels: np.ndarray) -> np.ndarray:
    """The sorted indices (M,) of the images in the authors' train split that the spec's rule puts into val.

    `stratified` takes at least one image of each class that has two or more, and none of a class that has one: else
    val would say nothing about the class, or the model would never see it.
    Raises: Refusal, if there is a single image, or for `stratified` a single one of each class.
    """
    n = len(labels)
    if n < 2:
        raise Refusal("error.one_train_image", data=spec.data)
    if spec.split == "first_last":
        return np.arange(int(n * (1 - spec.val_fraction)), n)
    generator = np.random.default_rng(spec.seed)
    parts = []
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        share = max(round(len(places) * spec.val_fraction), int(len(places) > 1))
        parts.append(generator.permutation(places)[:share])
    chosen = np.sort(np.concatenate(parts))
    if not len(chosen):
        raise Refusal("error.single_images", data=spec.data)
    return chosen


def train_indices(spec: RunSpec, labels: np.ndarray) -> np.ndarray:
    """The places (N,) in the authors' train split, with labels (M,), of the images that `choose` puts into train.

    Raises: Refusal, as `val_indices`.
    """
    places = np.arange(len(labels))
    return places if spec.split in ("official", "test") else np.delete(places, val_indices(spec, labels))


def digest(split: Split) -> str:
    """An identifier (sha256) of a split's images: equal only for equal images in the same order."""
    return hashlib.sha256(repr(split.images.shape).encode() + split.images.tobytes()).hexdigest()


def resized(images: np.ndarray, side: int) -> np.ndarray:
    """Images uint8 (N, C, H, W) at `side` x `side` pixels, bilinear with antialiasing, as torchvision's Resize does."""
    if images.shape[2:] == (side, side):
        return images
    import torch
    from torch.nn import functional

    parts = [
        functional.interpolate(torch.from_numpy(part.copy()), (side, side), mode="bilinear", antialias=True).numpy()
        for part in np.array_split(images, max(1, len(images) // 1000))
        if len(part)
    ]
    return np.concatenate(parts)


def _only(split: Split, places: np.ndarray) -> Split:
    return Split(images=split.images[places], labels=split.labels[places])


def _without(split: Split, places: np.ndarray) -> Split:
    keep = np.ones(len(split.labels), dtype=bool)
    keep[places] = False
    return Split(images=split.images[keep], labels=split.labels[keep])
