"""The networks that are looked into, taken apart once for all visitors, and what takes long to find out about them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import numpy as np
import streamlit as st

from core.inside.network import Network, Progress, dead_channels, most_exciting
from core.inside.plane import Pca, neighbour_accuracy, pca, penultimate, tsne_aside
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

    model: Model
    network: Network


@dataclass
class Work:
    """Something that is computed beside the pages; whoever asked for it can see how far it is, and stop it."""

    found: Future = field(default_factory=Future)
    done: float = 0.0  # share, 0 to 1
    stopped: threading.Event = field(default_factory=threading.Event)

    def is_found(self, patience: float = 0) -> bool:
        """Whether it is computed, and was not stopped, within so many seconds."""
        wait([self.found], patience)
        return self.found.done() and not self.found.exception()

    def progress(self, done: int, total: int) -> None:
        """Tell how many of all images are done. Raises: InterruptedError, once it is stopped."""
        self.done = done / max(1, total)
        if self.stopped.is_set():
            raise InterruptedError


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs=server.BY_WEIGHTS)
def opened(run: Run, epoch: int | None = None) -> Opened:
    """The run's best model, or its newest checkpoint until the run is done; with `epoch` that epoch's, if it is kept.

    Raises: Refusal, if it has none.
    """
    model = server.model(run) if epoch is None else open_at(run, epoch)
    return Opened(model, Network.of(model.module, run.spec, model.shape, run.started().class_count))


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs=server.BY_WEIGHTS)
def untrained(run: Run) -> Network:
    """The run's network with the random weights that its seed draws. Raises: Refusal, as `opened`."""
    return opened(run).network.untrained(run.spec)


@st.cache_resource(show_spinner=False)
def _beside() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="inside")  # two at the same time would slow each other down


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=server.BY_WEIGHTS)
def dead(run: Run, epoch: int | None = None) -> Work:
    """Which channels of a run's network are 0 on all val images, see `dead_channels`. Raises: Refusal, as `images`."""
    network, val = opened(run, epoch).network, images(run, "val")
    return _begin(lambda progress: dead_channels(network, val.images, progress))


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=server.BY_WEIGHTS)
def exciting(run: Run, epoch: int | None, layer: int, channel: int) -> Work:
    """The val images that excite a channel most, see `most_exciting`. Raises: Refusal, as `images`."""
    network, val = opened(run, epoch).network, images(run, "val")
    return _begin(lambda progress: most_exciting(network, val.images, layer, channel, progress=progress))


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=server.BY_WEIGHTS)
def reasons(run: Run, epoch: int | None, image: np.ndarray, k: int) -> Work:
    """The maps that say why of the run's network and of the untrained one, or a Refusal, by the names of `REASONS`."""
    network, other = opened(run, epoch).network, untrained(run)

    def compute(progress: Progress) -> dict[str, tuple[Reason, Reason] | Refusal]:
        found: dict[str, tuple[Reason, Reason] | Refusal] = {}
        for place, (name, method) in enumerate(REASONS.items()):
            progress(place, len(REASONS))
            try:
                found[name] = method(network, image, k), method(other, image, k)
            except Refusal as refusal:  # a network without convolutions
                found[name] = refusal
        return found

    return _begin(compute)


@dataclass(frozen=True)
class Plane:
    """Images of a split, as the last layer gets them."""

    images: np.ndarray  # uint8 (N, C, H, W)
    labels: np.ndarray  # int64 (N,)
    probabilities: np.ndarray  # float32 (N, K)
    values: np.ndarray  # float32 (N, D), see `penultimate`
    pca: Pca
    of_values: Measure  # the share of images whose ten neighbours name their class: in `values`,
    of_pixels: Measure  # and in the raw pixels


@st.cache_resource(show_spinner=False, max_entries=4, hash_funcs=server.BY_WEIGHTS)
def plane(run: Run, epoch: int | None, name: Name) -> Work:
    """The `Plane` of a split of the run, `val` or `test`. Raises: Refusal, as `images`."""
    one, split = opened(run, epoch), images(run, name)

    def compute(progress: Progress) -> Plane:
        values = penultimate(one.network, split.images, progress)
        images, labels = split.images[: len(values)], split.labels[: len(values)]
        probabilities = one.model.probabilities(images)
        near = (neighbour_accuracy(each, labels) for each in (values, images))
        return Plane(images, labels, probabilities, values, pca(values), *near)

    return _begin(compute)


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs=server.BY_WEIGHTS)
def tsne_points(run: Run, epoch: int | None, name: Name) -> Work:
    """The points float32 (N, 2) of the same images by t-SNE, from a process; once `plane` is found."""
    values = plane(run, epoch, name).found.result().values
    return _begin(lambda progress: tsne_aside(values, progress), _processes())


@st.cache_resource(show_spinner=False)
def _processes() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="inside process")  # each waits for a process


def _begin(what: Callable[[Progress], object], pool: ThreadPoolExecutor | None = None) -> Work:
    """Have something computed beside the pages, one after the other, in a `pool` of threads."""
    work = Work()

    def compute() -> None:
        try:
            work.found.set_result(what(work.progress))
        except (InterruptedError, MemoryError, RuntimeError) as error:
            work.found.set_exception(error)

    (pool or _beside()).submit(compute)
    return work
