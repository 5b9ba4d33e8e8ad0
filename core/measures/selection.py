"""The best of many: what chance adds to its accuracy, which others are as good, and which of these is the simplest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.measures.compare import LEVEL, mcnemar
from core.words import number, percent

MANY = 5  # of the best of more than so many runs, the part of chance is told
DRAWS = 1_000  # samples of the bootstrap
_AT_ONCE = 50  # samples that are drawn at once, which bounds the memory


@dataclass(frozen=True)
class Simplest:
    """The option that the one-standard-error rule picks among several."""

    place: int  # of the option among them
    standard_error: float  # of the best option's accuracy, 0 to 1


def simplest(accuracies: Sequence[float], parameters: Sequence[int], n: int) -> Simplest:
    """The option of the fewest parameters whose accuracy is within one standard error of the best; of equals the best.

    The standard error is that of a share of `n` images, sqrt(p (1 - p) / n), with p the best accuracy (0 to 1).
    Source: Breiman, Friedman, Olshen, Stone, Classification and Regression Trees, 1984, section 3.4.3.
    """
    best = max(accuracies)
    error = math.sqrt(best * (1 - best) / n)
    close = [place for place, accuracy in enumerate(accuracies) if accuracy >= best - error]
    return Simplest(min(close, key=lambda place: (parameters[place], -accuracies[place])), error)


@dataclass(frozen=True)
class Lift:
    """What chance adds to the accuracy of the best of several runs, because it was picked on these images."""

    best: float  # the accuracy of the best, 0 to 1
    expected: float  # the accuracy of what is picked in this way, on images by which it was not picked
    n: int  # number of images
    is_bound: bool  # whether the lift is at most this, since the answers to single images are not known

    @property
    def value(self) -> float:
        """The part of the best accuracy that chance explains, 0 to 1."""
        return max(0.0, self.best - self.expected)


def lift(right: np.ndarray) -> Lift:
    """What chance adds to the best of k runs that answered the same N images.

    `right`: bool (k, N), or the share of seeds by which an image is right, 0 to 1, where each of k is a spec.

    Each sample of a bootstrap picks the run that is best on the drawn images, and looks at its accuracy on the images
    that were not drawn. The same answers give the same result. Source: Tsamardinos, Greasidou, Borboudakis 2018,
    Machine Learning 107, 1895 (bootstrap bias corrected cross-validation).
    """
    answers, random = right.astype(np.float32), np.random.default_rng(0)
    n = answers.shape[1]
    expected: list[float] = []
    for _ in range(DRAWS // _AT_ONCE):
        drawn = random.multinomial(n, np.full(n, 1 / n), _AT_ONCE).astype(np.float32)  # (samples, N)
        left = (drawn == 0).astype(np.float32)
        picked = (drawn @ answers.T).argmax(axis=1)
        outside = (left @ answers.T) / np.maximum(1, left.sum(axis=1, keepdims=True))
        expected += outside[np.arange(_AT_ONCE), picked].tolist()
    return Lift(float(right.mean(axis=1).max()), float(np.mean(expected)), n, is_bound=False)


def most_lift(accuracies: Sequence[float], n: int) -> Lift:
    """The same as `lift` where only accuracies (0 to 1) on the same `n` images are known: in the mean at most that.

    `accuracies` are all those from which the best was picked: where the epoch was picked too, of each run all epochs'.
    The errors are taken to be independent. They are not: runs err on the same images, and so do epochs, which leaves
    less room to chance. As much chance as one sample of images has is added to each accuracy, and what is picked by
    these sums is judged by the accuracy less that chance, which is independent of the sum. Source: Leiner, Duan,
    Wasserman, Ramdas 2025, J. Am. Stat. Assoc. 120, 135 (data fission).
    """
    random, found = np.random.default_rng(0), np.asarray(accuracies)
    error = np.sqrt(np.maximum(found * (1 - found), 1 / n) / n)
    expected: list[float] = []
    for _ in range(DRAWS // _AT_ONCE):
        chance = random.normal(0, error, (_AT_ONCE, len(found)))
        picked = (found + chance).argmax(axis=1)
        expected += (found[picked] - chance[np.arange(_AT_ONCE), picked]).tolist()
    return Lift(float(found.max()), float(np.mean(expected)), n, is_bound=True)


def lift_sentence(found: Lift, count: int, language: str) -> tuple[str, dict[str, Any]]:
    """By how much chance lifts the best of `count` runs: text key and slots."""
    slots = {"best": percent(found.best, 2, language=language), "n": found.n, "count": count}
    slots |= {"points": number(100 * found.value, 2, language=language)}
    slots |= {"expected": percent(found.expected, 2, language=language)}
    return "selection.most_lift" if found.is_bound else "selection.lift", slots


@dataclass(frozen=True)
class Band:
    """Which of several options cannot be told from the best: with 95 % confidence the truly best one is among them."""

    is_near: tuple[bool, ...]  # of each option; True for the best
    behind: tuple[int, ...]  # by how many of the images each option is behind the best
    n: int  # number of images


def noise_band(accuracies: Sequence[float], n: int, right: np.ndarray | None = None) -> Band:
    """The options whose accuracy (0 to 1) on the same `n` images cannot be told from the best one's.

    With their answers `right`, bool (k, N), an option is told from the best by McNemar's exact test; without them by
    the normal test of two shares, as if they were of two sets of images: that finds fewer differences, not more. The
    level is divided by the k - 1 comparisons (Bonferroni), so the truly best option is left out in at most 5 % of all
    searches, also when another one came out best. With two options this is the test of `compare`.
    Source: Gupta 1965, Technometrics 7, 225 (selecting a subset that contains the best); McNemar 1947.
    """
    from scipy.special import ndtri

    best = int(np.argmax(accuracies))
    level = LEVEL / max(1, len(accuracies) - 1)
    z, top = float(ndtri(1 - level / 2)), accuracies[best]
    near = []
    for place, accuracy in enumerate(accuracies):
        if right is not None:
            ahead, back = right[best] & ~right[place], right[place] & ~right[best]
            near.append(mcnemar(int(ahead.sum()), int(back.sum())) >= level)
        else:
            error = math.sqrt((top * (1 - top) + accuracy * (1 - accuracy)) / n)
            near.append(top - accuracy <= z * error)
    return Band(tuple(near), tuple(round((top - accuracy) * n) for accuracy in accuracies), n)


@dataclass(frozen=True)
class Decision:
    """What can be said of several runs that were compared by their accuracy on the same val images."""

    best: int  # place of the best among them, the first if several tie
    simplest: Simplest
    band: Band
    by: int | None  # by how many images the best is ahead of the second; None if there is only one

    @property
    def near(self) -> list[int]:
        """The places of those that cannot be told from the best, itself included."""
        return [place for place, is_near in enumerate(self.band.is_near) if is_near]


def decision(accuracies: Sequence[float], parameters: Sequence[int], n: int) -> Decision:
    """Which of several runs is best by its accuracy (0 to 1) on `n` val images, and which are as good.

    `parameters` are the numbers of parameters of their networks. For the cells of a heat map of two fields, pass the
    best run of each cell: then the level is divided by the number of cells, see `noise_band`.
    """
    band = noise_band(accuracies, n)
    by = sorted(band.behind)[1] if len(accuracies) > 1 else None
    best = max(range(len(accuracies)), key=accuracies.__getitem__)
    return Decision(best, simplest(accuracies, parameters, n), band, by)


def decision_sentence(found: Decision) -> tuple[str, dict[str, Any]]:
    """By how many images the best was decided, and how many cannot be told from it: text key and slots."""
    how = "alone" if found.by is None else "by" if found.by else "tie"
    slots = {"count": len(found.near) - 1, "all": len(found.band.is_near), "images": found.by, "n": found.band.n}
    return f"selection.decided.{how}", slots
