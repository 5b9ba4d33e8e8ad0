"""When a model should abstain on a drawing: nothing is drawn, it is not a single digit, or no digit fits it well."""

from __future__ import annotations

import numpy as np

from core.drawing.prepare import Prepared, stands_apart

SURE = 0.95  # least confidence of an accepted prediction
FAMILIAR = 0.99  # the fraction of val images whose `lead` is at least that required of a drawing
# The same of a model that has learned what is no digit: its `lead` tells that better than its confidence, which has
# only to show that no other digit is nearly as probable. Chosen by val's writers, and by Greek and Cyrillic letters.
SURE_KNOWING_NONE, FAMILIAR_KNOWING_NONE = 0.7, 0.985

MOST_INK = 160  # px of ink in 28 x 28: at most two in a thousand digits of val have more


def lead(probabilities: np.ndarray) -> np.ndarray:
    """The mean log odds in nats (N,) of the predicted class against each other class, from probabilities (N, K).

    It detects images that are not digits, which fit no class well; the highest probability hardly does, since it only
    compares the classes with each other. Source: Hendrycks et al. 2022, ICML (the maximum logit; here relative to the
    mean of the other logits, since softmax keeps only differences).
    """
    logs = np.sort(np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)), axis=1)
    return logs[:, -1] - logs[:, :-1].mean(axis=1)


def doubt(
    drawing: Prepared, probabilities: np.ndarray, least_lead: float = 0.0, *, knows_none: bool = False
) -> str | None:
    """The text key of the reason why a model should abstain on a drawing; None if its prediction can be accepted.

    `benchmarks/drawing.py` measures how many digits are rejected, and how many other drawings.

    Args:
        drawing: from `prepare`; if nothing is drawn, the probabilities are ignored.
        probabilities: the model's output (K,) for the drawing's image.
        least_lead: the model's threshold for `lead`, nats.
        knows_none: whether the model has learned from drawings that are no digit, too.
    """
    if drawing.image is None:
        return "doubt.empty"
    if stands_apart(drawing.pictures["ink"]):
        return "doubt.several"
    if drawing.image.sum() > 255 * MOST_INK:
        return "doubt.blot"
    if lead(probabilities[None])[0] < least_lead:
        return "doubt.no_digit" if knows_none else "doubt.unsure"
    return "doubt.unsure" if probabilities.max() < (SURE_KNOWING_NONE if knows_none else SURE) else None
