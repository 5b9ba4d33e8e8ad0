"""A network's weights, gradients and activations at the end of an epoch, summarised for the Inside event."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor, nn

from core.events import Activity, Epoch, Histogram, Inside
from core.training.train import State

BINS = 30
IMAGES = 200  # val images on which the activations are evaluated
SATURATED = 0.05  # fraction of the range: a sigmoid or tanh this near to an end passes on hardly any gradient
ENDS = {nn.ReLU: (0.0, None), nn.Sigmoid: (0.0, 1.0), nn.Tanh: (-1.0, 1.0)}


def watch(state: State, val_images: Tensor, epoch: Epoch) -> Inside:
    """Histograms of each layer's weights, biases and last gradients, and the stuck fraction of its activations.

    `val_images` are uint8 (N, C, H, W); the first `IMAGES` of them are evaluated.
    """
    histograms = []
    for layer, series in _series(state.model).items():
        for what, values in series.items():
            if found := _histogram(layer, what, torch.cat(values)):
                histograms.append(found)
    return Inside(
        epoch=epoch.epoch,
        step=epoch.step,
        histograms=tuple(histograms),
        activities=tuple(_activities(state.model, val_images[:IMAGES])),
    )


def _series(model: nn.Sequential) -> dict[int, dict[str, list[Tensor]]]:
    """For each layer number with parameters, the values of `weight`, `bias` and, after a step, `gradient`."""
    series: dict[int, dict[str, list[Tensor]]] = defaultdict(lambda: defaultdict(list))
    for name, parameter in model.named_parameters():
        layer, what = _number(name), name.rpartition(".")[2]
        series[layer][what].append(parameter.detach().flatten())
        if what == "weight" and parameter.grad is not None:
            series[layer]["gradient"].append(parameter.grad.flatten())
    return series


def _histogram(layer: int, what: str, values: Tensor) -> Histogram | None:
    low, high = (end.item() for end in values.float().aminmax())
    if not torch.isfinite(values).all():
        return None
    counts = torch.histc(values.float(), BINS, low, high) if low < high else torch.tensor([float(len(values))])
    return Histogram(layer=layer, what=what, low=low, high=high, counts=tuple(map(int, counts.tolist())))


def _activities(model: nn.Sequential, images: Tensor) -> list[Activity]:
    found: list[Activity] = []

    def hear(layer: int, function: nn.Module):
        def heard(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            found.append(
                Activity(layer=layer, function=type(function).__name__.lower(), stuck=_stuck(function, output))
            )

        return heard

    hooks = [
        module.register_forward_hook(hear(_number(name), module))
        for name, module in model.named_modules()
        if type(module) in ENDS
    ]
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        model(images)
    model.train(was_training)
    for hook in hooks:
        hook.remove()
    return found


def _stuck(function: nn.Module, output: Tensor) -> float:
    """For a ReLU, the fraction of units (channels of a feature map) that are 0 everywhere for all images; for a sigmoid
    or tanh, the fraction of values within `SATURATED` of an end of the range.
    """
    low, high = ENDS[type(function)]
    if high is None:
        units = output.transpose(0, 1).flatten(1)
        return (units <= low).all(dim=1).float().mean().item()
    near = SATURATED * (high - low)
    return ((output < low + near) | (output > high - near)).float().mean().item()


def _number(name: str) -> int:
    """The layer's number in the name of a parameter or module: 3 in `layers.3_conv.conv.weight`."""
    return int(name.split(".")[1].partition("_")[0])
