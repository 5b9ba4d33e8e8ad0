"""Measures the sizes that `core/training/kernels/program.py` has chosen: `python -m benchmarks.tiles [--update]`.

Trains networks of the reports on one thread, each with several values of one size, which alternate; all values of a
table's row are measured in one process. `BANCADA_LANES` chooses the width of the vectors, which is otherwise that of
this processor. Processor time is what is measured, so that other programs matter little. It takes three minutes.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Iterator

import torch

from benchmarks.contestants.ours import processor_seconds
from benchmarks.networks import NETWORKS
from benchmarks.results import machine, ratio, say, spread, tell
from core.training.kernels import program
from core.training.kernels.compiled import lanes

TURNS = 7
IMAGES = {"000-c": 59_904, "001-b": 12_800, "003-d": 3_200, "004-a": 3_200}  # of a turn: about half a second
TRIED = {
    "BLOCK": (("001-b", "003-d"), (16, 32, 64)),
    "DENSE_BLOCK": (("000-c",), (16, 32, 64, 128, 256)),
    "NEAR": (("001-b", "003-d", "004-a"), (6 * 1024, 12 * 1024, 24 * 1024, 48 * 1024, 2**30)),
}


def epochs(network: str, size: str, value: int) -> Iterator[float]:
    """The processor seconds per 60,000 images, epoch after epoch, of a training with this value."""
    one, chosen = NETWORKS[network], getattr(program, size)
    setattr(program, size, value)
    seconds = processor_seconds(one.spec, one.order(""), IMAGES[network], "kernels")
    setattr(program, size, chosen)
    return seconds


def main() -> None:
    """Measure and print; with `--update`, write into RESULTS.md."""
    parser = argparse.ArgumentParser(description="Measure the sizes of the kernels' blocks and sums.")
    parser.add_argument("--update", action="store_true", help="write the table into RESULTS.md")
    options = parser.parse_args()
    os.environ["BANCADA_KERNELS"] = "1"
    torch.set_num_threads(1)
    lines = [f"{machine()} {lanes()} lanes; n = {TURNS} each.", ""]
    lines += ["| size | network | value | processor seconds per 60,000 images | times as long as with the chosen one |"]
    lines += ["|---|---|---:|---:|---:|"]
    for size, (networks, values) in TRIED.items():
        for network in networks:
            running = {value: epochs(network, size, value) for value in values}
            rounds = [{value: next(one) for value, one in running.items()} for _ in range(TURNS + 1)][1:]
            seconds = {value: [found[value] for found in rounds] for value in values}
            best = getattr(program, size)
            for value, found in seconds.items():
                name = f"**{value:,}**" if value == best else "all at once" if value == 2**30 else f"{value:,}"
                times = "" if value == best else ratio(found, seconds[best])
                lines.append(f"| `{size}` | {network} | {name} | {spread(found)} | {times} |")
            tell(f"{size}, {network}: {[round(statistics.median(found), 2) for found in seconds.values()]}")
    say("tiles.py", lines, options.update)


if __name__ == "__main__":
    main()
