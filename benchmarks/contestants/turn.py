"""A contestant's side of the race: it gets its order, warms up, and times an epoch each time that its turn comes.

It talks in lines of JSON. Its only argument is an `Order`. It answers `{"ready": WORDS}` or `{"skipped": REASON}`; then
each line `{"images": N}` on standard input is a turn, answered by `{"seconds": S, "processor": S}` for 60,000 images.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

EPOCH = 60_000  # images to which all seconds are scaled
WARM = 20  # steps before the clock starts


@dataclass(frozen=True)
class Order:
    """What a contestant trains: a network and its settings, the same for all of them."""

    layers: list[dict[str, Any]]  # as `core/networks/layers.py` has them; convolutions have `same` besides
    channels: int
    batch: int
    optimizer: str  # adam or sgd
    rate: float
    parameters: int  # of the network
    spec: dict[str, Any]  # the `RunSpec` of this
    folder: str  # with MNIST's files
    variant: str


@dataclass(frozen=True)
class Spent:
    """Wall and processor time, s."""

    seconds: float
    processor: float

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.seconds + other.seconds, self.processor + other.processor)

    def times(self, factor: float) -> Spent:
        """The time of `factor` as much work."""
        return Spent(self.seconds * factor, self.processor * factor)

    def scaled(self, images: int) -> Spent:
        """The time of 60,000 images at the pace of `images`."""
        return self.times(EPOCH / images)


class Clock:
    """A block of code with the time that it took: `with Clock() as clock: ...`, then `clock.spent`.

    Processor time is that of all threads, and of child processes that have ended within the block.
    """

    spent: Spent

    def __enter__(self) -> Clock:
        self._begun = Clock.now()
        return self

    def __exit__(self, *_: object) -> None:
        self.spent = Clock.now() + self._begun.times(-1)

    @staticmethod
    def now() -> Spent:
        """The readings of both clocks."""
        children = os.times()
        return Spent(time.perf_counter(), time.process_time() + children.children_user + children.children_system)


class SkippedError(Exception):
    """A contestant cannot train this network here; the text says why."""


@dataclass(frozen=True)
class Ready:
    """A prepared contestant."""

    epoch: Callable[[int], Spent]  # train once on the first so many images; the time is scaled to 60,000
    parameters: int  # of its network
    words: str = ""  # to stand beside its name


def serve(prepare: Callable[[Order], Ready]) -> None:
    """Be a contestant until standard input ends."""
    order = Order(**json.loads(sys.argv[1]))
    try:
        ready = prepare(order)
    except SkippedError as reason:
        _say({"skipped": str(reason)})
        return
    assert ready.parameters == order.parameters, "it has built another network"
    ready.epoch(WARM * order.batch)
    _say({"ready": ready.words})
    for line in sys.stdin:
        _say(vars(ready.epoch(json.loads(line)["images"])))


def mnist(order: Order, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """MNIST's train images, uint8, and labels, int64 (N,); `axis` of the images, 1 or 3, has the order's channels.

    The one channel is repeated: on other pictures of this size the same network would take as long.
    """
    raw = Path(order.folder, "MNIST", "raw")
    images = np.fromfile(raw / "train-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 28, 28)
    labels = np.fromfile(raw / "train-labels-idx1-ubyte", np.uint8)[8:].astype(np.int64)
    return np.repeat(np.expand_dims(images, axis), order.channels, axis), labels


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)
