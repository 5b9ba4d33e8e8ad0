"""Consistency checks of published figures, by relations that hold between them for every model."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.refusal import Refusal
from core.words import read_number

MOST_CLASSES = 100  # of a typed confusion matrix
MOST, MOST_DECIMALS = 10**15, 15  # upper bound and most decimals of a figure; more exceeds a float's precision


@dataclass(frozen=True)
class Figure:
    """A published number with its decimals: 87.05 % and 0.8705 are both 0.8705 with four decimals."""

    value: float
    decimals: int

    @property
    def slack(self) -> float:
        """Half a unit of the last decimal, the largest rounding error of the figure."""
        return 0.5 * 10.0**-self.decimals + 1e-12


@dataclass(frozen=True)
class Claim:
    """The figures published about one model or two; None or empty if not published."""

    accuracy: Figure | None = None
    n: Figure | None = None  # number of test images
    loss: Figure | None = None  # mean cross-entropy in nats
    balanced_accuracy: Figure | None = None
    precision: tuple[Figure, ...] = ()  # by class
    recall: tuple[Figure, ...] = ()  # by class
    larger: Figure | None = None  # two sizes, such as parameter counts, ...
    smaller: Figure | None = None
    ratio: Figure | None = None  # ... and the published larger / smaller
    classes: Figure | None = None  # number of classes; by default that of the columns


@dataclass(frozen=True)
class Doubt:
    """A sentence about an inconsistent figure: a text key and the values of its slots."""

    key: str
    slots: dict[str, Any]


def doubts(claim: Claim) -> list[Doubt] | None:
    """The inconsistencies found in a claim; None if it has too few figures for any check.

    Raises: Refusal, for a figure outside its range, such as an accuracy above 1 or a number of images of 0.
    """
    for share in (claim.accuracy, claim.balanced_accuracy, *claim.precision, *claim.recall):
        if share and share.value > 1:
            raise Refusal("error.no_share", value=share.value)
    for size in (claim.n, claim.classes, claim.larger, claim.smaller, claim.ratio):
        if size and size.value <= 0:
            raise Refusal("error.no_size")
    for counted in (claim.n, claim.classes):
        if counted and counted.value % 1:
            raise Refusal("error.no_whole", value=counted.value)
    if len(claim.precision) != len(claim.recall) and claim.precision and claim.recall:
        raise Refusal("error.columns_differ", precision=len(claim.precision), recall=len(claim.recall))
    checks: list[Doubt | None] = []
    n = int(claim.n.value) if claim.n else None
    classes = int(claim.classes.value) if claim.classes else len(claim.recall or claim.precision)
    if claim.accuracy and claim.loss:
        checks.append(doubt_accuracy_at_loss(claim.loss, claim.accuracy))
        if classes:
            checks.append(doubt_loss_at_accuracy_1(claim.loss, claim.accuracy, classes, n))
    if claim.accuracy and n:
        checks.append(doubt_count(claim.accuracy, n))
    if claim.recall and claim.balanced_accuracy:
        checks.append(doubt_columns(claim.precision, claim.recall, claim.balanced_accuracy))
    if claim.larger and claim.smaller and claim.ratio:
        checks.append(doubt_ratio(claim.ratio, claim.larger, claim.smaller))
    return [doubt for doubt in checks if doubt] if checks else None


def figures(text: str, language: str) -> tuple[Figure, ...]:
    """The numbers in a text, separated by spaces, semicolons or line breaks. Raises: Refusal, with the invalid one."""
    return tuple(figure(word, language) for word in re.sub(r"\s+%", "%", text).replace(";", " ").split())


def figure(word: str, language: str) -> Figure:
    """Parse a number as written in a language, see `read_number`; percentages are divided by 100. Raises: Refusal."""
    try:
        read = read_number(word.removesuffix("%"), language=language)
    except ValueError:
        raise Refusal("error.no_number", word=word[:40]) from None
    decimals = max(0, -int(read.as_tuple().exponent))
    if read.is_signed() or "e" in word.lower() or read >= MOST or decimals > MOST_DECIMALS:
        raise Refusal("error.no_number", word=word[:40])
    return Figure(float(read) / 100, decimals + 2) if word.endswith("%") else Figure(float(read), decimals)


def read_matrix(text: str) -> np.ndarray:
    """Parse a confusion matrix int64 (K, K): rows separated by line breaks or `|`, counts by spaces, commas or `;`.

    Raises: Refusal, if it is not a square matrix of counts or contains no images.
    """
    rows = [row.replace(",", " ").replace(";", " ").split() for row in re.split(r"[|\n]", text) if row.strip(" ,;\r\t")]
    for word in (word for row in rows for word in row if not re.fullmatch(r"\d{1,7}", word)):
        raise Refusal("error.no_count", word=word[:40])
    widths = {len(row) for row in rows}
    if widths != {len(rows)} or not 2 <= len(rows) <= MOST_CLASSES:
        raise Refusal("error.no_square", rows=len(rows), columns=max(widths, default=0), most=MOST_CLASSES)
    matrix = np.array([[int(word) for word in row] for row in rows])
    if not matrix.any():
        raise Refusal("error.no_images")
    return matrix


def doubt_accuracy_at_loss(loss: Figure, accuracy: Figure) -> Doubt | None:
    """Check that a mean cross-entropy (nats) and an accuracy can belong to the same predictions; None if they can.

    In a wrong prediction the true class has at most probability 1/2, which costs at least ln 2; therefore
    accuracy >= 1 - loss / ln 2.
    """
    least = 1 - (loss.value + loss.slack) / math.log(2)
    if accuracy.value + accuracy.slack >= least:
        return None
    return Doubt("claim.accuracy_at_loss", {"loss": loss.value, "accuracy": accuracy.value, "least": least})


def doubt_loss_at_accuracy_1(loss: Figure, accuracy: Figure, classes: int, n: int | None = None) -> Doubt | None:
    """Check that a mean cross-entropy (nats) can belong to an accuracy of 1 with K = `classes`; None if it can.

    In a right prediction the true class has at least probability 1/K, which costs at most ln K. A single wrong one has
    no such bound; therefore None if the accuracy is less than 1, or if one error among `n` images rounds to it.
    """
    if accuracy.value < 1 or (n and 1 / n <= accuracy.slack) or loss.value - loss.slack <= math.log(classes):
        return None
    return Doubt("claim.loss_at_accuracy_1", {"loss": loss.value, "classes": classes, "most": math.log(classes)})


def doubt_columns(precision: Sequence[Figure], recall: Sequence[Figure], balanced_accuracy: Figure) -> Doubt | None:
    """Check that the mean of the recalls is the balanced accuracy, as by definition; None if it is.

    If the mean of the precisions is instead, the two columns were probably swapped.
    """

    def fits(column: Sequence[Figure]) -> bool:
        slack = max(figure.slack for figure in column) + balanced_accuracy.slack
        return abs(_mean(column) - balanced_accuracy.value) <= slack

    if fits(recall):
        return None
    slots = {"balanced_accuracy": balanced_accuracy.value, "recall": _mean(recall)}
    if precision and fits(precision):
        return Doubt("claim.columns_swapped", {**slots, "precision": _mean(precision)})
    return Doubt("claim.balanced_accuracy", slots)


def doubt_ratio(claimed: Figure, larger: Figure, smaller: Figure) -> Doubt | None:
    """Check that `larger` is `claimed` times `smaller`; None if it is for some numbers that are rounded to the three.

    So "2 times", a whole number, stands for 1.5 to 2.5.
    """
    least = (larger.value - larger.slack) / (smaller.value + smaller.slack)
    most = (larger.value + larger.slack) / (smaller.value - smaller.slack)
    if claimed.value - claimed.slack <= most and least <= claimed.value + claimed.slack:
        return None
    ratio = larger.value / smaller.value
    slots = {"claimed": claimed.value, "ratio": ratio, "larger": larger.value, "smaller": smaller.value}
    return Doubt("claim.ratio", slots)


def doubt_parameters(stated: Figure, own: int) -> Doubt | None:
    """Check that a network has the stated number of parameters; `own` is the number it uses. None if it has."""
    if abs(stated.value - own) <= stated.slack:
        return None
    key = "claim.parameters_more" if stated.value > own else "claim.parameters_fewer"
    return Doubt(key, {"stated": stated.value, "own": own, "difference": abs(stated.value - own)})


def doubt_count(accuracy: Figure, n: int) -> Doubt | None:
    """Check that some number of correct predictions among `n` gives this accuracy when rounded; None if one does."""
    nearest = round(accuracy.value * n)
    if abs(nearest / n - accuracy.value) <= accuracy.slack:
        return None
    return Doubt("claim.count", {"accuracy": accuracy.value, "n": n})


def _mean(column: Sequence[Figure]) -> float:
    return sum(figure.value for figure in column) / len(column)
