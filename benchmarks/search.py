"""Measures searches: `python -m benchmarks.search [queue] [tpe] [prune] [--update]`; without a name, all parts.

`queue`: a grid of 20 trained two at a time (`BANCADA_RUNS=2`), and one after another, with all threads and with one;
and what the queue takes for each run beside the bare training, which has no run folder and no process of its own.
`tpe`: the best val accuracy after 10, 20 and 30 runs of LeNet on MNIST-5k over five fields, by `tpe` and by `random`.
`prune`: the seconds that pruning saves of the same random search, and what it costs in val accuracy.

Every search has a store of its own and goes through the app's queue and worker processes. `--runs`, `--epochs` and
`--repeats` choose more or less: with the defaults, `queue` takes minutes, `tpe` trains 300 runs and `prune` 300.
`--update` writes the tables of the parts that were measured into RESULTS.md.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence

from benchmarks.results import machine, ratio, say, spread, tell
from core import settings, store
from core.datasets import dataset
from core.images.splits import choose
from core.search.studies import Studies
from core.search.study import Range, Study, Varied, Way, named
from core.search.trainings import Training, best, progress_of, spent, trainings
from core.spec import RunSpec, checked
from core.workers import Workers

DATA = "mnist-5k"
GRID: dict[str, Varied] = {
    "learning_rate": (0.0005, 0.001, 0.002, 0.005, 0.01),
    "weight_decay": (0.0, 0.0001, 0.001, 0.01),
}  # fields on which the time of a training does not depend
SPACE: dict[str, Varied] = {
    "learning_rate": Range(0.0001, 1.0),
    "batch_size": Range(16, 256),
    "optimizer": ("sgd", "adam"),
    "schedule": ("constant", "cosine", "one_cycle"),
    "weight_decay": Range(0.000001, 0.1),
}
PARTS = ("queue", "tpe", "prune")
AFTER = (1 / 3, 2 / 3, 1)  # parts of the runs after which the best is told
LOOKS = 0.25  # seconds between two looks at whether a search is over; each takes time from the processes that train


def main() -> None:
    """Measure, print, and write with `--update`."""
    parser = argparse.ArgumentParser(description="Measure searches.")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--update", action="store_true", help="write the tables into RESULTS.md")
    parser.add_argument("--runs", type=int, help="of a search; by default 20 of the grid and 30 of the others")
    parser.add_argument("--epochs", type=int, help="of a run; by default 3, and 9 with pruning")
    parser.add_argument("--repeats", type=int, help="by default 3 of the queue and 5 of the others")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}")
    settings.wait_passively()
    dataset(DATA).load()
    measure = {"queue": queue, "tpe": tpe, "prune": prune}
    for part in options.parts or PARTS:
        where = machine(f"optuna {_optuna()}")
        table = measure[part](options.runs, options.epochs, options.repeats)
        say(f"search.py {part}", [where, table], options.update, between="\n\n")


def _optuna() -> str:
    from importlib.metadata import version

    return version("optuna")


# --- the queue --------------------------------------------------------------------------------------------------------


def queue(runs: int | None, epochs: int | None, repeats: int | None) -> str:
    """Two at a time against one after another, and what the queue takes for each run."""
    runs, epochs, repeats = runs or 20, epochs or 3, repeats or 3
    rates = GRID["learning_rate"]
    assert isinstance(rates, tuple)
    grid = {"learning_rate": rates[: -(-runs // 4)], "weight_decay": GRID["weight_decay"]} if runs >= 4 else GRID
    study = named(_lenet(epochs), "grid", grid)
    ways = {
        "two at a time, one thread each": {"BANCADA_RUNS": "2", "BANCADA_THREADS": "1"},
        "one after another, one thread": {"BANCADA_RUNS": "1", "BANCADA_THREADS": "1"},
        "one after another, all threads": {"BANCADA_RUNS": "1", "BANCADA_THREADS": str(settings.cores())},
    }
    walls: dict[str, list[float]] = {name: [] for name in ways}
    bare: dict[str, list[float]] = {name: [] for name in ways}
    found: list[Training] = []
    for turn in range(repeats):
        for name, environment in list(ways.items())[:: 1 if turn % 2 else -1]:
            with setting(**environment):
                found, seconds = carried_out(study)
                walls[name].append(seconds)
                if environment["BANCADA_RUNS"] == "1":
                    bare[name].append(sum(_bare(one.spec) for one in found))
            tell(f"queue, round {turn + 1}, {name}: {seconds:.1f} s")
    count, (two, *others) = len(found), walls
    head = "| how | s for all runs | against two at a time | bare training, s | queue's overhead per run, s | n |"
    lines = [f"A grid of {count} runs of {epochs} epochs each, LeNet on MNIST-5k.", "", head]
    lines.append("|---|---:|---:|---:|---:|---:|")
    lines.append(f"| {two} | {spread(walls[two])} |  |  |  | {repeats} |")
    for name in others:
        over = [(wall - alone) / count for wall, alone in zip(walls[name], bare[name], strict=True)]
        cells = [name, spread(walls[name]), ratio(walls[name], walls[two]), spread(bare[name]), spread(over, 3)]
        lines.append(f"| {' | '.join(cells)} | {repeats} |")
    return "\n".join(lines)


def _bare(spec: RunSpec) -> float:
    """The seconds of a training in this process, without a run folder: its steps and its looks at val."""
    import torch

    from core.training.engine import useful_threads
    from core.training.train import Data, State, train

    source, device = dataset(spec.data), torch.device(settings.device())
    splits = choose(spec, source.load())
    begun = time.perf_counter()
    threads = useful_threads(spec.layers, settings.threads())
    state = State.new(spec, splits.train, source.class_count, device, threads)
    for _ in train(spec, Data.of(splits, device), state):
        pass
    return time.perf_counter() - begun


# --- tpe and pruning --------------------------------------------------------------------------------------------------


def tpe(runs: int | None, epochs: int | None, repeats: int | None) -> str:
    """The best val accuracy of `tpe` and of `random`, after some of the runs, repeated with several seeds."""
    runs, epochs, repeats = runs or 30, epochs or 3, repeats or 5
    after = [max(1, round(part * runs)) for part in AFTER]
    ways: tuple[Way, ...] = ("tpe", "random")
    reached: dict[Way, list[list[float]]] = {way: [] for way in ways}
    for seed in range(repeats):
        for way in ways:
            found, seconds = carried_out(named(_lenet(epochs, seed), way, SPACE, runs))
            reached[way].append([_best(found[:count]) for count in after])
            tell(f"{way}, seed {seed}: {reached[way][-1]} in {seconds:.0f} s")
    columns = " | ".join(f"after {count} runs" for count in after)
    lines = [f"LeNet on MNIST-5k, {epochs} epochs a run, five fields: {', '.join(SPACE)}. Best val accuracy, median"]
    lines[0] += f" (least to most) of {repeats} seeds, which also draw the split."
    lines += ["", f"| way | {columns} | n |", f"|---|{'---:|' * (len(after) + 1)}"]
    for way in ways:
        figures = " | ".join(spread(values, 4) for values in zip(*reached[way], strict=True))
        lines.append(f"| {way} | {figures} | {repeats} |")
    ahead = [mine[-1] - other[-1] for mine, other in zip(*reached.values(), strict=True)]
    lines.append(f"| tpe ahead of random, seed by seed |{' |' * (len(after) - 1)} {spread(ahead, 4)} | {repeats} |")
    return "\n".join(lines)


def prune(runs: int | None, epochs: int | None, repeats: int | None) -> str:
    """The training seconds that pruning saves of the same random search, and the best val accuracy with and without."""
    runs, epochs, repeats = runs or 30, epochs or 9, repeats or 5
    seconds: dict[bool, list[float]] = {False: [], True: []}
    trained: dict[bool, list[int]] = {False: [], True: []}  # epochs, which do not depend on other programs
    accuracies: dict[bool, list[float]] = {False: [], True: []}
    pruned = []
    for seed in range(repeats):
        for prunes in (False, True):
            found, _ = carried_out(named(_lenet(epochs, seed), "random", SPACE, runs, prune=prunes))
            seconds[prunes].append(sum(one.seconds for one in found))
            trained[prunes].append(sum(one.epochs for one in found))
            accuracies[prunes].append(_best(found))
            tell(f"seed {seed}, pruning {prunes}: {seconds[prunes][-1]:.0f} s, {accuracies[prunes][-1]:.4f}")
        pruned.append(sum(one.state == "pruned" for one in found))
    same = sum(one == other for one, other in zip(*accuracies.values(), strict=True))
    lines = [f"{runs} random runs of {epochs} epochs, LeNet on MNIST-5k, the fields of `tpe`; the same runs twice."]
    lines[0] += f" The best val accuracy was the same with {same} of {repeats} seeds."
    lines += [
        "",
        "| | s of training | epochs | best val accuracy | pruned runs | n |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for prunes, name in ((False, "without pruning"), (True, "with pruning")):
        count = spread(pruned, 0) if prunes else ""
        cells = [name, spread(seconds[prunes], 1), spread(trained[prunes], 0), spread(accuracies[prunes], 4), count]
        lines.append(f"| {' | '.join(cells)} | {repeats} |")
    lost = [one - other for one, other in zip(accuracies[True], accuracies[False], strict=True)]
    ratios = " | ".join(ratio(of[True], of[False]) for of in (seconds, trained))
    lines.append(f"| with / without; accuracy: with - without | {ratios} | {spread(lost, 4)} |  | {repeats} |")
    return "\n".join(lines)


# --- what they share --------------------------------------------------------------------------------------------------


def _lenet(epochs: int, seed: int = 0) -> RunSpec:
    return checked({"data": DATA, "architecture": "lenet", "epochs": epochs, "seed": seed})


def _best(found: Sequence[Training]) -> float:
    chosen = best(found)
    return (chosen.accuracy if chosen else None) or 0.0


def _is_over(study: Study, found: Sequence[Training]) -> bool:
    return progress_of(study, found, spent(study, store.runs())).is_over


@contextlib.contextmanager
def setting(**environment: str) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def carried_out(study: Study) -> tuple[list[Training], float]:
    """The trainings of a study in a new store, and the seconds from the first in the queue to the end of the last."""
    with tempfile.TemporaryDirectory(prefix="bancada-") as folder, setting(BANCADA_STORE=folder):
        studies = Studies()
        workers = Workers(spare_after=0, follow=studies.follow)
        try:
            for run in [store.create(_lenet(1), test=False) for _ in range(settings.runs_at_once())]:
                workers.submit(run)  # first uses: a process, imports, caches
            while not all(run.is_trained() for run in store.runs()):
                time.sleep(LOOKS)
            begun = time.perf_counter()
            for run in studies.needed(study):
                workers.submit(run)
            while not _is_over(study, found := trainings(study, store.runs())):
                time.sleep(LOOKS)
            seconds = time.perf_counter() - begun
            failed = [one.spec for one in found if one.state == "failed"]
            if failed:
                tell(f"{len(failed)} runs have failed, the first: {failed[0]}")
            return found, seconds
        finally:
            workers.close()


if __name__ == "__main__":
    main()
