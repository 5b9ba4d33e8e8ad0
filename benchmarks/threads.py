"""Measures why the engine has threads of its own: epochs with and without a busy process, by kind of threads.

`python benchmarks/threads.py [--update]` trains LeNet (batch 64, Adam) on 12,800 random images in fresh processes,
alternating the settings, and prints a table; `--update` writes it into RESULTS.md. About five minutes on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.results import busy, machine, say, spread  # noqa: E402  the path comes first
from core import settings  # noqa: E402

REPEATS = 5
SETTINGS = {  # how many threads, whose they are, how torch's own threads wait (OMP_WAIT_POLICY)
    "1 thread": (1, "ours", "PASSIVE"),
    "all cores, torch's own threads, spinning": (settings.cores(), "torch's", "ACTIVE"),
    "all cores, torch's own threads, sleeping": (settings.cores(), "torch's", "PASSIVE"),
    "all cores, the engine's": (settings.cores(), "ours", "PASSIVE"),
}
CHILD = """
import sys, time
import numpy as np, torch
from core.datasets import Split, Splits
from core.training.engine import Team
from core.spec import checked
from core.training.train import Data, State, train
threads, whose = int(sys.argv[1]), sys.argv[2]
generator = np.random.default_rng(0)
split = Split(generator.integers(0, 256, (12_800, 1, 28, 28), dtype=np.uint8), generator.integers(0, 10, 12_800))
val = Split(split.images[:64].copy(), split.labels[:64].copy())
device = torch.device("cpu")
spec = checked({"architecture": "lenet", "epochs": 2})
state, seconds = State.new(spec, split, 10, device, threads), []
if whose == "torch's":
    state.engine.parts, state.engine.team = 1, Team(1)
    torch.set_num_threads(threads)
for event in train(spec, Data.of(Splits(split, val, val), device), state):
    if event and event.event == "epoch":
        seconds.append(event.seconds)
print(seconds[1] - seconds[0])
"""


def epoch(threads: int, whose: str, policy: str) -> float:
    """Seconds of the second epoch of a training in a process of its own."""
    environment = {**os.environ, "OMP_WAIT_POLICY": policy, "OMP_NUM_THREADS": str(threads)}
    environment["BANCADA_KERNELS"] = "0"  # this is about torch
    command = [sys.executable, "-c", CHILD, str(threads), whose]
    return float(subprocess.check_output(command, cwd=ROOT, env=environment, text=True))


def main() -> None:
    """Measure and print; with `--update`, write into RESULTS.md."""
    parser = argparse.ArgumentParser(description="Measure epochs beside another busy process.")
    parser.add_argument("--update", action="store_true", help="write the table into RESULTS.md")
    options = parser.parse_args()
    where = machine()
    seconds: dict[tuple[str, str], list[float]] = {}
    for _ in range(REPEATS):
        for name, setting in SETTINGS.items():
            for beside in ("nothing", "a busy process"):
                with busy() if beside != "nothing" else contextlib.nullcontext():
                    seconds.setdefault((name, beside), []).append(epoch(*setting))
                print(f"{name}, beside {beside}: {seconds[name, beside][-1]:.2f} s", file=sys.stderr)
    lines = [f"{where} Seconds per epoch of 12,800 images, median (least to most), n = {REPEATS} each.", ""]
    lines += ["| threads | idle | one core busy elsewhere | busy / idle |", "|---|---:|---:|---:|"]
    for name in SETTINGS:
        idle, loaded = seconds[name, "nothing"], seconds[name, "a busy process"]
        ratio = statistics.median(loaded) / statistics.median(idle)
        lines.append(f"| {name} | {spread(idle)} | {spread(loaded)} | {ratio:.2f} |")
    say("threads.py", lines, options.update)


if __name__ == "__main__":
    main()
