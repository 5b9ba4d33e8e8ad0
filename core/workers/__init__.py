"""A queue of runs and an executor that trains them in worker processes, a run at a time in each."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import psutil

from core import settings
from core.events import Failure
from core.files import content, written_aside
from core.networks.layers import text
from core.refusal import Refusal
from core.spec import AUGMENTATION, CUSTOM, RunSpec, default
from core.store import Run

READY = "ready"  # what a worker process says after a run
GRACE = 5.0  # seconds that a worker has to end by itself after a request to stop
MOST_FOR_ESTIMATE = 120.0  # timeout in seconds; includes importing torch and some twenty steps
SPARE_AFTER = 2.0  # seconds from the start to the first spare process, so that it does not slow the first page down
WORKED_AT = ("queued", "interrupted", "failed", "running", "paused")  # statuses with which a run is given to a worker


def carry(folder: str, taking: int | None = None) -> str:
    """Train the run in `folder` in a worker process until that leaves it; returns the run's status then.

    This is the executor's task. `taking`: the number of the `Run.take` that was made for it. The process serves the
    thread's next run as well, if nothing went wrong: a crash or an out-of-memory kill affects only that run. A worker
    that does not stop on request is killed. One that dies without being asked to stop, or that runs out of memory,
    which another program may have taken, is replaced once, not more often: the run itself may be the reason. A run that
    is done, stopped or damaged is not touched.
    """
    run = Run(Path(folder))
    for _ in range(2):
        if run.facts()["status"] not in WORKED_AT or _here.leaves(run):
            break
        process, _here.spare = _living(_here.spare), None  # the spare process may have died while it waited
        if not process or not _see_through(process, run, taking):
            break
    return run.facts()["status"]


class Workers:
    """A queue that gives its runs to an executor, a limited number at a time.

    Args:
        executor: executes the runs; by default a `LocalProcesses`. An executor that is passed in is not closed here.
        carry: the executor's task; `core.work.work` trains inside the executor, without a new process.
        at_once: most runs that the executor has at the same time, or a function of that, after whose changes `hand_out`
            is to be called; by default `settings.runs_at_once()`.
        spare_after: seconds until each thread of `LocalProcesses` starts a spare process, if no run comes earlier.
        follow: returns the runs to queue after a run that the executor has left; see `search.Driver.follow`.
    """

    def __init__(
        self,
        executor: Executor | None = None,
        carry: Callable[[str], str] = carry,
        *,
        at_once: int | Callable[[], int] | None = None,
        spare_after: float = SPARE_AFTER,
        follow: Callable[[Run], Iterable[Run]] = lambda _: (),
    ):
        settings.threads()  # so that a setting that is not a number raises here, not in a thread
        most = at_once or settings.runs_at_once()
        self._at_once = most if callable(most) else lambda: most
        self._owns_executor = executor is None
        self._executor = executor or LocalProcesses(self._at_once(), spare_after)
        self._carry, self._follow = carry, follow
        self._waiting: list[Run] = []
        self._working: list[Run] = []
        self._lock = threading.Lock()
        self._closed = False
        self._handing_out = False  # whether a call of `hand_out` is at work

    def submit(self, run: Run) -> None:
        """Add the run to the queue, unless it is queued already.

        A run that is being trained is queued again as well, since its worker may be ending because of a request to stop
        that has since been revoked.
        """
        with self._lock:
            if run not in self._waiting:
                self._waiting.append(run)
        self.hand_out()

    def resume(self, run: Run) -> None:
        """Request that the run continue, and queue it; does nothing if it is queued or training and not stopping.

        Raises: Refusal, if the request cannot be stored.
        """
        if self.place(run) is None or run.control().wanted == "stop":
            run.ask("run")
            self.submit(run)

    def stop(self, run: Run) -> None:
        """Request that the run stop, and drop it from the queue. If a full disk takes no request, end its worker.

        Raises: Refusal, if that cannot be done either: the run is another server's, or another executor's.
        """
        refusal: Refusal | None = None
        try:
            run.ask("stop")
        except Refusal as error:
            refusal = error
        with self._lock:
            waits, works = run in self._waiting, run in self._working
            if waits:
                self._waiting.remove(run)
            if refusal and works and isinstance(self._executor, LocalProcesses):
                self._executor.leave(run)
            elif refusal and (works or not waits):
                raise refusal

    def finish(self, run: Run) -> None:
        """End the run's training after the epochs that it has, at least one, and have its test split read.

        Raises: Refusal, if it has no epoch, or if the request cannot be stored.
        """
        run.finish()
        self.submit(run)

    def place(self, run: Run) -> int | None:
        """The run's place in the queue, from 1; 0 if it is being trained, None if it is not here."""
        with self._lock:
            if run in self._working:
                return 0
            return self._waiting.index(run) + 1 if run in self._waiting else None

    def is_at_work(self, run: Run) -> bool:
        """Whether the run is in the queue, or being trained, here or elsewhere."""
        return self.place(run) is not None or run.is_held()

    def close(self) -> None:
        """Start no more runs and end our own worker processes, which save their states; queued runs stay stored."""
        with self._lock:
            self._closed = True
        if self._owns_executor:
            self._executor.shutdown()

    def hand_out(self) -> None:
        """Submit queued runs to the executor, up to its limit."""
        with self._lock:
            if self._handing_out:  # that call, of this thread or another, takes the new runs as well
                return
            self._handing_out = True
        while run := self._taken():
            try:
                future = self._executor.submit(self._carry, str(run.folder.resolve()))
            except BaseException as error:  # the queue must not keep runs that nobody takes
                with self._lock:
                    self._working.remove(run)
                    self._waiting.clear()  # these runs stay in the store and can be submitted again
                    self._handing_out = False
                if not isinstance(error, RuntimeError | OSError):
                    raise
                print(f"the executor takes no runs: {error!r}", file=sys.stderr, flush=True)
                return
            future.add_done_callback(functools.partial(self._carried, run))

    def _taken(self) -> Run | None:
        """Move the first queued run that is not being trained to those that are; None if there is none or no room."""
        with self._lock:
            run = next((run for run in self._waiting if run not in self._working), None)
            if self._closed or not run or len(self._working) >= self._at_once():
                self._handing_out = False
                return None
            self._waiting.remove(run)
            self._working.append(run)
            return run

    def _carried(self, run: Run, future: Future[str]) -> None:
        """Queue the runs that follow a run, which counts as being trained until then."""
        if not future.cancelled() and (error := future.exception()):  # the run's folder says what state it is in
            print(f"{run.name}: the executor failed: {error!r}", file=sys.stderr, flush=True)
        try:
            if not self._closed and not future.cancelled():  # when closed, do not delay shutdown by reading the store
                with contextlib.suppress(Refusal, OSError):  # a damaged run or a full disk: no run follows
                    for following in self._follow(run):
                        self.submit(following)
        finally:
            with self._lock:
                self._working.remove(run)
                if isinstance(self._executor, LocalProcesses):
                    self._executor.stay(run)
            self.hand_out()


class LocalProcesses(Executor):
    """An executor whose threads each keep one worker process, with torch imported, for one run after the other.

    A worker whose standard input is closed, on purpose or because this process has died, saves its state and ends.
    """

    def __init__(self, threads: int, spare_after: float = SPARE_AFTER):
        self._spare_after = spare_after
        self._tasks: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._left: set[Path] = set()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue a call, such as `carry(folder)`. Raises: RuntimeError, once closed."""
        future: Future[Any] = Future()
        with self._changed:
            if self._closed.is_set():
                raise RuntimeError("closed")
            self._tasks.append((future, functools.partial(task, *args, **kwargs)))
            self._changed.notify()
        return future

    def leave(self, run: Run) -> None:
        """End the worker process of a run that is being trained; the worker saves its state, if it can."""
        self._left.add(run.folder.resolve())

    def stay(self, run: Run) -> None:
        """Forget what `leave` was told about the run."""
        self._left.discard(run.folder.resolve())

    def leaves(self, run: Run | None = None) -> bool:
        """Whether the executor is closed, or has been told to leave the run."""
        return self._closed.is_set() or (run is not None and run.folder in self._left)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """End all worker processes, each of which saves its state; queued calls are always cancelled."""
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
        _here.executor = self
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
                except BaseException as error:  # raised again by `Future.result`, as in every executor
                    future.set_exception(error)
        if _here.spare:
            _here.spare.popen.kill()  # it has no state to save, and may take seconds to notice that its input is closed
            _here.spare.end()


class _Process:
    """A worker process, which waits for a run; its threads do not spin, see `settings.wait_passively`.

    Raises: OSError, if the system has no memory or process left.
    """

    def __init__(self) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "core.work"],
            cwd=settings.ROOT,
            env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "OMP_NUM_THREADS": str(settings.threads())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",  # a library may print anything
            # Its own process group, so that Ctrl-C in the terminal reaches only the server, which ends its workers.
            start_new_session=os.name == "posix",
            creationflags=0 if os.name == "posix" else subprocess.CREATE_NEW_PROCESS_GROUP,  # pyright: ignore
        )
        self._ready: SimpleQueue[bool] = SimpleQueue()  # False: it has ended
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.popen.stdout
        try:
            with self.popen.stdout as said:
                for line in said:
                    if line.strip() == READY:  # not what a library prints
                        self._ready.put(True)
        finally:
            self._ready.put(False)

    def give(self, run: Run, taking: int | None) -> None:
        """Send it a run to train."""
        assert self.popen.stdin
        with contextlib.suppress(OSError):  # it died while it waited: the run's status stays as it was
            self.popen.stdin.write(json.dumps([str(run.folder), taking]) + "\n")  # JSON keeps any name in ASCII
            self.popen.stdin.flush()

    def has_left(self, timeout: float) -> bool | None:
        """Wait until it has left its run; True: it is ready for another, False: it has ended, None: not yet."""
        try:
            return self._ready.get(timeout=timeout)
        except Empty:
            return None

    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self.popen.poll() is None

    def end(self) -> None:
        """Close its standard input, which makes it end; kill it if it has not ended after `GRACE` seconds."""
        assert self.popen.stdin
        with contextlib.suppress(OSError):
            self.popen.stdin.close()
        try:
            self.popen.wait(timeout=GRACE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


class _Here(threading.local):
    """Per-thread state for `carry`, set by the threads of `LocalProcesses`; other threads keep no process."""

    spare: _Process | None = None
    executor: LocalProcesses | None = None

    def leaves(self, run: Run | None = None) -> bool:
        """Whether this thread's executor is closed, or has been told to leave the run."""
        return bool(self.executor and self.executor.leaves(run))


_here = _Here()


def _living(spare: _Process | None) -> _Process | None:
    """The spare process if it is alive, otherwise a new one.

    Once this thread's executor is closed, returns `spare` unchecked, or None if no new process could be started.
    """
    while not _here.leaves():
        if spare and spare.is_alive():
            return spare
        if spare:
            spare.end()
        try:
            spare = _Process()
        except OSError:  # the system currently has no memory or process left
            spare = None
            time.sleep(1)
    return spare


def _see_through(process: _Process, run: Run, taking: int | None) -> bool:
    """Give the run to the process and wait until it leaves it; a worker that does not stop on request is killed.

    A process that is ready for another run becomes the thread's spare one. Returns whether the worker has died or has
    run out of memory.
    """
    process.give(run, taking)
    asked: float | None = None
    while (is_ready := process.has_left(timeout=0.2)) is None and not _here.leaves(run):
        if run.control().wanted != "stop":
            asked = None
            continue
        asked = asked or time.monotonic()
        if time.monotonic() - asked > GRACE:
            process.popen.kill()
    if is_ready and _here.executor:
        _here.spare = process
        return False
    process.end()
    with contextlib.suppress(Refusal):
        latest = run.latest()
        return bool(process.popen.returncode) or (isinstance(latest, Failure) and latest.error == "error.out_of_memory")
    return False


PACE = {
    *("data", "split", "val_fraction", "image_size", "layers", "first_layers", "weights_from", "layers_taken"),
    *("optimizer", "batch_size", "precision", *AUGMENTATION),
}  # the fields on which the time of an epoch depends


def paced(spec: RunSpec) -> RunSpec:
    """The spec with the defaults of all fields on which the time of an epoch does not depend."""
    others = {name: default(name) for name in RunSpec.model_fields if name not in PACE}
    return spec.model_copy(update=others | {"architecture": CUSTOM})


def remembered(spec: RunSpec) -> float | None:
    """The seconds of an epoch as `estimated` measured them here before; None if it did not."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        seconds = float(json.loads(content(_measured(spec), 10_000))["epoch_seconds"])
        return seconds if 0 < seconds < math.inf else None
    return None


def _measured(spec: RunSpec) -> Path:
    """The file that keeps what was measured for specs of this pace with this machine's settings."""
    compiled = sorted(path.parent.name for path in settings.cache_folder().glob("kernels/*/ready"))
    here = (
        settings.processor(),
        settings.threads(),
        os.environ.get("BANCADA_DEVICE", ""),
        settings.kernels(),
        compiled,
    )
    key = hashlib.sha256(f"{here}{paced(spec).model_dump_json()}".encode()).hexdigest()
    return settings.cache_folder() / "estimates" / f"{key}.json"


def estimated(spec: RunSpec) -> dict[str, Any]:
    """The output of `python -m core estimate --json` for a spec, from a process with a lower priority than trainings.

    It is kept for `remembered`. Raises: Refusal, if the measurement fails or times out.
    """
    file = _measured(spec)  # before it begins, since the kernels may be compiled while it runs
    with asked("estimate", spec) as process:
        try:
            output, error = process.communicate(timeout=MOST_FOR_ESTIMATE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Refusal("error.unexpected", reason="timeout") from None
    if process.returncode:
        raise Refusal("error.unexpected", reason=error.strip())
    found = json.loads(output)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(file) as aside:
            aside.write(output.encode())
    return found


def asked(command: str, spec: RunSpec) -> subprocess.Popen[str]:
    """Start `python -m core COMMAND --json` for a spec, in a process with a lower priority than trainings."""
    values = {**dict(spec), "layers": text(spec.layers)}
    flags = [f"--{name}={value}" for name, value in values.items() if value is not None]
    process = subprocess.Popen(
        [sys.executable, "-m", "core", command, "--json", *flags],
        cwd=settings.ROOT,
        env={**os.environ, "LC_ALL": "C"},  # the flags' numbers are in Python's notation, not the user's language
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with contextlib.suppress(psutil.NoSuchProcess):
        # Workers have nice 10, so a training gets three times as much processor time as an estimate with 15.
        psutil.Process(process.pid).nice(15 if os.name == "posix" else psutil.IDLE_PRIORITY_CLASS)
    return process
