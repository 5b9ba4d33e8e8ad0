"""Comparison of two models on the same images: errors fixed, errors introduced, and a test of significance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.measures.answers import Answers
from core.refusal import Refusal

LEVEL = 0.05  # significance level: a difference with a lower p is significant


@dataclass(frozen=True)
class Comparison:
    """Model B compared with model A on the same images."""

    fixed: np.ndarray  # int64: indices of the images that A gets wrong and B right
    broken: np.ndarray  # int64: indices of the images that A gets right and B wrong
    p: float  # McNemar's exact two-sided p value under the hypothesis that both are equally accurate
    matrix: np.ndarray  # int64 (K, K): B's confusion matrix minus A's

    @property
    def is_difference(self) -> bool:
        """Whether the two models differ significantly in accuracy."""
        return self.p < LEVEL


def compare(a: Answers, b: Answers) -> Comparison:
    """Compare two models' predictions for the same images. Raises: Refusal, if the images are not the same."""
    if a.probabilities.shape != b.probabilities.shape or not np.array_equal(a.labels, b.labels):
        raise Refusal("error.other_images")
    if a.images and b.images and a.images != b.images:
        raise Refusal("error.other_images")
    fixed, broken = np.flatnonzero(b.is_right & ~a.is_right), np.flatnonzero(a.is_right & ~b.is_right)
    return Comparison(fixed, broken, mcnemar(len(fixed), len(broken)), b.confusion_matrix - a.confusion_matrix)


def mcnemar(fixed: int, broken: int) -> float:
    """McNemar's exact two-sided p value of two counts: a binomial test with probability 1/2. Source: McNemar 1947."""
    from scipy.stats import binomtest

    return float(binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0
