"""Whether a model is right as often as it says, and the temperature by which its confidence can be mended."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from core.measures.answers import Answers

BINS = 10  # of the probabilities 0 to 1, for calibration
TEMPERATURES = (0.05, 20.0)  # between which the best one is looked for


@dataclass(frozen=True)
class Calibration:
    """Whether a model is right as often as it says: a bin holds the images whose confidence lies between its edges."""

    edges: np.ndarray  # (BINS + 1,), 0 to 1
    counts: np.ndarray  # images (BINS,)
    confidence: np.ndarray  # their mean confidence (BINS,), NaN for a bin without images
    accuracy: np.ndarray  # the share of them that is right (BINS,), NaN for a bin without images
    error: float  # expected calibration error, 0 to 1: the mean of |accuracy - confidence|, each image counting once


def calibration(answers: Answers) -> Calibration:
    """The reliability of a model's confidence. Source: Guo, Pleiss, Sun, Weinberger 2017, ICML."""
    from sklearn.calibration import calibration_curve

    edges = np.linspace(0, 1, BINS + 1)
    counts = np.bincount(np.searchsorted(edges[1:-1], answers.confidence), minlength=BINS)  # as scikit-learn bins them
    accuracy, confidence = np.full(BINS, math.nan), np.full(BINS, math.nan)
    accuracy[counts > 0], confidence[counts > 0] = calibration_curve(
        answers.is_right, answers.confidence, n_bins=BINS, pos_label=True
    )
    error = float(np.nansum(counts * np.abs(accuracy - confidence)) / counts.sum())
    return Calibration(edges, counts, confidence, accuracy, error)


def temperature(val: Answers) -> float | None:
    """What to divide the logits by so that val's cross-entropy is least; above 1 for a model that is too sure.

    None where val has no error: then there is no least, the surer the better. Never fitted on test.
    Source: Guo, Pleiss, Sun, Weinberger 2017, ICML.
    """
    from scipy.optimize import minimize_scalar

    if val.is_right.all():
        return None
    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(lambda log: tempered(val, math.exp(log)).loss().value, bounds=(low, high), method="bounded")
    return math.exp(float(found.x))  # pyright: ignore[reportAttributeAccessIssue]


def tempered(answers: Answers, temperature: float) -> Answers:
    """The answers of the same model with its logits divided by `temperature`: no class changes, only how sure it is."""
    from scipy.special import softmax

    logits = np.log(np.maximum(answers.probabilities, np.finfo(np.float32).tiny))
    return replace(answers, probabilities=softmax(logits / temperature, axis=1))
