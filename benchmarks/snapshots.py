"""Measures what keeping snapshots costs a training: `python -m benchmarks.snapshots [--update] [--rounds N]`.

Trains LeNet and `cnn-four` for ten epochs on MNIST-5k, whose epochs are the shortest and whose share of snapshots is
therefore the largest, alternately with snapshots and without, in this process. Timed is all from the run's `Started` to
its last `Epoch`, with everything that is written to the disk; and, since two trainings differ by more than snapshots
cost as soon as other programs run, also the share of one training's seconds that the worker spends on them.
`--update` writes the table into RESULTS.md.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.results import machine, ratio, say, spread, tell
from core import settings, store
from core.datasets import dataset
from core.events import Epoch, Event
from core.spec import RunSpec, checked

DATA, EPOCHS = "mnist-5k", 10


def main() -> None:
    """Measure, print, and write with `--update`."""
    parser = argparse.ArgumentParser(description="Measure what keeping snapshots costs a training.")
    parser.add_argument("--update", action="store_true", help="write the table into RESULTS.md")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    settings.wait_passively()
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads()))
    dataset(DATA).load()
    where, rows = machine(), []
    for architecture in ("lenet", "cnn-four"):
        spec = checked({"data": DATA, "architecture": architecture, "epochs": EPOCHS})
        rows.append(row(architecture, *measured(spec, options.rounds)))
    head = (
        "| network | without, s | with, s | with / without | processor s, with / without | share of the seconds | n |"
    )
    say("snapshots.py", [where, "", head, "|---|---:|---:|---:|---:|---:|---:|", *rows], options.update)


Turn = tuple[float, float, float]


def measured(spec: RunSpec, rounds: int) -> tuple[list[Turn], list[Turn]]:
    """What `training` measures of the training without snapshots, and of that with them, round by round."""
    turns: tuple[list[Turn], list[Turn]] = ([], [])
    with tempfile.TemporaryDirectory(prefix="bancada-") as folder:
        training(spec, Path(folder), snapshots=True)  # first uses: caches, imports
        for number, place in itertools.product(range(rounds), (0, 1)):
            with_them = bool(place) != bool(number % 2)  # each of the two goes first in every other round
            turns[with_them].append(training(spec, Path(folder), snapshots=with_them))
            tell(f"{spec.architecture}, round {number + 1}, {with_them}: {turns[with_them][-1]}")
    return turns


def training(spec: RunSpec, folder: Path, *, snapshots: bool) -> Turn:
    """Seconds and processor seconds from a run's `Started` to its last `Epoch`, and the share of its snapshots."""
    from core import work as worker

    moments: dict[str, tuple[float, float]] = {}
    spent = [0.0]
    steps = {
        name: getattr(worker._Worker, name) for name in ("_snapshot_at_start", "_begin_snapshot", "_commit_snapshot")
    }
    inside = [False]

    def timed(step: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object, **named: object) -> object:
            if inside[0]:
                return step(*given, **named)
            begun, inside[0] = time.perf_counter(), True
            try:
                return step(*given, **named)
            finally:
                inside[0] = False
                spent[0] += time.perf_counter() - begun

        return call

    def tell_moment(event: Event) -> None:
        moments["end" if isinstance(event, Epoch) else event.event] = time.perf_counter(), time.process_time()

    run = store.create(spec, folder, snapshots=snapshots)
    for name, step in steps.items():
        setattr(worker._Worker, name, timed(step))
    try:
        assert worker.work(str(run.folder), tell=tell_moment) == "done"
    finally:
        for name, step in steps.items():
            setattr(worker._Worker, name, step)
    assert bool(run.snapshots()) == snapshots
    run.delete()
    (wall, processor), (wall_end, processor_end) = moments["started"], moments["end"]
    return wall_end - wall, processor_end - processor, spent[0] / (wall_end - wall)


def row(name: str, without: list[Turn], with_them: list[Turn]) -> str:
    """A row of the table."""
    (wall, processor, _), (wall_with, processor_with, share) = (
        zip(*turns, strict=True) for turns in (without, with_them)
    )
    cells = [name, spread(wall), spread(wall_with), ratio(wall_with, wall, 3), ratio(processor_with, processor, 3)]
    cells.append(spread(share, 4))
    return f"| {' | '.join(cells)} | {len(wall)} |"


if __name__ == "__main__":
    main()
