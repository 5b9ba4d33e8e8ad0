"""Published figures that cannot be as they are written: what holds between them, whatever the model was."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.refusal import Refusal
from core.words import number_marks

MOST_CLASSES = 100  # of a matrix that somebody types


@dataclass(frozen=True)
class Figure:
    """A number as it was published: 87.05 % and 0.8705 are both 0.8705 with four decimals."""

    value: float
    decimals: int


@dataclass(frozen=True)
class Claim:
    """What was published of one model or two; None or empty where nothing was."""

    accuracy: Figure | None = None
    n: Figure | None = None  # test images
    loss: Figure | None = None  # mean cross-entropy in nats
    balanced_accuracy: Figure | None = None
    precision: tuple[Figure, ...] = ()  # a figure a class
    recall: tuple[Figure, ...] = ()
    larger: Figure | None = None  # of two sizes ...
    smaller: Figure | None = None
    ratio: Figure | None = None  # ... and how many times the one is the other


@dataclass(frozen=True)
class Doubt:
    """A sentence about a figure: a text key and its slots."""

    key: str
    slots: dict[str, Any]


def doubts(claim: Claim) -> list[Doubt] | None:
    """What is wrong with a claim; None where it has too few figures to be checked."""
    checks: list[Doubt | None] = []
    if claim.accuracy and claim.loss:
        checks.append(doubt_accuracy_at_loss(claim.loss.value, claim.accuracy.value))
    if claim.accuracy and claim.n:
        checks.append(doubt_count(claim.accuracy.value, claim.accuracy.decimals, int(claim.n.value)))
    if claim.precision and claim.recall and claim.balanced_accuracy:
        precision, recall = ([figure.value for figure in column] for column in (claim.precision, claim.recall))
        checks.append(doubt_columns(precision, recall, claim.balanced_accuracy.value))
    if claim.larger and claim.smaller and claim.smaller.value and claim.ratio:
        checks.append(doubt_ratio(claim.ratio.value, claim.larger.value, claim.smaller.value))
    return [doubt for doubt in checks if doubt] if checks else None


def figures(text: str, language: str) -> tuple[Figure, ...]:
    """The numbers of a text, parted by spaces, semicolons or lines. Raises: Refusal, with what is no number."""
    return tuple(figure(word, language) for word in re.sub(r"\s+%", "%", text).replace(";", " ").split())


def figure(word: str, language: str) -> Figure:
    """A number as people of the language write it, or with a point; a percentage is a share. Raises: Refusal."""
    marks = {name: re.escape(mark) for name, mark in number_marks(language).items()}
    plain = word.removesuffix("%")
    if re.fullmatch(rf"\d{{1,3}}({marks['thousands']}\d{{3}})+({marks['decimal']}\d+)?", plain):
        plain = re.sub(marks["thousands"], "", plain)
    plain = plain.replace(",", ".")
    if not re.fullmatch(r"\d+(\.\d+)?", plain):
        raise Refusal("error.no_number", word=word[:40])
    decimals = len(plain.partition(".")[2])
    return Figure(float(plain) / 100, decimals + 2) if word.endswith("%") else Figure(float(plain), decimals)


def read_matrix(text: str) -> np.ndarray:
    """A confusion matrix int64 (K, K) from its rows, parted by lines or `|`, of counts parted by spaces or commas.

    Raises: Refusal, where it is no square of counts or holds no image.
    """
    rows = [row.replace(",", " ").replace(";", " ").split() for row in re.split(r"[|\n]", text) if row.strip(" ,;\r\t")]
    for word in (word for row in rows for word in row if not re.fullmatch(r"\d{1,9}", word)):
        raise Refusal("error.no_count", word=word[:40])
    widths = {len(row) for row in rows}
    if widths != {len(rows)} or not 2 <= len(rows) <= MOST_CLASSES:
        raise Refusal("error.no_square", rows=len(rows), columns=max(widths, default=0), most=MOST_CLASSES)
    matrix = np.array([[int(word) for word in row] for row in rows])
    if not matrix.any():
        raise Refusal("error.no_images")
    return matrix


def doubt_accuracy_at_loss(loss: float, accuracy: float) -> Doubt | None:
    """Whether a mean cross-entropy (nats) and an accuracy (0 to 1) can be of the same answers.

    A wrong answer gives the truth at most probability 1/2 and so costs ln 2 or more: accuracy >= 1 - loss / ln 2.
    """
    least = 1 - loss / math.log(2)
    if accuracy >= least - 0.0005:  # figures are rounded
        return None
    return Doubt("claim.accuracy_at_loss", {"loss": loss, "accuracy": accuracy, "least": least})


def doubt_columns(precision: Sequence[float], recall: Sequence[float], balanced_accuracy: float) -> Doubt | None:
    """Whether the precision and recall columns of a table (0 to 1, a row a class) were taken for each other.

    Balanced accuracy is the mean of the recalls; where it is the mean of the "precision" column, that column is recall.
    """
    means = {"precision": sum(precision) / len(precision), "recall": sum(recall) / len(recall)}
    near = {name: abs(mean - balanced_accuracy) < 0.0006 for name, mean in means.items()}
    if near["recall"] or not near["precision"]:
        return None
    return Doubt("claim.columns_swapped", {"balanced_accuracy": balanced_accuracy, **means})


def doubt_ratio(claimed: float, larger: float, smaller: float) -> Doubt | None:
    """Whether `larger` is `claimed` times `smaller`, to 5 %."""
    ratio = larger / smaller
    if abs(claimed / ratio - 1) <= 0.05:
        return None
    return Doubt("claim.ratio", {"claimed": claimed, "ratio": ratio, "larger": larger, "smaller": smaller})


def doubt_count(accuracy: float, decimals: int, n: int) -> Doubt | None:
    """Whether some number of right answers among `n` gives this accuracy (0 to 1), written with so many decimals."""
    if any(round(count / n, decimals) == round(accuracy, decimals) for count in _near(accuracy * n, n)):
        return None
    return Doubt("claim.count", {"accuracy": accuracy, "n": n})


def _near(count: float, n: int) -> range:
    return range(max(0, math.floor(count) - 1), min(n, math.ceil(count) + 1) + 1)
