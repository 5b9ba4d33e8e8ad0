"""Estimates the time of an epoch on this machine from a few real training steps on random images."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from core import settings
from core.datasets import Dataset, Split, Splits
from core.images.splits import counts_of
from core.spec import RunSpec
from core.training.engine import useful_threads
from core.training.train import SECONDS_AT_ONCE, Data, State, sums_of, updates

STEPS = 20  # between two readings of the clock, since each of them waits for the device; a measurement takes ...
SECONDS = 1.5  # ... at least this long, since a processor's frequency varies ...
MOST_SECONDS = 10.0  # ... and at most about this long, however slow a step is
AT_ONCE = 5  # most steps that kernels make together, since time is looked at after them; in a training, up to 20
WARM_STEPS = 3  # not measured: they allocate memory and choose algorithms


@dataclass(frozen=True)
class Estimate:
    """The measured pace, extrapolated to an epoch and to the whole training."""

    epoch_seconds: float  # of training steps and validation; other programs make it longer
    seconds: float  # of all epochs, or the spec's time limit if that is shorter
    steps: int  # number of steps measured
    device: str
    threads: int


def estimate(spec: RunSpec, source: Dataset) -> Estimate:
    """Measure the training step and the validation of a spec, whose data need not be downloaded. Raises: Refusal."""
    classes, device = source.class_count, torch.device(settings.device())
    threads = useful_threads(spec.layers, settings.threads())
    n_train, n_val = counts_of(spec, source.counts)
    batch = _made_up(min(spec.batch_size, n_train), spec.input_shape(source.shape), classes)
    state = State.new(spec, batch, classes, device, threads)
    val = _made_up(min(n_val, threads * state.engine.images_at_once), spec.input_shape(source.shape), classes)
    data = Data.of(Splits(train=batch, val=val, test=val), device)
    places = torch.randperm(len(batch.labels)).to(device)

    def steps(count: int = 1) -> Tensor:
        # Rate 0, so that random labels cannot make it diverge.
        return updates(spec, data, state, [places] * count, [0.0] * count)[0]

    def look_at_val() -> Tensor:
        sums = torch.zeros_like(state.sums)
        labels_in_parts = data.val_labels.split(state.engine.images_at_once)
        for logits, labels in zip(state.engine.evaluated(data.val_images), labels_in_parts, strict=True):
            sums += sums_of(logits, labels)
        return sums

    state.engine.train()
    pace, _ = _pace(steps, WARM_STEPS, 0)
    kernels = state.engine.kernels
    together = max(1, min(AT_ONCE, kernels.most_steps, int(SECONDS_AT_ONCE / pace))) if kernels else 1
    seconds, calls = _pace(partial(steps, together), STEPS // together, SECONDS)
    look_at_val()
    val_seconds, _ = _pace(look_at_val, 1, SECONDS / 3)
    epoch = seconds / together * n_train / len(places) + val_seconds * n_val / len(val.labels)
    return Estimate(epoch, min(epoch * spec.epochs, spec.time_limit or np.inf), calls * together, device.type, threads)


def _pace(do: Callable[[], Tensor], least: int, least_seconds: float) -> tuple[float, int]:
    """The mean seconds of a call of `do` and the number of calls: a multiple of `least`, fewer if that takes too long.

    Calls last at least `least_seconds` in total, unless `MOST_SECONDS` is reached.
    """
    done, began = 0, time.perf_counter()
    while True:
        result = do()
        done += 1
        late = time.perf_counter() - began > MOST_SECONDS
        if done % least == 0 or late:
            result[0].item()  # waits until the device has finished
            seconds = time.perf_counter() - began
            if late or seconds > least_seconds:
                return seconds / done, done


def _made_up(n: int, shape: tuple[int, int, int], classes: int) -> Split:
    """A split of `n` noise images of `shape` (C, H, W) with random labels."""
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (n, *shape), dtype=np.uint8)
    return Split(images=images, labels=chance.integers(0, classes, n))
