"""Who does the work: a queue of runs, and an executor that carries them out, each in a process of its own."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import psutil

from core import settings
from core.networks.layers import text
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run

GRACE = 5.0  # seconds that a worker has to leave by itself when it is asked to stop
MOST_FOR_ESTIMATE = 120.0  # seconds; torch is imported, then some twenty steps are made
SPARE_AFTER = 2.0  # seconds from the start to the first waiting process, so that it does not slow the first page down
WORKED_AT = ("queued", "interrupted", "failed", "running", "paused")  # the statuses of a run that a worker takes up


def carry(folder: str) -> str:
    """Have a process of its own work at the run in `folder` and see it through; returns the status that it is left in.

    This is the task of an executor, on this machine or on another that has the folder under the same path. A crash or
    an out-of-memory kill hits that one run; a worker that does not stop when it is asked is killed. A run that is done,
    stopped or damaged is left alone.
    """
    run = Run(Path(folder))
    if run.facts()["status"] in WORKED_AT:
        process, _here.spare = _living(_here.spare), None  # it may have died while it waited
        if process:
            _see_through(process, run)
    return run.facts()["status"]


class Workers:
    """A queue: runs that wait, and those that an executor has taken, so many at a time.

    Args:
        executor: carries runs out; by default `LocalProcesses`. One that is handed in is closed by whoever made it.
        carry: the executor's task; with `core.work.work` a run is worked at where the executor is, in no new process.
        at_once: how many runs the executor has at the same time; by default as the settings say.
        spare_after: seconds until each of our own threads has a process waiting, if no run comes before.
        follow: the runs to queue after one that the executor has left, each time; see `search.Driver.follow`.
    """

    def __init__(
        self,
        executor: Executor | None = None,
        carry: Callable[[str], str] = carry,
        *,
        at_once: int | None = None,
        spare_after: float = SPARE_AFTER,
        follow: Callable[[Run], Iterable[Run]] = lambda _: (),
    ):
        settings.threads()  # a setting that is no number is told at the start, not in a thread
        self._at_once = at_once or settings.runs_at_once()
        self._own = None if executor else LocalProcesses(self._at_once, spare_after)
        self._executor: Executor = executor or self._own  # pyright: ignore[reportAttributeAccessIssue]
        self._carry, self._follow = carry, follow
        self._waiting: list[Run] = []
        self._working: list[Run] = []
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, run: Run) -> None:
        """Put the run into the queue, unless it is there. One being worked at is looked at again after that, since its
        worker may be leaving: asked to stop, and now to go on.
        """
        with self._lock:
            if run not in self._waiting:
                self._waiting.append(run)
        self._hand_out()

    def resume(self, run: Run) -> None:
        """Ask the run to go on and queue it; leave it alone if it waits here or is being worked at, unless it stops."""
        if self.place(run) is None or run.control().wanted == "stop":
            run.ask("run")
            self.submit(run)

    def place(self, run: Run) -> int | None:
        """0: being worked at; 1, 2, ...: its place in the queue; None: not here."""
        with self._lock:
            if run in self._working:
                return 0
            return self._waiting.index(run) + 1 if run in self._waiting else None

    def close(self) -> None:
        """Hand out no more runs; end our own worker processes, each with its state saved. What waits stays stored."""
        with self._lock:
            self._closed = True
        if self._own:
            self._own.shutdown()

    def _hand_out(self) -> None:
        """Give the executor as many of the waiting runs as it may have."""
        while run := self._taken():
            try:
                future = self._executor.submit(self._carry, str(run.folder.resolve()))
            except RuntimeError:  # it is closed or broken: the run is in the store, and can be submitted again
                with self._lock:
                    self._working.remove(run)
                return
            future.add_done_callback(functools.partial(self._carried, run))

    def _taken(self) -> Run | None:
        """The first run in the queue that nobody is at, now being worked at; None while there is no room for it."""
        with self._lock:
            run = next((run for run in self._waiting if run not in self._working), None)
            if self._closed or not run or len(self._working) >= self._at_once:
                return None
            self._waiting.remove(run)
            self._working.append(run)
            return run

    def _carried(self, run: Run, future: Future[str]) -> None:
        """Queue what follows a run, which counts as being worked at until then."""
        try:
            if not self._closed and not future.cancelled():  # closed: nobody waits for a look through the store
                with contextlib.suppress(Refusal, OSError):  # a damaged run or a full disk: nothing follows
                    for following in self._follow(run):
                        self.submit(following)
        finally:
            with self._lock:
                self._working.remove(run)
            self._hand_out()


class LocalProcesses(Executor):
    """Threads of this process, each of which keeps a worker process waiting for its next run, with torch imported.

    A worker that loses our end of its standard input, whether we close it or die, saves its state and ends.
    """

    def __init__(self, threads: int, spare_after: float = SPARE_AFTER):
        self._spare_after = spare_after
        self._tasks: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue a call, `carry` of a folder say. Raises: RuntimeError, once closed."""
        future: Future[Any] = Future()
        with self._changed:
            if self._closed.is_set():
                raise RuntimeError("closed")
            self._tasks.append((future, functools.partial(task, *args, **kwargs)))
            self._changed.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """End all worker processes, each with its state saved; whatever still waits is cancelled in any case."""
        del cancel_futures
        with self._changed:
            self._closed.set()
            waiting = [future for future, _ in self._tasks]
            self._changed.notify_all()
        for future in waiting:
            future.cancel()
        for thread in self._threads if wait else ():
            thread.join(timeout=GRACE + 1)

    def _serve(self) -> None:
        _here.closed = self._closed.is_set
        with self._changed:
            self._changed.wait_for(lambda: self._closed.is_set() or self._tasks, timeout=self._spare_after)
        while not self._closed.is_set():
            _here.spare = _living(_here.spare)
            with self._changed:
                self._changed.wait_for(lambda: self._closed.is_set() or self._tasks)
                if self._closed.is_set():
                    break
                future, call = self._tasks.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # as with every executor, it is whoever asks the future's
                    future.set_exception(error)
        if _here.spare:
            _here.spare.kill()  # it has no run to save, and may be seconds from hearing that it is to leave
            _end(_here.spare)


class _Here(threading.local):
    """What `carry` finds in a thread of `LocalProcesses`; in any other thread there is no spare process."""

    spare: subprocess.Popen[str] | None = None
    closed: Callable[[], bool] = staticmethod(lambda: False)


_here = _Here()


def _living(spare: subprocess.Popen[str] | None) -> subprocess.Popen[str] | None:
    """The waiting process, or a new one in its place if it has died; None once this thread's executor is closed."""
    while not _here.closed():
        if spare and spare.poll() is None:
            return spare
        if spare:
            _end(spare)
        try:
            spare = _process()
        except OSError:  # no memory or no process to be had just now
            spare = None
            time.sleep(1)
    return spare


def _see_through(process: subprocess.Popen[str], run: Run) -> None:
    """Give the run to the process and wait for its end; a worker that does not stop when it is asked is killed."""
    assert process.stdin
    with contextlib.suppress(OSError):  # it died while it waited: the run is still in the store, and says so
        process.stdin.write(json.dumps(str(run.folder)) + "\n")  # any name's letters, in ASCII
        process.stdin.flush()
    asked: float | None = None
    while process.poll() is None and not _here.closed():
        try:
            process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            if run.control().wanted != "stop":
                asked = None
                continue
            asked = asked or time.monotonic()
            if time.monotonic() - asked > GRACE:
                process.kill()
    _end(process)


def estimated(spec: RunSpec) -> dict[str, Any]:
    """What `python -m core estimate --json` says of a spec: measured in a process that gives way to trainings.

    Raises: Refusal, where it cannot be measured.
    """
    values = {**dict(spec), "layers": text(spec.layers)}
    flags = [f"--{name}={value}" for name, value in values.items() if value is not None]
    with subprocess.Popen(
        [sys.executable, "-m", "core", "estimate", "--json", *flags],
        cwd=settings.ROOT,
        env={**os.environ, "LC_ALL": "C"},  # the flags are numbers as Python writes them
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # A worker has 10, so a training gets three times as much of the processor.
        psutil.Process(process.pid).nice(15 if os.name == "posix" else psutil.IDLE_PRIORITY_CLASS)
        try:
            output, error = process.communicate(timeout=MOST_FOR_ESTIMATE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Refusal("error.unexpected", reason="timeout") from None
    if process.returncode:
        raise Refusal("error.unexpected", reason=error.strip())
    return json.loads(output)


def _process() -> subprocess.Popen[str]:
    """A worker process that gets ready and waits. Its threads wait without spinning, see `settings.wait_passively`."""
    return subprocess.Popen(
        [sys.executable, "-m", "core.work"],
        cwd=settings.ROOT,
        env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "OMP_NUM_THREADS": str(settings.threads())},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # Its own group: a Ctrl-C in the server's terminal reaches the server, which ends its workers in good order.
        start_new_session=os.name == "posix",
        creationflags=0 if os.name == "posix" else subprocess.CREATE_NEW_PROCESS_GROUP,  # pyright: ignore
    )


def _end(process: subprocess.Popen[str]) -> None:
    """Close the worker's standard input, by which it leaves; kill it if it has not left in time."""
    assert process.stdin
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(timeout=GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
