"""The parameters that somebody has stored beside those of a network: which it uses, and which are never used.

A state dict comes as text, a line for each tensor with its name and its shape: a stranger's `.pt` is a pickle, which
nobody opens here, and what its numbers are says nothing about whether they are used.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from core.networks.layers import Layers, Shape, build
from core.refusal import Refusal

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # a batch norm's, as torch names them


@dataclass(frozen=True)
class Parameter:
    """A tensor that training changes."""

    name: str  # in the state dict: `conv1.weight`
    shape: Shape

    @property
    def module(self) -> str:
        """The name of what holds it: `conv1`."""
        return self.name.rpartition(".")[0]

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


def read_state_dict(text: str) -> list[Parameter]:
    """The parameters from lines as `conv1.weight 6 1 5 5` or `conv1.weight torch.Size([6, 1, 5, 5])`.

    What a batch norm keeps beside its parameters is left out. Raises: Refusal, with the line that is none.
    """
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, *sizes = [word for word in re.split(r"[^\w.-]+", line) if word not in ("", "torch.Size")] or [""]
        if name.rpartition(".")[2] in STATISTICS:
            continue
        if not sizes or not all(re.fullmatch(r"[0-9]{1,9}", size) for size in sizes):
            raise Refusal("error.no_parameter", line=line[:60])
        found.append(Parameter(name, tuple(map(int, sizes))))
    return found


def parameters_of(layers: Layers, shape: Shape, classes: int) -> list[Parameter]:
    """The parameters of our own network for images of `shape` (C, H, W). Raises: Refusal, where a layer cannot fit."""
    import torch

    with torch.device("meta"):  # shapes alone: no memory is taken, nothing is drawn
        network = build(layers, shape, classes)
    return [Parameter(name, tuple(one.shape)) for name, one in network.named_parameters()]


def used(stored: Iterable[Parameter], own: Iterable[Parameter]) -> dict[Parameter, Parameter]:
    """For each of the `stored` parameters that the network uses, which of its `own` it is.

    Modules are matched whole, weights with their biases, by their shapes and in their order: names differ from one
    author to the next.
    """
    free = defaultdict(list)
    for module in _modules(own):
        free[_shapes(module)].append(module)
    found = {}
    for module in _modules(stored):
        if same := free[_shapes(module)]:
            found |= zip(module, same.pop(0), strict=True)
    return found


def _modules(parameters: Iterable[Parameter]) -> list[list[Parameter]]:
    found: dict[str, list[Parameter]] = defaultdict(list)
    for one in parameters:
        found[one.module].append(one)
    return list(found.values())


def _shapes(module: Iterable[Parameter]) -> tuple[Shape, ...]:
    return tuple(one.shape for one in module)
