"""The networks that are looked into, taken apart once for all visitors, and what takes long to find out about them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from weakref import WeakSet

import numpy as np
import streamlit as st

from core.inside.network import Network, Progress, dead_channels, most_exciting
from core.inside.plane import Pca, neighbour_accuracy, pca, penultimate, spread, tsne_aside
from core.inside.reasons import REASONS, Reason
from core.measures.answers import Measure
from core.models.model import Model
from core.models.snapshots import open_at
from core.refusal import Refusal
from core.store import Run
from ui import server
from ui.inside.images import Name, images


@dataclass(frozen=True)
class Opened:
    """A run's model, and the same taken apart."""

    run: Run
    model: Model
    network: Network


# What is found out about weights stays true while the run goes on training.
BY_OPENED: server.HashFuncs = {Opened: lambda one: (str(one.run.folder), one.model.sha256)}
ME = "inside.visitor"  # key in the session state


class Visitor:
    """Stands for a session: it is gone when the session is."""


def me() -> Visitor:
    """The visitor whose page this is."""
    return st.session_state.setdefault(ME, Visitor())


@dataclass
class Work:
    """Something that is computed beside the pages; all who wait for it can see how far it is.

    It is stopped once nobody waits for it any more.
    """

    found: Future = field(default_factory=Future)
    done: float = 0.0  # share, 0 to 1
    stopped: threading.Event = field(default_factory=threading.Event)
    waiting: WeakSet[Visitor] = field(default_factory=WeakSet)
    left: WeakSet[Visitor] = field(default_factory=WeakSet)  # those who have stopped waiting themselves

    def is_found(self, patience: float = 0) -> bool:
        """Whether it is computed, and was not stopped, within so many seconds."""
        wait([self.found], patience)
        return self.found.done() and not self.found.exception()

    def progress(self, done: int, total: int) -> None:
        """Tell how many of all images are done. Raises: InterruptedError, once it is stopped."""
        self.done = done / max(1, total)
        if self.stopped.is_set():
            raise InterruptedError

    def leave(self, visitor: Visitor) -> None:
        """Wait for it no more; it is stopped, unless others wait for it."""
        self.waiting.discard(visitor)
        if not self.waiting:
            self.stopped.set()

    def stop(self, visitor: Visitor) -> None:
        """Leave it, and know that it was the visitor's will."""
        self.left.add(visitor)
        self.leave(visitor)


def asked(find: Any, *arguments: object) -> Work:
    """What one of the functions below computes of its arguments; what it computes of others for this visitor is left.

    What was stopped, because nobody waited for it, begins again. Raises: Refusal, as `find`.
    """
    visitor, key = me(), f"inside.asked.{find.__name__}"
    work: Work = find(*arguments)
    if work.stopped.is_set() and visitor not in work.left and not work.is_found():
        find.clear(*arguments)
        work = find(*arguments)
    before: Work | None = st.session_state.get(key)
    if visitor not in work.left:
        work.waiting.add(visitor)
    if before and before is not work:
        before.leave(visitor)
    st.session_state[key] = work
    return work


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs=server.BY_WEIGHTS)
def opened(run: Run, epoch: int | None = None) -> Opened:
    """The run's best model, or its newest checkpoint until the run is done; with `epoch` that epoch's, if it is kept.

    Raises: Refusal, if it has none.
    """
    model = server.model(run) if epoch is None else open_at(run, epoch)
    return Opened(run, model, Network.of(model.module, run.spec, model.shape, run.started().class_count))


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs=BY_OPENED)
def untrained(one: Opened) -> Network:
    """The network with the random weights that the run's seed draws."""
    return one.network.untrained(one.run.spec)


@st.cache_resource(show_spinner=False)
def _beside() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="inside")  # two at the same time would slow each other down


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_OPENED)
def dead(one: Opened) -> Work:
    """Which channels of a network are 0 on all val images, see `dead_channels`. Raises: Refusal, as `images`."""
    val = images(one.run, "val")
    return _begin(lambda progress: dead_channels(one.network, val.images, progress))


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_OPENED)
def exciting(one: Opened, layer: int, channel: int) -> Work:
    """The val images that excite a channel most, see `most_exciting`. Raises: Refusal, as `images`."""
    val = images(one.run, "val")
    return _begin(lambda progress: most_exciting(one.network, val.images, layer, channel, progress=progress))


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_OPENED)
def reasons(one: Opened, image: np.ndarray, k: int) -> Work:
    """The maps that say why of the network and of the untrained one, or a Refusal, by the names of `REASONS`."""
    other = untrained(one)

    def compute(progress: Progress) -> dict[str, tuple[Reason, Reason] | Refusal]:
        found: dict[str, tuple[Reason, Reason] | Refusal] = {}
        for place, (name, method) in enumerate(REASONS.items()):
            check = partial(progress, place, len(REASONS))
            check()
            try:
                found[name] = method(one.network, image, k, check=check), method(other, image, k, check=check)
            except Refusal as refusal:  # a network without convolutions
                found[name] = refusal
        return found

    return _begin(compute)


@dataclass(frozen=True)
class Plane:
    """Images of a split, as the last layer gets them."""

    indices: np.ndarray  # int64 (N,), in the split
    images: np.ndarray  # uint8 (N, C, H, W)
    labels: np.ndarray  # int64 (N,)
    probabilities: np.ndarray  # float32 (N, K)
    values: np.ndarray  # float32 (N, D), see `penultimate`
    pca: Pca
    of_values: Measure  # the share of images whose ten neighbours name their class: in `values`,
    of_pixels: Measure  # and in the raw pixels
    total: int  # images of the split


@st.cache_resource(show_spinner=False, max_entries=4, hash_funcs=BY_OPENED)
def plane(one: Opened, name: Name) -> Work:
    """The `Plane` of a split of the run. Raises: Refusal, as `images`."""
    split = images(one.run, name)

    def compute(progress: Progress) -> Plane:
        indices = spread(one.network, len(split.labels))
        some, labels = split.images[indices], split.labels[indices]
        values = penultimate(one.network, some, progress)
        near = (neighbour_accuracy(each, labels) for each in (values, some))
        known = indices, some, labels, one.model.probabilities(some), values, pca(values)
        return Plane(*known, *near, total=len(split.labels))

    return _begin(compute)


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs=BY_OPENED)
def tsne_points(one: Opened, name: Name, _found: Plane) -> Work:
    """The points float32 (N, 2) of the same images by t-SNE, from a process; `_found` is what `plane` has found."""
    del one, name  # only part of the cache's key
    return _begin(lambda progress: tsne_aside(_found.values, progress), _processes())


@st.cache_resource(show_spinner=False)
def _processes() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="inside process")  # each waits for a process


def _begin(what: Callable[[Progress], object], pool: ThreadPoolExecutor | None = None) -> Work:
    """Have something computed beside the pages, one after the other, in a `pool` of threads."""
    work = Work()

    def compute() -> object:
        work.progress(0, 1)  # it may have been stopped before its turn
        return what(work.progress)

    work.found = (pool or _beside()).submit(compute)  # whatever it raises is kept, so that no page waits in vain
    return work
