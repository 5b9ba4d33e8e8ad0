"""One step of a training, explained with its numbers: forward, loss, backward, update."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.networks.modules import chance
from core.spec import CONSTANTS, RunSpec
from core.training.engine import first_layers, optimize
from core.training.train import initial_model, new_optimizer, scale_for
from core.training.transfer import take_over

LARGEST = 10
Place = tuple[int, ...]


@dataclass(frozen=True)
class Weight:
    """One weight or bias of a network."""

    parameter: str  # its tensor's name in the network, such as `layers.1_conv.conv.weight`
    place: Place  # within the tensor

    @property
    def layer(self) -> int:
        """The number of its layer, from 1."""
        return int(self.parameter.split(".")[1].partition("_")[0])


@dataclass(frozen=True)
class Update:
    """What a step made of one weight."""

    weight: Weight
    before: float
    gradient: float
    after: float

    @property
    def change(self) -> float:
        """What was added to it."""
        return self.after - self.before


@dataclass(frozen=True)
class Line:
    """One line of a calculation: a quantity, its formula, and its value in float64."""

    name: str  # `w` weight, `g` gradient, `v` velocity of SGD, `m` and `s` Adam's moments, `t` step
    formula: str  # such as `w - learning_rate * g`
    numbers: str  # the same with numbers for names
    value: float


@dataclass(frozen=True)
class Step:
    """A step on a batch of B images with K classes."""

    number: int  # of the steps since the optimizer was new, from 1
    learning_rate: float
    probabilities: np.ndarray  # float32 (B, K), before the update, in training mode
    losses: np.ndarray  # float32 (B,), nats, before the update
    loss: float  # their mean
    loss_after: float  # on the same batch, with the same dropout
    gradient_norms: list[float | None]  # of each layer, the square root of the sum of squares; None without gradients
    largest: list[Update]  # the ten weights that changed most
    followed: Update  # one weight, by default the first of these,
    lines: list[Line]  # and its update by hand: the last is the new weight


@dataclass(frozen=True)
class Check:
    """The derivative of the loss by one weight, computed in two ways in float64."""

    weight: Weight
    step: float  # h
    loss_below: float  # with the weight less h
    loss_above: float  # with the weight plus h
    by_differences: float  # (above - below) / (2 h)
    by_backward: float

    @property
    def difference(self) -> float:
        """The difference of the two, relative to the larger; 0 if both are 0."""
        larger = max(abs(self.by_differences), abs(self.by_backward))
        return abs(self.by_differences - self.by_backward) / larger if larger else 0.0


def initial(spec: RunSpec, images: np.ndarray, classes: int) -> nn.Sequential:
    """The network with which a training of the spec on train images uint8 (N, C, H, W) of K `classes` begins.

    Raises: Refusal, as `take_over`.
    """
    model = initial_model(spec, images.shape[1:], classes)
    scale_for(spec, model, images)
    take_over(spec, model)
    return model


class Practice:
    """A copy of a network in training, of which every step can be explained; the given model stays as it is.

    The optimizer is new, so that momentum and Adam's moments begin at 0; each call of `step` goes on from the last. It
    computes in float32 by torch and without augmentation, as a run of the spec does that has none, up to rounding.
    """

    def __init__(self, spec: RunSpec, module: nn.Module):
        self.spec = spec
        self.module = cast("nn.Sequential", copy.deepcopy(module))
        first_layers(self.module, spec.frozen).requires_grad_(False)
        self.optimizer = new_optimizer(spec, self.module)
        self.number = 0

    def parameters(self) -> dict[str, nn.Parameter]:
        """The weights that are trained, by name."""
        return {name: value for name, value in self.module.named_parameters() if value.requires_grad}

    def step(self, images: np.ndarray, labels: np.ndarray, learning_rate: float, follow: Weight | None = None) -> Step:
        """Make one step on images uint8 (B, C, H, W) with labels int64 (B,), and explain it."""
        parameters = self.parameters()
        given, truth = torch.tensor(images), torch.tensor(labels)
        # The loss afterwards is that of a copy made before, since a pass also moves the statistics of a batch norm.
        after = copy.deepcopy(self.module)
        logits = self._logits(self.module, given)
        losses = functional.cross_entropy(logits, truth, reduction="none")
        gradients = torch.autograd.grad(losses.mean(), list(parameters.values()))
        before = {name: value.detach().clone() for name, value in parameters.items()}
        states = {name: copy.deepcopy(self.optimizer.state[value]) for name, value in parameters.items()}
        for parameter, gradient in zip(parameters.values(), gradients, strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(gradient)  # in the layout that fused optimizers require
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        optimize(self.optimizer)
        self.number += 1
        with torch.no_grad():
            for other, own in zip(after.parameters(), self.module.parameters(), strict=True):
                other.copy_(own)
            loss_after = float(functional.cross_entropy(self._logits(after, given, self.number - 1), truth))
        by_name = dict(zip(parameters, gradients, strict=True))

        def update(weight: Weight) -> Update:
            name, place = weight.parameter, weight.place
            values = (before[name][place], by_name[name][place], parameters[name][place])
            return Update(weight, *(float(value.detach()) for value in values))

        largest = [update(one) for one in _largest(before, parameters)]
        followed = update(follow) if follow else largest[0]
        state = states[followed.weight.parameter]
        return Step(
            number=self.number,
            learning_rate=learning_rate,
            probabilities=logits.detach().softmax(dim=1).numpy(),
            losses=losses.detach().numpy(),
            loss=float(losses.detach().mean()),
            loss_after=loss_after,
            gradient_norms=_norms(len(self.spec.layers), by_name),
            largest=largest,
            followed=followed,
            lines=by_hand(self.spec, followed, _at(state, followed.weight.place), learning_rate),
        )

    def check(self, images: np.ndarray, labels: np.ndarray, weight: Weight, step: float = 1e-6) -> Check:
        """Compare the gradient of the loss by one weight with its finite difference, both in float64.

        Source: the central difference, as in Press et al. 2007, Numerical Recipes, 5.7. Across a kink, as of a ReLU at
        0, the two differ.
        """
        module = copy.deepcopy(self.module).double()
        parameter = module.get_parameter(weight.parameter).requires_grad_(True)  # also of a frozen layer
        given, truth = torch.tensor(images), torch.tensor(labels)
        loss = functional.cross_entropy(self._logits(module, given), truth)
        gradient = float(torch.autograd.grad(loss, parameter)[0][weight.place])
        middle, ends = float(parameter[weight.place].detach()), []
        step *= max(1.0, abs(middle))
        with torch.no_grad():
            for end in (middle - step, middle + step):
                parameter[weight.place] = end
                ends.append(float(functional.cross_entropy(self._logits(module, given), truth)))
        below, above = ends
        return Check(weight, step, below, above, (above - below) / (2 * step), gradient)

    def _logits(self, module: nn.Module, images: Tensor, number: int | None = None) -> Tensor:
        """Logits (B, K) in training mode, with the dropout of step `number`, by default of the next one."""
        module.train()
        first_layers(cast("nn.Sequential", module), self.spec.frozen).eval()
        with _dropout_of(self.spec, self.number if number is None else number):
            return module(images)


@contextmanager
def _dropout_of(spec: RunSpec, number: int) -> Iterator[None]:
    """Seed dropout as `train` does for the first part of a batch, and leave this thread's generator as it was."""
    kept = getattr(chance, "generator", None)
    chance.generator = torch.Generator().manual_seed((spec.seed * 1_000_003 + number) * 1_009)
    try:
        yield
    finally:
        chance.generator = kept


def by_hand(spec: RunSpec, update: Update, state: dict[str, float], learning_rate: float) -> list[Line]:
    """The update of one weight, line by line in float64; the last line is its new value.

    `state`: what the optimizer remembered of it before: `momentum_buffer`, or `exp_avg`, `exp_avg_sq` and `step`.
    Source: Kingma, Ba 2015 (Adam); Loshchilov, Hutter 2019 (AdamW); Sutskever et al. 2013 (momentum, as torch has it).
    """
    known = {"w": update.before, "g": update.gradient, "learning_rate": learning_rate}
    known |= {"weight_decay": spec.weight_decay, "momentum": spec.momentum}
    lines: list[Line] = []

    def line(name: str, formula: str, value: float) -> None:
        written = {word: f"{value:.6g}" if value >= 0 else f"({value:.6g})" for word, value in known.items()}
        numbers = re.sub(r"[a-z_]+\d?'?", lambda word: written.get(word[0], word[0]), formula)
        lines.append(Line(name, formula, numbers, value))
        known[name] = value

    w, g, decay = update.before, update.gradient, spec.weight_decay
    if decay and spec.optimizer == "adamw":
        w *= 1 - learning_rate * decay
        line("w", "w * (1 - learning_rate * weight_decay)", w)
    elif decay:
        g += decay * w
        line("g", "g + weight_decay * w", g)
    if spec.optimizer == "sgd":
        step, name = g, "g"
        if spec.momentum:
            known["v"] = state.get("momentum_buffer", 0.0)  # at first 0, so that torch begins with the gradient itself
            step, name = spec.momentum * known["v"] + g, "v"
            line("v", "momentum * v + g", step)
        line("w", f"w - learning_rate * {name}", w - learning_rate * step)
        return lines
    beta1, beta2, epsilon = 0.9, 0.999, CONSTANTS[spec.defaults].adam_epsilon
    m, s, t = state.get("exp_avg", 0.0), state.get("exp_avg_sq", 0.0), state.get("step", 0.0) + 1
    known |= {"m": m, "s": s, "t": t, "beta1": beta1, "beta2": beta2, "epsilon": epsilon}
    m, s = beta1 * m + (1 - beta1) * g, beta2 * s + (1 - beta2) * g**2
    line("m", "beta1 * m + (1 - beta1) * g", m)
    line("s", "beta2 * s + (1 - beta2) * g ** 2", s)
    m, s = m / (1 - beta1**t), s / (1 - beta2**t)
    line("m'", "m / (1 - beta1 ** t)", m)
    line("s'", "s / (1 - beta2 ** t)", s)
    line("w", "w - learning_rate * m' / (sqrt(s') + epsilon)", w - learning_rate * m / (math.sqrt(s) + epsilon))
    return lines


def _at(state: dict[str, Any], place: Place) -> dict[str, float]:
    """What an optimizer remembers of one weight; the number of its steps is of the whole tensor."""
    known = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    return {name: float(value[place] if value.dim() else value) for name, value in known.items()}


def _largest(before: dict[str, Tensor], after: dict[str, nn.Parameter]) -> list[Weight]:
    """The weights that changed most, the largest change first."""
    changes = {name: (after[name].detach() - values).abs() for name, values in before.items()}
    found: list[tuple[float, Weight]] = []
    for name, values in changes.items():
        top, places = values.flatten().topk(min(LARGEST, values.numel()))
        for change, place in zip(top.tolist(), places.tolist(), strict=True):
            found.append((change, Weight(name, tuple(map(int, np.unravel_index(place, values.shape))))))
    return [weight for _, weight in sorted(found, key=lambda one: -one[0])[:LARGEST]]


def _norms(layers: int, gradients: dict[str, Tensor]) -> list[float | None]:
    squares: list[float | None] = [None] * layers
    for name, gradient in gradients.items():
        at = Weight(name, ()).layer - 1
        squares[at] = (squares[at] or 0.0) + float(gradient.double().square().sum())
    return [None if value is None else math.sqrt(value) for value in squares]
