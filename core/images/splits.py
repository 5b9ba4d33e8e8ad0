"""Which images train, which choose, which are looked at once: a data set's splits as a spec wants them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from core.datasets import Split, Splits
from core.refusal import Refusal

if TYPE_CHECKING:
    from core.spec import RunSpec


def choose(spec: RunSpec, splits: Splits) -> Splits:
    """Train, val and test split by the spec's rule, resized to its image size; val is never None, test never changed.

    `stratified` takes `val_fraction` of each class of the authors' train split, by the seed; `first_last` takes the end
    of it, as Keras's `validation_split`; `official` takes the authors' own val split; `test` takes the test split, as
    many a published experiment did: nothing that is measured on it then is honest, see `RunSpec.test_use`.
    Raises: Refusal, where `official` is asked of a data set without one.
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
    """How many images `choose` gives to train and val, of a data set with these `counts`, loading none of them.

    `stratified` rounds within each class, so it may give a few images more or fewer.
    Raises: Refusal, where `official` is asked of a data set without one.
    """
    if spec.split == "official":
        if not counts.get("val"):
            raise Refusal("error.no_official_val", data=spec.data)
        return counts["train"], counts["val"]
    n_val = max(1, round(counts["train"] * spec.val_fraction))
    return max(1, counts["train"] - n_val), n_val


def val_indices(spec: RunSpec, labels: np.ndarray) -> np.ndarray:
    """The places (M,) in the authors' train split, in order, that the spec's rule gives to val."""
    n = len(labels)
    if spec.split == "first_last":
        return np.arange(int(n * (1 - spec.val_fraction)), n)
    generator = np.random.default_rng(spec.seed)
    parts = []
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        parts.append(generator.permutation(places)[: round(len(places) * spec.val_fraction)])
    chosen = np.sort(np.concatenate(parts))
    if not len(chosen):  # classes so small that a fraction of each is none
        chosen = np.sort(generator.permutation(n)[: max(1, round(n * spec.val_fraction))])
    return chosen


def digest(split: Split) -> str:
    """What names the images of a split, their order and their sizes: equal for equal images alone."""
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
