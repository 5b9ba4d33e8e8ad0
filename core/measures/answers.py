"""A model's predictions for the images of a split: correctness, confidence, loss, and errors."""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from core.store import Run, no_report

LEAST_ERRORS = 10  # errors that a model's confidence must let expect, for an interval of its loss


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

    @cached_property
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

    @property
    def expected_errors(self) -> float:
        """The number of errors that the confidence lets expect, 0 to N: the sum of 1 - confidence."""
        return float((1 - self.confidence.astype(np.float64)).sum())

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
        """The mean cross-entropy in nats, with a confidence interval, see `_mean_loss`, cut off at 0."""
        return _mean_loss(self.losses, self, least=0.0)

    def gap(self) -> Measure:
        """The mean confidence minus the accuracy, -1 to 1, with an interval that holds 0 if chance explains the gap.

        The standard error is that of a calibrated model, sqrt(sum c (1 - c)) / n with c the confidence, because the
        spread of the images that were seen is far too small where errors are few. So 0 lies within the interval
        exactly if a test of calibration at 5 % does not reject. It rejects 1 to 6 % of calibrated models, and up to 9 %
        where less than one error is to be expected. Source: the variance of the Poisson binomial distribution.
        """
        confidence, n = self.confidence.astype(np.float64), len(self.labels)
        value = float((confidence - self.is_right).mean())
        half = 1.959964 * math.sqrt((confidence * (1 - confidence)).sum()) / n
        return Measure(value, value - half, value + half, n)

    def rank_of_truth(self, index: int) -> int:
        """The rank of the true class by probability, 1 to K; 1 if no class is more probable."""
        return 1 + int((self.probabilities[index] > self.of_truth[index]).sum())

    def representative(self, k: int) -> int | None:
        """The index of the correctly classified image of class k with the highest confidence; None if there is none."""
        places = np.flatnonzero((self.labels == k) & self.is_right)
        return int(places[self.probabilities[places, k].argmax()]) if len(places) else None

    def errors(
        self,
        order: Literal["index", "loss", "confidence"],
        true: int | None = None,
        predicted: int | None = None,
    ) -> np.ndarray:
        """The indices, int64, of all errors, of those of a true or predicted class, or of all images in both.

        Order: by index, or with the highest loss or the highest confidence first.
        """
        wrong = ~self.is_right if true is None or predicted is None else np.ones(len(self.labels), bool)
        for given, found in ((true, self.labels), (predicted, self.predicted)):
            if given is not None:
                wrong &= found == given
        places = np.flatnonzero(wrong)
        if order == "index":
            return places
        worst = self.of_truth if order == "loss" else -self.confidence  # a low probability of the truth is a high loss
        return places[np.argsort(worst[places], kind="stable")]


def packed(is_right: np.ndarray) -> str:
    """Which images are answered rightly, bool (N,), as text: a bit an image, compressed, in base64."""
    return base64.b64encode(zlib.compress(np.packbits(is_right).tobytes(), 9)).decode()


def unpacked(text: str, n: int) -> np.ndarray | None:
    """Which of `n` images are answered rightly, bool (N,), from `packed`; None if the text is not of so many images."""
    size, stream = math.ceil(n / 8), zlib.decompressobj()
    try:
        held = stream.decompress(base64.b64decode(text), size + 1)  # a stranger's may become very large
    except (ValueError, zlib.error):
        return None
    is_whole = stream.eof and len(held) == size
    return np.unpackbits(np.frombuffer(held, np.uint8), count=n).astype(bool) if is_whole else None


def stored_answers(run: Run, split: Literal["val", "test"] = "test") -> Answers | None:
    """The stored predictions of a finished run's best epoch; None if there are none for this split.

    Predictions on val are missing in runs of the first versions and in runs whose val split is the test split.

    Raises:
        Refusal: the run is not done or is damaged, or its file does not hold predictions that agree with its report.
    """
    report = run.report()
    if not report:
        raise no_report(run)
    stored = run.arrays(report.predictions, report.predictions_sha256)
    prefix = "" if split == "test" else "val_"
    damaged = run.damaged(report.predictions)
    if f"{prefix}labels" not in stored:
        if split == "test":
            raise damaged
        return None
    labels = stored[f"{prefix}labels"]
    if f"{prefix}probabilities" not in stored or labels.dtype.kind not in "ui":
        raise damaged
    probabilities = stored[f"{prefix}probabilities"].astype(np.float32)
    found = Answers(labels.astype(np.int64), probabilities, report.images if split == "test" else "")
    if not found.are_possible(len(report.confusion_matrix)):
        raise damaged
    if split == "test" and found.confusion_matrix.tolist() != [list(row) for row in report.confusion_matrix]:
        raise damaged
    return found


def loss_change(before: Answers, after: Answers) -> Measure:
    """The mean change of the loss in nats on the same images, below 0 for an improvement; interval: `_mean_loss`."""
    return _mean_loss(after.losses - before.losses, before, after)


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


def _mean_loss(values: np.ndarray, *answers: Answers, least: float = -math.inf) -> Measure:
    """The mean of losses or of their changes (N,), with an interval for skewed values that is cut off at `least`.

    A few errors decide a loss. So the lower end is computed with a second least value instead of the greatest, the
    upper end with a second greatest instead of the least. The interval is NaN if the confidence of any of the `answers`
    lets expect fewer than ten errors, if any true class has probability 0, and for a single image. The number of errors
    that occurred would be no such criterion: where it is large by chance, the loss is too.
    """
    mean, n = float(values.mean()), len(values)
    few = min(one.expected_errors for one in answers) < LEAST_ERRORS
    if few or n < 2 or not all(one.of_truth.all() for one in answers):
        return Measure(mean, math.nan, math.nan, n)
    rising = np.sort(values)
    low, high = _skewed(np.append(rising[0], rising[:-1]))[0], _skewed(np.append(rising[1:], rising[-1]))[1]
    return Measure(mean, max(least, min(mean, low)), max(mean, high), n)


def _skewed(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a mean of skewed values (N,). Source: Hall 1992, J. Royal Stat. Soc. B 54, 221."""
    mean, n = values.mean(), len(values)
    apart = values - mean
    error = math.sqrt((apart**2).mean() / (n - 1))
    skewness = (apart**3).mean() / max((apart**2).mean() ** 1.5, 1e-300) / math.sqrt(n)

    def moved(z: float) -> float:
        """A quantile of the normal distribution, moved by the inverse of Hall's third transformation."""
        if abs(skewness) < 1e-6:
            return z
        return float(3 / skewness * (np.cbrt(1 + skewness * (z - skewness / 6)) - 1))

    return float(mean - error * moved(1.959964)), float(mean - error * moved(-1.959964))
