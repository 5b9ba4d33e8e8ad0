"""Why this answer: maps of the image's pixels that say on what the logit of a class hangs.

Each takes an image uint8 (C, H, W) and a class, and gives a map at the image's size. Gradients start after the model's
`Scale`, that is, at the values that the first layer gets. Beside each belongs the map of `Network.untrained`: where the
two look the same, the map says nothing of what was learned. Source: Adebayo et al. 2018. `check` is called before each
part of the work; what it raises ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.inside.network import Network
from core.refusal import Refusal

LEAST_STEPS, MOST_STEPS = 64, 2_048  # of integrated gradients
CLOSE = 0.005  # share of the logit's difference that they may miss
Check = Callable[[], None]
GRADIENTS = 4  # a gradient takes as much memory as so many images without


def _go_on() -> None:
    """Never ends the work."""


@dataclass(frozen=True)
class Reason:
    """A map of an image for the logit of a class."""

    map: np.ndarray  # float32 (H, W)
    has_sign: bool  # whether it is drawn from -reach to reach: below 0 speaks against the class; else from 0
    coarse: np.ndarray | None = None  # Grad-CAM's map at the size of the feature maps, float32 (h, w)
    difference: float = 0.0  # integrated gradients: the logit of the image minus that of a black one,
    steps: int = 0  # the number of gradients in the sum
    layer: int = 0  # Grad-CAM: the number of the layer of which it weighs the maps


def gradients(network: Network, values: Tensor, k: int) -> Tensor:
    """The gradient float32 (N, C, H, W) of logit k by the scaled values (N, C, H, W) of each image."""
    values = values.detach().requires_grad_(True)
    logits = network.layers(values)[:, k]
    return torch.autograd.grad(logits.sum(), values)[0]


def saliency(network: Network, image: np.ndarray, k: int, *, check: Check = _go_on) -> Reason:
    """The largest absolute gradient of logit k over a pixel's channels. Source: Simonyan, Vedaldi, Zisserman 2014.

    Raises: Refusal, without such a class.
    """
    network.check_class(k)
    check()
    found = gradients(network, network.scaled(image[None]), k)[0]
    return Reason(found.abs().amax(dim=0).numpy(), has_sign=False)


def integrated_gradients(network: Network, image: np.ndarray, k: int, *, check: Check = _go_on) -> Reason:
    """The gradients of logit k along the straight line from a black image to this one, times the change of each pixel.

    Their sum over the image is the difference of the two logits; the steps, at the middle of equal parts of the line,
    are doubled until they miss it by `CLOSE` at most, or are `MOST_STEPS`. Source: Sundararajan, Taly, Yan 2017.
    Raises: Refusal, without such a class.
    """
    network.check_class(k)
    black, values = network.scaled(np.stack([np.zeros_like(image), image]))
    with torch.no_grad():
        low, high = network.layers(torch.stack([black, values]))[:, k].tolist()
    steps, part = LEAST_STEPS, max(1, network.part // GRADIENTS)
    while True:
        total = torch.zeros_like(values, dtype=torch.float64)
        for shares in ((torch.arange(steps) + 0.5) / steps).split(part):
            check()
            line = black + shares.reshape(-1, 1, 1, 1) * (values - black)
            total += gradients(network, line, k).sum(dim=0)
        found = (values - black).double() * total / steps
        if steps >= MOST_STEPS or abs(float(found.sum()) - (high - low)) <= CLOSE * abs(high - low):
            return Reason(found.sum(dim=0).float().numpy(), True, difference=high - low, steps=steps)
        steps *= 2


def occlusion(
    network: Network,
    image: np.ndarray,
    k: int,
    side: int | None = None,
    stride: int | None = None,
    *,
    check: Check = _go_on,
) -> Reason:
    """By how much logit k falls where a black square covers the image: at each pixel the mean over its squares.

    Source: Zeiler, Fergus 2014 (there a grey square, and the probability). Raises: Refusal, without such a class.

    Args:
        network: the network.
        image: uint8 (C, H, W).
        k: the class, from 0.
        side: of the square, px; by default a seventh of the image's shorter side.
        stride: between two squares, px; by default half a side.
        check: see above.
    """
    network.check_class(k)
    _, height, width = image.shape
    side = side or max(1, min(height, width) // 7)
    stride = stride or max(1, side // 2)
    corners = [(top, left) for top in _starts(height, side, stride) for left in _starts(width, side, stride)]
    whole = float(network.logits(image[None])[0, k])
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for at in range(0, len(corners), network.part):
        check()
        some = corners[at : at + network.part]
        covered = image[None].repeat(len(some), axis=0)
        for one, (top, left) in zip(covered, some, strict=True):
            one[:, top : top + side, left : left + side] = 0
        for (top, left), logit in zip(some, network.logits(covered)[:, k].tolist(), strict=True):
            total[top : top + side, left : left + side] += whole - logit
            count[top : top + side, left : left + side] += 1
    return Reason((total / count).astype(np.float32), has_sign=True)


def _starts(length: int, side: int, stride: int) -> range:
    """Where squares begin, so that they cover the whole length; the last may be cut off."""
    return range(0, max(0, length - side) + stride, stride) if length > side else range(1)


def cam_layer(network: Network) -> int:
    """The number of the layer whose maps Grad-CAM weighs: the last convolution or dense block.

    Raises: Refusal, for a network without one: of an MLP a map of 1 x 1 would say nothing.
    """
    for row in reversed(network.rows):
        if len(row.shape) == 3 and row.macs:
            return row.number
    raise Refusal("inside.no_convolution")


def grad_cam(network: Network, image: np.ndarray, k: int, *, check: Check = _go_on) -> Reason:
    """The last feature maps, each weighted by the mean of its gradient of logit k, summed, and cut off below 0.

    The map is enlarged to the image's size without interpolation. Source: Selvaraju et al. 2017.
    Raises: Refusal, without such a class, or for a network without convolutions.
    """
    network.check_class(k)
    check()
    number = cam_layer(network)
    maps = network.outputs(image[None], number)[-1].requires_grad_(True)
    logit = network.layers[number:](maps)[0, k]
    weights = torch.autograd.grad(logit, maps)[0].mean(dim=(2, 3), keepdim=True)
    coarse = (weights * maps.detach()).sum(dim=1)[0].relu().contiguous().numpy()
    _, height, width = image.shape
    rows, columns = (np.arange(side) * small // side for side, small in zip((height, width), coarse.shape, strict=True))
    return Reason(coarse[rows][:, columns], has_sign=False, coarse=coarse, layer=number)


REASONS: dict[str, Callable[..., Reason]] = {
    "saliency": saliency,
    "integrated_gradients": integrated_gradients,
    "occlusion": occlusion,
    "grad_cam": grad_cam,
}


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation of two maps, -1 to 1, as of a trained and an untrained network; NaN if one is flat.

    Source: Adebayo et al. 2018.
    """
    ranks = [_ranks(each) for each in (one, other)]
    if any(each.min() == each.max() for each in ranks):
        return float("nan")
    return float(np.corrcoef(np.stack(ranks))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value, of equal values their mean; scipy's takes a second to import."""
    _, inverse, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]
