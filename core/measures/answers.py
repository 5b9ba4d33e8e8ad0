"""What a model said of the images of a split, and what that says of it: who is right, how sure, at what loss."""

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
    """What a model said of the images of a split."""

    labels: np.ndarray  # int64 (N,)
    probabilities: np.ndarray  # float32 (N, K)
    images: str = ""  # what names the images, see `splits.digest`; empty where it is not known

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
        """The cross-entropy of each image in nats, float64 (N,); at most 87, where a truth has probability 0."""
        return -np.log(np.maximum(self.of_truth, np.finfo(np.float32).tiny).astype(np.float64))

    def loss(self) -> Measure:
        """The mean cross-entropy in nats, with a normal interval above 0; none where a truth has probability 0."""
        found = _mean(self.losses)
        if not self.of_truth.all():
            return replace(found, low=math.nan, high=math.nan)
        return replace(found, low=float(np.maximum(0, found.low)))

    def gap(self) -> Measure:
        """How much surer the model is than it is right, -1 to 1, on average; its interval is of the images' gaps."""
        return _mean(self.confidence.astype(np.float64) - self.is_right)

    def rank_of_truth(self, index: int) -> int:
        """1, if no class was more probable than the true one; at most K."""
        return 1 + int((self.probabilities[index] > self.of_truth[index]).sum())

    def representative(self, k: int) -> int | None:
        """The image of class k that is recognised most surely; None, if none of the class is recognised."""
        places = np.flatnonzero((self.labels == k) & self.is_right)
        return int(places[self.probabilities[places, k].argmax()]) if len(places) else None

    def errors(self, order: Literal["index", "loss", "confidence"], cell: tuple[int, int] | None = None) -> np.ndarray:
        """The places of all errors, or of the images of a cell (true, predicted), the worst ones first, int64."""
        wrong = ~self.is_right if cell is None else (self.labels == cell[0]) & (self.predicted == cell[1])
        places = np.flatnonzero(wrong)
        if order == "index":
            return places
        worst = self.of_truth if order == "loss" else -self.confidence  # of the truth the least is the largest loss
        return places[np.argsort(worst[places], kind="stable")]


def stored_answers(run: Run, split: Literal["val", "test"] = "test") -> Answers | None:
    """What a finished run's best model said; None of val for a run of the first versions. Raises: Refusal."""
    report = run.report()
    if not report:
        raise Refusal("error.no_model_yet", run=run.name)
    stored, _ = run.load(report.predictions, report.predictions_sha256)
    prefix = "" if split == "test" else "val_"
    if f"{prefix}labels" not in stored:
        return None
    images = report.images if split == "test" else ""
    labels = stored[f"{prefix}labels"].numpy().astype(np.int64)
    return Answers(labels, stored[f"{prefix}probabilities"].numpy(), images)


def loss_change(before: Answers, after: Answers) -> Measure:
    """The mean change of the loss in nats, below 0 for a better one; its interval is of the changes image by image."""
    return _mean(after.losses - before.losses)


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts of images, int64 (K, K), `[true][predicted]`, of two arrays (N,) of classes 0 to K - 1."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


@dataclass(frozen=True)
class Measure:
    """A measure with its interval at 95 % and the number of images that it is of; all NaN where there are none."""

    value: float
    low: float
    high: float
    n: int


def _mean(values: np.ndarray) -> Measure:
    """The mean of values (N,), one an image, with its normal interval; that is NaN for a single image."""
    mean, n = float(values.mean()), len(values)
    half = 1.959964 * float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return Measure(mean, mean - half, mean + half, n)
