"""What a model's answers on a split say: the confusion matrix, and what is computed from it.

Written out here, a few lines each, and held to scikit-learn's figures by the tests: its import takes a second or two,
for which the first look at a result would wait.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts of images, int64 (K, K), `[true][predicted]`, of two arrays (N,) of classes 0 to K - 1."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


@dataclass(frozen=True)
class Measure:
    """A proportion (0 to 1) with its Wilson interval at 95 % and the number of images that it is of."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class ClassMeasures:
    """What a confusion matrix says of one class; `precision` is NaN for a class that was never predicted."""

    precision: Measure
    recall: Measure
    f1: float
    support: int


@dataclass(frozen=True)
class Measures:
    """What a confusion matrix says."""

    accuracy: Measure
    errors: int
    balanced_accuracy: float  # the mean of the recalls of the classes that have images
    macro_f1: float  # the mean over the classes that have images or were predicted
    weighted_f1: float
    kappa: float  # Cohen 1960: agreement beyond chance; NaN where all images are of one class and were predicted so
    classes: tuple[ClassMeasures, ...]


def measures(matrix: np.ndarray | Sequence[Sequence[int]]) -> Measures:
    """All measures of a confusion matrix (K, K) of counts, `[true][predicted]`. Raises: ValueError, of an empty one."""
    matrix = np.asarray(matrix)
    right, support, predicted = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    n, correct = int(matrix.sum()), int(right.sum())
    if not n:
        raise ValueError("a confusion matrix of no images")
    f1 = 2 * right / np.maximum(1, support + predicted)
    by_chance = float(support @ predicted) / n**2
    return Measures(
        accuracy=proportion(correct, n),
        errors=n - correct,
        balanced_accuracy=float((right[support > 0] / support[support > 0]).mean()),
        macro_f1=float(f1[support + predicted > 0].mean()),
        weighted_f1=float(f1 @ support / n),
        kappa=(correct / n - by_chance) / (1 - by_chance) if by_chance < 1 else math.nan,
        classes=tuple(
            ClassMeasures(
                precision=proportion(int(right[k]), int(predicted[k])),
                recall=proportion(int(right[k]), int(support[k])),
                f1=float(f1[k]),
                support=int(support[k]),
            )
            for k in range(len(matrix))
        ),
    )


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
