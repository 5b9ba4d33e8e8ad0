"""A model taken apart: the output of each of its layers for an image, and what many images make of its channels."""

from __future__ import annotations

import copy
import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from core.networks.layers import Row
from core.refusal import Refusal
from core.spec import RunSpec
from core.training.engine import part_size
from core.training.train import initial_model

Progress = Callable[[int, int], None]  # images done, and all of them


@dataclass(frozen=True)
class Network:
    """A model in evaluation mode, layer by layer; a copy, since visitors share the opened model."""

    scale: nn.Module  # images uint8 (N, C, H, W) -> float32, where gradients start: uint8 has none
    layers: nn.Sequential  # one module for each row of the table
    rows: list[Row]

    @classmethod
    def of(cls, module: nn.Module, spec: RunSpec, shape: tuple[int, int, int], classes: int) -> Network:
        """Take a model apart that was made by `train.new_model` from a spec, for images of `shape` (C, H, W)."""
        own = copy.deepcopy(module).eval().requires_grad_(False)
        layers = cast("nn.Sequential", own.get_submodule("layers"))
        return cls(own.get_submodule("scale"), layers, spec.table(shape, classes))

    def untrained(self, spec: RunSpec) -> Network:
        """The same network with the random weights that the spec's seed draws, as before a training from scratch.

        A map that looks the same with these weights says nothing of the model. Source: Adebayo et al. 2018.
        """
        shape = self.rows[0].shape_before
        module = initial_model(spec, shape, self.classes)
        module.get_submodule("scale").load_state_dict(self.scale.state_dict())
        return Network.of(module, spec, cast("tuple[int, int, int]", shape), self.classes)

    @property
    def classes(self) -> int:
        """K, the number of logits."""
        return self.rows[-1].shape[0]

    @property
    def part(self) -> int:
        """The number of images that are computed at once, so that memory is bounded."""
        return part_size(self.rows)

    def row(self, number: int) -> Row:
        """The row of layer `number`, from 1. Raises: Refusal."""
        if not 1 <= number <= len(self.rows):
            raise Refusal("inside.no_layer", layer=number, most=len(self.rows))
        return self.rows[number - 1]

    def check_class(self, k: int) -> None:
        """Raises: Refusal, if the network has no logit of class `k`, from 0."""
        if not 0 <= k < self.classes:
            raise Refusal("inside.no_class", k=k, most=self.classes - 1)

    def scaled(self, images: np.ndarray) -> Tensor:
        """Images uint8 (N, C, H, W) as float32 of the same shape, as the first layer gets them."""
        with torch.no_grad():
            return self.scale(torch.tensor(images))

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Logits float32 (N, K) of images uint8 (N, C, H, W)."""
        with torch.no_grad():
            return torch.cat([self.layers(self.scaled(some)) for some in _parts(images, self.part)]).numpy()

    def outputs(self, images: np.ndarray, until: int | None = None) -> list[Tensor]:
        """The output float32 (N, *shape) of each layer up to `until`, for images uint8 (N, C, H, W) of one part."""
        found, values = [], self.scaled(images)
        with torch.no_grad():
            for layer in self.layers[:until]:
                values = layer(values)
                found.append(values)
        return found

    def before(self, images: np.ndarray, number: int) -> Tensor:
        """The input float32 (N, *shape_before) of layer `number` for images uint8 (N, C, H, W) of one part."""
        self.row(number)
        return self.outputs(images, number - 1)[-1] if number > 1 else self.scaled(images)


def feature_maps(network: Network, image: np.ndarray) -> list[np.ndarray]:
    """The output of each layer, float32 of its row's shape, for an image uint8 (C, H, W); the last are the logits."""
    return [values[0].contiguous().numpy() for values in network.outputs(image[None])]


def reach(maps: np.ndarray) -> float:
    """The end of the scale from -reach to reach on which all maps of a layer are drawn: the largest absolute value."""
    return float(np.abs(maps).max(initial=0))


def dead_channels(network: Network, images: np.ndarray, progress: Progress | None = None) -> list[np.ndarray]:
    """Whether each channel of each layer is 0 everywhere on all images uint8 (N, C, H, W): bool (channels,) a layer.

    Of a layer that gives a vector, each value is a channel. False where a layer has neither weights nor an activation,
    so that its zeros are those of the layer before, or of the image. Only one part's feature maps are in memory at a
    time.
    """
    dead = [np.arange(row.shape[0]) >= _passed_on(row) for row in network.rows]
    done = 0
    for some in _parts(images, network.part):
        for silent, values in zip(dead, network.outputs(some), strict=True):
            silent &= ~_by_channel(values).any(dim=2).any(dim=0).numpy()
        done += len(some)
        if progress:
            progress(done, len(images))
    return dead


def _passed_on(row: Row) -> int:
    """How many of a layer's channels, its first ones, are only those that it gets, or a part or the largest of them."""
    if row.layer.kind == "dense_block":
        return row.shape_before[0]
    return 0 if row.parameters or row.layer.kind == "activation" else row.shape[0]


@dataclass(frozen=True)
class Excitement:
    """An image that excites a channel, and where."""

    value: float  # the largest of the channel's output
    image: int  # index among the images
    place: tuple[int, ...]  # of that value: (row, column) in the feature map; () in a vector


def most_exciting(
    network: Network,
    images: np.ndarray,
    number: int,
    channel: int,
    count: int = 9,
    progress: Progress | None = None,
) -> list[Excitement]:
    """The images uint8 (N, C, H, W) with the largest value in a channel of layer `number`, the largest first.

    Source: Zeiler, Fergus 2014 (the strongest activations of a feature map). Raises: Refusal, without such a channel.
    """
    shape = network.row(number).shape
    if not 0 <= channel < shape[0]:
        raise Refusal("inside.no_channel", channel=channel, most=shape[0] - 1)
    best: list[tuple[float, int, int]] = []  # value, minus the index so that the first of equals is kept, place
    done = 0
    for some in _parts(images, network.part):
        values, places = _by_channel(network.outputs(some, number)[-1])[:, channel].max(dim=1)
        found = zip(values.tolist(), range(-done, -done - len(some), -1), places.tolist(), strict=True)
        best = heapq.nlargest(count, [*best, *found])
        done += len(some)
        if progress:
            progress(done, len(images))
    return [
        Excitement(value, -index, tuple(map(int, np.unravel_index(place, shape[1:]))) if shape[1:] else ())
        for value, index, place in best
    ]


def _by_channel(values: Tensor) -> Tensor:
    """The output (N, channels, ...) of a layer as (N, channels, places)."""
    return values.reshape(len(values), values.shape[1], -1)


def _parts(images: np.ndarray, part: int) -> Iterator[np.ndarray]:
    for at in range(0, len(images), part):
        yield images[at : at + part]
