"""Our engine as a worker uses it: an epoch of `train`, by kernels or by torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from benchmarks.contestants.turn import Clock, Order, Ready, SkippedError, Spent, mnist, serve
from core import settings
from core.datasets import Split, Splits
from core.events import ComputedBy, Epoch
from core.spec import RunSpec

if TYPE_CHECKING:
    from core.training.train import Data, State


def prepare(order: Order) -> Ready:
    """Ready to train the order's spec as the engine chooses; or, by `variant`, as it does not choose by itself.

    `variant`: empty, `kernels`, `torch`, or `torch-float32`.
    """
    settings.wait_passively()
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads()))
    import torch  # after the settings of its threads

    from core.training.train import Data, State, train

    spec, device = RunSpec.model_validate(order.spec), torch.device(settings.device())
    images, labels = mnist(order, axis=1)

    def new(count: int, kernels: str, spec: RunSpec = spec) -> tuple[Data, State]:
        os.environ["BANCADA_KERNELS"] = kernels
        split, val = Split(images[:count], labels[:count]), Split(images[:64], labels[:64])  # an epoch evaluates val
        return Data.of(Splits(split, val, val), device), State.new(spec, split, 10, device, settings.threads())

    able = new(order.batch, "1")[1].engine.computed_by  # first, so that the kernels are there for the next
    chosen = new(order.batch, "")[1]
    if order.variant == "kernels" and able != "kernels":
        raise SkippedError("there are no kernels here, or they do not cover this network")
    if order.variant == chosen.engine.computed_by:
        raise SkippedError("the engine chooses it by itself")
    kernels = {"": "", "kernels": "1"}.get(order.variant, "0")
    if order.variant == "torch-float32":
        if new(order.batch, kernels)[1].engine.precision == "float32":
            raise SkippedError("on torch the engine chooses float32 by itself")
        spec = spec.model_copy(update={"precision": "float32"})
    mine = new(order.batch, kernels, spec)[1]

    endless = spec.model_copy(update={"epochs": 10_000})
    trainings: dict[int, Iterator[Any]] = {}  # by number of images, which a training cannot change

    def epoch(count: int) -> Spent:
        """The next epoch of a training, not its first, in which all of its memory is new."""
        if count not in trainings:
            trainings[count] = train(endless, *new(count, kernels, endless))
            next(event for event in trainings[count] if isinstance(event, Epoch))
        with Clock() as clock:
            next(event for event in trainings[count] if isinstance(event, Epoch))
        return clock.spent.scaled(count)

    words = f"{mine.engine.computed_by}, {mine.engine.precision}"
    return Ready(epoch, sum(one.numel() for one in mine.engine.parameters), words)


def processor_seconds(spec: RunSpec, order: Order, images: int, by: ComputedBy, threads: int = 1) -> Iterator[float]:
    """The processor seconds per 60,000 images of one epoch after another; the training is made ready at the call."""
    import torch

    from core.training.train import Data, State, train

    pixels, labels = mnist(order, axis=1)
    split, val = (Split(pixels[:count], labels[:count]) for count in (images, 64))
    spec, device = spec.model_copy(update={"epochs": 10_000}), torch.device("cpu")
    state = State.new(spec, split, 10, device, threads, by=by)
    assert state.engine.computed_by == by
    training = train(spec, Data.of(Splits(split, val, val), device), state)

    def seconds() -> Iterator[float]:
        while True:
            with Clock() as clock:
                next(event for event in training if isinstance(event, Epoch))
            yield clock.spent.scaled(images).processor

    return seconds()


if __name__ == "__main__":
    serve(prepare)
