"""Why the parts of a batch go to threads of our own: epochs with and without another busy process, by kind of threads.

`python benchmarks/threads.py [--update]` trains LeNet (batch 64, Adam) on 12,800 made-up images in fresh processes, the
settings in turn, and prints a table; `--update` writes it into RESULTS.md. About five minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.results import machine, update  # noqa: E402  the path comes first
from core import settings  # noqa: E402

REPEATS = 5
SETTINGS = {  # how many threads, whose they are, how torch's own wait for each other
    "1 thread": (1, "ours", "PASSIVE"),
    "all cores, torch's own threads, spinning": (settings.cores(), "torch's", "ACTIVE"),
    "all cores, torch's own threads, sleeping": (settings.cores(), "torch's", "PASSIVE"),
    "all cores, the engine's": (settings.cores(), "ours", "PASSIVE"),
}
CHILD = """
import sys, time
import numpy as np, torch
from core.datasets import Split, Splits
from core.engine import Team
from core.spec import checked
from core.train import Data, State, train
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


def epoch(threads: int, whose: str, policy: str, *, busy: bool) -> float:
    """Seconds of the second epoch in a process of its own, with or without another that uses one core."""
    environment = {**os.environ, "OMP_WAIT_POLICY": policy, "OMP_NUM_THREADS": str(threads)}
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        command = [sys.executable, "-c", CHILD, str(threads), whose]
        return float(subprocess.check_output(command, cwd=ROOT, env=environment, text=True))
    finally:
        if other:
            other.kill()
            other.wait()


def main() -> None:
    """Measure and print; write where asked to."""
    parser = argparse.ArgumentParser(description="Measure epochs beside another busy process.")
    parser.add_argument("--update", action="store_true", help="write the table into RESULTS.md")
    options = parser.parse_args()
    where = machine()
    seconds: dict[tuple[str, bool], list[float]] = {}
    for _ in range(REPEATS):
        for name, setting in SETTINGS.items():
            for busy in (False, True):
                seconds.setdefault((name, busy), []).append(epoch(*setting, busy=busy))
                print(name, busy, f"{seconds[name, busy][-1]:.2f} s", file=sys.stderr)
    lines = [f"{where} Seconds per epoch of 12,800 images, median (least to most), n = {REPEATS} each.", ""]
    lines += ["| threads | idle | one core busy elsewhere | busy / idle |", "|---|---:|---:|---:|"]
    for name in SETTINGS:
        idle, busy = seconds[name, False], seconds[name, True]
        ratio = statistics.median(busy) / statistics.median(idle)
        cells = [f"{statistics.median(s):.2f} ({min(s):.2f} to {max(s):.2f})" for s in (idle, busy)]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {ratio:.2f} |")
    text = "\n".join(lines)
    print(text)
    if options.update:
        update("threads.py", text)


if __name__ == "__main__":
    main()
