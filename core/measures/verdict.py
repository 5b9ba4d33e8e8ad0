"""Whether measured accuracies reproduce a published one, or differ by more than chance explains."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.measures.measures import wilson
from core.measures.repeats import SEEDS, Repeats

Word = Literal["reproduced", "better", "worse", "impossible", "not_comparable", "not_measured", "not_reported"]


@dataclass(frozen=True)
class Verdict:
    """The result of comparing measured accuracies with a reported one; accuracies are from 0 to 1."""

    word: Word
    seeds: int = 0
    measured: float | None = None  # the mean over the seeds
    interval: tuple[float, float] | None = None  # of that mean, see `Repeats`
    spread: float | None = None  # the standard deviation over the seeds, see `Repeats`
    delta: float | None = None  # measured - reported
    tolerance: float | None = None  # the largest |delta| that is `reproduced`; None if not judged by it

    @property
    def is_open(self) -> bool:
        """Whether more seeds may change the verdict: a spread, once known, only widens what counts as `reproduced`."""
        return self.word in ("better", "worse") and self.spread is None


def judged(reported: float | None, n_reported: int | None, measured: Sequence[float], n: int) -> Verdict:
    """Compare accuracies (0 to 1), one per seed, measured on `n` images, with one reported on `n_reported` images.

    `not_reported` if there is none to compare with.

    The verdict is `reproduced` if |delta| <= tolerance = sqrt(1.96^2 (SE_reported^2 + SE_measured^2) +
    t^2 s^2 (1 + 1/k)). SE = sqrt(p (1 - p) / n) is the standard error from the sampling of test images, which all k
    seeds share. s is the spread over the k seeds: the reported run has it once, the mean of the seeds a k-th of its
    square. t is the 97.5 % quantile of Student's t with k - 1 degrees of freedom. At most 5 % of correct figures are
    called better or worse: 5 % if one of the two sources dominates, 2 to 5 % between. With fewer than three seeds s is
    unknown and taken as 0: `reproduced` then holds whatever s is, whereas `better` and `worse` are provisional.
    Source: Banerjee 1961, Sankhya A 23, 359, for the sum of variances that are each weighted with their own quantile.
    """
    from scipy.special import stdtrit

    found, k = Repeats(tuple(measured), n), len(measured)
    mean, spread = found.mean, found.spread
    if reported is None or n_reported is None:
        return Verdict("not_reported", k, mean, found.interval, spread)
    images = 1.959964**2 * (reported * (1 - reported) / n_reported + mean * (1 - mean) / n)
    seeds = float(stdtrit(k - 1, 0.975)) ** 2 * spread**2 * (1 + 1 / k) if spread else 0.0
    delta, tolerance = mean - reported, math.sqrt(images + seeds)
    word: Word = "reproduced" if abs(delta) <= tolerance else "better" if delta > 0 else "worse"
    return Verdict(word, k, mean, found.interval, spread, delta, tolerance)


def mean_difference(a: Sequence[float], b: Sequence[float], n: int) -> tuple[float, float]:
    """The mean accuracy of b's seeds minus that of a's, and the half-width of its 95 % interval, see `Repeats`.

    Both were measured on the same `n` images, whose share is computed as if they were two sets: the interval is too
    wide rather than too narrow.
    """
    first, second = Repeats(tuple(a), n), Repeats(tuple(b), n)
    images = 1.959964**2 * sum(one.mean * (1 - one.mean) for one in (first, second)) / n
    return second.mean - first.mean, math.sqrt(images + first.of_seeds**2 + second.of_seeds**2)


@dataclass(frozen=True)
class Difference:
    """A measured share minus a reported one, both from 0 to 1, with an interval that holds for all classes at once."""

    value: float
    low: float
    high: float

    @property
    def is_real(self) -> bool:
        """Whether chance does not explain it: the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def class_differences(
    reported: Sequence[float], n_reported: Sequence[float], measured: Sequence[Sequence[float]], n: Sequence[float]
) -> list[Difference]:
    """Compare K shares, such as the recalls of K classes, with reported ones, corrected for K comparisons (Bonferroni).

    Args:
        reported: K shares, 0 to 1, of `n_reported` images each.
        n_reported: K numbers of images.
        measured: the K shares of each seed, all measured on the same images.
        n: K numbers of images.

    The interval covers two sources of chance, whose variances are added as in `judged`. The images: Newcombe's hybrid
    of the two Wilson intervals. The seeds, if there are three or more: their variance is taken to be the same multiple
    of p (1 - p) / n in all classes, since K classes together tell it with K (k - 1) degrees of freedom, and one class
    alone with k - 1. Source: Newcombe 1998, Statistics in Medicine 17, 873, method 10; McCullagh, Nelder 1989,
    Generalized Linear Models, section 4.5, for the multiple.
    """
    from scipy.special import ndtri, stdtrit

    count, k = len(reported), len(measured)
    means = [statistics.mean(of_class) for of_class in zip(*measured, strict=True)]
    tail = 1 - 0.025 / max(1, count)
    z = float(ndtri(tail))
    # The mean with an image of each kind added, so that a class without errors does not have a variance of 0.
    binomial = [p * (1 - p) / m for share, m in zip(means, n, strict=True) for p in [(share * m + 1) / (m + 2)]]
    multiple = t = 0.0
    if k >= SEEDS:
        variances = [statistics.variance(of_class) for of_class in zip(*measured, strict=True)]
        multiple = statistics.mean(v / b for v, b in zip(variances, binomial, strict=True))
        t = float(stdtrit(count * (k - 1), tail))
    found = []
    for p, m, q, m_reported, b in zip(means, n, reported, n_reported, binomial, strict=True):
        (low, high), (low_reported, high_reported) = wilson(p * m, m, z), wilson(q * m_reported, m_reported, z)
        seeds = t * math.sqrt(multiple * b * (1 + 1 / max(1, k)))
        delta = p - q
        down, up = math.hypot(p - low, high_reported - q, seeds), math.hypot(high - p, q - low_reported, seeds)
        found.append(Difference(delta, delta - down, delta + up))
    return found
