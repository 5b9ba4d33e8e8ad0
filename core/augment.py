"""Train images that are another at every look: turned, moved, enlarged or made smaller by chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from core.modules import chance

if TYPE_CHECKING:
    from core.spec import RunSpec


def augmented(spec: RunSpec, images: Tensor) -> Tensor:
    """Images uint8 (B, C, H, W), each under an affine map of its own; the same tensor where the spec asks for none.

    Angle, both shifts and the logarithm of the zoom are drawn evenly between the spec's bounds. Pixels are interpolated
    bilinearly and rounded; what comes in from outside is 0. Source: Simard, Steinkraus, Platt 2003.
    """
    if not (spec.rotation or spec.shift or spec.zoom):
        return images
    count, _, height, width = images.shape
    drawn = torch.rand(4, count, generator=getattr(chance, "generator", None), device=images.device) * 2 - 1
    angle = drawn[0] * math.radians(spec.rotation)
    zoom = torch.exp(drawn[1] * math.log1p(spec.zoom))
    right, down = drawn[2] * spec.shift, drawn[3] * spec.shift
    # Where each pixel comes from: moved back, turned back, made smaller. `affine_grid` has sides of length 2.
    cosine, sine = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    from_x = [cosine, -sine * height / width, (sine * down - cosine * right) * 2 / width]
    from_y = [sine * width / height, cosine, -(sine * right + cosine * down) * 2 / height]
    grid = functional.affine_grid(
        torch.stack(from_x + from_y, 1).reshape(-1, 2, 3), list(images.shape), align_corners=False
    )
    return functional.grid_sample(images.float(), grid, align_corners=False).round_().to(torch.uint8)
