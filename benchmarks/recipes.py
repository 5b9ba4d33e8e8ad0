"""Measures the accuracy of our own recipes, and whether bfloat16 costs any: real runs on MNIST, several seeds each.

`python -m benchmarks.recipes [--update] [--only RECIPE]` trains with `core.work` in a store of its own and prints two
tables; `--update` writes them into RESULTS.md. It needs MNIST in a data folder, and about fifteen minutes on two cores;
`--only mnist-fast`, which prints that recipe's row alone, about a minute.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterable
from typing import Any

from benchmarks.results import machine, spread, update
from core import store
from core.datasets import dataset
from core.events import Epoch, Report, Started
from core.measures.measures import wilson
from core.recipes import RECIPES
from core.spec import RunSpec, checked
from core.work import work

SEEDS = {"mnist-fast": 5, "mnist-best": 3}
GOALS = {"mnist-fast": 0.99, "mnist-best": 0.995}  # accuracies, the time to which is measured
PRECISION: dict[str, dict[str, Any]] = {
    "MLP 128, batch 256": {"architecture": "mlp", "batch_size": 256, "epochs": 5},
    "CNN of 003-d, batch 128": {"architecture": "cnn", "batch_size": 128, "epochs": 5},
    "conv 64@9 of 002-d, batch 32": {"architecture": "cnn-wide-kernel", "batch_size": 32, "epochs": 2},
}


def train(spec: RunSpec) -> tuple[store.Run, Report]:
    """Train a real run of the spec; returns it and its report."""
    run = store.create(spec)
    assert work(str(run.folder)) == "done", run.folder
    report = run.report()
    assert report
    print(run.name, spec.seed, report.accuracy, f"{report.seconds:.1f} s", file=sys.stderr)
    return run, report


def recipes(names: Iterable[str] = SEEDS) -> list[str]:
    """A table with a row for each recipe: parameters, each seed's test accuracy, the time of training and to a goal."""
    lines = ["| recipe | parameters | test accuracy, by seed from 0 | mean (least to most) | seconds of training |"]
    lines[-1] += (
        " goal | seeds that end with it on test | seeds that reach it on val | seconds of training until then |"
    )
    lines += ["|---|---:|---|---:|---:|---:|---:|---:|---:|"]
    n_val = 0
    for name in names:
        runs = [train(RECIPES[name].spec(seed=seed)) for seed in range(SEEDS[name])]
        started, goal = runs[0][0].last(Started), GOALS[name]
        assert started
        n_val = started.counts["val"]
        accuracies = [100 * report.accuracy for _, report in runs]
        seconds = [report.seconds for _, report in runs]
        each = ", ".join(f"{accuracy:.2f}" for accuracy in accuracies)
        mean = f"{statistics.mean(accuracies):.2f} % ({min(accuracies):.2f} to {max(accuracies):.2f})"
        tested = sum(report.accuracy >= goal for _, report in runs)
        until = [found for run, _ in runs if (found := seconds_until(run, goal)) is not None]
        cells = [f"`{name}`", f"{started.parameters:,}", each, mean, spread(seconds), f"{goal:.1%}"]
        cells += [f"{count} of {len(runs)}" for count in (tested, len(until))]
        lines.append(f"| {' | '.join(cells)} | {spread(until) if until else ''} |")
    low, high = wilson(9930, 10_000)
    lines += ["", f"n = 10,000 test images a seed; at 99.30 % the 95 % interval is {low:.2%} to {high:.2%}."]
    lines[-1] += f" Of val, {n_val:,} images, it is known after each epoch whether the goal is reached."
    return lines


def seconds_until(run: store.Run, goal: float) -> float | None:
    """Seconds of training until the end of the first epoch with this accuracy on val; None if there is none."""
    return next((epoch.seconds for epoch in run.events(Epoch) if epoch.val_accuracy >= goal), None)


def precisions() -> list[str]:
    """A table with a row for each network and precision, trained alternately: test accuracy of three seeds, seconds."""
    lines = [
        "| network | precision | test accuracy, seeds 0 to 2 | mean | seconds of training |",
        "|---|---|---|---:|---:|",
    ]
    os.environ["BANCADA_KERNELS"] = "0"  # they know no bfloat16
    for title, values in PRECISION.items():
        found: dict[str, list[Report]] = {"float32": [], "bfloat16": []}
        for seed in range(3):
            for precision in found:
                found[precision].append(
                    train(checked({"data": "mnist", "seed": seed, "precision": precision} | values))[1]
                )
        for precision, reports in found.items():
            accuracies = [100 * report.accuracy for report in reports]
            seconds = [report.seconds for report in reports]
            each = ", ".join(f"{accuracy:.2f}" for accuracy in accuracies)
            mean = f"{statistics.mean(accuracies):.2f} %"
            lines.append(f"| {title} | {precision} | {each} | {mean} | {spread(seconds, 1)} |")
    return lines


def main() -> int:
    """Measure and print; with `--update`, write into RESULTS.md."""
    parser = argparse.ArgumentParser(description="Measure what our own recipes reach.")
    parser.add_argument("--update", action="store_true", help="write the tables into RESULTS.md")
    parser.add_argument("--only", choices=SEEDS, help="this recipe alone")
    options = parser.parse_args()
    if options.update and options.only:
        parser.error("--update writes all recipes: leave --only away")
    if dataset("mnist").state()[0] != "ready":
        print("MNIST is in no data folder: python -m core data get mnist", file=sys.stderr)
        return 1
    where = machine()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BANCADA_STORE"] = folder
        os.environ["BANCADA_KERNELS"] = "1"  # from the first run on
        lines = recipes([options.only]) if options.only else [*recipes(), "", *precisions()]
        text = "\n".join([where, "", *lines])
    print(text)
    if options.update:
        update("recipes.py", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
