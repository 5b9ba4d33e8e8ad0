"""Who does the work: a queue of runs and one process for each run at a time."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from typing import Any

import psutil

from core import settings, store
from core.layers import text
from core.recipes.search import SEARCHES, accuracies_of, cells, known_runs, next_runs
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run

GRACE = 5.0  # seconds that a worker has to leave by itself when it is asked to stop
MOST_FOR_ESTIMATE = 120.0  # seconds; torch is imported, then some twenty steps are made
SPARE_AFTER = 2.0  # seconds from the start to the first waiting process, so that it does not slow the first page down


class Workers:
    """A queue and the threads that serve it; each thread keeps a worker process waiting, with torch imported.

    A run gets a process of its own, so a crash or an out-of-memory kill hits that run alone. A worker that loses the
    server's end of its standard input saves its state and ends.
    """

    def __init__(self, runs_at_once: int | None = None, spare_after: float = SPARE_AFTER):
        self._waiting: list[Run] = []
        self._working: list[Run] = []
        self._changed = threading.Condition()
        self._searching = threading.Lock()  # no two threads make the runs of a search at the same time
        self._closed = False
        self._spare_after = spare_after
        settings.threads()  # a setting that is no number is told at the start, not in a thread
        count = runs_at_once or settings.runs_at_once()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, run: Run) -> None:
        """Put the run into the queue, unless it is there. One being worked at is looked at again after that, since its
        worker may be leaving: asked to stop, and now to go on.
        """
        with self._changed:
            if run not in self._waiting:
                self._waiting.append(run)
                self._changed.notify_all()

    def search(self, name: str, variant: str, **others: Any) -> None:
        """Queue what a search of report 002 can run now; its later stages follow by themselves. Raises: Refusal."""
        with self._searching:
            runs = known_runs(store.runs())
            found = cells(SEARCHES[name], accuracies_of(runs), variant, **others)
            for spec in (cell.spec for cell in found if cell.measured is None):
                run = runs.get(spec) or store.create(spec)
                if self.place(run) is None or run.control().wanted == "stop":
                    run.ask("run")
                    self.submit(run)

    def place(self, run: Run) -> int | None:
        """0: being worked at; 1, 2, ...: its place in the queue; None: not here."""
        with self._changed:
            if run in self._working:
                return 0
            return self._waiting.index(run) + 1 if run in self._waiting else None

    def close(self) -> None:
        """End all workers, each with its state saved; what waits stays in the store."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=GRACE + 1)

    def _serve(self) -> None:
        spare: subprocess.Popen[str] | None = None
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting, timeout=self._spare_after)
        while not self._closed:
            spare = self._living(spare)
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._next())
                run = self._next()
                if self._closed or not run:
                    break
                self._waiting.remove(run)
                self._working.append(run)
            try:
                if run.facts()["status"] in ("queued", "interrupted", "failed", "running", "paused"):
                    process, spare = self._living(spare), None  # it may have died while it waited
                    if process:
                        self._work(process, run)
                        self._go_on(run)
            finally:
                with self._changed:
                    self._working.remove(run)
                    self._changed.notify_all()
        if spare:
            spare.kill()  # it has no run to save, and may be seconds from hearing that it is to leave
            _end(spare)

    def _go_on(self, run: Run) -> None:
        """Queue what a search goes on with after a run of it, unless the workers are closed."""
        if self._closed:  # to look through the store would hold up the server's end
            return
        # A damaged run or a full disk: the search waits for the next click.
        with self._searching, contextlib.suppress(Refusal, OSError):
            for following in next_runs(run):
                self.submit(following)

    def _living(self, spare: subprocess.Popen[str] | None) -> subprocess.Popen[str] | None:
        """The waiting process, or a new one in its place if it has died; None once the workers are closed."""
        while not self._closed:
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

    def _next(self) -> Run | None:
        """The first run in the queue that nobody is at."""
        return next((run for run in self._waiting if run not in self._working), None)

    def _work(self, process: subprocess.Popen[str], run: Run) -> None:
        """Give the run to the process and see it through; a worker that does not stop when asked is killed."""
        assert process.stdin
        with contextlib.suppress(OSError):  # it died while it waited: the run is still in the store, and says so
            process.stdin.write(json.dumps(str(run.folder.resolve())) + "\n")  # any name's letters, in ASCII
            process.stdin.flush()
        asked: float | None = None
        while process.poll() is None and not self._closed:
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
