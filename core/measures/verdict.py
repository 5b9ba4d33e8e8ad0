"""Whether measured accuracies reproduce a published one, or differ by more than chance explains."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.measures.measures import wilson

Word = Literal["reproduced", "better", "worse", "impossible", "not_comparable", "not_measured", "not_reported"]
SEEDS = 3  # least number of seeds for a meaningful standard deviation


@dataclass(frozen=True)
class Verdict:
    """The result of comparing measured accuracies with a reported one; accuracies are from 0 to 1."""

    word: Word
    seeds: int = 0
    measured: float | None = None  # the mean over the seeds
    interval: tuple[float, float] | None = None  # of that mean, see `mean_interval`
    spread: float | None = None  # the sample standard deviation over the seeds; None for fewer than `SEEDS`
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

    mean, k = statistics.mean(measured), len(measured)
    spread = statistics.stdev(measured) if k >= SEEDS else None
    if reported is None or n_reported is None:
        return Verdict("not_reported", k, mean, mean_interval(measured, n), spread)
    images = 1.959964**2 * (reported * (1 - reported) / n_reported + mean * (1 - mean) / n)
    seeds = float(stdtrit(k - 1, 0.975)) ** 2 * spread**2 * (1 + 1 / k) if spread else 0.0
    delta, tolerance = mean - reported, math.sqrt(images + seeds)
    word: Word = "reproduced" if abs(delta) <= tolerance else "better" if delta > 0 else "worse"
    return Verdict(word, k, mean, mean_interval(measured, n), spread, delta, tolerance)


def mean_interval(accuracies: Sequence[float], n: int) -> tuple[float, float]:
    """The 95 % interval of the mean accuracy (0 to 1) of k seeds, measured on the same `n` images.

    Both sources of chance are added as variances: the images by Wilson's interval of the mean, and the seeds by
    t s / sqrt(k), where t is the 97.5 % quantile of Student's t with k - 1 degrees of freedom. With fewer than three
    seeds the interval covers the images alone. Source: Banerjee 1961, as in `judged`.
    """
    mean = statistics.mean(accuracies)
    low, high = wilson(mean * n, n)
    seeds = _of_seeds(accuracies)
    return max(0.0, mean - math.hypot(mean - low, seeds)), min(1.0, mean + math.hypot(high - mean, seeds))


def mean_difference(a: Sequence[float], b: Sequence[float], n: int) -> tuple[float, float]:
    """The mean accuracy of b's seeds minus that of a's, and the half-width of its 95 % interval, see `mean_interval`.

    Both were measured on the same `n` images, whose share is computed as if they were two sets: the interval is too
    wide rather than too narrow.
    """
    first, second = statistics.mean(a), statistics.mean(b)
    images = 1.959964**2 * (first * (1 - first) + second * (1 - second)) / n
    return second - first, math.sqrt(images + _of_seeds(a) ** 2 + _of_seeds(b) ** 2)


def _of_seeds(accuracies: Sequence[float]) -> float:
    """The half-width of the 95 % interval of a mean over seeds; 0 for fewer than three, whose spread is unknown."""
    from scipy.special import stdtrit

    k = len(accuracies)
    return float(stdtrit(k - 1, 0.975)) * statistics.stdev(accuracies) / math.sqrt(k) if k >= SEEDS else 0.0
