"""A PyTorch model that the kernels compute: its parameters and gradients are views of the arrays which they use."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from core.networks.layers import Conv, Dropout, Row
from core.networks.modules import chance
from core.training.kernels.compiled import lanes
from core.training.kernels.interpreter import run
from core.training.kernels.program import Program, written

NONE = np.empty((0, 0), np.float32)


class Kernels:
    """Computes loss, gradients and logits of a model made by `train.new_model`, whose parameters move to a flat array.

    They stay torch tensors, so that optimizer, checkpoints and whatever reads the model notice nothing; convolutions'
    weights are in the channels-first layout from now on.

    Args:
        model: on the CPU.
        rows: the network's table.
        frozen: the number of first layers that are not trained.
        images: the most in a part of a batch.
        parts: the most parts of a batch.
    """

    def __init__(self, model: nn.Sequential, rows: Sequence[Row], frozen: int, images: int, parts: int):
        self._training = written(rows, trains=True, frozen=frozen, images=images, lanes=lanes())
        self._evaluation = written(rows, trains=False, lanes=lanes())
        self._drops = _drops(rows, frozen)
        self._classes = rows[-1].shape[0]
        scale = model.get_submodule("scale")
        self._scale, self._shift = (buffer.view(-1).numpy() for buffer in scale.buffers())
        self._parameters = np.empty(sum(parameter.numel() for parameter in model.parameters()), np.float32)
        self._memories = [_memory(self._training) for _ in range(parts)]
        self._gradients = [torch.from_numpy(memory[: self._training.parameters]) for memory in self._memories]
        self._of_thread = threading.local()
        self._trained: list[tuple[nn.Parameter, Tensor]] = []  # with their gradients
        flat, at = torch.from_numpy(self._parameters), 0
        for parameter in model.parameters():
            here = slice(at, at := at + parameter.numel())
            parameter.data = flat[here].view(parameter.shape).copy_(parameter.data)
            if parameter.requires_grad:
                self._trained.append((parameter, self._gradients[0][here].view(parameter.shape)))

    def gradients_of(self, number: int, images: Tensor, labels: Tensor, batch: int) -> tuple[float, float]:
        """Compute a part's share of the gradient of the batch's mean loss; `add_gradients` puts the shares together.

        Args:
            number: of the part, from 0; parts of different numbers may be computed at the same time.
            images: of the part, uint8 (B, C, H, W).
            labels: int64 (B,).
            batch: the number of images in the whole batch.

        Returns the sums over the part of the loss (nats) and of right answers. Dropout draws from `chance.generator`.
        """
        self._gradients[number].zero_()
        factors = self._factors(len(images))
        return self._run(self._training, self._memories[number], images, labels, factors, batch)

    def add_gradients(self, parts: int) -> None:
        """Add those of the other parts to the first one's, which are the `grad` of the model's parameters."""
        for more in self._gradients[1:parts]:
            self._gradients[0].add_(more)
        for parameter, gradient in self._trained:
            parameter.grad = gradient

    def logits(self, images: Tensor) -> Tensor:
        """Logits float32 (N, K) for images uint8 (N, C, H, W), as in evaluation."""
        if not hasattr(self._of_thread, "memory"):
            self._of_thread.memory = _memory(self._evaluation)
        logits = torch.empty(len(images), self._classes)
        none = torch.empty(0, dtype=torch.int64)
        self._run(self._evaluation, self._of_thread.memory, images, none, logits=logits.numpy())
        return logits

    def _run(
        self,
        program: Program,
        memory: np.ndarray,
        images: Tensor,
        labels: Tensor,
        factors: np.ndarray = NONE,
        batch: int = 1,
        logits: np.ndarray = NONE,
    ) -> tuple[float, float]:
        """See `interpreter.run`."""
        arrays = images.flatten(1).numpy(), labels.numpy(), self._scale, self._shift
        before = program.lines, program.tables, self._parameters, memory
        return run(*before, *arrays, factors, batch, program.block, logits)

    def _factors(self, count: int) -> np.ndarray:
        """What dropout multiplies the values of `count` images by: drawn as `modules.Dropout` does."""
        drawn = []
        for shape, rate, layout in self._drops:
            factors = torch.empty(count, *shape, memory_format=layout)  # drawn in the order of memory
            share = 1 - rate
            drawn.append(factors.bernoulli_(share, generator=chance.generator).div_(share).flatten(1))
        return torch.cat(drawn, dim=1).numpy() if drawn else NONE


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


def _memory(program: Program) -> np.ndarray:
    """New memory for one thread, from the beginning of a cache line."""
    return torch.zeros(program.memory).numpy()
