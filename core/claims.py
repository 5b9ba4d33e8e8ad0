"""Published figures that cannot be as they are written: what holds between them, whatever the model was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Doubt:
    """A sentence about a figure: a text key and its slots."""

    key: str
    slots: dict[str, Any]


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
