"""Measures of a confusion matrix, each with a confidence interval, and its most frequent confusions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from core.measures.answers import Measure

ADDED = 4  # images added to a matrix before the interval of a measure is computed: about 1.96 squared


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

    accuracy: Measure  # Wilson interval; the other four: see `_estimates`
    errors: int
    balanced_accuracy: Measure  # the mean recall of the classes that have images
    macro_f1: Measure  # the mean over the classes that have images or were predicted
    weighted_f1: Measure  # the mean weighted by support
    kappa: Measure  # Cohen's kappa; NaN if all images have the same true and predicted class, its interval if the true
    classes: tuple[ClassMeasures, ...]


def balanced_accuracy(matrix: np.ndarray) -> float:
    """The mean recall of the classes that have images; not from scikit-learn, so that workers need not import it."""
    right, support = matrix.diagonal(), matrix.sum(axis=1)
    return float((right[support > 0] / support[support > 0]).mean())


def measures(matrix: np.ndarray | Sequence[Sequence[int]]) -> Measures:
    """All measures of a confusion matrix (K, K) of counts, `[true][predicted]`. Raises: ValueError, without images."""
    matrix = np.asarray(matrix)
    right, support, predicted = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    n, correct = int(matrix.sum()), int(right.sum())
    if not n:
        raise ValueError("a confusion matrix of no images")
    has = support > 0
    counted = has | (predicted > 0)
    found, more = (_estimates(table, has, counted) for table in (matrix, _with_added(matrix, has, counted)))
    return Measures(
        accuracy=proportion(correct, n),
        errors=n - correct,
        **{name: _measure(found[name][0], *more[name], n=n, least=-1 if name == "kappa" else 0) for name in found},
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


def _with_added(matrix: np.ndarray, has: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """The matrix (K, K) with four images more, equally many of each class that `has` images (K,), half of them right.

    The wrong ones are spread over the other `counted` classes (K,). Without them a class without errors would seem
    to be certain. Source: Agresti, Coull 1998, The American Statistician 52, 119, for one class; Price, Bonett 2004,
    Computational Statistics & Data Analysis 45, 449, for a mean over classes.
    """
    other = ~np.eye(len(matrix), dtype=bool)
    wrong = other & counted if counted.sum() > 1 else other
    wrong = wrong / np.maximum(1, wrong.sum(axis=1, keepdims=True))
    return matrix + has[:, None] * (np.eye(len(matrix)) + wrong) * (ADDED / 2 / has.sum())


def _estimates(table: np.ndarray, has: np.ndarray, counted: np.ndarray) -> dict[str, tuple[float, float]]:
    """Balanced accuracy, macro F1, weighted F1 and kappa of a table (K, K), each with its variance over samples.

    The variance is the delta method's, with one degree of freedom less for each class that `has` images (K,). Macro F1
    is the mean over the `counted` classes (K,). Source: Fleiss, Cohen, Everitt 1969, Psychological Bulletin 72, 323,
    for kappa; the variances of the others are derived in the same way.
    """
    shares = table / table.sum()
    right, support, predicted = shares.diagonal(), shares.sum(axis=1), shares.sum(axis=0)
    row, both = np.where(support > 0, support, 1), np.where(support + predicted > 0, support + predicted, 1)
    recall, f1 = right / row, 2 * right / both
    agreed, by_chance = right.sum(), support @ predicted
    freedom = max(1.0, float(table.sum() - has.sum()))

    def estimate(value: float, by_right: np.ndarray, by_support: np.ndarray, by_predicted: np.ndarray):
        """A value and its variance, from the value's derivatives (K,) by the classes' shares."""
        slopes = np.diag(by_right) + by_support[:, None] + by_predicted  # by the share of each cell
        spread = (shares * slopes**2).sum() - (shares * slopes).sum() ** 2
        return float(value), max(0.0, float(spread)) / freedom

    of_recall, of_f1, weighted = has / row / has.sum(), counted / both / counted.sum(), support / both
    with np.errstate(divide="ignore", invalid="ignore"):  # kappa of a single class is 0 / 0
        kappa, of_right = (agreed - by_chance) / (1 - by_chance), 1 / (1 - by_chance)
        of_chance = (agreed - 1) * of_right**2
        kappas = estimate(kappa, of_right * np.ones(len(table)), of_chance * predicted, of_chance * support)
    if has.sum() < 2:  # kappa is 0 whatever the answers are, if all images belong to one class
        kappas = kappas[0], math.nan
    return {
        "balanced_accuracy": estimate(recall[has].mean(), of_recall, -recall * of_recall, 0 * recall),
        "macro_f1": estimate(f1[counted].mean(), 2 * of_f1, -f1 * of_f1, -f1 * of_f1),
        "weighted_f1": estimate(support @ f1, 2 * weighted, f1 - f1 * weighted, -f1 * weighted),
        "kappa": kappas,
    }


def _measure(value: float, centre: float, variance: float, *, n: int, least: int) -> Measure:
    """A value with a normal interval about `centre`, cut off at `least` and 1, and widened to hold the value."""
    if not math.isfinite(value + variance):
        return Measure(value, math.nan, math.nan, n)
    half = 1.959964 * math.sqrt(variance)
    return Measure(value, max(least, min(value, centre - half)), min(1, max(value, centre + half)), n)


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


def proportion(correct: int, n: int, together: int = 1) -> Measure:
    """The proportion `correct / n` with its Wilson interval; all NaN if n is 0.

    `together`: of how many proportions 95 % is the chance that the intervals hold for all, on whatever images.

    Source: Dunn 1961, Journal of the American Statistical Association 56, 52 (Bonferroni's inequality).
    """
    if not n:
        return Measure(math.nan, math.nan, math.nan, 0)
    low, high = wilson(correct, n, NormalDist().inv_cdf(1 - 0.025 / together)) if together > 1 else wilson(correct, n)
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
    # Rounded, an end at 0 or 1 would lie a little beyond the proportion.
    return max(0.0, min(p, float(centre - half))), min(1.0, max(p, float(centre + half)))
