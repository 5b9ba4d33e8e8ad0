"""Compares the parameters of a stored state dict with those of a network, to find the ones that it never uses.

The state dict is given as text, one line per tensor with its name and shape: a `.pt` file from elsewhere is a pickle,
which is unsafe to open, and the values do not matter for whether a parameter is used.
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
    """The name and shape of a trainable tensor."""

    name: str  # in the state dict, such as `conv1.weight`
    shape: Shape

    @property
    def module(self) -> str:
        """The name of the module that has the parameter, such as `conv1`."""
        return self.name.rpartition(".")[0]

    @property
    def count(self) -> int:
        """The number of values."""
        return math.prod(self.shape)


def read_state_dict(text: str) -> list[Parameter]:
    """Parse parameters from lines such as `conv1.weight 6 1 5 5` or `conv1.weight torch.Size([6, 1, 5, 5])`.

    Batch-norm statistics are left out. Raises: Refusal, with a line that is not a parameter.
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
    """The parameters of a network for images of `shape` (C, H, W). Raises: Refusal, if a layer does not fit."""
    import torch

    with torch.device("meta"):  # only shapes: no memory is allocated, no weights are drawn
        network = build(layers, shape, classes)
    return [Parameter(name, tuple(one.shape)) for name, one in network.named_parameters()]


def used(stored: Iterable[Parameter], own: Iterable[Parameter]) -> dict[Parameter, Parameter]:
    """Map each of the `stored` parameters that the network uses to the corresponding one of its `own`.

    Whole modules (weights with their biases) are matched by shape and order, since names differ between authors.
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
