"""Two models on the same images: the errors that one mends and makes, and whether that is more than chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from core.refusal import Refusal

LEVEL = 0.05  # a difference is called one below this probability


@dataclass(frozen=True)
class Comparison:
    """Model B against model A on the same images."""

    fixed: np.ndarray  # int64: places of the images that A gets wrong and B right
    broken: np.ndarray  # int64: places of those that A gets right and B wrong
    p: float  # McNemar's exact two-sided probability of such a difference, were both equally good
    matrix: np.ndarray  # int64 (K, K): B's confusion matrix minus A's

    @property
    def is_difference(self) -> bool:
        """Whether one model may be called better."""
        return self.p < LEVEL


def compare(labels_a: np.ndarray, a: np.ndarray, labels_b: np.ndarray, b: np.ndarray) -> Comparison:
    """Compare two models by their probabilities (N, K) of the same N images, each with its labels (N,).

    Raises: Refusal, where the images are not the same.
    """
    from core.evaluate import confusion_matrix

    if a.shape != b.shape or not np.array_equal(labels_a, labels_b):
        raise Refusal("error.other_images")
    answers_a, answers_b = a.argmax(axis=1), b.argmax(axis=1)
    right_a, right_b = answers_a == labels_a, answers_b == labels_a
    fixed, broken = np.flatnonzero(right_b & ~right_a), np.flatnonzero(right_a & ~right_b)
    classes = a.shape[1]
    matrix = confusion_matrix(labels_a, answers_b, classes) - confusion_matrix(labels_a, answers_a, classes)
    return Comparison(fixed, broken, mcnemar(len(fixed), len(broken)), matrix)


def mcnemar(fixed: int, broken: int) -> float:
    """McNemar's exact two-sided p of two counts: heads and tails of a fair coin. Source: McNemar 1947."""
    n = fixed + broken
    tail = sum(math.comb(n, k) for k in range(min(fixed, broken) + 1)) / 2**n
    return min(1.0, 2 * tail)
