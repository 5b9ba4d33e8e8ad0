"""Workers, servers, disks, memory and clocks that fail.

F27 and F28 need a remote scheduler, which the app does not have; `tests/test_workers.py` shows an executor that breaks.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import psutil
import torch

from core import store, workers
from core import work as worker
from core.datasets import dataset
from core.drawing import collection
from core.events import Epoch, Failure, Report, Started, Step
from core.images.splits import choose
from core.recipes.results import keep, stored
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run
from core.training.train import Data, State, train
from core.work import work
from core.workers import Workers
from tests.disk import CannotMountError, full, read_only, small_disk
from tests.driver import ROOT, Driver, outcome
from tests.faults.fault import Fault, Outcome

TIMEOUT = 60.0  # seconds after which what has to happen counts as not happening


def new(**fields: Any) -> Run:
    values = {"data": "tiny", "split": "official", "architecture": "mlp", "batch_size": 16, "epochs": 2} | fields
    return store.create(RunSpec(**values))


def until(condition: Callable[[], object]) -> float:
    """Wait until the condition holds; returns the seconds that this took."""
    begun = time.perf_counter()
    while not condition():
        if time.perf_counter() - begun > TIMEOUT:
            raise TimeoutError
        time.sleep(0.005)
    return time.perf_counter() - begun


@contextlib.contextmanager
def queue(at_once: int = 1) -> Iterator[Workers]:
    one = Workers(at_once=at_once, spare_after=0)
    try:
        yield one
    finally:
        one.close()


def starts(run: Run) -> list[Started]:
    """All starts of the run, in the order of the log."""
    return [event for event in run.read()[0] if isinstance(event, Started)]


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def most(values: Iterable[float]) -> str:
    return f"at most {max(values, default=0):.2f} s"


# --- workers and servers that die -------------------------------------------------------------------------------------

LENET = {"data": "mnist-5k", "split": "stratified", "architecture": "lenet", "batch_size": 64}
SERVER = """
import pathlib, sys
from core.store import Run
from core.workers import Workers
workers = Workers(at_once=3, spare_after=0)
for folder in sys.stdin:
    workers.resume(Run(pathlib.Path(folder.strip())))
"""
LIST = "from core import store; print([run.name for run in store.runs() if run.status() == 'interrupted'])"


@contextlib.contextmanager
def server() -> Iterator[subprocess.Popen[str]]:
    """A server of three workers, which resumes the runs whose folders it is given, a line each."""
    with subprocess.Popen([sys.executable, "-c", SERVER], cwd=ROOT, stdin=subprocess.PIPE, text=True) as one:
        try:
            yield one
        finally:
            one.kill()


def send(one: subprocess.Popen[str], *runs: Run) -> None:
    assert one.stdin
    one.stdin.write("".join(f"{run.folder}\n" for run in runs))
    one.stdin.flush()


def killed_workers(_: Path, times: int) -> Outcome:
    generator, whole = random.Random(), new(**LENET, epochs=6)
    seconds, lost, equal, others, failed = [], [], 0, 0, 0
    with queue(at_once=2) as two:
        two.submit(whole)
        until(whole.report)
        duration = whole.report().seconds  # pyright: ignore[reportOptionalMemberAccess]
        other = whole
        while len(seconds) < times:
            if other.is_done():
                other, others = new(**LENET, epochs=100, best_by="last", seed=others + 1), others + 1
                two.submit(other)
            run = new(**LENET, epochs=6)
            two.submit(run)
            until(lambda run=run: starts(run))
            time.sleep(generator.uniform(0, duration))
            with contextlib.suppress(ProcessLookupError):
                os.kill(starts(run)[0].pid, signal.SIGKILL)
            begun = time.perf_counter()
            until(lambda run=run: len(starts(run)) > 1 or two.place(run) is None)
            if len(starts(run)) > 1:  # else the run had ended before the kill
                seconds.append(time.perf_counter() - begun)
                again = starts(run)[1]
                lost.append(((again.died_at or again.step) - again.step) / again.steps_per_epoch)
                until(lambda run=run: two.place(run) is None)
                equal += run.is_done() and outcome(run) == outcome(whole)
            failed += other.status() not in ("queued", "running", "done")
        two.stop(other)
    figure = f"restarted by itself after {np.median(seconds):.1f} s, {most(seconds)}; at most {max(lost):.2f} epochs "
    figure += f"repeated; equal to the bit {equal}; other runs failed {failed} of {others}"
    holds = max(lost) <= 1 and equal == len(seconds) and not failed and float(np.median(seconds)) <= 2
    return Outcome(len(seconds), figure, holds)


def killed_servers(_: Path, times: int) -> Outcome:
    runs = [new(**LENET, epochs=10_000, best_by="last", seed=seed) for seed in range(3)]
    orphans, listed, to_list, to_go_on = 0, 0, [], []
    for number in range(times):
        with server() as one:
            before = [len(starts(run)) for run in runs]
            send(one, *runs)
            until(lambda before=before: all(len(starts(r)) > n for r, n in zip(runs, before, strict=True)))
            processes = psutil.Process(one.pid).children(recursive=True)
            one.send_signal((signal.SIGKILL, signal.SIGTERM)[number % 2])
            time.sleep(2)
            orphans += sum(map(is_alive, processes))
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        begun = time.perf_counter()
        said = subprocess.run([sys.executable, "-c", LIST], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        to_list.append(time.perf_counter() - begun)
        listed += sum(run.name in said for run in runs)
    with queue() as one:
        until(lambda: psutil.Process().children())
        time.sleep(5)  # its spare process is ready
        for run in runs:
            before = len(starts(run))
            one.resume(run)
            to_go_on.append(until(lambda run=run, before=before: len(starts(run)) > before))
            one.stop(run)
            until(lambda run=run: one.place(run) is None)
            time.sleep(5)
    figure = f"processes left after 2 s {orphans} of {3 * times}; runs listed as interrupted {listed} of {3 * times}, "
    figure += f"{most(to_list)} after the start of a process; resumed by a click {most(to_go_on)} later"
    return Outcome(times, figure, not orphans and listed == 3 * times and max(to_list) <= 2 and max(to_go_on) <= 2)


def stuck_workers(_: Path, times: int) -> Outcome:
    seconds, states = [], []
    with queue() as one:
        for _turn in range(times):
            run = new(**LENET, epochs=10_000, best_by="last")
            one.submit(run)
            until(lambda run=run: starts(run))
            os.kill(starts(run)[0].pid, signal.SIGSTOP)
            one.stop(run)
            with shifted_clock() as shift:
                shift(random.choice((-86_400, -3_600, 3_600, 86_400)))
                seconds.append(until(lambda run=run: one.place(run) is None))
            states.append(run.status())
    holds = max(seconds) <= workers.GRACE + 1 and set(states) == {"stopped"}
    return Outcome(times, f"slot free {most(seconds)} after the click, also while the clock jumps", holds)


# --- several writers --------------------------------------------------------------------------------------------------


def twenty_starts(_: Path, times: int) -> Outcome:
    double, torn = 0, 0
    with Driver() as driver:
        for seed in range(times):
            run = new(data="long-val", architecture="cnn", epochs=1, seed=seed)
            driver.work(run, times=20)
            kinds = [event.event for event in run.read()[0]]
            double += not kinds.count("started") == kinds.count("epoch") == kinds.count("report") == 1
            torn += (run.folder / "events.jsonl").read_bytes().count(b"\n") - len(kinds)
    figure = f"runs with more than one writer {double}; lines lost {torn}"
    return Outcome(20 * times, figure, not double and not torn)


def two_servers(_: Path, times: int) -> Outcome:
    double, seconds, equal = 0, [], 0
    whole = new(**LENET, epochs=8)
    with server() as other, queue() as here:
        send(other, whole)
        until(whole.report)
        for _turn in range(times):
            run = new(**LENET, epochs=8)
            send(other, run)
            until(lambda run=run: starts(run))
            os.kill(starts(run)[0].pid, signal.SIGSTOP)
            here.submit(run)  # listed here too, and started again
            until(lambda run=run: here.place(run) is None)
            double += run.status() != "running" or len(starts(run)) != 1
            # A lock cannot be lost on one machine: its file is deleted, as if a network drive had given it away.
            (run.folder / "lock").unlink()
            time.sleep(4)  # a spare process is ready
            here.resume(run)
            seconds.append(until(lambda run=run: len(starts(run)) > 1))
            time.sleep(random.uniform(0, 0.5))
            old = psutil.Process(starts(run)[0].pid)
            old.send_signal(signal.SIGCONT)  # two workers of one run
            until(lambda run=run: here.place(run) is None)
            until(lambda old=old: not is_alive(old))
            events = run.read()[0]
            kinds = [event.event for event in events]
            steps = [event.step for event in events[kinds.index("started", 1) + 1 :] if isinstance(event, Step | Epoch)]
            double += kinds.count("started") != 2 or kinds.count("report") != 1 or steps != sorted(steps)
            equal += run.is_done() and outcome(run) == outcome(whole)
    figure = f"runs with a second writer {double}, also where the lock is lost; equal to the bit {equal}; taken over "
    return Outcome(times, figure + most(seconds), not double and equal == times and max(seconds) <= 2)


# --- disks ------------------------------------------------------------------------------------------------------------


def train_until(run: Run, look: int) -> None:
    """Train the run in this process until the worker looks for the n-th time whether it has to leave."""
    looks = itertools.count(1)
    work(str(run.folder), leaving=lambda: next(looks) >= look)


def refusals(writes: Iterable[Callable[[], object]]) -> tuple[int, list[str]]:
    """The number of writes that are refused in words, and those that are not."""
    refused, others = 0, []
    for write in writes:
        try:
            write()
            others.append("nothing said")
        except Refusal as refusal:
            refused += refusal.key in ("error.store_write", "error.output_unwritable")
            others += [] if refusal.key in ("error.store_write", "error.output_unwritable") else [refusal.key]
        except Exception as error:
            others.append(repr(error))
    return refused, others


def writes(run: Run) -> list[Callable[[], object]]:
    """What a page, the command line or the queue writes to the store beside a worker."""
    ink = np.zeros((112, 112), np.uint8)
    ink[20:92, 52:60] = 255
    asks = [functools.partial(run.ask, wanted) for wanted in ("run", "pause", "batch", "epoch", "stop")]
    note = functools.partial(run.relabel, note="x" * 100)
    return [*asks, note, new, lambda: collection.keep(ink, 1), lambda: keep(stored(), run.folder / "results.json")]


def full_disk(folder: Path, times: int) -> Outcome:
    fields = {"epochs": 3, "layers": "flatten, dense(64), dense(classes)", "architecture": "custom"}
    damaged, left, refused, other, equal = 0, 0, 0, [], 0
    try:
        with small_disk(folder / "small") as disk:
            os.environ["BANCADA_STORE"] = str(disk)
            whole = new(**fields)
            work(str(whole.folder))
            for number in range(times):
                run = new(**fields)
                train_until(run, 3 + number % 12)
                before = run.checkpoints()
                with full(disk, 4096 * (number * 37 % 200)):
                    work(str(run.folder))
                    if run.status() != "done":
                        with full(disk / run.name):  # what the worker has left free
                            more, others = refusals(writes(run))
                            refused, other = refused + more, other + others
                    damaged += run.checkpoints()[: len(before)] != before
                    for event in run.checkpoints()[-2:]:
                        try:
                            run.load(event.checkpoint, event.sha256)
                        except Refusal:
                            damaged += not run.report()
                    left += len([*disk.rglob("*.part"), *disk.glob(".new-*")])
                work(str(run.folder))
                # Which snapshots are kept is chance on this disk: those for which there is room beside checkpoints.
                equal += outcome(run)["events"] == outcome(whole)["events"]
                run.delete()
    except CannotMountError as error:
        return Outcome(0, str(error), holds=False)
    figure = f"damaged files {damaged}; half-written files left {left}; writes of pages refused in words {refused} of "
    figure += f"{refused + len(other)}; once there is room, equal to the bit {equal}"
    return Outcome(times, figure, not damaged and not left and not other and equal == times)


def read_only_store(folder: Path, times: int) -> Outcome:
    refused, other, changed = 0, [], 0
    try:
        with small_disk(folder / "small") as disk:
            os.environ["BANCADA_STORE"] = str(disk)
            done = new()
            work(str(done.folder))
            for number in range(times):
                run = new()
                train_until(run, 1 + number % 12)
                before = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
                with read_only(disk):
                    more, others = refusals(
                        [*writes(run), run.delete, done.delete, lambda: work(str(run.folder)), run.hold().__enter__]  # noqa: B023
                    )
                    refused, other = refused + more, other + others
                changed += before != {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
                run.delete()
    except CannotMountError as error:
        return Outcome(0, str(error), holds=False)
    figure = f"refused in words {refused} of {refused + len(other)}; silent saves {other.count('nothing said')}; "
    return Outcome(refused + len(other), figure + f"files changed {changed}", not other and not changed)


# --- memory -----------------------------------------------------------------------------------------------------------

# A worker process in whose third step the memory is full, as long as there are files in the folder to be taken away.
SHORT_OF_MEMORY = """
import itertools, pathlib, sys, torch
import core.work as worker
real = worker.train
def train(*arguments):
    yield from itertools.islice(real(*arguments), 3)
    if left := list(pathlib.Path(sys.argv[1]).iterdir()):
        left[0].unlink()
        raise torch.OutOfMemoryError("CUDA out of memory")
    yield from real(*arguments)
worker.train = train
worker.main()
"""


def gpu_memory(folder: Path, times: int) -> Outcome:
    tokens = folder / "tokens"
    tokens.mkdir()
    real, script = subprocess.Popen, ["-c", SHORT_OF_MEMORY, str(tokens)]

    def process(command: list[str], *more: Any, **named: Any) -> subprocess.Popen[str]:
        return real(command[:1] + script, *more, **named)

    right, wrong, processes_left = 0, 0, 0
    with mock.patch.object(workers.subprocess, "Popen", process):
        for number in range(times):
            run, other, failures = new(epochs=1), new(epochs=1, seed=1), 1 + number % 2
            with queue() as one:
                for token in range(failures):
                    (tokens / str(token)).touch()
                one.submit(run)
                until(lambda run=run: one.place(run) is None)
                one.submit(other)
                until(lambda other=other: one.place(other) is None)
            told = [event for event in run.read()[0] if isinstance(event, Failure)]
            advice = {(event.error, event.slots.get("batch_size")) for event in told}
            pids = {event.pid for event in starts(run)}
            processes_left += sum(psutil.pid_exists(pid) for pid in pids)
            ends = (run.status(), len(told), len(pids), advice, other.status())
            expected = ("failed" if failures == 2 else "done", failures, 2, {("error.out_of_memory", 16)}, "done")
            right, wrong = right + (ends == expected), wrong + (ends != expected)
    figure = f"tried once more in a new process, which ends it ({(times + 1) // 2}) or fails with the advice of a "
    figure += f"smaller batch ({times // 2}): {right}; other runs and the queue go on; processes left {processes_left}"
    return Outcome(times, figure, not wrong and not processes_left)


def host_memory(_: Path, times: int) -> Outcome:
    ends: list[str] = []
    failed, done = 0, 0
    with queue(at_once=2) as two:
        other = new(**LENET, epochs=10_000, best_by="last")
        two.submit(other)
        until(lambda: starts(other))
        for seed in range(times):
            run = new(**LENET, epochs=40, seed=seed)
            two.submit(run)
            until(lambda run=run: starts(run))
            process = psutil.Process(starts(run)[0].pid)
            now = process.memory_info().vms
            process.rlimit(psutil.RLIMIT_AS, (now, now))
            until(lambda run=run: len(starts(run)) > 1 or two.place(run) is None)
            told = [event.error for event in run.read()[0] if isinstance(event, Failure)]
            ends.append(told[0] if told else "killed" if len(starts(run)) > 1 else "untouched")
            until(lambda run=run: two.place(run) is None)
            done += run.status() == "done"
            failed += other.status() != "running"
        two.stop(other)
    said = ", ".join(f"{one} {ends.count(one)}" for one in sorted(set(ends)))
    figure = f"first process: {said}; done by a new process {done}; other runs failed {failed}"
    return Outcome(times, figure, not failed and done == times and set(ends) <= {"error.out_of_memory", "killed"})


# --- figures and clocks -----------------------------------------------------------------------------------------------


def first_bad_step(spec: RunSpec) -> tuple[int | None, int | None]:
    """The first step whose batch has a loss that is not finite, and the step at which the training stopped itself."""
    splits = choose(spec, dataset(spec.data).load())
    state = State.new(spec, splits.train, dataset(spec.data).class_count, torch.device("cpu"))
    losses: list[float] = []
    step, sums, images = 0, 0.0, 0

    def look() -> None:
        nonlocal step, sums, images
        if state.step > step and state.images:
            before = (sums, images) if state.images > images else (0.0, 0)
            losses.append((state.sums[0].item() - before[0]) / (state.images - before[1]))
        step, sums, images = state.step, state.sums[0].item(), state.images

    stopped = None
    try:
        for _ in train(spec, Data.of(splits, torch.device("cpu")), state):
            look()
    except Refusal as refusal:
        look()
        stopped = int(refusal.slots["step"])  # pyright: ignore[reportArgumentType]
    bad = [place for place, loss in enumerate(losses, start=1) if not math.isfinite(loss)]
    return (bad[0] if bad else None), stopped


def diverging(_: Path, times: int) -> Outcome:
    specs = itertools.product((1.0, 10.0, 1e6), ("sgd", "adam"), ("mlp", "lenet", "cnn"), range(times))
    late, silent, no_json, count, stopped, lost = [], 0, 0, 0, 0, 0
    for rate, optimizer, architecture, seed in itertools.islice(specs, 0, None, 1 if times > 1 else 4):
        fields = {"learning_rate": rate, "optimizer": optimizer, "architecture": architecture, "seed": seed}
        run = new(**fields, best_by="last", epochs=25)  # 125 steps: in a hundred a training is found to be lost
        status, (bad, stop) = work(str(run.folder)), first_bad_step(run.spec)
        count += 1
        if status == "failed":
            failure = run.last(Failure)
            assert failure
            stopped += failure.error == "error.diverged"
            lost += failure.error == "error.lost"
            late += [stop - bad] if stop and bad else []
            silent += failure.slots["step"] != stop
        for line in (run.folder / "events.jsonl").read_text().splitlines():
            try:
                json.loads(line, parse_constant=int)
            except ValueError:
                no_json += 1
        report = run.report()
        silent += bool(report and not math.isfinite(report.loss))
    last = max(late, default=0)
    figure = f"stopped as diverged {stopped}, at most {last} steps after the first bad value; stopped as lost {lost}; "
    figure += f"ended with finite figures {count - stopped - lost}; not finite in a report {silent}; lines that are no "
    figure += f"JSON {no_json}"
    return Outcome(count, figure, stopped + lost > 0 and last <= 20 and not silent and not no_json)


@contextlib.contextmanager
def shifted_clock() -> Iterator[Callable[[float], None]]:
    """Yields a function that sets this process's wall clock forward by so many seconds, or back."""
    shift, real, real_ns = 0.0, time.time, time.time_ns

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(seconds=shift)

    def set_(seconds: float) -> None:
        nonlocal shift
        shift = seconds

    with (
        mock.patch.object(time, "time", side_effect=lambda: real() + shift),
        mock.patch.object(time, "time_ns", side_effect=lambda: real_ns() + int(shift * 1e9)),
        mock.patch.object(worker, "datetime", Shifted),
    ):
        yield set_


def jumping_clock(_: Path, times: int) -> Outcome:
    jumps, whole = (3_600.0, -3_600.0, 86_400.0, -86_400.0), new(epochs=3)
    work(str(whole.folder))
    false_deaths, negative, equal, looks = 0, 0, 0, 0
    for number in range(times):
        run, looked = new(epochs=3), itertools.count(1)

        def jump(run: Run = run, looked: Iterator[int] = looked, number: int = number) -> bool:
            nonlocal false_deaths, looks
            look = next(looked)
            shift(jumps[(number + look) % 4])
            stamp = time.time()
            for name in ("events.jsonl", "control"):  # the files bear the clock's time as well
                with contextlib.suppress(FileNotFoundError):
                    os.utime(run.folder / name, (stamp, stamp))
            if look in (3, 9):
                run.ask("batch" if look == 3 else "run")
            looks += 1
            false_deaths += run.status() not in ("running", "paused")
            return look == 14

        with shifted_clock() as shift:
            work(str(run.folder), leaving=jump)
            work(str(run.folder))
        events = run.read()[0]
        seconds = [event.seconds for event in run.events() if isinstance(event, Step | Epoch | Report)]
        negative += sum(b < a for a, b in itertools.pairwise([0.0, *seconds]))
        negative += sum(event.images_per_second < 0 for event in events if isinstance(event, Step))
        equal += run.is_done() and outcome(run) == outcome(whole)
    figure = f"clock set by an hour or a day {looks} times: taken for dead {false_deaths}; durations below 0 {negative}"
    return Outcome(times, f"{figure}; equal to the bit {equal}", not false_deaths and not negative and equal == times)


# Those that are injected no time by the quick tests are tested in `tests/test_workers.py` and `tests/test_work.py`.
FAULTS: tuple[Fault, ...] = (
    Fault(
        "F1",
        "kill -9 of a worker at a random time, another run beside it",
        "epochs lost <= 1; restart <= 2 s; others failed 0",
        killed_workers,
        few=0,
        many=40,
    ),
    Fault(
        "F2",
        "kill -9 and SIGTERM of a server that trains 3 runs",
        "orphans after 2 s 0; listed 100 %; re-attached <= 2 s",
        killed_servers,
        few=0,
        many=10,
    ),
    Fault(
        "F5",
        "disk of 3 MiB filled up, 0 to 200 pages of 4 KiB left, at 12 moments of a training",
        "damaged files 0; half-written files left 0",
        full_disk,
        few=2,
        many=60,
    ),
    Fault("F6", "store made read-only, root included", "silent saves 0", read_only_store, few=1, many=24),
    Fault(
        "F10",
        "torch.OutOfMemoryError in a step, once or twice",
        "one retry in a new process; server alive",
        gpu_memory,
        few=1,
        many=10,
    ),
    Fault("F11", "no byte of memory more for a worker (RLIMIT_AS)", "others failed 0", host_memory, few=0, many=10),
    Fault(
        "F12",
        "learning rates 1, 10 and 1e6",
        "steps from the first bad value to the stop <= 20; lines that are no JSON 0",
        diverging,
        few=1,
        many=5,
    ),
    Fault("F17", "20 workers start one run at once", "writers at once <= 1; lost updates 0", twenty_starts, 1, 20),
    Fault(
        "F18",
        "two servers on one store; SIGSTOP of a worker, its lock lost, SIGCONT once its replacement has begun",
        "double writers 0; take-over <= 2 s",
        two_servers,
        few=0,
        many=20,
    ),
    Fault(
        "F21",
        "wall clock and times of files set forward and back before every step",
        "false deaths 0; negative durations 0",
        jumping_clock,
        few=2,
        many=40,
    ),
    Fault("F26", "SIGSTOP of a worker, then Stop", "slot free <= grace (5 s) + 1 s", stuck_workers, few=0, many=10),
)
