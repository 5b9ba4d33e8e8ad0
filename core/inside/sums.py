"""How one value in a network came about: the pixels that it sees, and the sum with its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from core.inside.network import Network
from core.networks.activations import FUNCTIONS, Activation
from core.networks.layers import (
    ActivationLayer,
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    DenseBlock,
    Flatten,
    GlobalAvgPool,
    MaxPool,
    Row,
)
from core.refusal import Refusal

Place = tuple[int, ...]  # (channel, row, column) in feature maps, (unit,) in a vector


@dataclass(frozen=True)
class Field:
    """A rectangle of pixels or of places in feature maps: rows `top` to `bottom` - 1, columns `left` to `right` - 1."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing: a place that sees only padding."""
        return self.top >= self.bottom or self.left >= self.right


def receptive_field(rows: Sequence[Row], number: int, place: Place) -> Field:
    """The smallest rectangle of the image's pixels on which a place of layer `number` can depend, within the image.

    It is computed back from the layer to the image. A dense layer and a mean over whole maps see all of the image; a
    flattened value sees what its place in the feature maps saw; a dense block as a whole sees what its deepest layer
    sees. Raises: Refusal, if there is no such layer or place.
    """
    _check_place(rows, number, place)
    field: Field | None = None
    for row in reversed(rows[:number]):
        shape = row.shape_before
        if row.layer.window == "everything":
            return Field(0, 0, *rows[0].shape_before[1:])
        if isinstance(row.layer, Flatten):
            place = tuple(map(int, np.unravel_index(place[0], shape)))
        if len(shape) < 3:
            continue
        field = field or Field(place[1], place[2], place[1] + 1, place[2] + 1)
        if row.layer.window == "window" and not field.is_empty:
            field = _seen(row, field)
    return field or Field(0, 0, *rows[0].shape_before[1:])


def window(row: Row, place: Place) -> Field:
    """The part of a layer's input maps that a place of its output maps sees; it may reach into the padding."""
    _, top, left = place
    kernel, stride, padding = _geometry(row)
    top, left = top * stride - padding, left * stride - padding
    return Field(top, left, top + kernel, left + kernel)


def _seen(row: Row, field: Field) -> Field:
    """The places of a layer's input that a rectangle of its output sees."""
    first, last = window(row, (0, field.top, field.left)), window(row, (0, field.bottom - 1, field.right - 1))
    _, height, width = row.shape_before
    return Field(max(0, first.top), max(0, first.left), min(height, last.bottom), min(width, last.right))


def _geometry(row: Row) -> tuple[int, int, int]:
    """Kernel, stride and padding (above and to the left) of a layer that slides a window, px."""
    layer = row.layer
    if isinstance(layer, Conv):
        padding = (layer.kernel - 1) // 2 if layer.padding == "same" else layer.padding
        return layer.kernel, layer.stride, padding
    if isinstance(layer, DenseBlock):
        return layer.kernel, 1, layer.layers
    assert isinstance(layer, MaxPool | AvgPool)
    return layer.kernel, layer.stride, 0


@dataclass(frozen=True)
class Sum:
    """One value of a layer's output with the numbers that it is computed from, all float64."""

    kind: Literal["sum", "largest", "mean", "normalised", "activation", "unchanged"]
    inputs: np.ndarray  # what it sees: (C, k, k) of all channels for a convolution, (k, k) for pooling, (D,) for dense
    weights: np.ndarray | None  # of the shape of `inputs`; None where there are none
    bias: float
    before: float  # the value before the activation
    activation: Activation
    value: float  # what the layer gives
    field: Field | None  # the part of the layer's input maps; None where it sees all or a single value
    # (running mean, running variance, weight, bias, epsilon) of a batch norm:
    # (input - mean) / sqrt(variance + epsilon) * weight + bias
    statistics: tuple[float, float, float, float, float] | None = None


def explained(network: Network, image: np.ndarray, number: int, place: Place) -> Sum:
    """How the value at a place of layer `number` was computed for an image uint8 (C, H, W).

    Of a dense block's channel, the 3 x 3 convolution that made it; a channel of its input is passed on unchanged.
    Raises: Refusal, if there is no such layer or place.
    """
    row, layer = network.row(number), network.row(number).layer
    _check_place(network.rows, number, place)
    values, module = network.before(image[None], number), network.layers[number - 1]
    if isinstance(layer, Conv):
        return _sum(values[0], _weighted(module), place, window(row, place), layer.activation)
    if isinstance(layer, Dense):
        return _sum(values[0], _weighted(module), place, None, layer.activation)
    if isinstance(layer, DenseBlock):
        return _of_block(layer, module, values, place)
    if isinstance(layer, MaxPool | AvgPool):
        field = window(row, place)
        inputs = values[0, place[0], field.top : field.bottom, field.left : field.right].double().numpy()
        kind, value = ("largest", inputs.max()) if isinstance(layer, MaxPool) else ("mean", inputs.mean())
        return Sum(kind, inputs, None, 0.0, float(value), "none", float(value), field)
    if isinstance(layer, GlobalAvgPool):
        inputs = values[0, place[0]].double().numpy()
        return Sum("mean", inputs, None, 0.0, float(inputs.mean()), "none", float(inputs.mean()), None)
    own = values[0].reshape(row.shape)[place].double().numpy()  # of the layers that change a value by itself
    if isinstance(layer, BatchNorm):
        return _normalised(module, own, place[0])
    activation: Activation = layer.function if isinstance(layer, ActivationLayer) else "none"
    kind = "activation" if isinstance(layer, ActivationLayer) else "unchanged"  # flattened, or dropout when it is over
    value = float(FUNCTIONS[activation].value(own))
    return Sum(kind, own, None, 0.0, float(own), activation, value, None)


def filters(network: Network, number: int) -> np.ndarray | None:
    """The weights of layer `number`, one filter for each channel of its output; None for a layer without a sum.

    Float32 (F, C, k, k) of a convolution; of a dense layer (units, D), or (units, C, H, W) where its input is flattened
    maps or the flattened image: each unit's weights as a picture. Of a dense block, the 3 x 3 convolution of each new
    channel (growth x layers, bottleneck, 3, 3). Raises: Refusal, without such a layer.
    """
    layer, module = network.row(number).layer, network.layers[number - 1]
    if isinstance(layer, DenseBlock):
        return np.concatenate([_last_convolution(joined).weight.numpy() for joined in module.children()])
    if not isinstance(layer, Conv | Dense):
        return None
    weights = _weighted(module).weight.contiguous().numpy()
    for row in reversed(network.rows[: number - 1]):
        if isinstance(layer, Conv) or row.layer.window != "point":
            break
        if isinstance(row.layer, Flatten):
            return weights.reshape(len(weights), *row.shape_before)
    return weights


def first_filters(network: Network) -> tuple[int, np.ndarray] | None:
    """The number of the first layer with filters, and its filters; None for a network without weights."""
    found = ((row.number, filters(network, row.number)) for row in network.rows)
    return next(((number, weights) for number, weights in found if weights is not None), None)


def _check_place(rows: Sequence[Row], number: int, place: Place) -> None:
    if not 1 <= number <= len(rows):
        raise Refusal("inside.no_layer", layer=number, most=len(rows))
    shape = rows[number - 1].shape
    if len(place) != len(shape) or not all(0 <= at < side for at, side in zip(place, shape, strict=True)):
        written, sides = (" x ".join(map(str, one)) for one in (place, shape))
        raise Refusal("inside.no_place", place=written, sides=sides)


def _weighted(module: nn.Module) -> nn.Conv2d | nn.Linear:
    """The convolution or dense layer within a layer's module."""
    return next(one for one in module.modules() if isinstance(one, nn.Conv2d | nn.Linear))


def _last_convolution(joined: nn.Module) -> nn.Conv2d:
    """The convolution by which a layer of a dense block makes its new channels."""
    return [one for one in joined.modules() if isinstance(one, nn.Conv2d)][-1]


def _sum(
    values: Tensor, module: nn.Conv2d | nn.Linear, place: Place, field: Field | None, activation: Activation
) -> Sum:
    """Inputs times weights, plus the bias, then the activation; inputs beyond the edge are 0."""
    weights = module.weight[place[0]].double().contiguous().numpy()
    inputs = values.double().contiguous().numpy()
    if field:
        inputs = _patch(inputs, field)
    bias = 0.0 if module.bias is None else float(module.bias[place[0]])
    before = float((inputs * weights).sum()) + bias
    value = float(FUNCTIONS[activation].value(np.array(before)))
    return Sum("sum", inputs, weights, bias, before, activation, value, field)


def _patch(maps: np.ndarray, field: Field) -> np.ndarray:
    """The part (C, k, k) of maps (C, H, W), with zeros beyond their edge."""
    _, height, width = maps.shape
    patch = np.zeros((len(maps), field.bottom - field.top, field.right - field.left))
    top, left, bottom, right = max(0, field.top), max(0, field.left), min(height, field.bottom), min(width, field.right)
    if top < bottom and left < right:
        inside = maps[:, top:bottom, left:right]
        patch[:, top - field.top : bottom - field.top, left - field.left : right - field.left] = inside
    return patch


def _of_block(layer: DenseBlock, module: nn.Module, values: Tensor, place: Place) -> Sum:
    channel, top, left = place
    if channel < values.shape[1]:
        own = values[0][place].double().numpy()
        return Sum("unchanged", own, None, 0.0, float(own), "none", float(own), None)
    number, filter_ = divmod(channel - values.shape[1], layer.growth)
    blocks = list(module.children())
    with torch.no_grad():
        for earlier in blocks[:number]:
            values = earlier(values)
        for step in list(blocks[number].children())[:-1]:  # all but the last convolution; itself it joins both
            values = step(values)
    field = Field(top - 1, left - 1, top + 2, left + 2)
    return _sum(values[0], _last_convolution(blocks[number]), (filter_, top, left), field, "none")


def _normalised(module: nn.Module, own: np.ndarray, channel: int) -> Sum:
    assert isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
    assert module.running_mean is not None
    assert module.running_var is not None
    mean, variance = float(module.running_mean[channel]), float(module.running_var[channel])
    weight, bias = float(module.weight[channel]), float(module.bias[channel])
    value = (float(own) - mean) / float(np.sqrt(variance + module.eps)) * weight + bias
    statistics = (mean, variance, weight, bias, module.eps)
    return Sum("normalised", own, None, bias, value, "none", value, None, statistics)
