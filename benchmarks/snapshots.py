"""Measures what keeping snapshots costs a training: `python -m benchmarks.snapshots [--update] [--rounds N]`.

Trains LeNet and `cnn-four` for ten epochs on MNIST-5k, whose epochs are the shortest and whose share of snapshots is
therefore the largest, alternately with snapshots and without, in this process. Timed is all from the run's `Started` to
its last `Epoch`, with everything that is written to the disk. `--update` writes the table into RESULTS.md.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from pathlib import Path

from benchmarks.results import machine, ratio, spread, tell, update
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
    head = ["| network | without, s | with, s | with / without | processor s, with / without | n |"]
    section = "\n".join([where, "", *head, "|---|---:|---:|---:|---:|---:|", *rows])
    print(section)
    if options.update:
        update("snapshots.py", section)


def measured(spec: RunSpec, rounds: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Seconds and processor seconds of the training without snapshots, and of that with them, round by round."""
    turns: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    with tempfile.TemporaryDirectory(prefix="bancada-") as folder:
        training(spec, Path(folder), snapshots=True)  # first uses: caches, imports
        for number, place in itertools.product(range(rounds), (0, 1)):
            with_them = bool(place) != bool(number % 2)  # each of the two goes first in every other round
            turns[with_them].append(training(spec, Path(folder), snapshots=with_them))
            tell(f"{spec.architecture}, round {number + 1}, {with_them}: {turns[with_them][-1]}")
    return turns


def training(spec: RunSpec, folder: Path, *, snapshots: bool) -> tuple[float, float]:
    """Seconds and processor seconds from a run's `Started` to its last `Epoch`."""
    from core.work import work

    moments: dict[str, tuple[float, float]] = {}

    def tell_moment(event: Event) -> None:
        moments["end" if isinstance(event, Epoch) else event.event] = time.perf_counter(), time.process_time()

    run = store.create(spec, folder, snapshots=snapshots)
    assert work(str(run.folder), tell=tell_moment) == "done"
    assert bool(run.snapshots()) == snapshots
    run.delete()
    (wall, processor), (wall_end, processor_end) = moments["started"], moments["end"]
    return wall_end - wall, processor_end - processor


def row(name: str, without: list[tuple[float, float]], with_them: list[tuple[float, float]]) -> str:
    """A row of the table."""
    (wall, processor), (wall_with, processor_with) = (tuple(zip(*turns, strict=True)) for turns in (without, with_them))
    cells = [name, spread(wall), spread(wall_with), ratio(wall_with, wall, 3), ratio(processor_with, processor, 3)]
    return f"| {' | '.join(cells)} | {len(wall)} |"


if __name__ == "__main__":
    main()
