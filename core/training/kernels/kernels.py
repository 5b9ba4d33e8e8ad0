"""A PyTorch model that the kernels train: its parameters, their gradients and the optimizer's state are views of the
arrays which they use.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from core.networks.layers import Conv, Dropout, Row
from core.networks.modules import chance
from core.training.kernels import program
from core.training.kernels.compiled import lanes
from core.training.kernels.interpreter import Data, Model, Rule, Threads, run
from core.training.kernels.program import Program, written
from core.training.kernels.steps import GONE, RULES
from core.training.team import Team

Draw = Callable[[int, int, np.ndarray], np.ndarray]  # see `Kernels.steps`
NONE = np.empty((0, 0), np.float32)
ONE_THREAD = Threads(0, 1, np.zeros(1, np.int64))
MOST_DRAWN = 2**23  # bytes of augmented images and factors of dropout, drawn before the first of several steps
NO_RULE = Rule(0, np.zeros(4), 0, np.empty(0), NONE)
MOMENTS = {"sgd": ("momentum_buffer",), "adam": ("exp_avg", "exp_avg_sq"), "adamw": ("exp_avg", "exp_avg_sq")}
"""torch's names for the state of its optimizers, a value for each parameter, in the order of `run`'s moments."""


class Kernels:
    """Makes the steps of a model made by `train.new_model`, whose parameters move to a flat array, and answers by it.

    They stay torch tensors, as does the state of the optimizer, so that checkpoints and whatever reads the model notice
    nothing; convolutions' weights are in the channels-first layout from now on.

    Args:
        model: on the CPU.
        rows: the network's table.
        frozen: the number of first layers that are not trained.
        images: of a batch, divided by its parts.
        parts: the most parts of a batch.
    """

    def __init__(self, model: nn.Sequential, rows: Sequence[Row], frozen: int, images: int, parts: int):
        self._training = written(rows, trains=True, frozen=frozen, images=images, lanes=lanes())
        self._evaluation = written(rows, trains=False, lanes=lanes())
        self.drops = _drops(rows, frozen)
        self._dropped = sum(math.prod(shape) for shape, *_ in self.drops)  # values of an image
        bytes_of_image = math.prod(rows[0].shape_before) + 4 * self._dropped  # that are drawn
        self.most_steps = max(1, MOST_DRAWN // (images * parts * bytes_of_image))  # at once
        self._classes = rows[-1].shape[0]
        scale = model.get_submodule("scale")
        self._scale, self._shift = (buffer.view(-1).numpy() for buffer in scale.buffers())
        self._first_trained = sum(row.parameters for row in rows[:frozen])
        self._parameters = np.empty(sum(parameter.numel() for parameter in model.parameters()), np.float32)
        self._moments = np.zeros((2, len(self._parameters)), np.float32)
        self._memories = _memories(self._training, parts)
        self._crowding = Crowding()
        self._of_thread = threading.local()
        self._trained: list[tuple[nn.Parameter, slice]] = []  # with their places in the flat array
        flat, at = torch.from_numpy(self._parameters), 0
        for parameter in model.parameters():
            here = slice(at, at := at + parameter.numel())
            parameter.data = flat[here].view(parameter.shape).copy_(parameter.data)
            if parameter.requires_grad:
                self._trained.append((parameter, here))

    def ends(self, count: int) -> list[int]:
        """Where the parts of a batch of `count` images begin and the last one ends; each but that has whole blocks."""
        blocks = math.ceil(count / program.BLOCK)
        parts = min(len(self._memories), blocks)
        return [min(count, math.ceil(blocks * part / parts) * program.BLOCK) for part in range(parts + 1)]

    def steps(
        self,
        optimizer: Optimizer,
        team: Team,
        images: np.ndarray,
        labels: np.ndarray,
        batches: Sequence[np.ndarray],
        rates: Sequence[float],
        draw: Draw | None = None,
    ) -> np.ndarray:
        """Make one step after another, with one call of each thread: between two of them, threads do not need Python.

        Args:
            optimizer: torch's, of the model; its state follows, but for its learning rate.
            team: the threads.
            images: uint8 (N, C x H x W).
            labels: int64 (N,).
            batches: the places int64 (B,) of each step's images.
            rates: of learning, for each step.
            draw: called with a step (from 0), a part's number and its places, in a thread, before the first step:
                seeds `chance.generator`, for dropout, and returns images uint8 (B, C x H x W) in place of the part's.

        Returns the sums over each batch of the loss (nats) and of right answers, float64 (S, 2).
        """
        parts = len(self._memories)
        starts = np.cumsum([0, *map(len, batches)])
        ends = [[start + end for end in self.ends(len(one))] for start, one in zip(starts, batches, strict=False)]
        ends = np.array([row + [row[-1]] * (parts + 1 - len(row)) for row in ends])
        chosen = places = np.concatenate(batches)
        pixels, factors = images, NONE
        if draw:
            places, labels = np.arange(len(chosen)), labels[chosen]
            pixels = np.empty((len(chosen), images.shape[1]), np.uint8)
            factors = np.empty((len(chosen), self._dropped), np.float32)
        sums, meeting = np.zeros((len(batches), parts, 2)), np.zeros(1, np.int64)
        model = self._model(self._training, self._memories)
        data = Data(pixels, labels, places, ends, self._scale, self._shift, factors)
        rule, threads = self._rule(optimizer, rates), self._crowding.threads(min(team.threads, parts))

        def work(thread: int) -> None:
            if draw:
                self._fill(draw, chosen, ends, range(thread, parts, threads), pixels, factors)
            run(Threads(thread, threads, meeting), model, data, rule, sums, NONE)

        def leave() -> None:
            meeting[0] = GONE  # the others do not wait for a thread that will not come

        with self._crowding.watched(threads):
            team.run(work, range(threads), leave)
        self._tell(optimizer, len(batches))
        return sums.sum(axis=1)

    def logits(self, images: Tensor) -> Tensor:
        """Logits float32 (N, K) for images uint8 (N, C, H, W), as in evaluation."""
        if not hasattr(self._of_thread, "memories"):
            self._of_thread.memories = _memories(self._evaluation, 1)
        logits = np.empty((len(images), self._classes), np.float32)
        model = self._model(self._evaluation, self._of_thread.memories)
        which = np.empty(0, np.int64), np.arange(len(images)), np.array([[0, len(images)]])
        data = Data(images.flatten(1).numpy(), *which, self._scale, self._shift, NONE)
        run(ONE_THREAD, model, data, NO_RULE, np.empty((1, 1, 2)), logits)
        return torch.from_numpy(logits)

    def _model(self, program: Program, memories: np.ndarray) -> Model:
        return Model(program.lines, program.tables, program.block, self._parameters, self._first_trained, memories)

    def _rule(self, optimizer: Optimizer, rates: Sequence[float]) -> Rule:
        """The optimizer as `run` reads it, with these learning rates.

        Where its state is not yet in our array, as that of a new or of a resumed training, it moves there.
        """
        rule = type(optimizer).__name__.lower()
        group = optimizer.param_groups[0]
        betas = group["betas"] if rule != "sgd" else (group["momentum"], 0.0)
        step = 0
        for parameter, here in self._trained if rule != "sgd" or betas[0] else ():
            state = optimizer.state[parameter]
            for name, moments in zip(MOMENTS[rule], torch.from_numpy(self._moments), strict=False):
                ours = moments[here].view(parameter.shape)
                if name not in state or state[name].data_ptr() != ours.data_ptr():
                    state[name] = ours.copy_(state[name]) if name in state else ours.zero_()
            if rule != "sgd":
                step = int(state.setdefault("step", torch.zeros(())))
        constants = np.array([group["weight_decay"], *betas, group.get("eps", 0.0)])
        return Rule(RULES.index(rule), constants, step, np.array(rates, np.float64), self._moments)

    def _fill(
        self,
        draw: Draw,
        chosen: np.ndarray,
        ends: np.ndarray,
        parts: Iterable[int],
        pixels: np.ndarray,
        factors: np.ndarray,
    ) -> None:
        """Draw the images, and the factors of dropout, of these parts of each step: rows between two of its `ends`."""
        for (step, limits), part in itertools.product(enumerate(ends), parts):
            start, end = limits[part : part + 2]
            if start < end:
                pixels[start:end] = draw(step, part, chosen[start:end])
                if self.drops:
                    factors[start:end] = self._factors(end - start)

    def _tell(self, optimizer: Optimizer, steps: int) -> None:
        """Let torch know the last gradients, and how many more steps the optimizer has made."""
        gradients = torch.from_numpy(self._memories[0])
        for parameter, here in self._trained:
            parameter.grad = gradients[here].view(parameter.shape)
        for state in optimizer.state.values():
            if "step" in state:
                state["step"] += steps

    def _factors(self, count: int) -> np.ndarray:
        """What dropout multiplies the values of `count` images by: drawn as `modules.Dropout` does."""
        factors = []
        for shape, rate, layout in self.drops:
            of_layer = torch.empty(count, *shape, memory_format=layout)  # drawn in the order of memory
            share = 1 - rate
            factors.append(of_layer.bernoulli_(share, generator=chance.generator).div_(share).flatten(1))
        return torch.cat(factors, dim=1).numpy()


class Crowding:
    """Whether another program has one of two cores: then two threads, which wait for each other, are slower than one.

    That shows in their processor time, except in Windows, where waiting counts as processor time. One thread then
    leaves the other core to that program, for a while.
    """

    LEAST = 1.2  # processor seconds per second that two threads get where nobody takes a core from them
    WATCHED, ALONE = 0.2, 2.0  # seconds, of which the second one is for one thread

    def __init__(self):
        self._seconds = self._processor_seconds = self._alone_until = 0.0
        self._has_begun = False

    def threads(self, threads: int) -> int:
        """How many of these threads shall make the next steps."""
        return 1 if threads == 2 and time.perf_counter() < self._alone_until else threads

    @contextmanager
    def watched(self, threads: int) -> Iterator[None]:
        """Count the time of the block, in which so many threads make steps; not of the first one.

        In that, one thread makes Numba ready for all, which takes a quarter of a second in a new process.
        """
        began, processor_began = time.perf_counter(), time.process_time()
        yield
        now = time.perf_counter()
        has_begun, self._has_begun = self._has_begun, True
        if threads != 2 or not has_begun:
            return
        self._seconds += now - began
        self._processor_seconds += time.process_time() - processor_began
        if self._seconds > self.WATCHED:  # where the system counts processor time in hundredths of a second
            if self._processor_seconds < self.LEAST * self._seconds:
                self._alone_until = now + self.ALONE
            self._seconds = self._processor_seconds = 0.0


def _drops(rows: Sequence[Row], frozen: int) -> list[tuple[tuple[int, ...], float, torch.memory_format]]:
    """The shape, the rate, and the layout in memory of what each dropout gets from torch's layers.

    Convolutions make maps channels-last, as their weights are; weights of one value for a filter are in both layouts.
    """
    found, layout = [], torch.contiguous_format
    for row in rows:
        if isinstance(row.layer, Conv):
            both = row.shape_before[0] * row.layer.kernel == 1
            layout = torch.contiguous_format if both else torch.channels_last
        elif isinstance(row.layer, Dropout) and row.number > frozen:
            is_map = len(row.shape_before) == 3
            found.append((row.shape_before, row.layer.rate, layout if is_map else torch.contiguous_format))
    return found


def _memories(program: Program, count: int) -> np.ndarray:
    """New memory (count, M), each part of it from the beginning of a cache line."""
    return torch.zeros(count, program.memory).numpy()
