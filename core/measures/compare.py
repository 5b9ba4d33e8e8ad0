"""Comparison of two models on the same images: errors fixed, errors introduced, and a test of significance."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.measures.answers import Answers
from core.refusal import Refusal
from core.words import number

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


@dataclass(frozen=True)
class Difference:
    """B's accuracy minus A's, -1 to 1, with its interval, of 95 % unless `level` is another one."""

    value: float
    low: float
    high: float
    n: int  # number of images, which are the same for A and B
    seeds: int = 1  # number of trainings of each; 1: two trained networks are compared, not two specs
    is_paired: bool = True  # whether the seeds of A and B were compared in pairs
    level: float = LEVEL  # of significance; the interval's confidence is 1 less it

    @property
    def is_real(self) -> bool:
        """Whether chance does not explain it: the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def compare(a: Answers, b: Answers) -> Comparison:
    """Compare two models' predictions for the same images. Raises: Refusal, if the images are not the same."""
    if not is_same_images(a, b):
        raise Refusal("error.other_images")
    fixed, broken = np.flatnonzero(b.is_right & ~a.is_right), np.flatnonzero(a.is_right & ~b.is_right)
    return Comparison(fixed, broken, mcnemar(len(fixed), len(broken)), b.confusion_matrix - a.confusion_matrix)


def verdict(found: Comparison, n: int, language: str) -> tuple[str, dict[str, Any]]:
    """Whether B is better than A on `n` images, and McNemar's p value: text key and slots, in which B is "this"."""
    better = len(found.fixed) > len(found.broken)
    key = ("compare.better" if better else "compare.worse") if found.is_difference else "compare.no_difference"
    least = 0.0001
    p = f"< {number(least, 4, language=language)}" if found.p < least else number(found.p, 4, language=language)
    return key, {"fixed": len(found.fixed), "broken": len(found.broken), "n": n, "p": p}


def is_same_images(a: Answers, b: Answers) -> bool:
    """Whether both are answers to the same images, as far as labels and the images' identifiers tell."""
    if a.probabilities.shape != b.probabilities.shape or not np.array_equal(a.labels, b.labels):
        return False
    return not a.images or not b.images or a.images == b.images


def level_among(count: int) -> float:
    """The level at which each of `count` networks or specs is compared with the one that came out best.

    Any two of them could have been these, so `LEVEL` is divided by the number of all pairs (Bonferroni): of equally
    good ones, the best is called better than any other in at most 5 % of all cases.
    """
    return LEVEL / max(1, math.comb(count, 2))


def difference(a: Answers, b: Answers, level: float = LEVEL) -> Difference:
    """The difference of two trained networks' accuracies on the same images, see `of_images`.

    It is real only if McNemar's exact test is significant, and at 5 % exactly then: the interval of a difference that
    is not holds 0. Raises: Refusal, if the images are not the same.
    """
    p = compare(a, b).p
    one = of_images(b.is_right.astype(np.float64) - a.is_right, level)
    return one if p < level else replace(one, low=min(one.low, 0.0), high=max(one.high, 0.0))


def sentence(found: Difference, a: str, b: str, language: str) -> tuple[str, dict[str, Any]]:
    """Which of A and B, named so, is better and by how much, or that they cannot be told apart: text key and slots."""
    better, worse = (a, b) if found.value < 0 else (b, a)
    low, high = (-found.high, -found.low) if found.value < 0 else (found.low, found.high)
    slots: dict[str, Any] = {"better": better, "worse": worse, "n": found.n}
    slots["confidence"] = number(100 * (1 - found.level), language=language)
    slots |= {
        name: number(100 * share, 2, language=language)
        for name, share in (("points", abs(found.value)), ("low", low), ("high", high))
    }
    word = "better" if found.is_real else "equal"
    if found.seeds == 1:
        return f"difference.{word}_runs", slots
    return f"difference.{word}_{'paired' if found.is_paired else 'seeds'}", slots | {"seeds": found.seeds}


def of_images(differences: np.ndarray, level: float = LEVEL) -> Difference:
    """The mean of N images' differences (N,), each -1 to 1, with its interval of confidence 1 - `level`.

    Two images are added, half of one for B and half of one for A, so that a few errors, or none, seem not certain.
    Source: Agresti, Min 2005, Statistics in Medicine 24, 729.
    """
    from scipy.special import ndtri

    n, total = len(differences) + 2, float(differences.sum())
    half = float(ndtri(1 - level / 2)) * math.sqrt(max(0.0, float((differences**2).sum()) + 1 - total**2 / n)) / n
    value = total / len(differences)
    return Difference(value, min(value, total / n - half), max(value, total / n + half), len(differences), level=level)


def mcnemar(fixed: int, broken: int) -> float:
    """McNemar's exact two-sided p value of two counts: a binomial test with probability 1/2. Source: McNemar 1947."""
    from scipy.stats import binomtest

    return float(binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0
