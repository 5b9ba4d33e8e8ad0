"""Measures what a run costs besides its steps: `python -m benchmarks.start [--update] [--rounds N]`.

Times an epoch of LeNet on real MNIST without any logging and as a worker does it; then the seconds from the queue to
the first Step in a run's log, with a worker that waits and without, computed by the kernels, whose code is on the disk,
and by PyTorch; then how long the kernels' code takes to compile and to load. `--update` writes the tables into
RESULTS.md. Takes about five minutes on two cores; its progress goes to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.contestants.turn import WARM
from benchmarks.networks import NETWORKS
from benchmarks.race import environment
from benchmarks.results import machine, ratio, say, spread, tell
from core import settings, store
from core.datasets import dataset
from core.events import Event
from core.workers import Workers

LENET = NETWORKS["001-b"].spec
# Prints the wall and processor seconds for the kernels' code alone, and whether it is there then.
LOAD = """
import time, numba
from core.training.kernels import compiled
wall, processor = time.perf_counter(), time.process_time()
compiled.use_folder()
is_there = compiled.compile_here()
print(time.perf_counter() - wall, time.process_time() - processor, is_there)
"""


def main() -> None:
    """Measure, print, and write with `--update`; with `--telling`, time the pairs of epochs in this process."""
    parser = argparse.ArgumentParser(description="Measure what a run costs besides its steps.")
    parser.add_argument("--update", action="store_true", help="write the tables into RESULTS.md")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--telling", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.telling:
        print(json.dumps(telling_and_saving(options.rounds)))
        return
    if dataset("mnist").state()[0] != "ready":
        parser.exit(1, "MNIST is in no data folder: python -m core data get mnist\n")
    dataset("mnist").load()  # the first load fills the cache, which is not to be timed
    where = machine()
    tell("telling and saving")
    # Epochs vary by more than logging costs, so it takes more of them to measure that cost.
    command = [sys.executable, "-m", "benchmarks.start", "--telling", "--rounds", str(3 * options.rounds)]
    pairs = json.loads(subprocess.check_output(command, cwd=settings.ROOT, env=environment(), text=True))
    subprocess.run([sys.executable, "-m", "core.training.kernels"], cwd=settings.ROOT, check=True)
    tables = telling_table(pairs), start_table(starts(options.rounds)), code_table(loads(options.rounds))
    say("start.py", [where, *tables], options.update, between="\n\n")


def telling_and_saving(rounds: int) -> list[tuple[float, float]]:
    """Seconds of an epoch without any logging, and of the same epoch as `work` does it, alternately; in pairs.

    Both are timed from the transfer of the data to the device to the epoch's end; in `work` that is from its `Started`
    until it checks, after the `Epoch`, whether to go on. In between, `work` emits and writes Steps, reads `control`
    before every step, computes the histograms of the network, writes a checkpoint through to the disk, and deletes the
    older ones.
    """
    settings.wait_passively()
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads()))
    import torch  # after the settings of its threads

    import core.training.train
    from core.images.splits import choose
    from core.training.train import Data, State, train
    from core.work import work

    device, splits = torch.device("cpu"), choose(LENET, dataset(LENET.data).load())
    usual = core.training.train.STEPS_PER_TELLING, core.training.train.SECONDS_PER_TELLING

    def silent(steps: int | None = None) -> float:
        state = State.new(LENET, splits.train, 10, device, settings.threads())
        core.training.train.STEPS_PER_TELLING = core.training.train.SECONDS_PER_TELLING = sys.maxsize
        begun = time.perf_counter()
        for _ in itertools.islice(train(LENET, Data.of(splits, device), state), steps):
            pass
        ended = time.perf_counter()
        core.training.train.STEPS_PER_TELLING, core.training.train.SECONDS_PER_TELLING = usual
        return ended - begun

    def told(folder: Path) -> float:
        moments: dict[str, float] = {}

        def leaving() -> bool:
            if "epoch" in moments:
                moments["end"] = time.perf_counter()
            return "end" in moments

        def tell(event: Event) -> None:
            moments.setdefault(event.event, time.perf_counter())

        work(str(folder), leaving, tell)
        return moments["end"] - moments["started"]

    silent(steps=WARM)
    pairs = []
    with tempfile.TemporaryDirectory(prefix="bancada-") as folder:
        for number in range(rounds):
            run, pair = store.create(LENET, Path(folder)), {}
            for way in ("silent", "told")[:: 1 - 2 * (number % 2)]:  # each of the two goes first in every other round
                pair[way] = silent() if way == "silent" else told(run.folder)
            pairs.append((pair["silent"], pair["told"]))
    return pairs


@dataclass
class Start:
    """What a start of a run cost."""

    seconds: float  # from the queue to the first Step in the log
    processor_seconds: float  # of the worker in that time
    memory: int  # bytes of a worker that waited


def starts(rounds: int) -> dict[str, list[Start]]:
    """The starts by what computes them and by whether a worker waits for a run, alternately."""
    found: dict[str, list[Start]] = {
        f"{by}, {worker}": [] for by in ("kernels", "torch") for worker in ("a worker waiting", "none yet")
    }
    usual = os.environ.get("BANCADA_KERNELS", "")
    with tempfile.TemporaryDirectory(prefix="bancada-") as folder:
        for number, name in itertools.product(range(rounds), found):
            by, _, worker = name.partition(", ")
            os.environ["BANCADA_KERNELS"] = {"kernels": "", "torch": "0"}[by]
            workers, run = Workers(at_once=1, spare_after=0 if worker == "a worker waiting" else 60), None
            try:
                memory, before = 0, 0.0
                if worker == "a worker waiting":
                    process = settled()
                    memory, before = process.memory_info().rss, sum(process.cpu_times()[:2])
                run = store.create(LENET, Path(folder))
                begun = time.perf_counter()
                workers.submit(run)
                wait_for_step(run)
                seconds, process = time.perf_counter() - begun, worker_process()
                assert process
                found[name].append(Start(seconds, sum(process.cpu_times()[:2]) - before, memory))
                assert run.started().computed_by == by
                tell(f"start, {name}, round {number + 1}: {seconds:.2f} s")
            finally:
                if run:
                    run.ask("stop")
                workers.close()
    os.environ["BANCADA_KERNELS"] = usual
    return found


def worker_process() -> psutil.Process | None:
    """The worker process, if there is one."""
    return next((one for one in psutil.Process().children() if "core.work" in one.cmdline()), None)


def settled() -> psutil.Process:
    """The worker process, once it has been idle for a second: all is imported and it waits for a run."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if process := worker_process():
            before = sum(process.cpu_times()[:2])
            time.sleep(1)
            if before > 0.5 and sum(process.cpu_times()[:2]) - before < 0.02:
                return process
        time.sleep(0.1)
    raise TimeoutError("no worker comes to rest")


def wait_for_step(run: store.Run) -> None:
    """Wait until the run's log holds its first Step."""
    end, log = time.monotonic() + 60, run.folder / "events.jsonl"
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if b'"event":"step"' in log.read_bytes():
                return
        time.sleep(0.005)
    raise TimeoutError("the run tells no Step")


def loads(rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Wall and processor seconds until a new process has the kernels' code, by where it comes from, alternately."""
    compiles, loads, cannot = "compiled, then written", "loaded from the disk", "compiled; its folder cannot be written"
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in (compiles, loads, cannot)}
    for number in range(rounds):
        tell(f"code, round {number + 1}")
        with tempfile.TemporaryDirectory(prefix="bancada-") as folder:
            file = Path(folder, "file")
            file.touch()  # no folder can be made below a file, even by root
            for name, cache in ((compiles, Path(folder, "cache")), (loads, Path(folder, "cache")), (cannot, file)):
                command, where = [sys.executable, "-c", LOAD], os.environ | {"BANCADA_CACHE": str(cache)}
                said = subprocess.check_output(command, cwd=settings.ROOT, env=where, text=True).split()
                assert said[2] == "True"
                found[name].append((float(said[0]), float(said[1])))
    return found


def telling_table(pairs: list[tuple[float, float]]) -> str:
    """A table with one row: an epoch without and with logging."""
    silent, told = ([pair[place] for pair in pairs] for place in (0, 1))
    rows = ["### Telling: seconds of one LeNet epoch (54,000 images, and 6,000 of val)", ""]
    rows += ["| nothing told | as a worker does: Steps, `control`, histograms, checkpoint | told / silent | n |"]
    rows += ["|---:|---:|---:|---:|"]
    rows += [f"| {spread(silent)} | {spread(told)} | {ratio(told, silent, 3)} | {len(pairs)} |"]
    return "\n".join(rows)


def start_table(found: dict[str, list[Start]]) -> str:
    """A table with a row for each kind of start."""
    rows = ["### Start: from the queue to the first Step in the log, LeNet on MNIST", ""]
    rows += ["| computed by, worker | seconds | processor seconds | memory of the worker that waits, MiB | n |"]
    rows += ["|---|---:|---:|---:|---:|"]
    for name, those in found.items():
        seconds, processor = ([getattr(one, field) for one in those] for field in ("seconds", "processor_seconds"))
        memory = spread([one.memory / 2**20 for one in those], 0) if those[0].memory else ""
        rows += [f"| {name} | {spread(seconds)} | {spread(processor)} | {memory} | {len(those)} |"]
    return "\n".join(rows)


def code_table(found: dict[str, list[tuple[float, float]]]) -> str:
    """A table with a row for each place that the kernels' code comes from."""
    rows = ["### The kernels' machine code in a new process, after Numba's own import", ""]
    rows += ["| it is | seconds | processor seconds | n |", "|---|---:|---:|---:|"]
    for name, pairs in found.items():
        rows += [f"| {name} | {' | '.join(spread(values) for values in zip(*pairs, strict=True))} | {len(pairs)} |"]
    return "\n".join(rows)


if __name__ == "__main__":
    main()
