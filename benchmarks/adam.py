"""Measures what the place of Adam's epsilon changes, and what numbers below 1.2e-38 cost.

`python -m benchmarks.adam [--update]` trains a recipe of report 003 with epsilon after the bias correction as in
PyTorch, and before as in Keras; it needs MNIST in a data folder, and about three minutes on two cores.
`--small` takes seconds: how long a step of Adam takes where gradients have been 0 for hundreds of steps. `--update`
writes the table into RESULTS.md.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time

import torch

from benchmarks.results import machine, ratio, say, spread
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


def step_milliseconds(weights: torch.nn.Parameter, optimizer: torch.optim.Optimizer, steps: int = 200) -> float:
    """How long a step takes whose gradients are 0, in processor time."""
    assert weights.grad is not None
    weights.grad.zero_()
    before = time.thread_time()
    for _ in range(steps):
        optimizer.step()
    return 1000 * (time.thread_time() - before) / steps


def small() -> list[str]:
    """The table of steps with and without small numbers: Adam and the 128 x 784 weights of recipe 000-c, one thread."""
    torch.set_num_threads(1)
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(7):
        for rounds, found in seconds.items():
            torch.set_flush_denormal(rounds)
            weights = torch.nn.Parameter(torch.randn(128, 784) / 28)
            weights.grad = torch.randn_like(weights) / 1000
            optimizer = torch.optim.Adam([weights], fused=True)
            optimizer.step()
            step_milliseconds(weights, optimizer, 1000)  # 0.9 ** 1000 is 1.7e-46
            found.append(step_milliseconds(weights, optimizer))
    lines = ["| numbers below 1.2e-38 | ms per step | times as long |", "|---|---:|---:|"]
    lines += [f"| kept | {spread(seconds[False], 3)} | {ratio(seconds[False], seconds[True])} |"]
    return [*lines, f"| taken as 0 | {spread(seconds[True], 3)} |  |", "", "n = 7 each."]


def main() -> int:
    """Measure and print; with `--update`, write into RESULTS.md."""
    parser = argparse.ArgumentParser(description="Measure two properties of Adam.")
    parser.add_argument("--update", action="store_true", help="write the table into RESULTS.md")
    parser.add_argument("--small", action="store_true", help="how long a step with small numbers takes, instead")
    options = parser.parse_args()
    if options.small:
        say("adam.py --small", [machine(), "", *small()], options.update)
        return 0
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
