"""Measures a Dask cluster on this machine beside the local queue: `python benchmarks/cluster.py [--update]`.

Both train the same short runs, four at a time with a thread each, in turn. A run's overhead is the time that it keeps
its place, from the end of the run before it, without its own training: the next process has to be ready, the data are
read, the report is written. Then a worker that trains is killed with its Dask worker, again and again. Needs
`pip install "distributed>=2026"`; takes about five minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a script gets its own folder there, not the repository's

from benchmarks.results import machine, ratio, say, spread, tell  # noqa: E402
from core.events import Epoch, Started  # noqa: E402
from core.spec import checked  # noqa: E402
from core.store import Run, create  # noqa: E402
from core.workers import Workers  # noqa: E402
from core.workers.cluster import Cluster, carry_there  # noqa: E402
from tests.browser import free_port  # noqa: E402

AT_ONCE = 4
SHORT = {"architecture": "mlp", "epochs": 1}


def main() -> None:
    """Measure, print, and write with `--update`."""
    parser = argparse.ArgumentParser(description="Measure a Dask cluster beside the local queue.")
    parser.add_argument("--runs", type=int, default=24, help="runs of each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="repetitions, local and cluster in turn")
    parser.add_argument("--kills", type=int, default=10, help="killed workers")
    parser.add_argument("--update", action="store_true", help="write the section into RESULTS.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = {"STORE": f"{folder}/store", "CACHE": f"{folder}/cache", "DEVICE": "cpu", "THREADS": "1", "KERNELS": "0"}
        os.environ |= {f"BANCADA_{name}": value for name, value in made.items()} | {"BANCADA_RUNS": str(AT_ONCE)}
        local, there = [], []
        with machines() as (address, workers):
            cluster = Cluster(address)
            until(lambda: len(cluster.workers) == AT_ONCE)
            remote = Workers(cluster, carry_there, at_once=cluster.slots)
            cluster.changed = remote.hand_out
            here = Workers(at_once=AT_ONCE, spare_after=0)
            for queue in (here, remote):  # each process for the first time
                overhead(queue, 2 * AT_ONCE)
            for place in range(options.rounds):
                tell(f"round {place + 1} of {options.rounds}")
                local.append(overhead(here, options.runs))
                there.append(overhead(remote, options.runs))
            here.close()
            tell("kills")
            found = [killed(remote, cluster, workers) for _ in range(options.kills)]
            cluster.shutdown()
    away, lost = [seconds for seconds, _ in found], [epochs for _, epochs in found]
    rows = [
        f"| local queue, overhead a run | {options.rounds} x {options.runs} | {spread(local)} |",
        f"| {AT_ONCE} Dask workers, overhead a run | {options.rounds} x {options.runs} | {spread(there)} |",
        f"| the same as a multiple of the local queue's | {options.rounds} | {ratio(there, local)} |",
    ]
    if found:
        rows.append(
            f"| from the kill -9 of both processes to the first line of the next | {len(away)} | {spread(away)} |"
        )
    lines = [machine(), "", "| what | n | seconds: median (least to most) |", "|---|---:|---:|", *rows]
    say("cluster.py", [*lines, "", f"Epochs repeated after a kill: at most {max(lost, default=0)}."], options.update)


@contextlib.contextmanager
def machines() -> Iterator[tuple[str, dict[str, subprocess.Popen[bytes]]]]:
    """A scheduler and `AT_ONCE` Dask workers; yields its address, and the workers by their names."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    scheduler = _dask("scheduler", "--host", "127.0.0.1", "--port", str(port))
    workers = {name: start(address, name) for name in map(str, range(AT_ONCE))}
    try:
        yield address, workers
    finally:
        for process in (*workers.values(), scheduler):
            process.kill()
            process.wait()


def start(address: str, name: str) -> subprocess.Popen[bytes]:
    """Start a Dask worker of this name."""
    return _dask("worker", address, "--nthreads", "1", "--no-nanny", "--name", name)


def _dask(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def overhead(queue: Workers, count: int) -> float:
    """The seconds of a run in one of the queue's places, without its training, as the mean of so many runs."""
    runs = [create(checked({**SHORT, "seed": seed})) for seed in range(count)]
    settle()
    begun = time.perf_counter()
    for run in runs:
        queue.submit(run)
    until(lambda: all(queue.place(run) is None for run in runs))
    seconds = time.perf_counter() - begun
    reports = [report for run in runs if (report := run.report())]
    assert len(reports) == count
    return (seconds * AT_ONCE - sum(report.seconds for report in reports)) / count


def settle() -> None:
    """Wait until the processes that train do nothing, so that none is still preparing itself."""
    before, now = -math.inf, _processor_seconds()
    while now - before > 0.05:
        time.sleep(1)
        before, now = now, _processor_seconds()


def _processor_seconds() -> float:
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "core.work" in process.cmdline():
                total += sum(process.cpu_times()[:2])
    return total


def killed(queue: Workers, cluster: Cluster, workers: dict[str, subprocess.Popen[bytes]]) -> tuple[float, int]:
    """Kill the processes at a run; returns the seconds until another is at it, and the epochs that are repeated."""
    until(lambda: len(cluster.workers) == AT_ONCE)
    run = create(checked({"architecture": "mlp", "epochs": 10_000, "best_by": "last"}))
    queue.submit(run)
    until(lambda: epochs(run) >= 2)
    name = ""

    def is_known() -> bool:
        nonlocal name
        name = next((one.name for one in cluster.workers if run.name in one.runs), "")
        return bool(name)

    until(is_known)
    process, before = workers[name], run.events(Started)
    trainer = psutil.Process(before[-1].pid)
    trainer.kill()
    process.kill()
    begun = time.perf_counter()
    reached = epochs(run)
    process.wait()
    until(lambda: len(run.events(Started)) > len(before))
    seconds = time.perf_counter() - begun
    repeated = reached + 1 - run.events(Started)[-1].epoch  # the one that was begun is repeated in any case
    workers[name] = start(cluster.address, name)
    queue.stop(run)
    until(lambda: queue.place(run) is None)
    return seconds, repeated


def epochs(run: Run) -> int:
    """How many epochs the run has."""
    last = run.last(Epoch)
    return last.epoch if last else 0


def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds. Raises: TimeoutError, after five minutes."""
    end = time.monotonic() + 300
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)


if __name__ == "__main__":
    main()
