"""Whether a published figure was reached again, or the difference is more than chance makes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Word = Literal["reproduced", "better", "worse", "impossible", "not_comparable", "not_measured"]
SEEDS = 3  # from which on a spread over seeds means anything


@dataclass(frozen=True)
class Verdict:
    """What the measured accuracies say of a reported one; accuracies are shares, 0 to 1."""

    word: Word
    seeds: int = 0
    measured: float | None = None  # the mean over the seeds
    spread: float | None = None  # the sample standard deviation over them; None below `SEEDS`: not known
    delta: float | None = None  # measured - reported

    @property
    def is_open(self) -> bool:
        """Whether the spread, not known yet, may turn it: it can only widen what counts as `reproduced`."""
        return self.word in ("better", "worse") and self.spread is None


def judged(reported: float, n_reported: int, measured: Sequence[float], n: int) -> Verdict:
    """The verdict on accuracies (0 to 1) measured on `n` images, one a seed, beside one reported on `n_reported`.

    Reproduced is |delta| <= 1.96 sqrt(SE_reported^2 + SE_measured^2 + 2 s^2), SE = sqrt(p (1 - p) / n) being what the
    choice of test images brings and s the spread over seeds, which the reported run has as well. With fewer than three
    seeds s is not known and counts as 0: `reproduced` then holds whatever s is, `better` and `worse` are open.
    """
    mean = statistics.mean(measured)
    spread = statistics.stdev(measured) if len(measured) >= SEEDS else None
    errors = reported * (1 - reported) / n_reported + mean * (1 - mean) / n
    chance = 1.96 * math.sqrt(errors + 2 * (spread or 0) ** 2)
    delta = mean - reported
    word: Word = "reproduced" if abs(delta) <= chance else "better" if delta > 0 else "worse"
    return Verdict(word, len(measured), mean, spread, delta)
