"""Measures the accuracy of our own recipes, and whether bfloat16 costs any: real runs, several seeds each.

`python -m benchmarks.recipes [--update] [--only PART] [--store FOLDER]` trains with `core.work` and prints a table for
each recipe and one of precisions; `--update` writes them into RESULTS.md. `--only mnist-fast`, that part alone, takes
about a minute on two cores, all of them an hour. In a store that is kept, `--store`, finished runs are not repeated.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.results import machine, say, spread
from core import store
from core.datasets import dataset
from core.events import Epoch, Report, Started
from core.measures.repeats import Repeats
from core.recipes import RECIPES
from core.spec import RunSpec, checked
from core.training.kernels import compiled
from core.work import work

SEEDS = {"mnist-fast": 5, "mnist-best": 3, "fashion-best": 3}
GOALS = {"mnist-fast": 0.99, "mnist-best": 0.995, "fashion-best": 0.935}  # accuracies, the time to which is measured
PARTS = (*SEEDS, "precision")
PRECISION: dict[str, dict[str, Any]] = {
    "MLP 128, batch 256": {"architecture": "mlp", "batch_size": 256, "epochs": 5},
    "CNN of 003-d, batch 128": {"architecture": "cnn", "batch_size": 128, "epochs": 5},
    "conv 64@9 of 002-d, batch 32": {"architecture": "cnn-wide-kernel", "batch_size": 32, "epochs": 2},
}


def train(spec: RunSpec) -> tuple[store.Run, Report]:
    """Train a real run of the spec, unless the store has a finished one; returns it and its report."""
    run = next((run for run in store.runs() if run.status() == "done" and run.spec == spec), None)
    if not run:
        run = store.create(spec)
        assert work(str(run.folder)) == "done", run.folder
    report = run.report()
    assert report
    print(run.name, spec.seed, report.accuracy, f"{report.seconds:.1f} s", file=sys.stderr)
    return run, report


def recipe(name: str) -> list[str]:
    """A table of one row: parameters, each seed's test accuracy, the time of training and to a goal."""
    runs = [train(RECIPES[name].spec(seed=seed)) for seed in range(SEEDS[name])]
    started, goal, n = runs[0][0].last(Started), GOALS[name], runs[0][1].n
    assert started
    accuracies = [report.accuracy for _, report in runs]
    low, high = Repeats(tuple(accuracies), n).interval
    until = [found for run, _ in runs if (found := seconds_until(run, goal)) is not None]
    cells = {
        "recipe": f"`{name}`",
        "parameters": f"{started.parameters:,}",
        "test accuracy, by seed from 0": ", ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies),
        "mean ± standard deviation": f"{statistics.mean(accuracies):.2%} ± {statistics.stdev(accuracies):.2%}",
        "95 % interval of the mean": f"{low:.2%} to {high:.2%}",
        "seconds of training": spread([report.seconds for _, report in runs]),
        "goal": f"{goal:.1%}",
        "seeds that end with it on test": f"{sum(accuracy >= goal for accuracy in accuracies)} of {len(runs)}",
        "seeds that reach it on val": f"{len(until)} of {len(runs)}",
        "seconds of training until then": spread(until) if until else "",
    }
    return [
        f"| {' | '.join(cells)} |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|",
        f"| {' | '.join(cells.values())} |",
        "",
        f"n = {n:,} test images, the same for all seeds; computed by {started.computed_by} in {started.precision}. Of "
        f"val, {started.counts['val']:,} images, it is known after each epoch whether the goal is reached.",
    ]


def seconds_until(run: store.Run, goal: float) -> float | None:
    """Seconds of training until the end of the first epoch with this accuracy on val; None if there is none."""
    return next((epoch.seconds for epoch in run.events(Epoch) if epoch.val_accuracy >= goal), None)


def precisions() -> list[str]:
    """A table with a row for each network and precision, trained alternately: test accuracy of three seeds, seconds."""
    lines = [
        "| network | precision | test accuracy, seeds 0 to 2 | mean | seconds of training |",
        "|---|---|---|---:|---:|",
    ]
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
    parser.add_argument("--only", choices=PARTS, help="this part alone")
    parser.add_argument("--store", type=Path, help="a folder that keeps the runs")
    options = parser.parse_args()
    parts = [options.only] if options.only else PARTS
    for name in {RECIPES[part].values["data"] if part in RECIPES else "mnist" for part in parts}:
        if dataset(name).state()[0] != "ready":
            print(f"{name} is in no data folder: python -m core data get {name}", file=sys.stderr)
            return 1
    compiled.compile_here()  # so that the first run, too, is computed by what is faster for it
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BANCADA_STORE"] = str(options.store or folder)
        for part in parts:
            if part == "precision":  # the kernels know no bfloat16
                os.environ["BANCADA_KERNELS"] = "0"
            where = machine()
            lines = precisions() if part == "precision" else recipe(part)
            say(f"recipes.py {part}", [where, "", *lines], options.update)
    return 0


if __name__ == "__main__":
    sys.exit(main())
