"""The PyTorch modules that a network needs and torch has not."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


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
        return torch.addcmul(self.shift, images.to(self.scale.dtype), self.scale)


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
