"""Measures of a confusion matrix, each with a confidence interval, and its most frequent confusions.

scikit-learn computes F1 and kappa; the intervals, the bootstrap and the handling of ties are computed here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from core.measures.answers import Measure

RESAMPLES = 2000  # bootstrap resamples per interval: its ends are then exact to a twentieth of its length ...
MOST_CELLS = 4_000_000  # ... or fewer for so many classes that 2000 would take seconds: most matrix cells drawn


@dataclass(frozen=True)
class ClassMeasures:
    """The measures of one class; `precision` is NaN for a class never predicted, `recall` for one without images."""

    precision: Measure  # Wilson interval
    recall: Measure  # Wilson interval
    f1: Measure  # Wilson interval, see `_f1`
    support: int  # number of images of the class


@dataclass(frozen=True)
class Measures:
    """The measures of a confusion matrix, each from 0 to 1 except kappa, which may be negative."""

    accuracy: Measure  # Wilson interval; the other intervals are bootstrapped, NaN if all resamples agree
    errors: int
    balanced_accuracy: Measure  # the mean recall of the classes that have images
    macro_f1: Measure  # the mean over the classes that have images or were predicted
    weighted_f1: Measure  # the mean weighted by support
    kappa: Measure  # Cohen's kappa; NaN if all images have the same true and predicted class
    classes: tuple[ClassMeasures, ...]


def balanced_accuracy(matrix: np.ndarray) -> float:
    """The mean recall of the classes that have images; not from scikit-learn, so that workers need not import it."""
    right, support = matrix.diagonal(), matrix.sum(axis=1)
    return float((right[support > 0] / support[support > 0]).mean())


def resamples(classes: int) -> int:
    """The number of bootstrap resamples for the intervals of a confusion matrix of K = `classes`."""
    return max(200, min(RESAMPLES, MOST_CELLS // classes**2))


def measures(matrix: np.ndarray | Sequence[Sequence[int]]) -> Measures:
    """All measures of a confusion matrix (K, K) of counts, `[true][predicted]`. Raises: ValueError, without images."""
    from sklearn.metrics import cohen_kappa_score, precision_recall_fscore_support

    matrix = np.asarray(matrix)
    right, support, predicted = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    n, correct = int(matrix.sum()), int(right.sum())
    if not n:
        raise ValueError("a confusion matrix of no images")
    true, answered = np.indices(matrix.shape).reshape(2, -1)  # one sample per cell, weighted by its count
    weights, undefined = matrix.ravel(), cast("str", np.nan)  # scikit-learn accepts NaN, contrary to its types
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
    """F1 of a class with `right` correct images among the `union` of those that belong to it or were predicted as it.

    With J = right / union, a proportion, F1 = 2 J / (1 + J). Since this increases with J, the ends of J's Wilson
    interval are mapped to the ends of F1's.
    """
    j = proportion(right, union)
    value, low, high = (2 * end / (1 + end) for end in (j.value, j.low, j.high))
    return Measure(value, low, high, union)


def _drawn(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """The measures (R,) of R bootstrap resamples of the images, drawn in batches that limit the memory used."""
    chance, left, parts = np.random.default_rng(0), resamples(len(matrix)), []
    while left:
        some = min(left, max(1, MOST_CELLS // matrix.size))
        drawn = chance.multinomial(matrix.sum(), matrix.ravel() / matrix.sum(), some)
        parts.append(_of_tables(drawn.reshape(-1, *matrix.shape)))
        left -= some
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _of_tables(tables: np.ndarray) -> dict[str, np.ndarray]:
    """The measures, (R,) each, of R confusion matrices (R, K, K) at once; scikit-learn would take one at a time.

    Source: Efron, Tibshirani 1993, An Introduction to the Bootstrap (images are resampled; percentile intervals).
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
    """The 2.5 % and 97.5 % quantiles of values (R,); NaN if all are equal, since resampling then says nothing."""
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, [0.025, 0.975]) if len(np.unique(values)) > 1 else (math.nan, math.nan)
    return float(low), float(high)


@dataclass(frozen=True)
class Confusion:
    """The wrong class most often predicted for images of the class `true`; several classes if they tie."""

    true: int
    predicted: tuple[int, ...]
    count: int  # images predicted as each of `predicted`


def most_confused(matrix: np.ndarray | Sequence[Sequence[int]]) -> list[Confusion]:
    """The most frequent confusion of each class with errors, highest count first, in a matrix (K, K) of counts."""
    errors = np.array(matrix)
    np.fill_diagonal(errors, 0)
    found = [
        Confusion(true, tuple(np.flatnonzero(row == row.max()).tolist()), int(row.max()))
        for true, row in enumerate(errors)
        if row.any()
    ]
    return sorted(found, key=lambda one: -one.count)


def proportion(correct: int, n: int) -> Measure:
    """The proportion `correct / n` with its Wilson interval; all NaN if n is 0."""
    if not n:
        return Measure(math.nan, math.nan, math.nan, 0)
    low, high = wilson(correct, n)
    return Measure(correct / n, low, high, n)


def by_writer(right: np.ndarray, writers: Sequence[str | int]) -> Measure:
    """The share of right answers `right`, bool (N,), with an interval that holds for other drawings by other writers.

    One writer's drawings are alike, so N of them say less than N of as many writers: Wilson's interval is computed for
    the number of independent drawings that would vary as much as the writers' shares do, with Student's t of one less
    than the number of writers. Its ends are NaN for fewer than two writers.

    Source: Korn, Graubard 1998, Survey Methodology 24, 193 (effective sample size, Student's t).
    """
    from scipy.special import stdtrit  # pages import this file, and most of them never need it

    n = len(right)
    _, whose = np.unique(np.asarray(writers), return_inverse=True)
    drawn, correct = np.bincount(whose), np.bincount(whose, weights=right)
    if len(drawn) < 2:
        return Measure(float(np.mean(right)) if n else math.nan, math.nan, math.nan, n)
    share, count = correct.sum() / n, len(drawn)
    variance = count / (count - 1) * ((correct - share * drawn) ** 2).sum() / n**2
    alone = share * (1 - share) / n  # the variance if all drawings were independent
    effective = n * min(1.0, alone / variance) if variance else n
    return Measure(float(share), *wilson(share * effective, effective, float(stdtrit(count - 1, 0.975))), n)


def wilson(correct: float, n: float, z: float = 1.959964) -> tuple[float, float]:
    """The score interval of a proportion; `z` = 1.96 for 95 %. Source: Wilson 1927, J. Am. Stat. Assoc. 22, 209."""
    p = correct / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))
