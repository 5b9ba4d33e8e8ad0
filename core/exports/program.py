"""A network as a list of plain operations and one list of numbers, which need no PyTorch: the HTML page computes them.

An operation is a JSON object: `do` says what, the other members are its settings; `weights` and `bias` are the places
in the list of numbers where those of the operation begin. Between two operations there are feature maps (C, H, W), row
by row; a vector (D,) is (D, 1, 1). Batch norm has become a factor and a summand of each channel; dropout is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.networks.activations import FUNCTIONS

if TYPE_CHECKING:
    from torch import Tensor, nn

Operation = dict[str, Any]
_FUNCTIONS = {function.module: name for name, function in FUNCTIONS.items()}  # by torch's name


def program(module: nn.Module) -> tuple[list[Operation], np.ndarray]:
    """The operations that a model consists of, and its numbers float32 (P,)."""
    numbers: list[np.ndarray] = []
    operations = _operations(module, numbers)
    return operations, np.concatenate(numbers).astype(np.float32)


def _operations(module: nn.Module, numbers: list[np.ndarray]) -> list[Operation]:
    from torch import nn

    from core.networks.modules import Dropout, Joined, Scale

    def kept(values: Tensor) -> int:
        """Where these values begin, appended to the numbers."""
        place = sum(map(len, numbers))
        numbers.append(values.detach().cpu().double().numpy().ravel())
        return place

    match module:
        case Joined():
            return [{"do": "join", "parts": [one for part in module.children() for one in _operations(part, numbers)]}]
        case nn.Sequential():
            return [one for part in module.children() for one in _operations(part, numbers)]
        case Scale():
            return [{"do": "affine", "weights": kept(module.scale), "bias": kept(module.shift)}]
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            assert module.running_mean is not None
            assert module.running_var is not None
            factor = module.weight.double() / (module.running_var.double() + module.eps).sqrt()
            summand = module.bias.double() - module.running_mean.double() * factor
            return [{"do": "affine", "weights": kept(factor), "bias": kept(summand)}]
        case nn.ZeroPad2d():
            left, right, top, bottom = module.padding
            return [{"do": "pad", "left": left, "right": right, "top": top, "bottom": bottom}]
        case nn.Conv2d():
            assert module.bias is not None
            (side, _), (stride, _) = module.kernel_size, module.stride
            assert isinstance(module.padding, tuple)
            own = {"filters": module.out_channels, "kernel": side, "stride": stride, "padding": module.padding[0]}
            return [{"do": "conv", **own, "weights": kept(module.weight), "bias": kept(module.bias)}]
        case nn.Linear():
            own = {"units": module.out_features, "weights": kept(module.weight), "bias": kept(module.bias)}
            return [{"do": "dense", **own}]
        case nn.MaxPool2d() | nn.AvgPool2d():
            return [{"do": "max" if isinstance(module, nn.MaxPool2d) else "average", "size": module.kernel_size}]
        case nn.AdaptiveAvgPool2d():
            return [{"do": "mean"}]
        case nn.Flatten():
            return [{"do": "flatten"}]
        case Dropout() | nn.Identity():
            return []
        case _:
            return [{"do": _FUNCTIONS[type(module).__name__]}]


def computed(operations: Sequence[Operation], numbers: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The probabilities float32 (N, K) that the operations with these numbers give images uint8 (N, C, H, W)."""
    import torch

    stored = torch.tensor(numbers)
    parts = [_applied(operations, stored, part.float()) for part in torch.tensor(images).split(32)]
    return torch.cat(parts).flatten(1).softmax(dim=1).numpy()


def _applied(operations: Sequence[Operation], numbers: Tensor, values: Tensor) -> Tensor:
    """The operations applied to values float32 (N, C, H, W), one after the other."""
    import torch
    from torch.nn import functional

    def stored(name: str, of: Mapping[str, Any], *shape: int) -> Tensor:
        """The numbers of an operation, in this shape."""
        return numbers[of[name] : of[name] + int(np.prod(shape))].reshape(shape)

    for one in operations:
        channels = values.shape[1]
        match one["do"]:
            case "affine":
                values = values * stored("weights", one, channels, 1, 1) + stored("bias", one, channels, 1, 1)
            case "pad":
                values = functional.pad(values, [one[edge] for edge in ("left", "right", "top", "bottom")])
            case "conv":
                weights = stored("weights", one, one["filters"], channels, one["kernel"], one["kernel"])
                bias = stored("bias", one, one["filters"])
                values = functional.conv2d(values, weights, bias, one["stride"], one["padding"])
            case "dense":
                weights, bias = stored("weights", one, one["units"], channels), stored("bias", one, one["units"])
                values = functional.linear(values.flatten(1), weights, bias)[..., None, None]
            case "max":
                values = functional.max_pool2d(values, one["size"])
            case "average":
                values = functional.avg_pool2d(values, one["size"])
            case "mean":
                values = values.mean(dim=(2, 3), keepdim=True)
            case "flatten":
                values = values.flatten(1)[..., None, None]
            case "join":
                values = torch.cat([values, _applied(one["parts"], numbers, values)], dim=1)
            case name:
                values = getattr(torch.nn, FUNCTIONS[name].module)()(values)
    return values
