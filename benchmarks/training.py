"""Measures the speed of training: `python -m benchmarks.training [--update] [--networks 001-b ...] [...]`.

Times an epoch of the reports' networks on real MNIST with this engine and with the usual alternatives, which get the
same layers, batch size, optimizer, learning rate and images (`contestants/`). Each is a process of its own with its own
default threads, which first trains a few steps and then takes its turns (`race.py`): of about `TURN` seconds each,
scaled to 60,000 images. What a library does once before its first epoch is not counted. Everything runs at normal
priority; the app's workers run at a lower one.

There are three situations: idle; busy, while another process keeps a core busy; and two, in which a contestant runs
twice at once. All of it ends within `--minutes`, by default nine, by making fewer rounds, but at least two; all nine
networks take about half an hour. `--update` keeps the figures in `training.json` beside this file, a network at a time,
and writes the section of RESULTS.md from all that are kept there; so several commands may share the networks.

`--avx2` holds all of them to the vectors that most laptops have (`HELD` in `race.py`), idle; what it measures is kept
apart, in `training-avx2.json` and a section of its own.

Everything runs on the CPU. `--device cuda` has this engine and PyTorch on a GPU instead; it keeps nothing, and has
never run, since there was no GPU.

`BANCADA_KERAS` and `BANCADA_JAX` each name a Python that has Keras and TensorFlow, or JAX and Optax; without them,
virtual environments are made in the cache folder. Progress goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.contestants import CONTESTANTS
from benchmarks.contestants.turn import EPOCH, SkippedError
from benchmarks.networks import NETWORKS, Network
from benchmarks.race import HELD, SITUATIONS, Figures, Race, python_of, race
from benchmarks.results import machine, ratio, spread, tell, update
from core.datasets import dataset

KEPT, KEPT_AVX2 = (Path(__file__).with_name(name) for name in ("training.json", "training-avx2.json"))
TURN, ROUNDS, MINUTES = 0.7, 5, 9.0  # seconds of a turn; most rounds; minutes for all networks
USUAL = ("000-c", "001-b", "003-d")  # the networks that are measured unless others are named
OURS = "engine"  # the contestant with which the others are compared
AIMS = {"000-c": 2, "001-b": 3, "003-d": 2, "003-f": 2, "004-a": 2}  # times as quick as the best peer, idle
MOST_BUSY = 1.6  # times as long as idle while another process keeps a core busy


def main() -> None:
    """Measure, print, and keep and write with `--update`."""
    parser = argparse.ArgumentParser(description="Measure how quick training is.")
    parser.add_argument("--update", action="store_true", help="keep the figures, and write the section into RESULTS.md")
    parser.add_argument("--networks", nargs="+", choices=[*NETWORKS, "all"], default=USUAL)
    parser.add_argument("--situations", nargs="+", choices=SITUATIONS, default=SITUATIONS)
    usual = [name for name, one in CONTESTANTS.items() if one.usual]
    parser.add_argument("--only", nargs="+", choices=[*CONTESTANTS, "all"], default=usual, help="these contestants")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="at most")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="in all; two rounds are made in any case")
    parser.add_argument("--avx2", action="store_true", help="hold all to AVX2, as most laptops are; idle only")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: those that can, on a GPU")
    parser.add_argument("--quick", action="store_true", help="two rounds of short turns: to see whether it works")
    options = parser.parse_args()
    if options.quick and options.update:
        parser.error("--quick measures nothing worth keeping: leave --update away")
    if options.device == "cuda":
        if options.update or options.avx2:
            parser.error("--device cuda goes neither with --update nor with --avx2")
        if not torch.cuda.is_available():
            parser.exit(1, "PyTorch finds no GPU with CUDA on this machine: leave --device away\n")
    if dataset("mnist").state()[0] != "ready":
        parser.exit(1, "MNIST is in no data folder: python -m core data get mnist\n")

    if options.avx2:
        os.environ.update(HELD)
        options.situations = ("idle",)
    names = [name for name in CONTESTANTS if name in options.only or "all" in options.only]
    environments, missing = {}, {}
    for name in names:
        try:
            if options.device == "cuda" and not CONTESTANTS[name].cuda:
                raise SkippedError("here it computes on the processor alone")
            environments[CONTESTANTS[name].environment] = python_of(CONTESTANTS[name].environment)[1]
        except SkippedError as reason:
            missing[name] = str(reason)
            tell(f"{CONTESTANTS[name].title} is skipped: {reason}")
    gpu = [torch.cuda.get_device_name()] if options.device == "cuda" else []
    present = [name for name in names if name not in missing]
    races: dict[str, Race] = {}
    networks = list(NETWORKS) if "all" in options.networks else list(dict.fromkeys(options.networks))
    end = time.monotonic() + 60 * options.minutes
    for place, name in enumerate(networks):
        where, now = machine(*environments.values(), *gpu), time.monotonic()
        races[name] = race(
            NETWORKS[name],
            present,
            options.situations,
            rounds=2 if options.quick else options.rounds,
            turn=TURN / 5 if options.quick else TURN,
            until=now + (end - now) / (len(networks) - place),
            device=options.device,
        )
        races[name].where = where
        races[name].skipped |= missing
        if options.update:
            write(races, options.avx2)
    print(avx2_section(races) if options.avx2 else section(races))


def write(races: dict[str, Race], is_avx2: bool = False) -> None:
    """Keep the races in place of earlier ones of the same networks, and write the section from all."""
    file = KEPT_AVX2 if is_avx2 else KEPT
    kept = {name: Race.read(values) for name, values in json.loads(file.read_text()).items()} if file.exists() else {}
    kept |= races
    kept = {name: kept[name] for name in NETWORKS if name in kept}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(asdict(one))}" for name, one in kept.items())
    file.write_text(f"{{\n{lines}\n}}\n")  # a line a network
    if is_avx2:
        update("training.py avx2", avx2_section(kept))
    else:
        update("training.py", section(kept))


# --- tables -----------------------------------------------------------------------------------------------------------


def section(races: dict[str, Race]) -> str:
    """The section of RESULTS.md."""
    parts = [overview(races), *(network_table(NETWORKS[name], one) for name, one in races.items())]
    parts += [load_table(races), at_once_table(races)]
    return "\n\n".join(part for part in parts if part)


def avx2_section(races: dict[str, Race]) -> str:
    """A table with rows for each network, of contestants that are held to AVX2."""
    parts = [f"{name}: {one.where} n = {len(one.elsewhere)}." for name, one in races.items()]
    rows = ["| network | contestant | seconds per epoch (60,000 images) | processor seconds |"]
    rows[-1] += " these / this engine's |"
    rows += ["|---|---|---:|---:|---:|"]
    for network, name, found in every(races, "idle"):
        mine = races[network].figures.get(OURS)
        cells = [network, titled(name, found), spread(found.seconds()), spread(found.processor())]
        cells += [ratio(found.processor(), mine.processor()) if mine and name != OURS else ""]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n\n".join([*parts, "\n".join(rows)])


def best_peer(one: Race, situation: str) -> str:
    """The peer with the smallest median; "" if none was measured."""
    peers = {name: found.seconds(situation) for name, found in one.figures.items() if not CONTESTANTS[name].ours}
    measured = [name for name, seconds in peers.items() if seconds]
    return min(measured, key=lambda name: statistics.median(peers[name]), default="")


def overview(races: dict[str, Race]) -> str:
    """A table with a row for each network: this engine beside the best peer of the same run, in each situation."""
    rows = ["### This engine and the best peer", ""]
    rows += [
        "How many times as quick this engine is as the best peer of the same run, that with the least median. "
        f"Turns of about {TURN} s, which alternate; seconds are per epoch of 60,000 images.",
        "",
        "| network | computed by | idle | one core busy | two runs at once | processor seconds, idle | busy / idle |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    missed = []
    for name, one in races.items():
        mine = one.figures.get(OURS)
        if not mine:
            continue
        cells = [name, mine.words]
        for situation in SITUATIONS:
            best = best_peer(one, situation)
            peer = one.figures[best].seconds(situation) if best else []
            cells.append(f"{ratio(peer, mine.seconds(situation))}, {CONTESTANTS[best].title}" if peer else "")
        best = best_peer(one, "idle")
        cells.append(ratio(one.figures[best].processor(), mine.processor()) if best else "")
        cells.append(ratio(mine.seconds("busy"), mine.seconds()))
        rows.append(f"| {' | '.join(cells)} |")
        quick = statistics.median(one.figures[best].seconds()) / statistics.median(mine.seconds()) if best else math.inf
        if quick < AIMS.get(name, 0):
            missed.append(f"{name} idle ({quick:.2f}, aim {AIMS[name]})")
        busy = mine.seconds("busy")
        if busy and (slow := statistics.median(busy) / statistics.median(mine.seconds())) > MOST_BUSY:
            missed.append(f"{name} busy / idle ({slow:.2f})")
    aims = ", ".join(f"{name} {aim}" for name, aim in AIMS.items())
    rows += ["", f"Aims: times as quick as the best peer, idle: {aims}; busy / idle at most {MOST_BUSY} for all."]
    rows[-1] += f" Not reached: {', '.join(missed) or 'none'}."
    return "\n".join(rows)


def network_table(network: Network, one: Race) -> str:
    """A table with a row for each contestant that was measured idle."""
    rows = [f"### {network.recipe}: {network.words}", ""]
    shares = spread([100 * share for share in one.elsewhere], 0)
    rows += [
        f"{one.where} Other programs took {shares} % of the cores just before the rounds; n = {len(one.elsewhere)}."
    ]
    rows += [f"Not measured: {CONTESTANTS[name].title} ({reason})." for name, reason in one.skipped.items()]
    rows += ["", "| contestant | images a turn | seconds per epoch (60,000 images) | processor seconds | images/s |"]
    rows[-1] += " this engine is ... x as quick |"
    rows += ["|---|---:|---:|---:|---:|---:|"]
    for name, found in one.figures.items():
        if seconds := found.seconds():
            cells = [
                f"**{titled(name, found)}**" if name == OURS else titled(name, found),
                f"{found.images['idle']:,}",
            ]
            cells += [spread(seconds), spread(found.processor()), f"{EPOCH / statistics.median(seconds):,.0f}"]
            cells += [times_as_quick(one, name, "idle")]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def load_table(races: dict[str, Race]) -> str:
    """A table with rows for each network: idle, and beside a process that keeps a core busy."""
    rows = ["### Under load: seconds per epoch (60,000 images)", ""]
    rows += ["| network | contestant | idle | one core busy elsewhere | busy / idle | processor seconds, busy |"]
    rows[-1] += " this engine is ... x as quick, busy |"
    rows += ["|---|---|---:|---:|---:|---:|---:|"]
    for network, name, found in every(races, "busy"):
        busy, idle = found.seconds("busy"), found.seconds()
        cells = [network, titled(name, found), spread(idle) if idle else "", spread(busy), ratio(busy, idle)]
        cells += [spread(found.processor("busy")), times_as_quick(races[network], name, "busy")]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) if len(rows) > 4 else ""


def at_once_table(races: dict[str, Race]) -> str:
    """A table with rows for each network: two runs at once, of which ours have half of the threads each."""
    rows = ["### Two runs at once: seconds per epoch (60,000 images) of the later one", ""]
    rows += [
        "| network | contestant | one alone | two at once | images/s, together / alone | processor seconds of each |"
    ]
    rows[-1] += " this engine is ... x as quick, two at once |"
    rows += ["|---|---|---:|---:|---:|---:|---:|"]
    for network, name, found in every(races, "two"):
        both, alone = found.seconds("two"), found.seconds()
        cells = [network, titled(name, found), spread(alone) if alone else "", spread(both)]
        cells += [ratio([2 * one for one in alone], both), spread(found.processor("two"))]
        cells += [times_as_quick(races[network], name, "two")]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) if len(rows) > 4 else ""


def every(races: dict[str, Race], situation: str) -> Iterator[tuple[str, str, Figures]]:
    """Yields network, contestant and figures of all that were measured in the situation."""
    for network, one in races.items():
        for name, found in one.figures.items():
            if found.seconds(situation):
                yield network, name, found


def times_as_quick(one: Race, name: str, situation: str) -> str:
    """How many times as quick as this contestant ours is, as text; "" for ours itself."""
    if name == OURS or OURS not in one.figures:
        return ""
    return ratio(one.figures[name].seconds(situation), one.figures[OURS].seconds(situation))


def titled(name: str, found: Figures) -> str:
    """A contestant's title, with what it says of itself."""
    return CONTESTANTS[name].title + in_brackets(found.words)


def in_brackets(words: str) -> str:
    """The words in brackets, after a space; "" if there are none."""
    return f" ({words})" if words else ""


if __name__ == "__main__":
    main()
