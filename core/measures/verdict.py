"""Whether measured accuracies reproduce a published one, or differ by more than chance explains."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Word = Literal["reproduced", "better", "worse", "impossible", "not_comparable", "not_measured"]
SEEDS = 3  # least number of seeds for a meaningful standard deviation


@dataclass(frozen=True)
class Verdict:
    """The result of comparing measured accuracies with a reported one; accuracies are from 0 to 1."""

    word: Word
    seeds: int = 0
    measured: float | None = None  # the mean over the seeds
    spread: float | None = None  # the sample standard deviation over the seeds; None for fewer than `SEEDS`
    delta: float | None = None  # measured - reported

    @property
    def is_open(self) -> bool:
        """Whether more seeds may change the verdict: a spread, once known, only widens what counts as `reproduced`."""
        return self.word in ("better", "worse") and self.spread is None


def judged(reported: float, n_reported: int, measured: Sequence[float], n: int) -> Verdict:
    """Compare accuracies (0 to 1), one per seed, measured on `n` images, with one reported on `n_reported` images.

    The verdict is `reproduced` if |delta| <= 1.96 sqrt(SE_reported^2 + SE_measured^2 + 2 s^2). SE = sqrt(p (1 - p) / n)
    is the standard error from the sampling of test images, and s is the spread over seeds, counted twice because the
    reported run has it as well. With fewer than three seeds s is unknown and taken as 0: `reproduced` then holds
    whatever s is, whereas `better` and `worse` are provisional.
    """
    mean = statistics.mean(measured)
    spread = statistics.stdev(measured) if len(measured) >= SEEDS else None
    errors = reported * (1 - reported) / n_reported + mean * (1 - mean) / n
    chance = 1.96 * math.sqrt(errors + 2 * (spread or 0) ** 2)
    delta = mean - reported
    word: Word = "reproduced" if abs(delta) <= chance else "better" if delta > 0 else "worse"
    return Verdict(word, len(measured), mean, spread, delta)
