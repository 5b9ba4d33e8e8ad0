"""What a model's answers on a split say: the confusion matrix and its measures, how sure the model was, and of what.

scikit-learn computes what it has. The intervals, the ties and the temperature are ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, cast

import numpy as np

from core.refusal import Refusal
from core.store import Run

RESAMPLES = 2000  # tables drawn for an interval: its ends are then right to a twentieth of its length ...
MOST_CELLS = 4_000_000  # ... and fewer where there are so many classes that they would take seconds
BINS = 10  # of the probabilities 0 to 1, for calibration
TEMPERATURES = (0.05, 20.0)  # between which the best one is looked for


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


@dataclass(frozen=True)
class Calibration:
    """Whether a model is right as often as it says: a bin holds the images whose confidence lies between its edges."""

    edges: np.ndarray  # (BINS + 1,), 0 to 1
    counts: np.ndarray  # images (BINS,)
    confidence: np.ndarray  # their mean confidence (BINS,), NaN for a bin without images
    accuracy: np.ndarray  # the share of them that is right (BINS,), NaN for a bin without images
    error: float  # expected calibration error, 0 to 1: the mean of |accuracy - confidence|, each image counting once


def calibration(answers: Answers) -> Calibration:
    """The reliability of a model's confidence. Source: Guo, Pleiss, Sun, Weinberger 2017, ICML."""
    from sklearn.calibration import calibration_curve

    edges = np.linspace(0, 1, BINS + 1)
    counts = np.bincount(np.searchsorted(edges[1:-1], answers.confidence), minlength=BINS)  # as scikit-learn bins them
    accuracy, confidence = np.full(BINS, math.nan), np.full(BINS, math.nan)
    accuracy[counts > 0], confidence[counts > 0] = calibration_curve(
        answers.is_right, answers.confidence, n_bins=BINS, pos_label=True
    )
    error = float(np.nansum(counts * np.abs(accuracy - confidence)) / counts.sum())
    return Calibration(edges, counts, confidence, accuracy, error)


def temperature(val: Answers) -> float | None:
    """What to divide the logits by so that val's cross-entropy is least; above 1 for a model that is too sure.

    None where val has no error: then there is no least, the surer the better. Never fitted on test.
    Source: Guo, Pleiss, Sun, Weinberger 2017, ICML.
    """
    from scipy.optimize import minimize_scalar

    if val.is_right.all():
        return None
    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(lambda log: tempered(val, math.exp(log)).loss().value, bounds=(low, high), method="bounded")
    return math.exp(float(found.x))  # pyright: ignore[reportAttributeAccessIssue]


def tempered(answers: Answers, temperature: float) -> Answers:
    """The answers of the same model with its logits divided by `temperature`: no class changes, only how sure it is."""
    from scipy.special import softmax

    logits = np.log(np.maximum(answers.probabilities, np.finfo(np.float32).tiny))
    return replace(answers, probabilities=softmax(logits / temperature, axis=1))


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


@dataclass(frozen=True)
class ClassMeasures:
    """What a confusion matrix says of one class; `precision` is NaN for a class that was never predicted."""

    precision: Measure  # Wilson
    recall: Measure  # Wilson
    f1: Measure  # Wilson, see `_f1`
    support: int


@dataclass(frozen=True)
class Measures:
    """What a confusion matrix says, each from 0 to 1 but kappa, which may be below 0."""

    accuracy: Measure  # Wilson; the other intervals are of a bootstrap, NaN where all resamplings agree
    errors: int
    balanced_accuracy: Measure  # the mean of the recalls of the classes that have images
    macro_f1: Measure  # the mean over the classes that have images or were predicted
    weighted_f1: Measure
    kappa: Measure  # agreement beyond chance; NaN where all images are of one class and were predicted so
    classes: tuple[ClassMeasures, ...]


def balanced_accuracy(matrix: np.ndarray) -> float:
    """The mean of the recalls of the classes that have images; here, so that a worker need not import scikit-learn."""
    right, support = matrix.diagonal(), matrix.sum(axis=1)
    return float((right[support > 0] / support[support > 0]).mean())


def resamples(classes: int) -> int:
    """How many tables are drawn for the intervals of a matrix of K = `classes`."""
    return max(200, min(RESAMPLES, MOST_CELLS // classes**2))


def measures(matrix: np.ndarray | Sequence[Sequence[int]]) -> Measures:
    """All measures of a confusion matrix (K, K) of counts, `[true][predicted]`. Raises: ValueError, of an empty one."""
    from sklearn.metrics import cohen_kappa_score, precision_recall_fscore_support

    matrix = np.asarray(matrix)
    right, support, predicted = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    n, correct = int(matrix.sum()), int(right.sum())
    if not n:
        raise ValueError("a confusion matrix of no images")
    true, answered = np.indices(matrix.shape).reshape(2, -1)  # a cell is an answer, as heavy as it has images
    weights, undefined = matrix.ravel(), cast("str", np.nan)  # scikit-learn takes NaN, its types do not know it
    _, _, f1, _ = precision_recall_fscore_support(
        true, answered, labels=np.arange(len(matrix)), sample_weight=weights, zero_division=undefined
    )
    one_class = n * n == int(support @ predicted)
    kappa = math.nan if one_class else float(cohen_kappa_score(true, answered, sample_weight=weights))
    drawn = _drawn(matrix)

    def resampled(value: float, name: str) -> Measure:
        return Measure(value, *_middle(drawn[name]), n)

    return Measures(
        accuracy=proportion(correct, n),
        errors=n - correct,
        balanced_accuracy=resampled(balanced_accuracy(matrix), "balanced_accuracy"),
        macro_f1=resampled(float(np.nanmean(f1)), "macro_f1"),
        weighted_f1=resampled(float(np.nansum(f1 * support)) / n, "weighted_f1"),
        kappa=resampled(kappa, "kappa"),
        classes=tuple(
            ClassMeasures(
                precision=proportion(int(right[k]), int(predicted[k])),
                recall=proportion(int(right[k]), int(support[k])),
                f1=_f1(int(right[k]), int(support[k] + predicted[k] - right[k])),
                support=int(support[k]),
            )
            for k in range(len(matrix))
        ),
    )


def _f1(right: int, union: int) -> Measure:
    """F1 of a class of which `right` images were found, among `union` that are of it or were predicted so.

    With J = right / union, a proportion, F1 = 2 J / (1 + J), which only grows with J: so do the ends of its interval.
    """
    j = proportion(right, union)
    value, low, high = (2 * end / (1 + end) for end in (j.value, j.low, j.high))
    return Measure(value, low, high, union)


def _drawn(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """The measures (R,) of tables drawn as if the images were, as many at a time as take little memory."""
    chance, left, parts = np.random.default_rng(0), resamples(len(matrix)), []
    while left:
        some = min(left, max(1, MOST_CELLS // matrix.size))
        drawn = chance.multinomial(matrix.sum(), matrix.ravel() / matrix.sum(), some)
        parts.append(_of_tables(drawn.reshape(-1, *matrix.shape)))
        left -= some
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _of_tables(tables: np.ndarray) -> dict[str, np.ndarray]:
    """The measures of many confusion matrices (R, K, K) at once, (R,) each: scikit-learn takes one at a time.

    Source: Efron, Tibshirani 1993, An Introduction to the Bootstrap (the images are resampled, percentile intervals).
    """
    n = tables.sum(axis=(1, 2))
    right, support, predicted = tables.diagonal(axis1=1, axis2=2), tables.sum(axis=2), tables.sum(axis=1)
    with np.errstate(invalid="ignore"):
        recall, f1 = right / support, 2 * right / (support + predicted)
        agreed, by_chance = right.sum(axis=1) / n, (support * predicted).sum(axis=1) / n**2
        kappa = (agreed - by_chance) / (1 - by_chance)
    means = {"balanced_accuracy": np.nanmean(recall, axis=1), "macro_f1": np.nanmean(f1, axis=1)}
    return means | {"weighted_f1": np.nansum(f1 * support, axis=1) / n, "kappa": kappa}


def _middle(values: np.ndarray) -> tuple[float, float]:
    """The ends of the middle 95 % of values (R,); NaN where all are one: such resampling tells nothing."""
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, [0.025, 0.975]) if len(np.unique(values)) > 1 else (math.nan, math.nan)
    return float(low), float(high)


@dataclass(frozen=True)
class Confusion:
    """The classes that one class's images were most often taken for: several where they tie."""

    true: int
    predicted: tuple[int, ...]
    count: int  # of images, each of `predicted`


def most_confused(matrix: np.ndarray | Sequence[Sequence[int]]) -> list[Confusion]:
    """For each class that has errors, what it was most often taken for, of a matrix (K, K) of counts; most first."""
    errors = np.array(matrix)
    np.fill_diagonal(errors, 0)
    found = [
        Confusion(true, tuple(np.flatnonzero(row == row.max()).tolist()), int(row.max()))
        for true, row in enumerate(errors)
        if row.any()
    ]
    return sorted(found, key=lambda one: -one.count)


def proportion(correct: int, n: int) -> Measure:
    """`correct` of `n` with its interval; all NaN where n is 0."""
    if not n:
        return Measure(math.nan, math.nan, math.nan, 0)
    low, high = wilson(correct, n)
    return Measure(correct / n, low, high, n)


def wilson(correct: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The score interval of a proportion; `z` = 1.96 for 95 %. Source: Wilson 1927, J. Am. Stat. Assoc. 22, 209."""
    p = correct / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))
