"""Measures which trainings recover from a high loss, to choose when a training is stopped as lost.

`python -m benchmarks.divergence [--update]` trains each recipe, and a linear network, at 0.1, 1, 10 and 100 times
its learning rate, on a part of its data; `--update` writes the table into RESULTS.md. Data sets that are in no data
folder are replaced by noise in their shape with a bright band for each class. It takes about half an hour on two cores;
`--only fashion-best ...` prints the rows of these alone.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import sys
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.results import machine, say
from core.datasets import Split, Splits, dataset
from core.recipes import RECIPES
from core.refusal import Refusal
from core.spec import RunSpec, checked
from core.training.train import LEAST_STEPS_LOST, SENSE, STEPS_PER_JUDGING, Data, State, train

FACTORS = (0.1, 1, 10, 100)
LINEAR = {"data": "mnist-5k", "layers": "flatten, dense(classes)", "batch_size": 32}
BESIDE = {
    "linear, SGD 0.1": checked(LINEAR | {"optimizer": "sgd", "learning_rate": 0.1}),
    "linear, Adam": checked(LINEAR),
}
"""Networks beside those of the recipes: a linear one learns at any rate, with a loss as large as the rate."""
STEPS, EPOCHS = 150, 3  # of each training, whichever takes longer
LEARNED = 0.3  # train accuracy over the last 20 batches that chance does not reach: classes are 8 or 10
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Course:
    """How a training went; it is sent on when the product stops it."""

    losses: list[float]  # of each batch, nats
    accuracies: list[float]
    start: float  # nats: the loss of the first batch, or of guessing where that is more
    commonest: float  # share of the commonest class
    steps_per_epoch: int
    stops: list[int]  # steps
    is_real: bool  # whether the images are the data set's

    @property
    def peak(self) -> float:
        """The highest batch loss, in multiples of `start`."""
        return max(self.losses) / self.start if all(map(math.isfinite, self.losses)) else math.inf

    @property
    def stayed(self) -> float:
        """The multiple of `start` above which the loss was at every check over an epoch, or `LEAST_STEPS_LOST`.

        An epoch does not count where the accuracy was better than that of guessing, see `SENSE`.
        """
        steps = range(1, len(self.losses) + 1)
        is_check = [n == 1 or n % self.steps_per_epoch == 0 or n % STEPS_PER_JUDGING == 0 for n in steps]
        ends = list(itertools.compress(steps, is_check))
        means = [statistics.fmean(self.losses[a:b]) / self.start for a, b in itertools.pairwise([0, *ends])]
        found, least = [0.0], self.commonest + SENSE * (1 - self.commonest)
        for first, last in itertools.combinations(range(len(ends)), 2):
            a, b = ends[first], ends[last]
            is_epoch = b - a >= max(self.steps_per_epoch, LEAST_STEPS_LOST) - 1
            if is_epoch and statistics.fmean(self.accuracies[a:b]) <= least:
                found.append(min(means[first + 1 : last + 1]))
        return max(found)

    @property
    def accuracy(self) -> float:
        """The train accuracy over the last 20 batches."""
        return statistics.fmean(self.accuracies[-20:])

    def words(self) -> str:
        """One cell of the table."""
        if not math.isfinite(self.peak):
            return f"not finite at step {len(self.losses)}"
        cell = f"{self.peak:.3g} / {self.stayed:.2g} / {self.accuracy:.2f}"
        return f"**stopped at step {self.stops[0]}**: {cell}" if self.stops else cell


def course(spec: RunSpec) -> Course:
    """Train on part of the data, and go on after each stop."""
    source = dataset(spec.data)
    classes, macs = source.class_count, sum(row.macs for row in spec.table(source.shape, source.class_count))
    n = 100 * spec.batch_size if macs < 1e6 else 2_000 if macs < 3e7 else 320
    is_real = source.state()[0] == "ready"
    part = _part(source.load().train, n) if is_real else _stand_in(spec.input_shape(source.shape), classes, n)
    if spec.image_size and is_real:
        from core.images.preprocessing import resized

        part = Split(resized(part.images, spec.image_size), part.labels)
    steps_per_epoch = math.ceil(len(part.labels) / spec.batch_size)
    epochs = max(EPOCHS, math.ceil(STEPS / steps_per_epoch))
    spec = spec.model_copy(update={"epochs": epochs, "target_accuracy": None, "precision": "float32"})
    state = State.new(spec, part, classes, CPU)
    few = Split(part.images[:8], part.labels[:8])
    data = Data.of(Splits(part, few, few), CPU)
    losses, accuracies, stops = [], [], []
    before, step = np.zeros(3), 0

    def look() -> None:
        nonlocal before, step
        if state.step > step:
            now = np.array([*state.sums.tolist(), state.images])
            loss, correct, images = now - (before if now[2] > before[2] else 0)
            losses.append(loss / images)
            accuracies.append(correct / images)
            before, step = now, state.step

    while state.stop is None:
        try:
            for _ in train(spec, data, state):
                look()
        except Refusal as refusal:
            look()
            if refusal.key != "error.lost":
                break
            stops.append(state.step)
    start, commonest = max(losses[0], math.log(classes)), np.bincount(part.labels).max() / len(part.labels)
    return Course(losses, accuracies, start, commonest, steps_per_epoch, stops, is_real)


def _part(split: Split, n: int) -> Split:
    places = np.random.default_rng(0).permutation(len(split.labels))[:n]
    return Split(split.images[places], split.labels[places])


def _stand_in(shape: tuple[int, int, int], classes: int, n: int) -> Split:
    generator = np.random.default_rng(0)
    labels, height = generator.permutation(np.arange(n) % classes), shape[1] // classes
    images = generator.integers(0, 156, (n, *shape), dtype=np.uint8)
    for label in range(classes):
        images[labels == label, :, height * label : height * (label + 1)] += 100
    return Split(images, labels)


def main() -> int:
    """Measure and print; with `--update`, write into RESULTS.md."""
    parser = argparse.ArgumentParser(description="Measure which trainings recover from a high loss.")
    parser.add_argument("--update", action="store_true", help="write the table into RESULTS.md")
    specs = {**BESIDE, **{name: one.spec() for name, one in RECIPES.items()}}
    parser.add_argument("--only", nargs="+", choices=specs, default=list(specs), help="print the rows of these alone")
    options = parser.parse_args()
    if options.update and len(options.only) < len(specs):
        parser.error("--update writes the whole table: leave --only away")
    lines = [f"| recipe | steps an epoch | {' | '.join(f'rate x {factor}' for factor in FACTORS)} |"]
    lines += ["|---|---:|" + "---|" * len(FACTORS)]
    found: list[Course] = []
    for name in options.only:
        spec = specs[name]
        row = [
            course(spec.model_copy(update={"learning_rate": factor * spec.learning_rate}, deep=True))
            for factor in FACTORS
        ]
        found += row
        title = name if row[0].is_real else f"{name} (noise)"
        lines.append(f"| {title} | {row[0].steps_per_epoch} | {' | '.join(one.words() for one in row)} |")
        print(lines[-1], flush=True)
    say("divergence.py", [machine(), "", *_summary(found), "", *lines], options.update)
    return 0


def _summary(found: list[Course]) -> list[str]:
    finite = [one for one in found if math.isfinite(one.peak)]
    stopped = [one for one in finite if one.stops]
    going = [one for one in finite if not one.stops]
    learned = [one for one in finite if one.accuracy > LEARNED]
    jumped = [one for one in learned if one.peak > 10]
    within = max((one.stops[0] for one in stopped), default=0)
    sent_on = sum(one.accuracy > LEARNED for one in stopped)
    least, most = min((one.stayed for one in stopped), default=math.nan), max(one.stayed for one in going)
    return [
        f"{len(found)} trainings: {len(found) - len(finite)} whose loss was not finite; {len(stopped)} stopped as "
        f"lost, the last at step {within}, of which {sent_on} learned when sent on; {len(learned)} in all "
        f"learned (train accuracy over {LEARNED}), {len(jumped)} of them after a batch with more than 10 times the "
        "loss of the start.",
        "",
        "With no more right answers than guessing gives, the loss stayed above this multiple of the start over a whole "
        f"epoch (at least {LEAST_STEPS_LOST} steps): {least:.3g} at least in those that were stopped, {most:.3g} at "
        "most in all others.",
    ]


if __name__ == "__main__":
    sys.exit(main())
