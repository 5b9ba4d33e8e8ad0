"""The networks that are looked into, taken apart once for all visitors, and what takes long to find out about them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import streamlit as st

from core.inside.network import Network, Progress, dead_channels
from core.models.model import Model
from core.store import Run
from ui import server


@dataclass(frozen=True)
class Opened:
    """A run's model, and the same taken apart."""

    model: Model
    network: Network


@dataclass
class Work:
    """Something that is computed beside the pages; whoever asked for it can see how far it is, and stop it."""

    found: Future = field(default_factory=Future)
    done: float = 0.0  # share, 0 to 1
    stopped: threading.Event = field(default_factory=threading.Event)

    def is_found(self) -> bool:
        """Whether it is computed, and was not stopped."""
        return self.found.done() and not self.found.exception()

    def progress(self, done: int, total: int) -> None:
        """Tell how many of all images are done. Raises: InterruptedError, once it is stopped."""
        self.done = done / max(1, total)
        if self.stopped.is_set():
            raise InterruptedError


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs=server.BY_WEIGHTS)
def opened(run: Run) -> Opened:
    """The run's best model, or its newest checkpoint until the run is done. Raises: Refusal, if it has none yet."""
    model = server.model(run)
    return Opened(model, Network.of(model.module, run.spec, model.shape, run.started().class_count))


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs=server.BY_WEIGHTS)
def untrained(run: Run) -> Network:
    """The run's network with the random weights that its seed draws. Raises: Refusal, as `opened`."""
    return opened(run).network.untrained(run.spec)


@st.cache_resource(show_spinner=False)
def _beside() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="inside")  # two at the same time would slow each other down


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=server.BY_WEIGHTS)
def dead(run: Run) -> Work:
    """Which channels of a run's network are 0 on all val images, see `dead_channels`. Raises: Refusal, without data."""
    network, images = opened(run).network, server.splits(run.spec).val
    assert images is not None
    return _begin(lambda progress: dead_channels(network, images.images, progress))


def _begin(what: Callable[[Progress], object]) -> Work:
    """Have something computed beside the pages, one after the other."""
    work = Work()

    def compute() -> None:
        try:
            work.found.set_result(what(work.progress))
        except (InterruptedError, MemoryError, RuntimeError) as error:
            work.found.set_exception(error)

    _beside().submit(compute)
    return work
