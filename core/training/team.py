"""Threads that compute parts of one thing in parallel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class Team:
    """Threads that compute parts in parallel, each with single-threaded operations.

    torch's own threads synchronise after every operation, some hundred times per step: as soon as another program uses
    a core they wait for each other, and an epoch takes three to five times as long. These threads synchronise once for
    all items: on an idle machine they are as fast, and next to another program an epoch takes less than twice as long.
    Which thread takes which item is not deterministic; the results are.
    """

    def __init__(self, threads: int):
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads - 1, initializer=_compute_alone) if threads > 1 else None

    def run(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        leave: Callable[[], None] = lambda: None,
    ) -> list[Result]:
        """`function` of each item, in the items' order; also uses the caller's thread. Raises: as `function` does.

        If there are no more items than threads, each gets a thread of its own, so that they may wait for each other.

        `leave`: called if a thread fails or cannot be started, so that no other one waits for it.
        """
        results: dict[int, Result] = {}
        left = iter(range(len(items)))  # `next` on a range iterator is atomic under the GIL

        def work() -> None:
            try:
                with denormal_as_zero():
                    for place in left:
                        results[place] = function(items[place])
            except BaseException:
                leave()
                raise

        others: list[Future[None]] = []
        try:
            if self._pool:
                for _ in range(min(self.threads, len(items)) - 1):
                    others.append(self._pool.submit(work))
            work()
        except BaseException:
            leave()
            for _ in left:  # nothing is left for what a thread that could not be started still has to do
                pass
            raise
        finally:
            wait(others)
        for other in others:
            other.result()
        return [results[place] for place in range(len(items))]


@contextmanager
def denormal_as_zero() -> Iterator[None]:
    """Have this thread take numbers below 1.2e-38 as 0 within the block, as TensorFlow and JAX do.

    Adam's mean gradient of a weight gets that small where its pixel is black in hundreds of steps, and stays so: each
    step of Adam then takes longer (`benchmarks/adam.py`). Outside, other code may count on such numbers.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _compute_alone() -> None:
    torch.set_num_threads(1)
