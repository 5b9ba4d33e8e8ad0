"""Who does the work: a queue, a process a run at a time, and no process left over, whoever dies."""

import asyncio
import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import psutil
import pytest

from core import store
from core import workers as module
from core.events import Checkpoint, Epoch, Started, Step
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run, create
from core.work import PAUSE_LOOKS, work
from core.workers import Workers
from tests.browser import free_port, serve, served
from tests.conftest import wait_for
from tests.disk import CannotMountError, full, small_disk
from tests.driver import ROOT, outcome
from tests.faults.sessions import session

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

SERVER = """
import pathlib, sys
from core.store import Run
from core.workers import Workers
workers = Workers(at_once=3, spare_after=0)
for folder in sys.stdin:
    workers.submit(Run(pathlib.Path(folder.strip())))
"""


def new(**fields) -> Run:
    values = {"data": "tiny", "split": "official", "architecture": "mlp", "batch_size": 16, "epochs": 1}
    return create(RunSpec(**(values | fields)))


def endless() -> Run:
    return new(epochs=10_000, best_by="last")


def pid_of(run: Run) -> int:
    """The process at the run, once it is."""
    wait_for(lambda: run.last(Started) and run.is_held())
    return started_of(run).pid


def started_of(run: Run) -> Started:
    """The last start of a run that has been started."""
    started = run.last(Started)
    assert started
    return started


def has_ended(process: psutil.Process) -> bool:
    """Whether nothing runs there any more; its new parent may yet have to take note."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def is_done(run: Run) -> bool:
    return run.status() == "done"


@pytest.fixture
def workers(home, monkeypatch) -> Iterator[Workers]:
    """One slot; a worker that is asked to leave has a second for it."""
    monkeypatch.setattr(module, "GRACE", 1.0)
    before = set(psutil.Process().children(recursive=True))
    one = Workers(at_once=1, spare_after=0)
    yield one
    one.close()
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.fixture
def others(driver) -> set[psutil.Process]:
    """The processes that are not the workers'."""
    return set(psutil.Process().children(recursive=True))


def waiting(others: set[psutil.Process]) -> list[int]:
    """The worker processes there are."""
    return [child.pid for child in psutil.Process().children() if child not in others]


def test_runs_are_worked_at_in_their_order_by_one_process(others, workers):
    wait_for(lambda: waiting(others))
    spare = waiting(others)
    first, second, third, stopped = endless(), new(), new(), new()
    for run in (first, second, third, stopped, second, first):
        workers.submit(run)
    wait_for(lambda: workers.place(first) == 0)
    assert [workers.place(run) for run in (second, third, stopped)] == [1, 2, 3]
    stopped.ask("stop")
    assert stopped.status() == "stopped"
    first.ask("run")
    pid = pid_of(first)
    assert [pid] == spare == waiting(others)
    environment = psutil.Process(pid).environ()
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"
    assert environment["OMP_NUM_THREADS"] == "1"
    first.ask("stop")  # so that its second place in the queue is passed over
    wait_for(lambda: is_done(second) and is_done(third) and workers.place(stopped) is None)
    assert [started_of(run).pid for run in (second, third)] == [pid, pid]
    assert started_of(second).step == 0
    assert [event.event for event in second.read()[0]].count("started") == 1
    assert (
        second.folder.joinpath("events.jsonl").stat().st_mtime <= third.folder.joinpath("events.jsonl").stat().st_mtime
    )
    assert stopped.status() == "stopped"
    assert stopped.events() == []
    wait_for(lambda: workers.place(first) is None)
    assert first.status() == "stopped"


def train_in_new_process(*runs: Run) -> None:
    """Train the runs one after the other, the first in a process that has trained none before."""
    one = Workers(at_once=1, spare_after=0)
    for run in runs:
        one.submit(run)
    wait_for(lambda: one.place(runs[-1]) is None, 120)
    one.close()


@pytest.mark.slow
def test_a_run_comes_to_the_same_whatever_its_process_trained_before_and_one_that_fails_leaves_it_to_none(
    home, monkeypatch
):
    monkeypatch.setenv("BANCADA_THREADS", "2")
    data = {"data": "mnist-5k", "split": "stratified", "batch_size": 256}
    fields = {
        "divided": data | {"architecture": "lenet"},
        "whole": data
        | {
            "architecture": "custom",
            "layers": "conv(8, 5, stride=4), batch_norm, dropout(0.5), flatten, dense(classes)",
        },
    }
    alone = {name: new(**values) for name, values in fields.items()}
    for run in alone.values():
        train_in_new_process(run)
    after = [(name, new(**fields[name])) for name in ("whole", "divided", "whole")]
    failing = new(layers="flatten, dense(8), batch_norm, dense(classes)", architecture="custom", batch_size=69)
    last = new()
    train_in_new_process(*(run for _, run in after), failing, last)
    pids = [started_of(run).pid for _, run in after]
    assert len(set(pids)) == 1
    assert [outcome(run) for _, run in after] == [outcome(alone[name]) for name, _ in after]
    assert failing.status() == "failed"
    assert started_of(last).pid not in pids


def test_a_worker_that_is_killed_is_replaced_once_loses_its_run_only_and_a_dead_spare_loses_none(others, workers):
    killed, after = endless(), new()
    workers.submit(killed)
    workers.submit(after)
    first = pid_of(killed)
    wait_for(lambda: killed.last(Epoch))
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: started_of(killed).pid != first)
    started = started_of(killed)
    assert started.step >= 5, "it goes on from an epoch"
    assert (killed.status(), workers.place(killed)) == ("running", 0)
    os.kill(started.pid, signal.SIGKILL)
    wait_for(lambda: is_done(after) and workers.place(after) is None)
    assert workers.place(killed) is None
    assert killed.status() == "interrupted"
    assert started_of(killed) == started, "it is not replaced a second time"
    wait_for(lambda: waiting(others))
    os.kill(waiting(others)[0], signal.SIGKILL)
    last = new()
    workers.submit(last)
    wait_for(lambda: is_done(last))


def test_a_stuck_worker_is_killed_after_its_grace_and_a_run_stopped_and_sent_on_at_once_goes_on(others, workers):
    stuck, run = endless(), endless()
    workers.submit(stuck)
    workers.submit(run)
    os.kill(pid_of(stuck), signal.SIGSTOP)
    clock = time.monotonic()
    stuck.ask("stop")
    wait_for(lambda: workers.place(stuck) is None)
    assert time.monotonic() - clock < module.GRACE + 1
    assert stuck.status() == "stopped"

    pid_of(run)
    run.ask("stop")
    wait_for(lambda: not run.is_held())
    run.ask("run")
    workers.submit(run)  # the queue may not know yet that it was left
    wait_for(lambda: run.is_held() and len([one for one in run.read()[0] if isinstance(one, Started)]) == 2)

    clock = time.monotonic()
    workers.close()
    assert time.monotonic() - clock < module.GRACE + 1
    assert waiting(others) == []
    assert run.status() == "interrupted"
    assert isinstance(run.events()[-1], Checkpoint | Epoch)


def test_a_run_that_is_stopped_while_it_waits_leaves_the_queue_at_once_and_resumed_goes_to_its_end(home):
    begins, carried = threading.Event(), []

    def carry(folder: str) -> str:
        assert begins.wait(30)
        carried.append(folder)
        return work(folder)

    with ThreadPoolExecutor(1) as one:
        here, runs = Workers(one, carry, at_once=1), [new(seed=seed) for seed in range(4)]
        for run in runs:
            here.submit(run)
        handed, stopped, last, never = runs
        here.stop(stopped)
        here.stop(never)
        here.stop(handed)  # which the executor has taken, but no worker has begun
        assert [here.place(run) for run in runs] == [0, None, 1, None]
        assert [run.status() for run in runs] == ["stopped", "stopped", "queued", "stopped"]
        here.resume(stopped)
        here.resume(stopped)
        assert [here.place(run) for run in runs] == [0, 2, 1, None]
        assert stopped.status() == "queued"
        begins.set()
        wait_for(lambda: is_done(stopped) and here.place(stopped) is None)
        here.close()
    assert carried == [str(run.folder.resolve()) for run in (handed, last, stopped)]
    assert [run.status() for run in runs] == ["stopped", "done", "done", "stopped"]


def test_a_run_can_be_stopped_though_a_full_disk_takes_no_request(others, workers, tmp_path, monkeypatch):
    try:
        with small_disk(tmp_path / "small") as disk:
            monkeypatch.setenv("BANCADA_STORE", str(disk))
            paused, waits, elsewhere = endless(), endless(), endless()
            paused.ask("pause")
            for run in (paused, waits):
                workers.submit(run)
            wait_for(lambda: paused.last(Checkpoint))
            with full(disk):
                with pytest.raises(Refusal, match="store_write"):
                    workers.stop(elsewhere)
                workers.stop(waits)
                assert workers.place(waits) is None
                workers.stop(paused)
                wait_for(lambda: workers.place(paused) is None, module.GRACE + 1)
                assert (paused.status(), waits.status()) == ("interrupted", "queued")
            workers.resume(paused)
            wait_for(lambda: paused.status() == "running")
            workers.stop(paused)
            wait_for(lambda: workers.place(paused) is None)
            assert paused.status() == "stopped"
    except CannotMountError as error:
        pytest.skip(str(error))


def test_a_deleted_run_in_the_queue_is_passed_over_and_nothing_is_made_in_its_place(workers):
    gone, run = new(), new()
    gone.delete()
    workers.submit(gone)
    workers.submit(run)
    wait_for(lambda: is_done(run))
    assert not gone.folder.exists()


def test_close_ends_workers_that_train_pause_and_wait_and_leaves_no_process(home, others):
    one = Workers(at_once=2, spare_after=60)  # no process waits when the first run comes
    training, paused = endless(), endless()
    paused.ask("pause")
    for run in (training, paused):
        one.submit(run)
    wait_for(lambda: training.last(Epoch) and paused.last(Checkpoint))
    assert (training.status(), paused.status()) == ("running", "paused")
    clock = time.monotonic()
    one.close()
    assert time.monotonic() - clock < 2
    assert waiting(others) == []
    assert (training.status(), paused.status()) == ("interrupted", "interrupted")


def test_close_does_not_wait_for_a_process_that_is_still_getting_ready(home, others):
    one = Workers(at_once=1, spare_after=0)
    wait_for(lambda: waiting(others))
    clock = time.monotonic()
    one.close()
    assert time.monotonic() - clock < 1  # torch alone takes two seconds to import
    assert waiting(others) == []


def test_workers_whose_server_is_killed_save_and_end_in_two_seconds_and_the_next_server_goes_on(
    home, driver, monkeypatch
):
    monkeypatch.setenv("BANCADA_THREADS", "2")
    fields = {
        "training": {"data": "mnist-5k", "split": "stratified", "architecture": "lenet", "batch_size": 32, "epochs": 4},
        "paused": {"architecture": "lenet-sigmoid", "epochs": 2},
        "validating": {"architecture": "cnn", "data": "long-val"},
    }
    runs = {name: new(**values) for name, values in fields.items()}
    unbroken = {name: new(**values) for name, values in fields.items()}
    for run in unbroken.values():
        driver.work(run)
    server = subprocess.Popen([sys.executable, "-c", SERVER], cwd=ROOT, stdin=subprocess.PIPE, text=True)
    with server:
        assert server.stdin
        for run in runs.values():  # all wait behind their first batch, however quick or slow the machine starts them
            run.ask("batch")
            server.stdin.write(f"{run.folder}\n")
        server.stdin.flush()
        wait_for(lambda: all(run.last(Checkpoint) for run in runs.values()))
        runs["training"].ask("run")
        wait_for(lambda: runs["training"].last(Step).step > 1)  # pyright: ignore
        runs["validating"].ask("run")
        time.sleep(3 * PAUSE_LOOKS)
        assert [run.status() for run in runs.values()] == ["running", "paused", "running"]
        processes = psutil.Process(server.pid).children(recursive=True)
        assert len(processes) == 3
        server.kill()
        clock = time.monotonic()
        wait_for(lambda: all(has_ended(process) for process in processes))
        overbooked = max(1, os.getloadavg()[0] / (os.cpu_count() or 1))  # workers are nice: others come first
        assert time.monotonic() - clock < 2 * overbooked
    assert [run.status() for run in runs.values()] == ["interrupted"] * 3
    for run in runs.values():
        assert isinstance(run.events()[-1], Checkpoint)
    assert runs["validating"].events()[-1].step == 1

    monkeypatch.setenv("BANCADA_THREADS", "1")
    with ThreadPoolExecutor(1) as threads:  # another server, in this process
        following = Workers(threads, work, at_once=1)
        for run in runs.values():
            run.ask("run")
            following.submit(run)
        wait_for(lambda: all(is_done(run) for run in runs.values()))
    for name, run in runs.items():
        assert [event.threads for event in run.events() if isinstance(event, Started)] == [2, 2]
        assert outcome(run) == outcome(unbroken[name])


# --- other executors --------------------------------------------------------------------------------------------------


def test_a_process_pool_carries_runs_out_in_the_place_of_our_own_processes_and_outlives_a_killed_worker(home):
    killed, run = endless(), new()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        others = Workers(pool, at_once=1)
        others.submit(killed)
        others.submit(run)
        assert (others.place(killed), others.place(run)) == (0, 1)
        pid = pid_of(killed)
        assert psutil.Process(pid).ppid() != os.getpid(), "a child of the pool's process"
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: started_of(killed).pid != pid)
        killed.ask("stop")
        wait_for(lambda: is_done(run) and others.place(run) is None)
        assert killed.status() == "stopped"
        others.submit(killed)
        wait_for(lambda: others.place(killed) is None)
        assert killed.status() == "stopped"
        others.close()


def test_runs_are_carried_out_in_this_process_where_the_executor_is_of_threads_and_followed_one_by_one(home):
    runs = [new(seed=seed) for seed in range(3)]
    followed = []

    def follow(run):
        followed.append(run)
        return runs[len(followed) : len(followed) + 1]

    with ThreadPoolExecutor(1) as threads:
        here = Workers(threads, work, at_once=1, follow=follow)
        here.submit(runs[0])
        wait_for(lambda: all(map(is_done, runs)) and here.place(runs[2]) is None)
        assert followed == runs
        assert {run.started().pid for run in runs} == {os.getpid()}
        here.close()
        here.submit(new())
        assert len(followed) == 3


def test_an_executor_that_takes_no_more_leaves_the_run_in_the_store(home):
    with ThreadPoolExecutor(1) as threads:
        pass
    here, run = Workers(threads, work, at_once=1), new()
    here.submit(run)
    assert (run.status(), here.place(run)) == ("queued", None)


def test_what_follows_a_run_is_queued_though_another_look_for_it_is_refused(home):
    refused, run = new(), new(seed=1)

    def follow(one):
        if one == refused:
            raise Refusal("error.run_damaged", run=one.name, file="spec.json")
        return ()

    with ThreadPoolExecutor(1) as threads:
        here = Workers(threads, work, at_once=1, follow=follow)
        here.submit(refused)
        here.submit(run)
        wait_for(lambda: is_done(run) and here.place(run) is None)
        assert here.place(refused) is None


def test_a_pool_that_breaks_leaves_its_runs_in_the_store_to_be_resumed_by_another(home, capfd):
    runs = [endless(), *(new(seed=seed) for seed in range(3))]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        broken = Workers(pool, work, at_once=1)
        for run in runs:
            broken.submit(run)
        os.kill(pid_of(runs[0]), signal.SIGKILL)  # the pool's own process
        wait_for(lambda: all(broken.place(run) is None for run in runs))
        wait_for(lambda: not runs[0].is_held())  # the system frees the lock a moment after the pool's pipe
        assert [run.status() for run in runs] == ["interrupted", "queued", "queued", "queued"]
        broken.resume(runs[1])
        assert broken.place(runs[1]) is None
    assert "BrokenProcessPool" in capfd.readouterr().err
    with ThreadPoolExecutor(1) as threads:
        whole = Workers(threads, work, at_once=1)
        for run in runs[1:]:
            whole.resume(run)
        wait_for(lambda: all(map(is_done, runs[1:])))


class Immediate(Executor):
    """Works at each task before `submit` returns; cannot take the first one."""

    def __init__(self):
        self.taken = []

    def submit(self, task, /, *args, **kwargs):
        if not self.taken:
            self.taken.append(None)
            raise OSError(errno.EAGAIN, "no process to be had")
        self.taken.append(args[0])
        future = Future()
        future.set_result(task(*args, **kwargs))
        return future


def test_an_executor_that_cannot_take_a_run_now_takes_it_later_and_many_at_once(home, capfd):
    executor = Immediate()
    here = Workers(executor, lambda _: "done", at_once=1)
    first, *others = [Run(home / f"run-{number}") for number in range(400)]
    here.submit(first)
    assert here.place(first) is None
    assert "no process to be had" in capfd.readouterr().err
    with here._lock:
        here._waiting.extend([first, *others])
    here.submit(first)
    assert len(executor.taken) == 401
    assert all(here.place(run) is None for run in (first, *others))


# --- the app's server -------------------------------------------------------------------------------------------------


async def visit(address: str, query: str, *buttons: str, then: Callable[[], object]) -> None:
    """A visitor of the page Train presses these buttons, one after the other, and stays until `then` has returned."""
    async with session(address, query=query) as visitor:
        for button in (None, *buttons):
            await visitor.run(press=button)
        await asyncio.to_thread(then)


def test_a_server_ends_within_seconds_of_ctrl_c_and_its_training_goes_on_with_the_next(tmp_path):
    environment = {f"BANCADA_{name}": str(tmp_path / name.lower()) for name in ("STORE", "CACHE", "DATA")}
    with served("app.py", ROOT, environment, port=free_port()) as (address, server):

        def is_at_a_step() -> bool:
            return any(isinstance(run.latest(), Step) for run in store.runs(tmp_path / "store"))

        def ctrl_c() -> None:
            wait_for(is_at_a_step)
            clock = time.monotonic()
            server.send_signal(signal.SIGINT)
            server.wait(30)
            overbooked = max(1, os.getloadavg()[0] / (os.cpu_count() or 1))  # the worker is nice: others come first
            assert time.monotonic() - clock < 3 * overbooked

        asyncio.run(visit(address, "architecture=cnn&epochs=900", "Start training", then=ctrl_c))
    (run,) = store.runs(tmp_path / "store")
    saved = run.latest()
    assert isinstance(saved, Checkpoint | Epoch)
    assert run.status() == "interrupted"
    with serve("app.py", ROOT, environment) as address:

        def is_beyond() -> bool:
            last = run.latest()
            return isinstance(last, Step) and last.step > saved.step

        buttons = "Somebody else's run: control it anyway", "Resume"
        asyncio.run(visit(address, f"run={run.name}", *buttons, then=lambda: wait_for(is_beyond)))
    assert [event.step for event in run.events() if isinstance(event, Started)] == [0, saved.step]
