"""Simulated models whose truth is known: how often an interval holds it, and how often a verdict accuses wrongly.

The tests simulate a few hundred models each; `python benchmarks/coverage.py --update` simulates many and writes the
table.
"""

from __future__ import annotations

import math

import numpy as np

from core.measures.answers import Answers, Measure, loss_change
from core.measures.calibration import tempered
from core.measures.measures import measures
from core.measures.verdict import judged, mean_interval

OVERALL = ("balanced_accuracy", "macro_f1", "weighted_f1", "kappa")
SUPPORTS = {
    "95/5, n = 100": (95, 5),
    "60/38/2, n = 100": (60, 38, 2),
    "BloodMNIST, 8 classes, n = 3,421": (244, 624, 311, 579, 243, 284, 666, 470),
    "10 x 20": (20,) * 10,
    "10 x 1,000": (1000,) * 10,
    "10 classes, n = 100": (10,) * 10,
}
ACCURACIES = (0.3, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 0.997, 0.999)
ERRORS = ("even", "hard", "pairs", "sink")
CONFIDENCES = ("equal", "sharp", "spread")


def population(support: tuple[int, ...], accuracy: float, errors: str) -> np.ndarray:
    """The shares (K, K) of a model's answers to all images, with classes as in `support`.

    `errors`: "even" over the other classes; "hard", nine times as many in every second class; in "pairs" of classes;
    or all in one class, a "sink".
    """
    classes = len(support)
    recall = np.full(classes, accuracy)
    if errors == "hard":
        recall = 1 - np.minimum(0.95, (1 - accuracy) * np.where(np.arange(classes) % 2, 1.8, 0.2))
    wrong = 1 - np.eye(classes)
    if errors == "pairs":
        wrong = np.eye(classes)[[k ^ 1 if k ^ 1 < classes else k - 1 for k in range(classes)]]
    if errors == "sink":
        wrong = np.eye(classes)[[1] + [0] * (classes - 1)]
    rows = np.diag(recall) + (1 - recall)[:, None] * wrong / wrong.sum(axis=1, keepdims=True)
    return np.array(support)[:, None] / sum(support) * rows


def truths(shares: np.ndarray) -> dict[str, float]:
    """The overall measures of a population's shares (K, K), by their definitions."""
    right, true, predicted = shares.diagonal(), shares.sum(axis=1), shares.sum(axis=0)
    f1, by_chance = 2 * right / (true + predicted), float(true @ predicted)
    values = ((right / true).mean(), f1.mean(), true @ f1, (right.sum() - by_chance) / (1 - by_chance))
    return dict(zip(OVERALL, map(float, values), strict=True))


def matrix_coverage(
    support: tuple[int, ...], accuracy: float, errors: str, *, fixed: bool, times: int, seed: int
) -> dict[str, float]:
    """The share of `times` test splits whose interval holds the truth, for each overall measure.

    The classes' images are as many as in `support` (`fixed`), or drawn too; then each class has at least one.
    """
    random, shares = np.random.default_rng(seed), population(support, accuracy, errors)
    if fixed:
        rows = shares / shares.sum(axis=1, keepdims=True)
        tables = np.stack([random.multinomial(n, row, times) for n, row in zip(support, rows, strict=True)], axis=1)
    else:
        tables = random.multinomial(sum(support), shares.ravel(), times).reshape(-1, *shares.shape)
        tables = tables[(tables.sum(axis=2) > 0).all(axis=1)]
    wanted, held = truths(shares), dict.fromkeys(OVERALL, 0)
    for table in tables:
        found = measures(table)
        for name in OVERALL:
            held[name] += holds(getattr(found, name), wanted[name])
    return {name: count / len(tables) for name, count in held.items()}


def holds(measure: Measure, truth: float) -> bool:
    """Whether the interval holds the truth."""
    return measure.low - 1e-12 <= truth <= measure.high + 1e-12


def calibrated(n: int, accuracy: float, confidence: str, random: np.random.Generator) -> Answers:
    """The answers of a calibrated model of two classes to n images.

    `confidence`: "equal" for all images; "sharp", near 1 but for a few images; or "spread" by a beta distribution.
    """
    if confidence == "equal":
        says = np.full(n, accuracy)
    elif confidence == "sharp":
        unsure = random.random(n) < (1 - accuracy) / 0.3
        says = np.where(unsure, random.uniform(0.5, 0.9, n), 0.9999)
    else:
        says = 1 - random.beta(0.1, 0.1 / (1 - accuracy) - 0.1, n) / 2
    labels = (random.random(n) >= says).astype(np.int64)
    return Answers(labels, np.stack([says, 1 - says], axis=1).astype(np.float32))


def accused(n: int, accuracy: float, confidence: str, *, times: int, seed: int) -> float:
    """The share of `times` calibrated models that the gap calls overconfident or underconfident."""
    random = np.random.default_rng(seed)
    gaps = (calibrated(n, accuracy, confidence, random).gap() for _ in range(times))
    return sum(not holds(gap, 0) for gap in gaps) / times


def synthetic(sharpness: float, temperature: float) -> Answers:
    """The answers of a model of ten classes to 100,000 images; its logits have this spread and wrong temperature."""
    random = np.random.default_rng(1)
    logits = random.normal(0, sharpness, (100_000, 10))
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (honest.cumsum(axis=1) > random.random((len(logits), 1))).argmax(axis=1)
    return tempered(Answers(labels, honest.astype(np.float32)), temperature)


def loss_coverage(
    everything: Answers, n: int, *, temperature: float | None = None, times: int, seed: int
) -> tuple[float, float]:
    """The share of `times` samples of n of the answers whose loss has an interval, and of these that hold the truth.

    With a temperature: of the change of the loss by it. NaN if no sample has an interval.
    """
    random = np.random.default_rng(seed)
    after = everything if temperature is None else tempered(everything, temperature)
    truth = after.losses.mean() - (0 if temperature is None else everything.losses.mean())
    given, held = 0, 0
    for _ in range(times):
        places = random.integers(0, len(everything.labels), n)
        one, other = (Answers(of.labels[places], of.probabilities[places]) for of in (everything, after))
        found = one.loss() if temperature is None else loss_change(one, other)
        given += math.isfinite(found.low)
        held += holds(found, truth)
    return given / times, held / given if given else math.nan


def false_alarms(seeds: int, ratio: float, *, times: int, seed: int) -> float:
    """The share of `times` correct figures that are called better or worse than measured by so many seeds.

    `ratio`: the variance of delta that comes from the seeds, divided by that from the test images.
    """
    random, accuracy, n = np.random.default_rng(seed), 0.9, 1_000_000  # so many that no figure comes to more than 1
    images = math.sqrt(accuracy * (1 - accuracy) / n)
    spread = images * math.sqrt(2 * ratio / (1 + 1 / seeds))
    reported = accuracy + random.normal(0, images, times) + random.normal(0, spread, times)
    measured = accuracy + random.normal(0, images, (times, 1)) + random.normal(0, spread, (times, seeds))
    words = [judged(report, n, one.tolist(), n).word for report, one in zip(reported.tolist(), measured, strict=True)]
    return sum(word != "reproduced" for word in words) / times


def mean_coverage(accuracy: float, n: int, seeds: int, ratio: float, *, times: int, seed: int) -> float:
    """The share of `times` means of so many seeds whose interval holds the accuracy.

    The images are the same for all seeds. `ratio`: the variance of a seed's accuracy divided by that from n images.
    """
    random = np.random.default_rng(seed)
    spread = math.sqrt(ratio * accuracy * (1 - accuracy) / n)
    correct = random.binomial(n, accuracy, times) / n
    measured = np.clip(correct[:, None] + random.normal(0, spread, (times, seeds)), 0, 1)
    ends = [mean_interval(one.tolist(), n) for one in measured]
    return sum(low <= accuracy <= high for low, high in ends) / times
