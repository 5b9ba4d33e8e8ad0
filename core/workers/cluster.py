"""A Dask cluster as an executor: its workers train the queued runs, in the store, which all its machines share.

Dask is imported only once the scheduler is looked for. Whoever reaches that scheduler can run programs as its owner: it
is for a network of one's own.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import logging
import re
import secrets
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.refusal import Refusal

if TYPE_CHECKING:
    from distributed import Client
    from distributed import Future as DaskFuture
    from distributed.utils import LoopRunner

LOOKS = 1.0  # seconds between two questions to the scheduler
PATIENCE = 3.0  # seconds until a question without an answer counts as no scheduler
ADDRESS = re.compile(r"tcp://[^\s/:]+:\d{1,5}")
LASTING = ("cluster.no_folder", "cluster.other_program")  # problems that last until a run is done
ABSENT = "absent"  # what `carry_there` returns where there is no such folder, before the machine's name


@dataclass(frozen=True)
class DaskWorker:
    """A worker of the cluster, as the scheduler knows it."""

    name: str
    host: str
    threads: int  # runs at the same time
    runs: tuple[str, ...]  # names of those that it has


class _Order:
    """A call that somebody waits for, with Dask's future of it while the scheduler has it."""

    def __init__(self, key: str, call: Callable[[], Any]):
        self.key, self.call = key, call
        self.future: Future[Any] = Future()
        self.task: DaskFuture | None = None


class Cluster(Executor):
    """An executor that keeps what it was given until a worker of the cluster has done it.

    Where the scheduler is not there, it is looked for again; what it had not finished is submitted again. A thread does
    all that, and nobody waits for it: `problem` and `workers` are what it has found last.

    Args:
        address: of the scheduler, such as `tcp://192.168.0.10:8786`.
    """

    def __init__(self, address: str):
        self.address = address
        self.problem: Refusal | None = None
        self.workers: tuple[DaskWorker, ...] = ()
        self.changed: Callable[[], None] = lambda: None  # called when there is room for another number of runs
        self._orders: list[_Order] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._client: Client | None = None
        self._loop: LoopRunner | None = None
        self._thread = threading.Thread(target=self._tend, daemon=True)
        self._thread.start()

    def slots(self) -> int:
        """How many runs the cluster can train at the same time; 1 at least, which then waits for it."""
        return max(1, sum(one.threads for one in self.workers))

    def submit(self, task: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a call, such as `carry_there(folder)`. Raises: RuntimeError, once closed."""
        if self._closed.is_set():
            raise RuntimeError("closed")
        key = f"{Path(str(args[0])).name if args else ''}:{secrets.token_hex(8)}"
        order = _Order(key, functools.partial(task, *args, **kwargs))
        with self._lock:
            self._orders.append(order)
        self._wake.set()
        return order.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """Leave the cluster: runs at work go on there; those that wait stay in the store."""
        del cancel_futures
        self._closed.set()
        self._wake.set()
        if wait:
            self._thread.join(timeout=2 * PATIENCE)

    def _tend(self) -> None:
        try:
            while not self._closed.is_set():
                try:
                    client = self._connected()
                    self._hand_over(client)
                    self._look(client)
                except Refusal as refusal:
                    self._lose(refusal)
                except ImportError:  # on a worker
                    self._lose(Refusal("cluster.other_program", address=self.address))
                # No answer, an interrupted one, a client that has ended, or one that has lost what it had submitted.
                except (OSError, RuntimeError, ValueError, CancelledError):
                    self._lose(Refusal("cluster.absent", address=self.address))
                self._wake.wait(LOOKS)
                self._wake.clear()
        finally:
            self._end()

    def _end(self) -> None:
        """Give back what is not finished, and take nothing more; if nobody has asked for that, an error has."""
        problem = None if self._closed.is_set() else Refusal("cluster.ended", address=self.address)
        self._closed.set()
        with self._lock:
            orders, self._orders = self._orders, []
        for order in orders:
            order.future.cancel()
        self._lose(problem)
        if self._loop:
            self._loop.stop()

    def _connected(self) -> Client:
        """The client, connected to the scheduler. Raises: Refusal; OSError, if there is none."""
        if self._client and self._client.status == "running":
            return self._client
        if not ADDRESS.fullmatch(self.address):
            raise Refusal("cluster.address", address=self.address)
        if not importlib.util.find_spec("distributed"):
            raise Refusal("cluster.not_installed", python=sys.executable)
        self._lose(self.problem)
        from distributed import Client
        from distributed.utils import LoopRunner

        from core.workers.dask_worker import Processes

        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # `problem` says it
        # A client that finds no scheduler would leave a thread behind if it had a loop of its own.
        if not self._loop:
            self._loop = LoopRunner()
            self._loop.start()
        self._client = Client(
            self.address, loop=self._loop.loop, timeout=PATIENCE, set_as_default=False, name="bancada"
        )
        self._client.register_plugin(Processes())
        return self._client

    def _lose(self, problem: Refusal | None) -> None:
        """Let go of the client; what it had submitted is submitted anew by the next one."""
        self.problem, self.workers = problem, ()
        client, self._client = self._client, None
        with self._lock:
            for order in self._orders:
                order.task = None
        if client:
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                client.close(timeout=PATIENCE)

    def _hand_over(self, client: Client) -> None:
        """Submit what the scheduler does not have, and pass on what its workers have done."""
        with self._lock:
            orders = list(self._orders)
        for order in orders:
            task = order.task
            if task is None:
                order.task = client.submit(order.call, key=order.key, pure=False)
                order.task.add_done_callback(lambda _: self._wake.set())
            elif task.status == "finished":
                self._done(order, task.result(timeout=PATIENCE))
            elif task.status == "error":
                error: Any = task.exception(timeout=PATIENCE)
                self._done(order, error=error)
            elif task.status != "pending":  # the scheduler has lost it
                order.task, order.key = None, f"{order.key.partition(':')[0]}:{secrets.token_hex(8)}"
                self._wake.set()

    def _done(self, order: _Order, result: object = None, *, error: BaseException | None = None) -> None:
        with self._lock:
            self._orders.remove(order)
        if isinstance(result, str) and result.startswith(ABSENT):
            self.problem = Refusal(
                "cluster.no_folder", machine=result.partition(" ")[2], run=order.key.partition(":")[0]
            )
        elif isinstance(error, ImportError):
            self.problem = Refusal("cluster.other_program", address=self.address)
        elif not error:
            self.problem = None
        if error:
            order.future.set_exception(error)
        else:
            order.future.set_result(result)

    def _look(self, client: Client) -> None:
        """Learn what workers there are and what each does."""
        assert client.scheduler
        known: Any = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=PATIENCE)
        busy: Any = client.sync(client.scheduler.processing, workers=None, callback_timeout=PATIENCE)
        before = self.slots()
        self.workers = tuple(
            DaskWorker(
                name=str(one["name"]),
                host=str(one["host"]),
                threads=int(one["nthreads"]),
                runs=tuple(str(key).partition(":")[0] for key in busy.get(address, ())),
            )
            for address, one in sorted(known["workers"].items())
        )
        if not self.workers:
            self.problem = Refusal("cluster.no_workers", address=self.address)
        elif self.problem and self.problem.key not in LASTING:
            self.problem = None
        if self.slots() != before:
            self.changed()


def carry_there(folder: str) -> str:
    """The task of a Dask worker, see `take_and_carry`; says so if its machine does not have the folder."""
    from core.workers.dask_worker import take_and_carry

    return take_and_carry(folder) if Path(folder).is_dir() else f"{ABSENT} {socket.gethostname()}"
