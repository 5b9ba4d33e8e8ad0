"""The best of many: what chance adds to its accuracy, which others are as good, and which of these is the simplest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from core.events import Epoch
from core.measures.answers import unpacked
from core.measures.compare import LEVEL, mcnemar
from core.words import number, percent

MANY = 5  # of the best of more than so many runs, the part of chance is told
DRAWS, LEAST_DRAWS = 1_000, 200  # samples of the bootstrap; fewer of many runs and images, so that a page need not wait
_MOST_LOOKS = 2 * 10**9  # looks at an answer, of all samples together: about a second
NEVER = 18  # such that at most exp(-18) of the samples pick what is left out, see `_in_reach`
_AT_ONCE, _ROWS = 100, 200  # samples that are drawn at once, and runs that they are taken of: this bounds the memory


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
    # The key of its sentence: where only accuracies are known, the lift is at most this.
    kind: Literal["lift", "seeds_lift", "epochs_lift", "most_lift"]

    @property
    def value(self) -> float:
        """The part of the best accuracy that chance explains, 0 to 1."""
        return max(0.0, self.best - self.expected)


def lift(right: np.ndarray) -> Lift:
    """What chance adds to the best of k runs that answered the same N images.

    `right`: bool (k, N), or the share of seeds by which an image is right, 0 to 1, where each of k is a spec.

    If the epochs were picked by these images too, each epoch of each run is one of the k: of the best epochs alone, the
    bootstrap would not see the choice of the epoch, and expect too much. Where the runs differ in truth, it tells up to
    0.1 percentage points too much of 1,000 images, since a sample is moved by the drawing too; see
    `benchmarks/intervals.py`.

    Each sample of a bootstrap picks the run that is best on the drawn images, and looks at its accuracy on the images
    that were not drawn. The same answers give the same result. Source: Tsamardinos, Greasidou, Borboudakis 2018,
    Machine Learning 107, 1895 (bootstrap bias corrected cross-validation).
    """
    random, n = np.random.default_rng(0), right.shape[1]
    blocks = range(0, len(right), _ROWS)
    expected: list[float] = []
    for _ in range(max(LEAST_DRAWS, min(DRAWS, _MOST_LOOKS // right.size)) // _AT_ONCE):
        drawn = random.multinomial(n, np.full(n, 1 / n), _AT_ONCE).astype(np.float32)  # (samples, N)
        left = (drawn == 0).astype(np.float32)
        scores = [drawn @ right[place : place + _ROWS].astype(np.float32).T for place in blocks]
        picked = np.hstack(scores).argmax(axis=1)
        expected += ((left * right[picked]).sum(axis=1) / np.maximum(1, left.sum(axis=1))).tolist()
    return Lift(float(right.mean(axis=1).max()), float(np.mean(expected)), n, "lift")


def lift_with_epochs(runs: Sequence[Sequence[Epoch]], n: int) -> Lift:
    """What chance adds to the best of several runs if it and its epoch were picked by the same `n` val images.

    Of each run all epochs are given. It is their `lift` where the answers of each are known, and not so many that it
    would take seconds; else `most_lift`. Epochs so far behind that no sample would pick them are left out.
    """
    # A sample picks as a search does: of equally good runs the first, of equally good epochs the last.
    epochs = [epoch for run in runs for epoch in reversed(run)]
    accuracies = [epoch.val_accuracy for epoch in epochs]
    reach = _in_reach(accuracies, n)
    if LEAST_DRAWS * len(reach) * n > _MOST_LOOKS:
        return most_lift(accuracies, n)
    right = [_right(epochs[place], n) for place in reach]
    known = [one for one in right if one is not None]
    if len(known) < len(right):
        return most_lift(accuracies, n)
    return replace(lift(np.stack(known)), kind="epochs_lift")


def _right(epoch: Epoch, n: int) -> np.ndarray | None:
    """Which val images an epoch answers rightly, bool (N,); None if that is not known, or is not its accuracy."""
    right = unpacked(epoch.val_right, n)
    return right if right is not None and right.sum() == round(epoch.val_accuracy * n) else None


def _in_reach(accuracies: Sequence[float], n: int) -> np.ndarray:
    """The places of the accuracies (0 to 1) on the same `n` images that a sample of the bootstrap may find the best.

    If a images are answered rightly by the best alone and b by another alone, a sample picks the other with at most
    exp(-(sqrt(a) - sqrt(b))^2) of probability, and that square is at least (a - b)^2 / (2 (a + b)), where a - b is how
    far the other is behind, and a + b at most the errors of both. Source: Chernoff 1952, Ann. Math. Stat. 23, 493.
    """
    wrong = (1 - np.asarray(accuracies)) * n
    return np.flatnonzero((wrong - wrong.min()) ** 2 <= 2 * NEVER * (wrong + wrong.min()))


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
    return Lift(float(found.max()), float(np.mean(expected)), n, "most_lift")


def lift_sentence(found: Lift, count: int, language: str) -> tuple[str, dict[str, Any]]:
    """By how much chance lifts the best of `count` runs: text key and slots."""
    slots = {"best": percent(found.best, 2, language=language), "n": found.n, "count": count}
    slots |= {"points": number(100 * found.value, 2, language=language)}
    slots |= {"expected": percent(found.expected, 2, language=language)}
    return f"selection.{found.kind}", slots


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
    others = len(found.near) - 1
    how = "alone" if found.by is None else "clear" if not others else "by" if found.by else "tie"
    slots = {"count": others, "all": len(found.band.is_near), "images": found.by, "n": found.band.n}
    return f"selection.decided.{how}", slots
