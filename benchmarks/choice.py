"""Measures where the kernels are quicker than torch: `python -m benchmarks.choice [--avx2] [--threads N] [--update]`.

Trains networks around the bounds by which `core/training/engine.py` chooses, on one thread or more, with the kernels
and with torch, which alternate. Processor time is what is measured, so that other programs matter little. `--avx2`
holds both to the vectors of most laptops. It takes five minutes.
"""

from __future__ import annotations

import argparse
import os

from benchmarks.contestants.ours import processor_seconds
from benchmarks.networks import NETWORKS, Network
from benchmarks.race import HELD
from benchmarks.results import machine, ratio, say, spread, tell
from core.spec import RunSpec, checked

TURNS = 7
WORK, STEPS = 4e9, 400  # of a turn: multiply-accumulates forward, and most steps: about a quarter of a second
CONVOLUTIONS = "conv(32, 3), conv({0}, 3), conv({0}, 3), flatten, dense(classes)"
UNITS = "flatten, dense({0}), dense({0}), dense(classes)"


def of(recipe: str, **fields: int) -> RunSpec:
    """The spec of a recipe's network, with these fields."""
    return Network(recipe, "").spec.model_copy(update=fields)


TRIED: dict[str, dict[str, RunSpec]] = {
    "BIG_CHANNELS": {
        f"{n} filters": checked({"layers": CONVOLUTIONS.format(n), "batch_size": 64}) for n in (32, 64, 128)
    },
    "BIG_UNITS": {f"{n} units": checked({"layers": UNITS.format(n), "batch_size": 128}) for n in (512, 1024, 2048)},
    "LEAST_BATCH": {f"{name}, batch {n}": of(name, batch_size=n) for name in ("001-b", "003-d") for n in (1, 2, 4, 8)},
    "BFLOAT16_WORK": {name: of(name) for name in ("000-d", "003-d", "mnist-best", "002-d")},
}


def main() -> None:
    """Measure and print; with `--update`, write into RESULTS.md."""
    parser = argparse.ArgumentParser(description="Measure where the kernels are quicker than torch.")
    parser.add_argument("--avx2", action="store_true", help="hold both to AVX2, as most laptops are")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--update", action="store_true", help="write the table into RESULTS.md")
    options = parser.parse_args()
    os.environ.update(HELD if options.avx2 else {})
    import torch  # after the choice of its vectors

    torch.set_num_threads(options.threads)
    has_bfloat16 = torch.cpu.get_capabilities().get("avx512_bf16") and not options.avx2
    ways = ("kernels", "float32", "bfloat16")[: 3 if has_bfloat16 else 2]
    vectors = "AVX2 alone" if options.avx2 else "all of its vectors"
    lines = [f"{machine()} With {vectors}; threads: {options.threads}; n = {TURNS} each.", ""]
    lines += ["| bound | network | processor seconds per 60,000 images, kernels | torch, float32: times as long |"]
    lines[-1] += " torch, bfloat16: times as long |"
    lines += ["|---|---|---:|---:|---:|"]
    for bound, networks in TRIED.items():
        for words, spec in networks.items():
            order = NETWORKS.get(words, NETWORKS["001-b"]).order("")
            work = sum(row.macs for row in spec.table((order.channels, 28, 28), 10))
            images = int(max(2, min(STEPS, WORK / work / spec.batch_size))) * spec.batch_size
            specs = {way: spec if way == "kernels" else spec.model_copy(update={"precision": way}) for way in ways}
            running = {
                way: processor_seconds(one, order, images, "kernels" if way == "kernels" else "torch", options.threads)
                for way, one in specs.items()
            }
            rounds = [{way: next(one) for way, one in running.items()} for _ in range(TURNS + 1)][1:]
            seconds = {way: [found[way] for found in rounds] for way in ways}
            times = [ratio(seconds[way], seconds["kernels"]) if way in ways else "" for way in ("float32", "bfloat16")]
            lines.append(f"| `{bound}` | {words} | {spread(seconds['kernels'])} | {' | '.join(times)} |")
            tell(f"{bound}, {words}: {times}")
    say("choice.py avx2" if options.avx2 else "choice.py", lines, options.update)


if __name__ == "__main__":
    main()
