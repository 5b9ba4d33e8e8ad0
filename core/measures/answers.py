"""A model's predictions for the images of a split: correctness, confidence, loss, and errors."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from core.refusal import Refusal
from core.store import Run


@dataclass(frozen=True)
class Answers:
    """A model's predicted probabilities for the images of a split, with the true labels."""

    labels: np.ndarray  # int64 (N,)
    probabilities: np.ndarray  # float32 (N, K)
    images: str = ""  # identifier of the images, see `splits.digest`; "" if not known

    @cached_property
    def predicted(self) -> np.ndarray:
        """The most probable class of each image, int64 (N,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def confusion_matrix(self) -> np.ndarray:
        """Counts of images, int64 (K, K), `[true][predicted]`."""
        return confusion_matrix(self.labels, self.predicted, self.probabilities.shape[1])

    @property
    def confidence(self) -> np.ndarray:
        """The probability of the predicted class, float32 (N,)."""
        return self.probabilities.max(axis=1)

    @property
    def of_truth(self) -> np.ndarray:
        """The probability of the true class, float32 (N,)."""
        return self.probabilities[np.arange(len(self.labels)), self.labels]

    @property
    def is_right(self) -> np.ndarray:
        """Whether the predicted class is the true one, bool (N,)."""
        return self.predicted == self.labels

    @property
    def losses(self) -> np.ndarray:
        """The cross-entropy of each image in nats, float64 (N,); at most 87, where the true class has probability 0."""
        return -np.log(np.maximum(self.of_truth, np.finfo(np.float32).tiny).astype(np.float64))

    def are_possible(self, classes: int) -> bool:
        """Whether these can be answers about K = `classes`: shapes, labels, and probabilities that add up to 1."""
        labels, given = self.labels, self.probabilities
        return (
            labels.ndim == 1
            and len(labels) > 0
            and given.shape == (len(labels), classes)
            and bool(labels.min() >= 0 and labels.max() < classes)
            and bool((given >= 0).all() and (np.abs(given.sum(axis=1) - 1) < 1e-3).all())
        )

    def loss(self) -> Measure:
        """The mean cross-entropy in nats, with a normal confidence interval cut off at 0.

        The interval is NaN if the true class of any image has probability 0.
        """
        found = _mean(self.losses)
        if not self.of_truth.all():
            return replace(found, low=math.nan, high=math.nan)
        return replace(found, low=float(np.maximum(0, found.low)))

    def gap(self) -> Measure:
        """The mean confidence minus the accuracy, -1 to 1, with a normal confidence interval over the images."""
        return _mean(self.confidence.astype(np.float64) - self.is_right)

    def rank_of_truth(self, index: int) -> int:
        """The rank of the true class by probability, 1 to K; 1 if no class is more probable."""
        return 1 + int((self.probabilities[index] > self.of_truth[index]).sum())

    def representative(self, k: int) -> int | None:
        """The index of the correctly classified image of class k with the highest confidence; None if there is none."""
        places = np.flatnonzero((self.labels == k) & self.is_right)
        return int(places[self.probabilities[places, k].argmax()]) if len(places) else None

    def errors(self, order: Literal["index", "loss", "confidence"], cell: tuple[int, int] | None = None) -> np.ndarray:
        """The indices, int64, of all errors or of the images in a confusion matrix cell (true, predicted).

        Order: by index, or with the highest loss or the highest confidence first.
        """
        wrong = ~self.is_right if cell is None else (self.labels == cell[0]) & (self.predicted == cell[1])
        places = np.flatnonzero(wrong)
        if order == "index":
            return places
        worst = self.of_truth if order == "loss" else -self.confidence  # a low probability of the truth is a high loss
        return places[np.argsort(worst[places], kind="stable")]


def stored_answers(run: Run, split: Literal["val", "test"] = "test") -> Answers | None:
    """The stored predictions of a finished run's best epoch; None if there are none for this split.

    Predictions on val are missing in runs of the first versions and in runs whose val split is the test split.

    Raises:
        Refusal: the run is not done or is damaged, or its file does not hold predictions that agree with its report.
    """
    report = run.report()
    if not report:
        raise Refusal("error.no_model_yet", run=run.name)
    stored, _ = run.load(report.predictions, report.predictions_sha256)
    prefix = "" if split == "test" else "val_"
    damaged = Refusal("error.run_damaged", run=run.name, file=report.predictions)
    if f"{prefix}labels" not in stored:
        if split == "test":
            raise damaged
        return None
    labels = stored[f"{prefix}labels"].numpy()
    if f"{prefix}probabilities" not in stored or labels.dtype.kind not in "ui":
        raise damaged
    probabilities = stored[f"{prefix}probabilities"].float().numpy()
    found = Answers(labels.astype(np.int64), probabilities, report.images if split == "test" else "")
    if not found.are_possible(len(report.confusion_matrix)):
        raise damaged
    if split == "test" and found.confusion_matrix.tolist() != [list(row) for row in report.confusion_matrix]:
        raise damaged
    return found


def loss_change(before: Answers, after: Answers) -> Measure:
    """The mean change of the loss in nats on the same images, below 0 for an improvement, with a paired interval."""
    return _mean(after.losses - before.losses)


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts of images, int64 (K, K), `[true][predicted]`, from true and predicted classes (N,), 0 to K - 1."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


@dataclass(frozen=True)
class Measure:
    """A measure with its 95 % confidence interval; all NaN for no images."""

    value: float
    low: float
    high: float
    n: int  # number of images


def _mean(values: np.ndarray) -> Measure:
    """The mean of values (N,), one per image, with its normal confidence interval, which is NaN for a single image."""
    mean, n = float(values.mean()), len(values)
    half = 1.959964 * float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return Measure(mean, mean - half, mean + half, n)
