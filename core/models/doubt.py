"""Why a model had better not name a digit: nothing is drawn, it is no single digit, or it fits none of them well."""

from __future__ import annotations

import numpy as np

from core.drawing.prepare import Prepared, stands_apart

SURE = 0.95  # the probability from which an answer counts: the drawing model gives it to 98 % of the digits of val
FAMILIAR = 0.99  # the share of val's images whose answers lead by what a drawing's must lead by, see `lead`

MOST_INK = 160  # px of ink in a digit's 28 x 28: of the digits of val, at most two in a thousand have more


def lead(probabilities: np.ndarray) -> np.ndarray:
    """How far answers stand out, nats (N,), of probabilities (N, K): the mean log odds against each other class.

    What is no digit fits none of them well; the highest probability hardly shows it, for it is of a comparison.
    Source: Hendrycks et al. 2022, ICML (the maximum logit, here above the others' mean: softmax tells no more).
    """
    logs = np.sort(np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)), axis=1)
    return logs[:, -1] - logs[:, :-1].mean(axis=1)


def doubt(drawing: Prepared, probabilities: np.ndarray, least_lead: float = 0.0) -> str | None:
    """The text key of why a model had better not name a digit for this drawing; None where it may.

    `benchmarks/drawing.py` measures what this costs of the digits, and how much else it holds back.

    Args:
        drawing: from `prepare`; with nothing drawn the probabilities are not looked at.
        probabilities: (K,) that the model gives to its image.
        least_lead: the model's own.
    """
    if drawing.image is None:
        return "doubt.empty"
    if stands_apart(drawing.pictures["ink"]):
        return "doubt.several"
    if drawing.image.sum() > 255 * MOST_INK:
        return "doubt.blot"
    unsure = probabilities.max() < SURE or lead(probabilities[None])[0] < least_lead
    return "doubt.unsure" if unsure else None
