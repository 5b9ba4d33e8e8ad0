"""The PyTorch modules that a network needs and torch has not."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Scale(nn.Module):
    """Images uint8 (N, C, H, W) to float32: `image * scale + shift`, by channel.

    It is the first module of every model, and its two buffers are saved with the weights: whoever has a model cannot
    prepare its pixels in another way than the training did.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor):
        super().__init__()
        self.register_buffer("scale", scale.reshape(1, -1, 1, 1).float())
        self.register_buffer("shift", shift.reshape(1, -1, 1, 1).float())

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (N, C, H, W) in, float32 of the same shape out."""
        # Three passes in place take a third of the time of one `addcmul`, which here goes value by value.
        return images.to(self.scale.dtype).mul_(self.scale).add_(self.shift)


class Flatten(nn.Flatten):
    """Feature maps (N, C, H, W) laid end to end: (N, C x H x W).

    Going backward it gives its gradient in channels-last: the pooling before it would otherwise turn the whole feature
    map into the other memory layout and back, a fifth of a step of the widest network here.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Feature maps (N, C, H, W) in, (N, C x H x W) out."""
        if input.requires_grad and input.is_contiguous(memory_format=torch.channels_last):
            input.register_hook(_in_channels_last)
        return super().forward(input)


def _in_channels_last(gradient: Tensor) -> Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)


class Dropout(nn.Module):
    """While training, each value is zero with probability `rate`, and the others are divided by 1 - `rate`.

    torch's own draws from one generator of the whole process: threads at the parts of a batch would draw from it in an
    order of chance. This one draws from `chance.generator`, each thread's own, where there is one.
    """

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, input: Tensor) -> Tensor:
        """Values of any shape in, the same shape out."""
        generator: torch.Generator | None = getattr(chance, "generator", None)
        if not self.training or generator is None:
            return functional.dropout(input, self.rate, self.training)
        kept = torch.empty_like(input).bernoulli_(1 - self.rate, generator=generator)
        return input * kept.div_(1 - self.rate)


chance = threading.local()
"""`chance.generator`: what the modules of this thread draw from while they train; unset, torch's own generator."""


class Joined(nn.Sequential):
    """A sequence of modules whose output is joined to its input along the channels: C becomes C + growth."""

    def forward(self, input: Tensor) -> Tensor:
        """Feature maps (N, C, H, W) in, (N, C + growth, H, W) out."""
        return torch.cat([input, super().forward(input)], dim=1)


def dense_block(channels: Sequence[int], growth: int, bottleneck: int) -> nn.Sequential:
    """DenseNet's block with bottlenecks; `channels` are the inputs of its layers. Source: Huang et al. 2017."""
    return nn.Sequential(
        *(
            Joined(
                nn.BatchNorm2d(c),
                nn.ReLU(),
                nn.Conv2d(c, bottleneck, kernel_size=1),
                nn.BatchNorm2d(bottleneck),
                nn.ReLU(),
                nn.Conv2d(bottleneck, growth, kernel_size=3, padding=1),
            )
            for c in channels
        )
    )
