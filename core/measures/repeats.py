"""Trainings of one spec that differ in the seed alone: their mean and spread, and two specs compared over seeds."""

from __future__ import annotations

import contextlib
import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from core.measures.answers import Answers
from core.measures.compare import LEVEL, Difference, is_same_images, of_images
from core.measures.measures import wilson
from core.refusal import Refusal
from core.spec import RunSpec, any_seed
from core.store import Run

Kept = TypeVar("Kept")
SEEDS = 3  # least number of seeds for a meaningful standard deviation


@dataclass(frozen=True)
class Repeats:
    """The accuracies (0 to 1) of k trainings of one spec, one for each seed, measured on the same `n` images."""

    accuracies: tuple[float, ...]
    n: int

    @property
    def mean(self) -> float:
        """Their mean."""
        return statistics.mean(self.accuracies)

    @property
    def spread(self) -> float | None:
        """Their sample standard deviation; None for fewer than `SEEDS`."""
        return statistics.stdev(self.accuracies) if len(self.accuracies) >= SEEDS else None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of their mean.

        Both sources of chance are added as variances: the images by Wilson's interval of the mean, and the seeds by
        `of_seeds`. Source: Banerjee 1961, Sankhya A 23, 359.
        """
        low, high = wilson(self.mean * self.n, self.n)
        down, up = (math.hypot(end - self.mean, self.of_seeds) for end in (low, high))
        return max(0.0, self.mean - down), min(1.0, self.mean + up)

    @property
    def of_seeds(self) -> float:
        """The half-width of the 95 % interval of their mean that the seeds explain; 0 where the spread is not known."""
        return 0.0 if self.spread is None else _half(self.accuracies, LEVEL)


def seeds_of(spec: RunSpec, runs: Iterable[Run]) -> dict[int, Run]:
    """The finished ones among `runs` (newest first) that differ from the spec in the seed at most: for each seed one.

    Runs that were ended by hand are left out: they have not repeated the spec.
    """
    found: list[tuple[int, Run]] = []
    for run in runs:
        with contextlib.suppress(Refusal):  # damaged
            report = run.report()
            if report and not report.is_by_hand and any_seed(run.spec) == any_seed(spec):
                found.append((run.spec.seed, run))
    return first_of_each(found)


def first_of_each(found: Iterable[tuple[int, Kept]]) -> dict[int, Kept]:
    """Of each seed the first that is `found` with it, so that a seed that was trained twice counts once."""
    kept: dict[int, Kept] = {}
    for seed, one in found:
        kept.setdefault(seed, one)
    return dict(sorted(kept.items()))


def answers_like(
    like: Answers, runs: Mapping[int, Run], read: Callable[[Run], Answers | None]
) -> tuple[dict[int, Answers], list[Run]]:
    """The test answers of a spec's trainings by seed, as `read`, and the runs that are left out.

    These are damaged or have been tested on other images than those of `like`.
    """
    found: dict[int, Answers] = {}
    for seed, run in runs.items():
        with contextlib.suppress(Refusal):  # damaged
            if (answers := read(run)) and is_same_images(answers, like):
                found[seed] = answers
    return found, [run for seed, run in runs.items() if seed not in found]


def compare_seeds(
    a: Mapping[int, Answers], b: Mapping[int, Answers], *, share_splits: bool, level: float = LEVEL
) -> Difference:
    """The mean accuracy of spec B's trainings minus that of spec A's, with its interval and by what it is known.

    Args:
        a: the answers of A's trainings by seed, at least two.
        b: those of B's, at least two, to the same images.
        share_splits: whether equal seeds give both specs the same train images. If both have the same seeds too, the
            test is paired by seed: Student's t test of the k differences, with k - 1 degrees of freedom.
        level: of significance; the interval's confidence is 1 less it.

    Two sources of chance are added as variances, each weighted with its own quantile. The seeds: t^2 s^2 / k, with s
    the standard deviation of the differences (paired), or that term of each spec (not paired). The images: those of a
    sample of n images, by each image's mean difference over the seeds; two images are added as in `compare`.

    Assumptions: the images are a random sample of those meant; the seeds are independent; what a seed adds to an
    accuracy, or to the difference of a pair, is about normally distributed. What one seed does on one image counts in
    both sources, so the interval is too wide rather than too narrow. It does not cover what another draw of the train
    images would change, unless the splits are drawn by the seed.

    Raises: Refusal, if not all answers are to the same images.
    Source: Student 1908, Biometrika 6, 1; Banerjee 1961, Sankhya A 23, 359, for the sum of variances; Owen 2007, Annals
    of Applied Statistics 1, 386, for variances that are counted in both of two crossed samples.
    """
    everything = [*a.values(), *b.values()]
    if not all(is_same_images(one, other) for one, other in itertools.combinations(everything, 2)):
        raise Refusal("error.other_images")
    is_paired = share_splits and set(a) == set(b)
    if is_paired:
        of_seeds = _half([float(b[seed].is_right.mean() - a[seed].is_right.mean()) for seed in a], level) ** 2
    else:
        of_seeds = sum(_half([float(one.is_right.mean()) for one in spec.values()], level) ** 2 for spec in (a, b))
    first, second = (np.mean([one.is_right for one in spec.values()], axis=0) for spec in (a, b))
    found = of_images(second - first, level)
    low = found.value - math.hypot(found.value - found.low, math.sqrt(of_seeds))
    high = found.value + math.hypot(found.high - found.value, math.sqrt(of_seeds))
    return Difference(found.value, low, high, found.n, min(len(a), len(b)), is_paired, level)


def _half(values: Sequence[float], level: float) -> float:
    """The half-width of the interval of a mean of independent normal values, by Student's t."""
    from scipy.special import stdtrit

    k = len(values)
    return float(stdtrit(k - 1, 1 - level / 2)) * statistics.stdev(values) / math.sqrt(k)
