"""A stored model and pictures: what it answers.

The model is the run's best one; of a run that is not done, the newest checkpoint's, and it says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.datasets import datasets
from core.drawing import fit_picture, prepare
from core.events import Started
from core.refusal import Refusal
from core.splits import resized
from core.store import Run

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Model:
    """A model that can be asked, and what it needs to be asked rightly."""

    run: str
    module: nn.Module
    shape: tuple[int, int, int]  # (C, H, W) of the images that it takes
    class_names: dict[str, tuple[str, ...]]  # by language
    digits: bool  # a drawing is prepared as MNIST's authors prepared theirs
    epoch: int  # whose weights these are
    done: bool  # False: of a run that has not finished

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Probabilities float32 (N, K) for images uint8 (N, C, H, W) of the model's shape."""
        from core.evaluate import probabilities

        return probabilities(self.module, images)

    def image(self, rgba: np.ndarray) -> np.ndarray | None:
        """The image uint8 (C, H, W) that the model sees of a picture uint8 (H, W, 4); None, if nothing is drawn on it."""
        if not self.digits:
            return fit_picture(rgba, self.shape)
        drawn = prepare(rgba).image
        if drawn is None:
            return None
        from core.datasets import Split

        split = Split(images=drawn[None, None], labels=np.zeros(1, dtype=np.int64))
        return resized(split, self.shape[1]).images[0]


def fits_drawing(run: Run) -> bool:
    """Whether the run's model reads drawn digits; knows it from the spec, without opening the model."""
    known = datasets().get(run.spec.data)
    return bool(known and known.digits)


def open_model(run: Run) -> Model:
    """The run's model on the CPU. Raises: Refusal, if it has none yet or a file is damaged."""
    from core.train import below, new_model

    started = run.last(Started)
    if not started:
        raise Refusal("error.no_model_yet", run=run.name)
    if report := run.report():
        weights, epoch = run.load(report.model, report.model_sha256)[0], report.best_epoch
    else:
        saved = run.checkpoints()
        if not saved:
            raise Refusal("error.no_model_yet", run=run.name)
        tensors, _ = run.load(saved[-1].checkpoint, saved[-1].sha256)
        weights, epoch = below("model.", tensors), saved[-1].epoch
    classes = len(started.class_names["en"])
    module = new_model(run.spec, started.shape, classes)
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise Refusal("error.run_damaged", run=run.name, file="model.safetensors") from error
    module.eval()
    return Model(
        run=run.name,
        module=module,
        shape=started.shape,
        class_names=dict(started.class_names),
        digits=fits_drawing(run),
        epoch=epoch,
        done=bool(report),
    )
