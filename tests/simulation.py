"""Simulated models whose truth is known: how often an interval holds it, and how often a verdict accuses wrongly.

The tests simulate a few hundred models each; `python benchmarks/intervals.py --update` simulates many and writes the
table.
"""

from __future__ import annotations

import math

import numpy as np

from core.measures.answers import Answers, Measure, loss_change
from core.measures.calibration import tempered
from core.measures.compare import difference
from core.measures.measures import measures
from core.measures.repeats import Repeats, compare_seeds
from core.measures.selection import lift, most_lift, noise_band
from core.measures.verdict import judged

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
    ends = [Repeats(tuple(one.tolist()), n).interval for one in measured]
    return sum(low <= accuracy <= high for low, high in ends) / times


def _difficult(count: int, n: int, accuracy: float, alike: float, random: np.random.Generator) -> np.ndarray:
    """The logits (count, n) with which specs answer images rightly; a share `alike` of their spread is the images'."""
    shared, own = random.normal(0, 2, n), random.normal(0, 2, (count, n))
    return math.log(accuracy / (1 - accuracy)) * 2 + math.sqrt(alike) * shared + math.sqrt(1 - alike) * own


def _answered(logits: np.ndarray, random: np.random.Generator) -> Answers:
    """Answers about two classes, right as often as these logits (N,) say."""
    right = random.random(len(logits)) < 1 / (1 + np.exp(-logits))
    return Answers(np.zeros(len(logits), np.int64), np.where(right[:, None], [0.9, 0.1], [0.1, 0.9]).astype(np.float32))


def equal_specs_told_apart(
    seeds: int, spread: float, *, n: int = 1_000, paired: bool = True, times: int, seed: int
) -> float:
    """The share of `times` pairs of equally good specs whose difference over so many seeds is called real.

    `spread`: the standard deviation that the seed adds to the logits. One seed compares two trained networks.
    """
    random, found = np.random.default_rng(seed), 0
    for _ in range(times):
        specs = _difficult(2, n, 0.9, 0.8, random)
        shared = random.normal(0, spread, seeds) if paired else np.zeros(seeds)
        a, b = (
            {
                one: _answered(logits + shared[one] + random.normal(0, spread) * (seeds > 1), random)
                for one in range(seeds)
            }
            for logits in specs
        )
        compared = difference(a[0], b[0]) if seeds == 1 else compare_seeds(a, b, share_splits=paired)
        found += compared.is_real
    return found / times


def picked_best(
    count: int, apart: float, *, n: int = 1_000, alike: float = 0.8, times: int, seed: int
) -> dict[str, float]:
    """What is said of the best of `count` runs, and what is true, in the mean over `times` searches.

    `apart`: the standard deviation of the runs' true logits. `best`: its accuracy on the n images; `truth`: its true
    accuracy; `lift` and `most_lift`: the accuracy that these expect; `near` and `near_alone`: the share of searches in
    which the truly best run is in the noise band, with answers and without; `told`: the share of runs not in the band.
    """
    random, sums = np.random.default_rng(seed), dict.fromkeys(("best", "truth", "lift", "most_lift"), 0.0)
    sums |= dict.fromkeys(("near", "near_alone", "told"), 0.0)
    for _ in range(times):
        worth = random.normal(0, apart, count)
        every = _difficult(count, 6 * n, 0.9, alike, random) + worth[:, None]
        truth = (1 / (1 + np.exp(-every))).mean(axis=1) if apart else np.full(count, np.nan)
        right = np.stack([_answered(logits[:n], random).is_right for logits in every])
        accuracies = right.mean(axis=1)
        best = int(accuracies.argmax())
        if not apart:
            truth[:] = (1 / (1 + np.exp(-every[:, n:]))).mean()
        band, alone = noise_band(accuracies.tolist(), n, right), noise_band(accuracies.tolist(), n)
        top = int(worth.argmax())
        sums["best"] += accuracies[best] / times
        sums["truth"] += truth[best] / times
        sums["lift"] += lift(right).expected / times
        sums["most_lift"] += most_lift(accuracies.tolist(), n).expected / times
        sums["near"] += band.is_near[top] / times
        sums["near_alone"] += alone.is_near[top] / times
        sums["told"] += 1 / times - sum(band.is_near) / count / times
    return sums


def picked_epoch(
    count: int, apart: float, *, epochs: int = 10, n: int = 1_000, times: int, seed: int
) -> dict[str, tuple[float, float]]:
    """What is said of the best epoch of `count` runs, and what is true: mean over `times` searches, standard error.

    `apart`: the standard deviation of the runs' true logits. Each run learns for `epochs`, the first of which are
    worse, and errs on the same images as the others more often than by chance, and so do its epochs. `lift`: the
    accuracy on n images of the epoch that is best on them, less its accuracy on seven times as many others.
    `of_epochs`, `of_best` and `most_lift`: how much of that is told by the bootstrap of all epochs, of each run's best,
    and by the bound.
    """
    random, told = np.random.default_rng(seed), dict[str, list[float]]()
    behind = 3 * np.exp(-np.arange(epochs))[:, None]
    for _ in range(times):
        worth = random.normal(0, apart, (count, 1))
        every = _difficult(count, 8 * n, 0.9, 0.8, random) + worth
        right = every[:, None] - behind + random.normal(0, 0.5, (count, epochs, 8 * n)) > 0
        seen, others = right[..., :n], right[..., n:]
        accuracies = seen.mean(axis=2)
        run, epoch = np.unravel_index(accuracies.argmax(), accuracies.shape)
        found = {"lift": accuracies.max() - others[run, epoch].mean()}
        found["of_epochs"] = lift(seen.reshape(-1, n)).value
        found["of_best"] = lift(seen[np.arange(count), accuracies.argmax(axis=1)]).value
        found["most_lift"] = most_lift(accuracies.ravel().tolist(), n).value
        for name, value in found.items():
            told.setdefault(name, []).append(float(value))
    return {name: (float(np.mean(values)), float(np.std(values)) / math.sqrt(times)) for name, values in told.items()}
