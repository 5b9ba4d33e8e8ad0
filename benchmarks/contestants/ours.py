"""Our engine as a worker uses it: an epoch of `train`, computed by what `BANCADA_KERNELS` chooses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks.contestants.turn import Clock, Order, Ready, SkippedError, Spent, mnist, repeated, serve
from core import settings
from core.datasets import Split, Splits
from core.spec import RunSpec

if TYPE_CHECKING:
    from core.training.train import Data, State


def computed_by(state: State) -> str:
    """What computes the steps of a training: `kernels`, or `torch`."""
    return "kernels" if getattr(state.engine, "kernels", None) else "torch"


def prepare(order: Order) -> Ready:
    """Ready to train the order's spec; `variant`: `kernels`, `float32`, or empty for the precision that is chosen."""
    settings.wait_passively()
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads()))
    import torch  # after the settings of its threads

    from core.training.train import Data, State, train, update

    spec, device = RunSpec.model_validate(order.spec), torch.device("cpu")
    images, labels = mnist(order, axis=1)

    def new(count: int, spec: RunSpec = spec) -> tuple[Data, State]:
        split, val = Split(images[:count], labels[:count]), Split(images[:64], labels[:64])  # an epoch evaluates val
        return Data.of(Splits(split, val, val), device), State.new(spec, split, 10, device, settings.threads())

    chosen = new(order.batch)[1]
    if order.variant == "kernels" and computed_by(chosen) != "kernels":
        raise SkippedError("there are no kernels here, or they do not cover this network")
    if order.variant == "float32":
        if chosen.engine.precision == "float32":
            raise SkippedError("the engine chooses float32 by itself")
        spec = spec.model_copy(update={"precision": "float32"})

    def epoch(count: int) -> Spent:
        data, state = new(count, spec)
        with Clock() as clock:
            for _ in train(spec, data, state):
                pass
        return clock.spent.scaled(count)

    def limits() -> dict[str, float]:
        data, state = new(order.batch, spec)
        places = torch.arange(order.batch)
        state.engine.train()
        return {"update": repeated(lambda: update(spec, data, state, places, order.rate), order.batch)}

    words = "float32" if order.variant == "float32" else chosen.engine.precision
    return Ready(epoch, sum(one.numel() for one in chosen.engine.parameters), words, limits)


if __name__ == "__main__":
    serve(prepare)
