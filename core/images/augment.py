"""Train images that are another at every look: turned, moved, resized, bent, their strokes wider or narrower."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from core.networks.modules import chance

if TYPE_CHECKING:
    from core.spec import RunSpec

BENDS = 5  # points a side that are pulled about, with what lies between them: on MNIST one every 5.6 px


def augmented(spec: RunSpec, images: Tensor) -> Tensor:
    """Images uint8 (B, C, H, W), each changed by a chance of its own; the same tensor where the spec asks for none.

    Angle, both shifts, the logarithm of the zoom, the pulls and the strokes' growth are drawn evenly between the spec's
    bounds. Pixels are interpolated bilinearly and rounded; what comes in from outside is 0.
    Source: Simard, Steinkraus, Platt 2003.
    """
    if not (spec.rotation or spec.shift or spec.zoom or spec.elastic or spec.stroke_width):
        return images
    count, _, height, width = images.shape
    angle, zoom, right, down = drawn(images, 4, count)
    angle, zoom = angle * math.radians(spec.rotation), torch.exp(zoom * math.log1p(spec.zoom))
    right, down = right * spec.shift, down * spec.shift
    # Where each pixel comes from: moved back, turned back, made smaller. `affine_grid` has sides of length 2.
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
        sign = growth.sign()  # the lowest of nine pixels is the highest of their negatives
        changed = torch.lerp(changed, sign * functional.max_pool2d(sign * changed, 3, 1, padding=1), growth.abs())
    return functional.grid_sample(changed, grid, align_corners=False).round_().to(torch.uint8)


def drawn(images: Tensor, *shape: int) -> Tensor:
    """Numbers of this shape drawn evenly between -1 and 1, from the thread's own generator where it has one."""
    return torch.rand(shape, generator=getattr(chance, "generator", None), device=images.device) * 2 - 1
