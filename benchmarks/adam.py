"""Measures what the place of Adam's epsilon changes: after the bias correction as in PyTorch, or before as in Keras.

`python -m benchmarks.adam [--update]` trains a recipe of report 003 either way; `--update` writes the table into
RESULTS.md. It needs MNIST in a data folder, and about three minutes on two cores.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys

import torch

from benchmarks.results import machine, say
from core import settings
from core.datasets import dataset
from core.events import Epoch
from core.images.splits import choose
from core.recipes import RECIPES
from core.spec import RunSpec
from core.training.engine import useful_threads
from core.training.train import Data, State, train

SEEDS = {"003-b": 5}  # seeds by recipe


def accuracy(spec: RunSpec, *, as_keras: bool) -> float:
    """The accuracy on val, here MNIST's test images, after the last epoch."""
    source = dataset(spec.data)
    splits = choose(spec, source.load())
    device, threads = torch.device("cpu"), useful_threads(spec.layers, settings.threads())
    state = State.new(spec, splits.train, source.class_count, device, threads)
    (group,) = state.optimizer.param_groups

    def before_the_correction() -> None:
        """Keras divides by sqrt(v) + eps, PyTorch by sqrt(v / c) + eps, where c = 1 - beta2 ** step."""
        if as_keras:
            group["eps"] = 1e-7 / math.sqrt(1 - group["betas"][1] ** (state.step + 1))

    before_the_correction()
    told = []
    for event in train(spec, Data.of(splits, device), state):  # yields after each step
        before_the_correction()
        told += [event] if isinstance(event, Epoch) else []
    return told[-1].val_accuracy


def main() -> int:
    """Measure and print; with `--update`, write into RESULTS.md."""
    parser = argparse.ArgumentParser(description="Measure what the place of Adam's epsilon changes.")
    parser.add_argument("--update", action="store_true", help="write the table into RESULTS.md")
    options = parser.parse_args()
    if dataset("mnist").state()[0] != "ready":
        print("MNIST is in no data folder: python -m core data get mnist", file=sys.stderr)
        return 1
    lines = ["| recipe | seeds | as PyTorch (ours) | as Keras | mean difference | standard error |"]
    lines += ["|---|---:|---:|---:|---:|---:|"]
    for name, seeds in SEEDS.items():
        ways = [
            [accuracy(RECIPES[name].spec(seed=seed), as_keras=as_keras) for seed in range(seeds)]
            for as_keras in (False, True)
        ]
        differences = [keras - ours for ours, keras in zip(*ways, strict=True)]
        error = statistics.stdev(differences) / math.sqrt(seeds)
        means = " | ".join(f"{statistics.mean(way):.4f}" for way in ways)
        lines.append(f"| {name} | {seeds} | {means} | {statistics.mean(differences):+.4f} | {error:.4f} |")
        print(lines[-1], differences, flush=True)
    say("adam.py", [machine(), "", *lines], options.update)
    return 0


if __name__ == "__main__":
    sys.exit(main())
