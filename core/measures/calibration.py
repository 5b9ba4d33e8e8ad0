"""Calibration: how well a model's confidence matches its accuracy, and temperature scaling, which improves it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.measures.answers import Answers, Measure
from core.words import number, percent

BINS = 10  # of equal width, for confidences 0 to 1
TEMPERATURES = (0.05, 20.0)  # bounds of the search for the best temperature


@dataclass(frozen=True)
class Calibration:
    """Accuracy compared with mean confidence, for images binned by confidence."""

    edges: np.ndarray  # of the bins (BINS + 1,), 0 to 1
    counts: np.ndarray  # images per bin (BINS,)
    confidence: np.ndarray  # mean confidence per bin (BINS,), NaN for a bin without images
    accuracy: np.ndarray  # accuracy per bin (BINS,), NaN for a bin without images
    error: float  # expected calibration error, 0 to 1: the mean of |accuracy - confidence|, bins weighted by images


def calibration(answers: Answers) -> Calibration:
    """The calibration of a model's confidence. Source: Guo, Pleiss, Sun, Weinberger 2017, ICML."""
    from sklearn.calibration import calibration_curve

    edges = np.linspace(0, 1, BINS + 1)
    counts = np.bincount(np.searchsorted(edges[1:-1], answers.confidence), minlength=BINS)  # as scikit-learn bins them
    accuracy, confidence = np.full(BINS, math.nan), np.full(BINS, math.nan)
    accuracy[counts > 0], confidence[counts > 0] = calibration_curve(
        answers.is_right, answers.confidence, n_bins=BINS, pos_label=True
    )
    error = float(np.nansum(counts * np.abs(accuracy - confidence)) / counts.sum())
    return Calibration(edges, counts, confidence, accuracy, error)


def sentence(answers: Answers, found: Calibration, language: str) -> tuple[str, dict[str, Any]]:
    """Mean confidence beside accuracy, and whether they differ by more than chance explains: text key and slots."""
    gap = answers.gap()
    explained = round(abs(gap.value), 4) <= round(gap.high - gap.value, 4)  # as shown, so that the words fit
    key = "fair" if explained else "too_sure" if gap.value > 0 else "too_shy"
    shares = {"says": float(answers.confidence.mean()), "right": float(answers.is_right.mean()), "error": found.error}
    slots = {name: percent(share, 2, language=language) for name, share in shares.items()}
    return f"certainty.{key}", {"n": gap.n, **slots, **gap_slots(gap, language)}


def gap_slots(gap: Measure, language: str) -> dict[str, str]:
    """The gap in percentage points, and how far from 0 chance alone leaves 95 % of the gaps of a calibrated model."""
    values = {"gap": 100 * gap.value, "chance": 100 * (gap.high - gap.value)}
    return {name: number(value, 2, language=language) for name, value in values.items()}


def temperature(val: Answers) -> float | None:
    """The temperature, a divisor of the logits, that minimises val's cross-entropy; above 1 for overconfident models.

    None if val has no errors: then lower temperatures always reduce the cross-entropy. Never to be fitted on test.
    Source: Guo, Pleiss, Sun, Weinberger 2017, ICML.
    """
    from scipy.optimize import minimize_scalar

    if val.is_right.all():
        return None

    def loss(log: float) -> float:
        return float(tempered(val, math.exp(log)).losses.mean())

    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded")
    return math.exp(float(found.x))  # pyright: ignore[reportAttributeAccessIssue]


def tempered(answers: Answers, temperature: float) -> Answers:
    """The predictions with the logits divided by `temperature`, which changes confidences but no predicted class."""
    from scipy.special import softmax

    logits = np.log(np.maximum(answers.probabilities, np.finfo(np.float32).tiny))
    return replace(answers, probabilities=softmax(logits / temperature, axis=1))
