"""What a worker of a Dask cluster does for this program; to import it, Dask has to be installed."""

from __future__ import annotations

import functools
import time
from pathlib import Path

from distributed import Reschedule, Worker, WorkerPlugin, get_worker

from core.store import Run
from core.workers import WORKED_AT, LocalProcesses, carry

LEAVING = 1.0  # seconds that the worker before has to save the state, in case that it was told to end


class Processes(WorkerPlugin):
    """Keeps the processes that train a Dask worker's runs, ready before the first run and ended with the worker."""

    name = "bancada"
    idempotent = True  # else another server, or the same one started again, would end those that are at work

    def setup(self, worker: Worker) -> None:
        """Start them, so that the first run need not wait for their imports."""
        _processes(worker.state.nthreads)

    def teardown(self, worker: Worker) -> None:
        """End them; each saves the state of its run."""
        _processes(worker.state.nthreads).shutdown()


@functools.cache
def _processes(threads: int) -> LocalProcesses:
    return LocalProcesses(threads, spare_after=0)


def take_and_carry(folder: str) -> str:
    """Take the run in `folder` and train it, see `carry`; returns its status then.

    Dask gives a run to a worker only when the one that had it before is lost, which may still be at it.
    """
    run = Run(Path(folder))
    status = run.facts()["status"]
    if status not in WORKED_AT:
        return status
    end = time.monotonic() + LEAVING
    while run.is_held() and time.monotonic() < end:
        time.sleep(0.02)
    here = _processes(get_worker().state.nthreads)
    status = here.submit(carry, folder, run.take()).result()
    if here.leaves() and status in WORKED_AT:
        raise Reschedule  # this worker is to end: another one goes on
    return status
