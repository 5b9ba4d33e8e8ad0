"""PyTorch modules that torch lacks, or that replace torch's own for speed or reproducibility."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Scale(nn.Module):
    """Normalises images uint8 (N, C, H, W) to float32: `image * scale + shift`, per channel.

    It is the first module of every model, and its two buffers are saved with the weights, so that a loaded model always
    normalises pixels exactly as in training.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor):
        super().__init__()
        self.register_buffer("scale", scale.reshape(1, -1, 1, 1).float())
        self.register_buffer("shift", shift.reshape(1, -1, 1, 1).float())

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (N, C, H, W) in, float32 of the same shape out."""
        # Three passes, two of them in place, take a third of the time of one `addcmul`, which is not vectorised here.
        return images.to(self.scale.dtype).mul_(self.scale).add_(self.shift)


class Flatten(nn.Flatten):
    """Flattens feature maps (N, C, H, W) to (N, C x H x W), and returns its gradient in channels-last layout.

    Otherwise, in the backward pass, the pooling before it would convert the whole feature map to the other memory
    layout and back, which takes a fifth of a step of the widest network here.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Feature maps (N, C, H, W) in, (N, C x H x W) out."""
        if input.requires_grad and input.is_contiguous(memory_format=torch.channels_last):
            input.register_hook(_in_channels_last)
        return super().forward(input)


def _in_channels_last(gradient: Tensor) -> Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)


class Dropout(nn.Module):
    """In training, sets each value to zero with probability `rate` and divides the others by 1 - `rate`.

    torch's own Dropout uses one generator for the whole process, from which threads that compute the parts of a batch
    would draw in a nondeterministic order. This one uses the thread's own `chance.generator`, if it is set.
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
"""`chance.generator`: the random generator of this thread's modules in training; if unset, torch's own is used."""


class Joined(nn.Sequential):
    """A sequence of modules whose output is concatenated to its input along the channels: C becomes C + growth."""

    def forward(self, input: Tensor) -> Tensor:
        """Feature maps (N, C, H, W) in, (N, C + growth, H, W) out."""
        return torch.cat([input, super().forward(input)], dim=1)


def dense_block(channels: Sequence[int], growth: int, bottleneck: int) -> nn.Sequential:
    """DenseNet's block with bottlenecks; `channels` are its layers' input channels. Source: Huang et al. 2017."""
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
