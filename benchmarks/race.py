"""Lets contestants take turns: each a process of its own, warm and waiting, of which one alone computes at a time."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

import psutil

from benchmarks.contestants import CONTESTANTS, ENVIRONMENTS
from benchmarks.contestants.turn import EPOCH, WARM, SkippedError
from benchmarks.networks import Network
from benchmarks.results import busy, tell
from core import settings

HELD = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx2,+fma",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
}
"""What holds the kernels and the peers' libraries to AVX2, the vectors of most laptops, on a processor with AVX-512."""
SITUATIONS = ("idle", "busy", "two")  # alone; while another process keeps a core busy; two runs of it at once


@dataclass
class Figures:
    """What was measured of one contestant on one network."""

    words: str  # that stand beside its name
    images: dict[str, int] = field(default_factory=dict)  # of a turn, by situation
    turns: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # by situation: wall and processor s

    def seconds(self, situation: str = "idle") -> list[float]:
        """Wall seconds for 60,000 images, round by round; of two runs at once the later one's."""
        return [seconds for seconds, _ in self.turns.get(situation, [])]

    def processor(self, situation: str = "idle") -> list[float]:
        """Processor seconds for 60,000 images, round by round; of two runs at once the mean."""
        return [processor for _, processor in self.turns.get(situation, [])]


@dataclass
class Race:
    """What was measured on one network, all in one run of the command."""

    where: str = ""  # date, machine and versions
    elsewhere: list[float] = field(default_factory=list)  # share of the cores that others used before each round
    skipped: dict[str, str] = field(default_factory=dict)  # reasons, by contestant
    figures: dict[str, Figures] = field(default_factory=dict)  # by contestant

    @classmethod
    def read(cls, values: dict[str, Any]) -> Race:
        """The race that was written as `asdict` of it."""
        figures = {name: Figures(**one) for name, one in values["figures"].items()}
        return cls(**{**values, "figures": figures})


class Runner:
    """The process of a contestant."""

    def __init__(self, name: str, network: Network, runs: int, device: str):
        one = CONTESTANTS[name]
        python, _ = python_of(one.environment)
        self.name = name
        self.process = subprocess.Popen(
            [python, "-m", f"benchmarks.contestants.{one.module}", json.dumps(asdict(network.order(one.variant)))],
            cwd=settings.ROOT,
            env=environment(runs, device),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def send(self, **what: Any) -> None:
        """Ask for something; the answer is read by `answer`."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for the answer. Raises: SkippedError."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        answer = json.loads(line or '{"skipped": "its process has ended"}')
        if "skipped" in answer:
            raise SkippedError(answer["skipped"])
        return answer

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()


def race(
    network: Network,
    names: Sequence[str],
    situations: Sequence[str],
    *,
    rounds: int,
    turn: float,
    until: float,
    device: str,
) -> Race:
    """Let the contestants take turns: in each round, and there in each situation, each contestant has one.

    All turns of a contestant in a situation have the same number of images, for which it took about `turn` seconds
    there before the first. After two rounds, none is begun that would probably not end before `until` (a time of
    `time.monotonic`).
    """
    found = Race()
    alone: dict[str, Runner] = {}
    pairs: dict[str, list[Runner]] = {}
    with contextlib.ExitStack() as ends:

        def start(name: str, runs: int) -> Runner:
            return ends.enter_context(contextlib.closing(Runner(name, network, runs, device)))

        at_once = max(2, settings.cores())  # processes that start at the same time
        for some in (names[at : at + at_once] for at in range(0, len(names), at_once)):
            alone |= {name: start(name, runs=1) for name in some}
            for name in some:
                try:
                    found.figures[name] = Figures(alone[name].answer()["ready"])
                except SkippedError as reason:
                    found.skipped[name] = str(reason)
        for name, reason in found.skipped.items():
            tell(f"{network.recipe}: {CONTESTANTS[name].title} is skipped: {reason}")
        for name in found.figures if "two" in situations else ():
            # Two runs of ours have half of the threads each; two of a peer's know nothing of each other.
            more = [start(name, runs=2) for _ in range(2)] if CONTESTANTS[name].ours else [start(name, runs=1)]
            for runner in more:
                runner.answer()
            pairs[name] = more if CONTESTANTS[name].ours else [alone[name], *more]
        for number in range(rounds):
            begun = time.monotonic()
            found.elsewhere.append(psutil.cpu_percent(interval=0.25) / 100)
            for situation in situations:
                with busy() if situation == "busy" else contextlib.nullcontext():
                    for name, one in found.figures.items():
                        runners = pairs[name] if situation == "two" else [alone[name]]
                        if situation not in one.images:
                            one.images[situation] = images_of_a_turn(runners, network.spec.batch_size, turn)
                        one.turns.setdefault(situation, []).append(timed(runners, one.images[situation]))
                shown = ", ".join(f"{name} {one.seconds(situation)[-1]:.2f}" for name, one in found.figures.items())
                tell(f"{network.recipe}, round {number + 1}, {situation}: {shown} s")
            if number and 2 * time.monotonic() - begun > until:
                break
    return found


def images_of_a_turn(runners: Sequence[Runner], batch: int, turn: float) -> int:
    """The images, whole batches of them and at most 60,000, that take the runners about `turn` seconds."""
    seconds, _ = timed(runners, WARM * batch)
    return batch * max(WARM, min(EPOCH // batch, round(turn * EPOCH / seconds / batch)))


def timed(runners: Sequence[Runner], images: int) -> tuple[float, float]:
    """A turn of these runners at the same time: the longest wall time and the mean processor time of an epoch, s."""
    for runner in runners:
        runner.send(images=images)
    answers = [runner.answer() for runner in runners]
    processor = sum(answer["processor"] for answer in answers) / len(answers)
    return round(max(answer["seconds"] for answer in answers), 5), round(processor, 5)


def environment(runs: int = 1, device: str = "cpu") -> dict[str, str]:
    """The environment of a process that has the device, and all cores for this number of runs, whatever is set here."""
    kept = {key: value for key, value in os.environ.items() if key in HELD or not key.startswith(("OMP_", "MKL_"))}
    return kept | {"BANCADA_RUNS": str(runs), "BANCADA_THREADS": "", "BANCADA_DEVICE": device}


@functools.cache
def python_of(name: str) -> tuple[str, str]:
    """The Python of an environment, which is made if there is none, and its versions. Raises: SkippedError."""
    if not name:
        return sys.executable, ", ".join(f"{one} {version(one)}" for one in ("torchvision", "scikit-learn"))
    one, named = ENVIRONMENTS[name], os.environ.get(f"BANCADA_{name.upper()}")
    folder = settings.cache_folder() / name
    python = named or str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    told = ", ".join(f"{module} {{{module}.__version__}}" for module in one.modules)
    try:
        if not named and not folder.exists():
            tell(f"{' and '.join(one.packages)} are installed into {folder}")
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *one.packages], check=True)
        command = [python, "-c", f"import {', '.join(one.modules)}; print(f'{told}')"]
        found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        if not named:
            shutil.rmtree(folder, ignore_errors=True)  # an incomplete environment would be used next time
        raise SkippedError(f"its environment cannot be had: {error}") from error
    return python, found.stdout.strip()
