"""The encoder of a network by itself: its codes for images, saved, and compared with those of other weights.

The encoder is the convolutional part: the first layers, up to the one that turns feature maps into a vector, the code.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np

from core.datasets import Split, Splits, dataset
from core.images.splits import choose, digest
from core.models.model import Model
from core.networks.layers import Row, encoder_length, table
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run, no_report
from core.words import FALLBACK

if TYPE_CHECKING:
    from torch import nn

MOST_IMAGES = 2_000  # of train that are remembered, and of val that are looked up, in a comparison ...
MOST_VALUES = 25_000_000  # ... whose codes have at most so many values together: 100 MB
LEAST_IMAGES = 50  # with fewer a comparison says nothing
NEIGHBOURS = 5


@dataclass(frozen=True)
class Encoder:
    """The first layers of a model as two modules: images to feature maps, and feature maps to the code."""

    to_maps: nn.Sequential  # images uint8 (N, C, H, W) -> float32 (N, *shape)
    to_code: nn.Module  # float32 (N, *shape) -> float32 (N, size)
    shape: tuple[int, ...]  # (C, H, W) of the last feature maps
    size: int  # D, the number of values in a code
    part: int  # images that are computed at once

    def maps(self, image: np.ndarray) -> np.ndarray:
        """The last feature maps float32 (C, H, W), before the code, for an image uint8 (C, H, W)."""
        return next(_computed(self.to_maps, image[None], 1))[0]

    def codes(self, images: np.ndarray) -> Iterator[np.ndarray]:
        """Yields the codes float32 (B, D) of images uint8 (N, C, H, W), `part` or fewer at a time."""
        from torch import nn

        return _computed(nn.Sequential(self.to_maps, self.to_code), images, self.part)


def encoder_rows(run: Run) -> list[Row]:
    """The layer table of the run's encoder; empty for a network without one. Raises: Refusal, as `Run.started`."""
    started = run.started()
    rows = table(run.spec.layers, started.shape, started.class_count)
    return rows[: encoder_length(rows) or 0]


def encoder(run: Run, model: Model) -> Encoder:
    """The encoder of the run's opened model. Raises: Refusal, if its network has none."""
    return _encoder(run, model.module)


def random_encoder(run: Run, model: Model) -> Encoder:
    """The same encoder with the random weights that the spec's seed draws, as before a training from scratch.

    They are the very weights that the run began with if it took none over, on the same version of torch. Raises:
    Refusal, as `encoder`.
    """
    from core.training.train import initial_model

    started = run.started()
    module = initial_model(run.spec, started.shape, started.class_count)
    module.get_submodule("scale").load_state_dict(model.module.get_submodule("scale").state_dict())
    return _encoder(run, module.eval())


def _encoder(run: Run, module: nn.Module) -> Encoder:
    from torch import nn

    from core.training.engine import part_size

    rows = encoder_rows(run)
    if not rows:
        raise Refusal("error.no_encoder", run=run.name)
    *before, last = list(module.get_submodule("layers").children())[: len(rows)]
    to_maps = nn.Sequential(module.get_submodule("scale"), *before)
    return Encoder(to_maps, last, rows[-1].shape_before, rows[-1].shape[0], part_size(rows))


def _computed(module: nn.Module, images: np.ndarray, part: int) -> Iterator[np.ndarray]:
    import torch

    from core.training.engine import logits_in_parts

    for at in range(0, len(images), part):  # a copy of a few images at a time
        yield from (out.numpy() for out in logits_in_parts(module, torch.tensor(images[at : at + part]), part))


# --- saved ------------------------------------------------------------------------------------------------------------


def tested_splits(run: Run) -> Splits:
    """The splits of a finished run. Raises: Refusal, if it is not done, or its data are not here or have changed."""
    report = run.report()
    if not report:
        raise no_report(run)
    splits = choose(run.spec, dataset(run.spec.data).load())
    if report.images and digest(splits.test) != report.images:
        raise Refusal("error.other_data", data=run.spec.data)
    return splits


def exportable(spec: RunSpec) -> tuple[Literal["val", "test"], ...]:
    """The splits whose codes can be saved: without val where it is the test split."""
    return ("test",) if spec.split == "test" else ("val", "test")


def write_codes(run: Run, model: Model, splits: Splits, split: str, file: BinaryIO) -> int:
    """Write the codes of a split as a NumPy `.npz` file, a few images at a time; returns D, the length of a code.

    Its arrays: `codes` float32 (N, D) and `labels` int64 (N,) in the split's order; `split`, `run` (strings) and
    `class_names` (K,), in English. The same run and data give the same bytes. Raises: Refusal, if the network has no
    encoder or the split is not one of the `exportable`.
    """
    if split not in exportable(run.spec):
        raise Refusal("error.val_is_test", run=run.name)
    one, part = encoder(run, model), splits.parts()[split]
    with zipfile.ZipFile(file, "w") as archive:
        with archive.open(zipfile.ZipInfo("codes.npy"), "w", force_zip64=True) as member:
            facts = {"descr": "<f4", "fortran_order": False, "shape": (len(part.labels), one.size)}
            np.lib.format.write_array_header_1_0(member, facts)
            for codes in one.codes(part.images):
                member.write(codes.astype("<f4").tobytes())
        others = {
            "labels": part.labels.astype(np.int64),
            "split": np.array(split),
            "run": np.array(run.name),
            "class_names": np.array(run.class_names(FALLBACK)),
        }
        for name, array in others.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return one.size


# --- compared ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparable:
    """The images on which encoders are compared: the codes of `known` are remembered, those of `asked` looked up."""

    known: Split
    asked: Split
    is_val: bool  # whether `asked` is from val, so that no encoder has learned from it; else from train, as `known`


def comparable(run: Run, splits: Splits) -> Comparable:
    """The images to compare a run's encoder on, drawn by the spec's seed; none is from test.

    A run that was validated on test has no val of its own: then both parts are from train, each image in one of them.
    Raises: Refusal, if there are too few, or so few codes fit into `MOST_VALUES`.
    """
    rows = encoder_rows(run)
    if not rows:
        raise Refusal("error.no_encoder", run=run.name)
    values = max(rows[-1].shape[0], math.prod(splits.train.images.shape[1:]))  # the pixels are compared too
    most = min(MOST_IMAGES, MOST_VALUES // values)
    chance = np.random.default_rng(run.spec.seed)
    order = chance.permutation(len(splits.train.labels))
    if run.spec.split == "test":
        half = min(most, len(order) // 2)
        parts = _some(splits.train, order[:half]), _some(splits.train, order[half : 2 * half])
    else:
        assert splits.val is not None
        places = chance.permutation(len(splits.val.labels))
        parts = _some(splits.train, order[:most]), _some(splits.val, places[:most])
    if min(len(part.labels) for part in parts) < LEAST_IMAGES:
        raise Refusal("error.too_few_codes", least=LEAST_IMAGES)
    return Comparable(*parts, is_val=run.spec.split != "test")


def _some(split: Split, places: np.ndarray) -> Split:
    places = np.sort(places)
    return Split(images=split.images[places], labels=split.labels[places])


def recognised(one: Encoder | None, on: Comparable, tell: Callable[[float], None] | None = None) -> np.ndarray:
    """Whether each `asked` image, bool (N,), is of the class that most of the five `known` ones nearest to it have.

    Nearest by the Euclidean distance of the codes; of the pixels if there is no encoder. Of classes with equally many
    neighbours the first is chosen. Nothing is fitted, so the codes alone decide. `tell` gets the share (0 to 1) that is
    done. Source: Fix, Hodges 1951 (nearest neighbours); Cover, Hart 1967.
    """
    from sklearn.neighbors import KNeighborsClassifier

    total, done = len(on.known.labels) + len(on.asked.labels), 0
    found: list[np.ndarray] = []
    for split in (on.known, on.asked):
        codes: list[np.ndarray] = []
        for some in one.codes(split.images) if one else [split.images.reshape(len(split.images), -1) / np.float32(255)]:
            codes.append(some)
            done += len(some)
            if tell:
                tell(done / total)
        found.append(np.concatenate(codes))
    nearest = KNeighborsClassifier(NEIGHBOURS, algorithm="brute").fit(found[0], on.known.labels)
    return nearest.predict(found[1]) == on.asked.labels
