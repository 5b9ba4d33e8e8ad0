"""Runs on several machines: real Dask processes, killed and stopped for real; no run is lost or mixed up."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from types import FrameType

import psutil
import pytest

from core.events import Epoch, Failure, Report, Started
from core.search.studies import Studies
from core.search.study import named
from core.spec import RunSpec, checked
from core.store import OvertakenError, Run, create
from core.work import _Worker, work
from core.workers import Workers
from core.workers import cluster as module
from core.workers.cluster import Cluster, carry_there
from tests.browser import free_port
from tests.conftest import wait_for as wait_so_long
from tests.driver import ROOT, outcome
from tests.page import texts
from ui import server

with_dask = pytest.mark.skipif(
    os.name != "posix" or not importlib.util.find_spec("distributed"),
    reason='Dask is not installed: pip install "distributed>=2026"',
)


def wait_for(condition: Callable[[], object]) -> None:
    """As for other tests, but longer: each of these starts several processes that import torch or Dask."""
    wait_so_long(condition, 90)


def new(**fields) -> Run:
    values = {"data": "tiny", "split": "official", "architecture": "mlp", "batch_size": 16, "epochs": 3}
    return create(RunSpec(**(values | fields)))


def result(run: Run) -> str:
    """Its `outcome`, to be compared with that of a run that was taken another number of times."""
    return re.sub(r"\.\d+\.safetensors", ".safetensors", repr(outcome(run)))


# --- takings ----------------------------------------------------------------------------------------------------------


def test_a_run_that_is_taken_is_lost_to_the_worker_before_which_writes_nothing_more(home):
    run, alone = new(), new()
    work(str(alone.folder))
    first = run.take()

    def stand_still(event) -> None:  # the other machine takes the run and ends it, while this one stands still here
        if isinstance(event, Epoch) and event.epoch == 2:
            assert run.is_held()
            second = run.take()
            assert second == first + 1
            assert not run.is_held(), "what the worker before holds is not the run any more"
            thread = threading.Thread(target=work, args=(str(run.folder),), kwargs={"taking": second})
            thread.start()
            thread.join()
            assert run.status() == "done"

    assert work(str(run.folder), tell=stand_still, taking=first) == "done"
    assert [event.epoch for event in run.events(Started)] == [0, 2]
    assert result(run) == result(alone)
    report = run.report()
    assert report
    assert (report.model, report.predictions) == ("model.2.safetensors", "predictions.2.safetensors")
    assert run.load(report.model, report.model_sha256)[0]
    assert work(str(run.folder), taking=first) == "done"


def stopped_at(line: int, call: Callable[[], object], meanwhile: Callable[[], object]) -> bool:
    """Make a call of the store, and at its n-th line something else; returns whether it came so far.

    So a process is simulated that stands still there for as long as the other takes.
    """
    lines = 0

    def trace(frame: FrameType, kind: str, _):
        nonlocal lines
        if not frame.f_code.co_filename.endswith(("store.py", "files.py")):
            return None
        if kind == "line":
            lines += 1
            if lines == line:
                sys.settrace(None)  # in this frame it stays, but counts no further line of another
                meanwhile()
                sys.settrace(trace)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return lines >= line


def whole(run: Run) -> tuple[Started, list[Epoch], Report]:
    """What a worker logs that does the run alone."""
    report, started = run.report(), run.last(Started)
    assert report
    assert started
    return started, run.events(Epoch), report


def test_a_machine_that_stands_still_at_any_line_of_taking_a_run_takes_nothing_from_the_one_that_ends_it(home):
    done = new()
    work(str(done.folder))
    started, epochs, report = whole(done)
    line, came = 0, True
    while came:
        line += 1
        run, drawn = new(), []
        for event in (started, epochs[0]):
            run.append(event)

        def end(run=run, drawn=drawn) -> None:
            drawn.append(run.take())
            run.append(started.model_copy(update={"epoch": 1, "step": epochs[0].step}), taking=drawn[0])
            for event in (*epochs[1:], report):
                run.append(event, taking=drawn[0])

        came = stopped_at(line, lambda run=run, drawn=drawn: drawn.append(run.take()), end)
        assert sorted(drawn) == ([1, 2] if came else [1])
        assert run.taken() == len(drawn), "it only grows"
        if not came:
            break
        assert run.report() == report
        assert run.events(Epoch) == epochs
        assert run.status() == "done"
    assert line > 10


def test_what_a_worker_that_stands_still_at_any_line_logs_afterwards_is_superseded_but_a_report_is_kept(home):
    done = new()
    work(str(done.folder))
    started, epochs, report = whole(done)
    failure = Failure(step=epochs[-1].step, error="error.unexpected", slots={}, trace="")
    for late in (epochs[1], failure, report):
        line, run = 0, new()
        while line < 1000:
            line, run = line + 1, new()
            run.append(started, taking=0)
            length = run.append(epochs[0], taking=0)

            def go_on(run=run) -> None:
                number = run.take()
                assert run.append(started.model_copy(update={"epoch": 1, "step": epochs[0].step}), 0, number)

            with contextlib.suppress(OvertakenError):
                if not stopped_at(line, lambda run=run, late=late, at=length: run.append(late, at, 0), go_on):
                    break
            with pytest.raises(OvertakenError):
                run.append(late, taking=0)
            assert run.events(Epoch) == epochs[:1]
            assert run.report() == (report if run.events(Report) else None)
            assert run.report() or isinstance(run.latest(), Started)
            assert run.damaged_lines() == 0
        assert 10 < line < 1000
        assert late in run.events()


def test_a_worker_that_lost_its_run_does_not_stop_the_one_that_has_it_when_the_minutes_of_the_search_are_used_up(home):
    fields = {"data": "tiny", "split": "official", "architecture": "mlp", "epochs": 5}
    study = named(checked(fields), "grid", {"batch_size": (8, 16)}, minutes=1e-5)
    (run,) = Studies(at_once=1).needed(study)

    def take(event) -> None:  # another machine does so after the epoch that uses the minutes up
        if isinstance(event, Epoch):
            run.take()

    first = run.take()
    work(str(run.folder), tell=take, taking=first)
    assert run.taken() > first
    assert run.control().wanted == "run"
    reached = run.last(Epoch)
    assert reached
    assert reached.seconds > 60e-5
    late = _Worker(run, lambda: False, lambda _: None, first)  # of the process that stood still after its first check
    with pytest.raises(OvertakenError):
        late.work()
    assert run.control().wanted == "run"
    work(str(run.folder), taking=run.taken())
    assert run.control().wanted == "stop"


def test_the_parts_of_a_log_are_read_as_one_also_where_a_crash_has_cut_one_off(home):
    done = new()
    work(str(done.folder))
    started, epochs, report = whole(done)
    run = new()
    run.append(started)
    seen, offset = run.read()
    with (run.folder / "events.jsonl").open("ab") as log:
        log.write(b'{"event":"epoch"')
    marks = [run.log_changed()]
    for event in (epochs[0], epochs[1], report):
        run.append(event, taking=run.take())
        marks.append(run.log_changed())
    assert len(set(marks)) == 4, "a list sees each of them"
    assert [*seen, *run.read(offset)[0]] == run.events() == [started, *epochs[:2], report]
    assert run.log_length() == run.read()[1]
    assert run.damaged_lines() == 0
    assert run.latest() == report
    assert sorted(path.name for path in run.folder.glob("events*")) == [
        *(f"events-{number}.jsonl" for number in (1, 2, 3)),
        "events.jsonl",
    ]


def test_what_a_worker_before_left_or_removes_is_not_what_the_one_after_it_has(home):
    run = new()
    work(str(run.folder))
    kept = {run.folder / "checkpoint-0009-00000045.2.safetensors", run.folder / ".model.2.safetensors.12.part"}
    for path in kept:
        path.touch()
    run.tidy(set(), taking=1)
    assert all(path.exists() for path in kept)
    run.tidy(set(), taking=2)
    assert not any(path.exists() for path in kept)


def test_no_two_machines_draw_the_same_number(home):
    run, drawn = new(), []
    threads = [threading.Thread(target=lambda: drawn.append(run.take())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(drawn)) == 8
    assert run.taken() == max(drawn) == 8


# --- a cluster of processes -------------------------------------------------------------------------------------------


class Machines:
    """A scheduler and Dask workers on this machine, each a process; `name` is a worker's."""

    def __init__(self, environment: dict[str, str]):
        self.port, self.environment = free_port(), {**os.environ, **environment}
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.processes: dict[str, subprocess.Popen] = {}

    def start(self, *names: str) -> None:
        """Start processes of these names; `scheduler` is one."""
        for name in names:
            options = ["scheduler", "--host", "127.0.0.1", "--port", str(self.port)]
            if name != "scheduler":
                options = ["worker", self.address, "--nthreads", "1", "--no-nanny", "--name", name]
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "dask", *options, "--no-dashboard"],
                cwd=ROOT,
                env=self.environment,
                stderr=subprocess.DEVNULL,
            )

    def trainer(self, name: str) -> psutil.Process:
        """The process that trains, or is to train, for this Dask worker."""
        return psutil.Process(self.processes[name].pid).children()[0]

    def end(self, name: str) -> None:
        self.processes[name].terminate()

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def machines(tiny_data, read_digits) -> Iterator[Machines]:
    made = {"DATA": tiny_data, "CACHE": read_digits, "DEVICE": "cpu", "THREADS": 1, "KERNELS": 0}
    machines = Machines({f"BANCADA_{name}": str(value) for name, value in made.items()})
    machines.start("scheduler", "a", "b")
    yield machines
    for name in list(machines.processes):
        machines.kill(name)


@pytest.fixture
def cluster(machines, home) -> Iterator[Cluster]:
    cluster = Cluster(machines.address)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def workers(cluster) -> Workers:
    workers = Workers(cluster, carry_there, at_once=cluster.slots)
    cluster.changed = workers.hand_out
    return workers


def at(cluster: Cluster, run: Run) -> str:
    """The name of the Dask worker that has the run, once there is one."""
    names: list[str] = []

    def is_there() -> bool:
        names[:] = [one.name for one in cluster.workers if run.name in one.runs]
        return bool(names)

    wait_for(is_there)
    return names[0]


def begin(workers: Workers, run: Run, epoch: int) -> None:
    workers.submit(run)
    wait_for(lambda: (last := run.last(Epoch)) and last.epoch >= epoch)


def seconds_until(condition: Callable[[], object]) -> float:
    began = time.monotonic()
    wait_for(condition)
    return time.monotonic() - began


@with_dask
def test_each_worker_has_a_run_and_a_request_in_the_folder_reaches_it(cluster, workers):
    wait_for(lambda: len(cluster.workers) == 2)
    assert cluster.slots() == 2
    assert cluster.problem is None
    runs = [new(epochs=10_000, best_by="last") for _ in range(2)]
    for run in runs:
        begin(workers, run, 1)
    assert {at(cluster, run) for run in runs} == {"a", "b"}
    waiting = new()
    workers.submit(waiting)
    assert (workers.place(runs[0]), workers.place(waiting)) == (0, 1)
    runs[0].ask("pause")
    wait_for(lambda: runs[0].status() == "paused")
    for run in (waiting, runs[0]):
        workers.stop(run)
    workers.finish(runs[1])
    wait_for(lambda: all(workers.place(run) is None for run in (*runs, waiting)))
    assert [run.status() for run in (*runs, waiting)] == ["stopped", "done", "stopped"]
    workers.submit(Run(waiting.folder.with_name("not-on-this-machine")))
    wait_for(lambda: cluster.problem)
    assert cluster.problem
    assert (cluster.problem.key, cluster.problem.slots["run"]) == ("cluster.no_folder", "not-on-this-machine")


@with_dask
def test_a_killed_worker_s_run_goes_on_elsewhere_and_one_that_stood_still_writes_nothing_more(
    machines, cluster, workers
):
    wait_for(lambda: len(cluster.workers) == 2)
    run, alone = new(epochs=60), new(epochs=60)
    begin(workers, run, 3)
    name = at(cluster, run)
    trainer = machines.trainer(name)
    trainer.suspend()  # in the middle of whatever it was doing; it still holds its lock
    reached = run.last(Epoch)
    assert reached
    machines.kill(name)
    taken = seconds_until(lambda: len(run.events(Started)) == 2)
    overbooked = max(1, os.getloadavg()[0] / (os.cpu_count() or 1))  # the worker is nice: others come first
    assert taken < 5 * overbooked
    started = run.last(Started)
    assert started
    assert started.pid != trainer.pid
    assert reached.epoch - started.epoch <= 1
    trainer.resume()
    wait_for(lambda: not trainer.is_running() or trainer.status() == psutil.STATUS_ZOMBIE)
    wait_for(lambda: run.status() == "done")
    work(str(alone.folder))
    assert result(run) == result(alone), "not a number is the stopped worker's"
    assert len(run.events(Started)) == 2
    machines.start(name)


@with_dask
def test_a_run_goes_on_elsewhere_when_its_worker_is_told_to_end_and_when_the_scheduler_is_back_after_its_death(
    machines, cluster, workers
):
    wait_for(lambda: len(cluster.workers) == 2)
    runs = [new(epochs=10_000, best_by="last"), new()]
    begin(workers, runs[0], 1)
    machines.end(at(cluster, runs[0]))
    wait_for(lambda: len(runs[0].events(Started)) == 2)
    assert runs[0].events(Started)[1].died_at is None, "its worker saved the state"
    for name in list(machines.processes):
        machines.kill(name)
    wait_for(lambda: cluster.problem)
    assert cluster.problem.key == "cluster.absent"
    assert cluster.workers == ()
    workers.submit(runs[1])
    assert [workers.place(run) for run in runs] == [0, 1]
    machines.start("scheduler", "a")
    wait_for(lambda: runs[0].taken() == 3 and runs[0].is_held())
    workers.finish(runs[0])
    wait_for(lambda: all(workers.place(run) is None for run in runs))
    assert [run.status() for run in runs] == ["done", "done"]
    assert cluster.problem is None


class Torn:
    """A client of Dask's that is connected still."""

    status = "running"

    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self, timeout: float) -> None:
        self.closed.set()


class TornTask:
    """A future of Dask's that raises an error when its result is asked for."""

    status = "finished"

    def __init__(self, error: Exception):
        self.error = error

    def result(self, timeout: float) -> None:
        raise self.error


def torn(error: Exception) -> tuple[Cluster, Future]:
    """A cluster that meets this error with what it was given."""
    cluster, client = Cluster("no-address"), Torn()
    wait_for(lambda: cluster.problem)
    future = cluster.submit(carry_there, "/run")
    (order,) = cluster._orders
    order.task = TornTask(error)  # pyright: ignore  (in the place of Dask's)
    cluster._client = client  # pyright: ignore
    cluster._wake.set()
    wait_for(client.closed.is_set)
    return cluster, future


def test_what_is_cancelled_with_the_connection_is_kept_for_the_next_one(home):
    cluster, future = torn(CancelledError("scheduler-connection-lost"))
    time.sleep(0.1)
    assert cluster._thread.is_alive()
    assert not future.done()
    assert [order.task for order in cluster._orders] == [None]
    cluster.shutdown()
    assert future.cancelled()
    assert cluster.problem is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_that_nobody_expects_is_said_on_the_page_and_no_order_waits_for_ever(home):
    cluster, future = torn(LookupError("unexpected"))
    cluster._thread.join(10)
    assert cluster.problem
    assert cluster.problem.key == "cluster.ended"
    assert future.cancelled()
    with pytest.raises(RuntimeError):
        cluster.submit(carry_there, "/other")


# --- the page ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def engine(monkeypatch, address: str) -> Iterator[None]:
    monkeypatch.setenv("BANCADA_ENGINE", address)
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    server.cluster.clear()
    server.workers.clear()
    try:
        yield
    finally:
        cluster = server.cluster()
        assert cluster
        cluster.shutdown()
        server.cluster.clear()
        server.workers.clear()


@pytest.mark.parametrize(("page", "language"), [("train", "pt_BR"), ("runs", "en")])
def test_a_page_says_in_one_sentence_that_the_scheduler_is_not_there(frame, monkeypatch, page, language):
    with engine(monkeypatch, f"tcp://127.0.0.1:{free_port()}"):
        run = create(RunSpec())
        server.workers().submit(run)
        cluster = server.cluster()
        assert cluster
        wait_for(lambda: cluster.problem)
        app = frame(page, language)
        key = "does not answer" if language == "en" else "não responde"
        if not importlib.util.find_spec("distributed"):
            key = 'pip install "distributed>=2026"'
        assert key in texts(app)
        if page == "train":
            waits = [one.proto.text for one in app.get("progress")]
            assert "Aguardando o cluster …" in waits
        assert server.workers().place(run) == 0
        assert run.status() == "queued"


def test_an_address_that_is_none_is_named(frame, monkeypatch):
    with engine(monkeypatch, "dask"):
        cluster = server.cluster()
        assert cluster
        wait_for(lambda: cluster.problem)
        assert "BANCADA_ENGINE is “dask”" in texts(frame())


def test_without_the_setting_nothing_of_it_is_imported():
    code = "import sys, ui.server; print([name in sys.modules for name in sys.argv[1:]])"
    environment = {name: value for name, value in os.environ.items() if name != "BANCADA_ENGINE"}
    command = [sys.executable, "-W", "ignore", "-c", code, "distributed", "dask", "core.workers.cluster", "core.store"]
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert found.stdout.strip() == "[False, False, False, True]"
