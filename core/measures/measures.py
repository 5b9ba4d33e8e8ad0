"""What a confusion matrix says: its measures, each with an interval, and which classes are taken for which.

scikit-learn computes what it has. The intervals and the ties are ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from core.measures.answers import Measure

RESAMPLES = 2000  # tables drawn for an interval: its ends are then right to a twentieth of its length ...
MOST_CELLS = 4_000_000  # ... and fewer where there are so many classes that they would take seconds


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
