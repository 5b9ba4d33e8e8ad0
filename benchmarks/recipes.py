"""Measures the accuracy of our own recipes, and whether bfloat16 costs any: real runs on MNIST, several seeds each.

`python benchmarks/recipes.py [--update]` trains with `core.work` in a store of its own and prints two tables;
`--update` writes them into RESULTS.md. It needs MNIST in a data folder, and about fifteen minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.results import machine, spread, update  # noqa: E402  the path comes first
from core import store  # noqa: E402
from core.datasets import dataset  # noqa: E402
from core.events import Report, Started  # noqa: E402
from core.measures.measures import wilson  # noqa: E402
from core.recipes import RECIPES  # noqa: E402
from core.spec import RunSpec, checked  # noqa: E402
from core.work import work  # noqa: E402

SEEDS = {"mnist-fast": 5, "mnist-best": 3}
PRECISION: dict[str, dict[str, Any]] = {
    "MLP 128, batch 256": {"architecture": "mlp", "batch_size": 256, "epochs": 5},
    "CNN of 003-d, batch 128": {"architecture": "cnn", "batch_size": 128, "epochs": 5},
    "conv 64@9 of 002-d, batch 32": {"architecture": "cnn-wide-kernel", "batch_size": 32, "epochs": 2},
}


def train(spec: RunSpec) -> tuple[Started, Report]:
    """Train a real run of the spec; returns its first event and its report."""
    run = store.create(spec)
    assert work(str(run.folder)) == "done", run.folder
    started, report = run.last(Started), run.report()
    assert started
    assert report
    print(run.name, spec.seed, report.accuracy, f"{report.seconds:.1f} s", file=sys.stderr)
    return started, report


def recipes() -> list[str]:
    """A table with a row for each recipe: its parameters, each seed's test accuracy, the seconds of its training."""
    lines = ["| recipe | parameters | test accuracy, by seed from 0 | mean (least to most) | seconds of training |"]
    lines += ["|---|---:|---|---:|---:|"]
    for name, seeds in SEEDS.items():
        runs = [train(RECIPES[name].spec(seed=seed)) for seed in range(seeds)]
        accuracies = [100 * report.accuracy for _, report in runs]
        seconds = [report.seconds for _, report in runs]
        each = ", ".join(f"{accuracy:.2f}" for accuracy in accuracies)
        mean = f"{statistics.mean(accuracies):.2f} % ({min(accuracies):.2f} to {max(accuracies):.2f})"
        lines.append(f"| `{name}` | {runs[0][0].parameters:,} | {each} | {mean} | {spread(seconds, 1)} |")
    low, high = wilson(9930, 10_000)
    lines += ["", f"n = 10,000 test images a seed; at 99.30 % the 95 % interval is {low:.2%} to {high:.2%}."]
    return lines


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
    options = parser.parse_args()
    if dataset("mnist").state()[0] != "ready":
        print("MNIST is in no data folder: python -m core data get mnist", file=sys.stderr)
        return 1
    where = machine()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BANCADA_STORE"] = folder
        text = "\n".join([where, "", *recipes(), "", *precisions()])
    print(text)
    if options.update:
        update("recipes.py", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
