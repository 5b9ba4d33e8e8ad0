"""Tries growing learning rates, step by step, on a copy of a network, and suggests the one to begin a training with.

Source: Smith 2017, section 3.3 (the range test); the weighted mean, its correction and the factor at which a sweep ends
as in fastai's `lr_find` (Howard, Gugger 2020).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from core import settings
from core.datasets import Dataset, Splits
from core.spec import RunSpec
from core.training.engine import useful_threads
from core.training.ready import USUAL_RATES
from core.training.train import Data, State, order, update
from core.training.transfer import take_over
from core.workers.sweep import STEPS

DECADES = 6  # of rates, from the lowest usual one of the optimizer on
KEPT = 0.9  # share of the smoothed loss that a step keeps
DIVERGED = 4  # times the smallest smoothed loss so far: a sweep ends there
FIRST = 10  # steps whose mean is of too few batches to be compared
LEAST_FALL = 0.05  # of the smoothed loss: where it falls less, nothing is suggested
# So many times the spread of the batch losses, too: where these only vary around a constant, the smallest smoothed loss
# of 100 steps is as far below the one at `FIRST` in less than 5 % of sweeps, whatever the spread.
LEAST_SPREADS = 1.1


@dataclass(frozen=True)
class Tried:
    """A step with one learning rate."""

    step: int  # from 1
    rate: float
    loss: float  # nats, of the batch before its step
    smoothed: float  # nats, the weighted mean of the losses so far


@dataclass(frozen=True)
class Suggestion:
    """The learning rate to begin with, `steepest` or a tenth of `lowest`, whichever is smaller."""

    rate: float  # with two significant digits
    because: Literal["steepest", "tenth"]
    steepest: float  # at which the smoothed loss falls fastest, by the logarithm of the rate
    lowest: float  # at which the smoothed loss is smallest


def sweep(spec: RunSpec, source: Dataset, splits: Splits) -> Iterator[Tried]:
    """Make up to `STEPS` steps as a run of the spec begins, with exponentially growing rates, until the loss diverges.

    The network is one of its own, and once the iterator is exhausted or closed torch's generators are as they were: a
    training that begins then is the same to the last bit. Raises: Refusal, if layers cannot be taken over.
    """
    device = torch.device(settings.device())
    threads = useful_threads(spec.layers, settings.threads())
    low, smallest, mean = USUAL_RATES[spec.optimizer][0], math.inf, 0.0
    with _generators_kept(device):
        state = State.new(spec, splits.train, source.class_count, device, threads)
        take_over(spec, state.model)
        data = Data.of(splits, device)
        state.engine.train()
        for batch in itertools.islice(_batches(spec, len(data.train_labels)), STEPS):
            rate = low * 10 ** (DECADES * state.step / (STEPS - 1))
            loss = update(spec, data, state, batch.to(device), rate)[0].item() / len(batch)
            state.step += 1
            mean = KEPT * mean + (1 - KEPT) * loss
            smoothed = mean / (1 - KEPT**state.step)
            if not math.isfinite(smoothed):
                return
            yield Tried(state.step, rate, loss, smoothed)
            smallest = min(smallest, smoothed)
            if state.step > FIRST and smoothed > DIVERGED * smallest:
                return


def suggestion(tried: Sequence[Tried]) -> Suggestion | None:
    """The learning rate that a sweep suggests; None if the loss fell with none of them by more than chance explains."""
    tried = list(itertools.takewhile(lambda one: math.isfinite(one.loss) and math.isfinite(one.smoothed), tried))
    rates = np.array([one.rate for one in tried[FIRST:]])
    smoothed = np.array([one.smoothed for one in tried[FIRST:]])
    lowest = int(smoothed.argmin()) if len(smoothed) else 0
    if lowest < 2 or smoothed[lowest] > (1 - LEAST_FALL) * smoothed[0]:
        return None
    # The spread is that of the differences between neighbours: of a loss that falls, these hold little of the fall.
    changes = np.diff([one.loss for one in tried[: FIRST + lowest + 1]])
    if smoothed[0] - smoothed[lowest] < LEAST_SPREADS * math.sqrt((changes**2).mean() / 2):
        return None
    slopes = np.gradient(smoothed[: lowest + 1], np.log(rates[: lowest + 1]))
    steepest, tenth = float(rates[slopes.argmin()]), float(rates[lowest]) / 10
    rate = float(f"{min(steepest, tenth):.1e}")
    return Suggestion(rate, "steepest" if steepest <= tenth else "tenth", steepest, float(rates[lowest]))


def _batches(spec: RunSpec, n: int) -> Iterator[torch.Tensor]:
    """The batches of a run of the spec with `n` train images, epoch after epoch without end."""
    for epoch in itertools.count():
        yield from order(spec.seed, epoch, n).split(spec.batch_size)


@contextmanager
def _generators_kept(device: torch.device) -> Iterator[None]:
    """Leave torch's random generators as they were before the block."""
    other = getattr(torch, device.type) if device.type in ("cuda", "mps") else None
    drawn, drawn_there = torch.get_rng_state(), other and other.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(drawn)
        if other:
            other.set_rng_state(drawn_there)
