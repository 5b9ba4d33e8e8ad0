"""Random augmentation of train images: flip, rotation, shift, zoom, elastic deformation and stroke width."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from core.networks.modules import chance

if TYPE_CHECKING:
    from core.spec import RunSpec

BENDS = 5  # control points per side of the elastic displacement field: on MNIST one every 5.6 px


def changes_shapes(spec: RunSpec) -> bool:
    """Whether the spec has an augmentation other than the flip."""
    return any((spec.rotation, spec.shift, spec.zoom, spec.elastic, spec.stroke_width))


def augmented(spec: RunSpec, images: Tensor) -> Tensor:
    """Images uint8 (B, C, H, W), each augmented independently; the same tensor if the spec has no augmentation.

    A flip, left becoming right, comes first and is exact. Angle, both shifts, the logarithm of the zoom, the
    displacements of the control points and the change of the stroke width are uniformly distributed between the spec's
    bounds. Pixels are interpolated bilinearly and rounded; pixels from outside the image are 0. Source: Simard,
    Steinkraus, Platt 2003.
    """
    if spec.flip:
        is_flipped = drawn(images, len(images), 1, 1, 1) < 2 * spec.flip - 1
        images = torch.where(is_flipped, images.flip(3), images)
    if not changes_shapes(spec):
        return images
    count, _, height, width = images.shape
    angle, zoom, right, down = drawn(images, 4, count)
    angle, zoom = angle * math.radians(spec.rotation), torch.exp(zoom * math.log1p(spec.zoom))
    right, down = right * spec.shift, down * spec.shift
    # The source of each output pixel, so the inverse transform. In `affine_grid`'s coordinates a side has length 2.
    cosine, sine = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    from_x = [cosine, -sine * height / width, (sine * down - cosine * right) * 2 / width]
    from_y = [sine * width / height, cosine, -(sine * right + cosine * down) * 2 / height]
    grid = functional.affine_grid(
        torch.stack(from_x + from_y, 1).reshape(-1, 2, 3), list(images.shape), align_corners=False
    )
    changed = images.float()
    if spec.elastic:
        pulls = functional.interpolate(drawn(images, count, 2, BENDS, BENDS), (height, width), mode="bicubic")
        grid = grid + 2 * spec.elastic * torch.stack([pulls[:, 0] / width, pulls[:, 1] / height], dim=3)
    if spec.stroke_width:
        growth = spec.stroke_width * drawn(images, count, 1, 1, 1)
        sign = growth.sign()  # erosion is the negative of a max-pool of the negatives
        changed = torch.lerp(changed, sign * functional.max_pool2d(sign * changed, 3, 1, padding=1), growth.abs())
    return functional.grid_sample(changed, grid, align_corners=False).round_().to(torch.uint8)


def examples(spec: RunSpec, image: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """What augmentation makes of an image uint8 (C, H, W) in `count` epochs, uint8 (count, C, H, W), by a seed."""
    before = getattr(chance, "generator", None)
    chance.generator = torch.Generator().manual_seed(seed)
    try:
        return augmented(spec, torch.tensor(image)[None].repeat(count, 1, 1, 1)).numpy()
    finally:
        chance.generator = before


def drawn(images: Tensor, *shape: int) -> Tensor:
    """Uniform random numbers between -1 and 1 of this shape, from the thread's own generator if it has one."""
    return torch.rand(shape, generator=getattr(chance, "generator", None), device=images.device) * 2 - 1
