"""The activation functions: formula, derivative, and the torch module that computes each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Activation = Literal["none", "relu", "leaky_relu", "gelu", "silu", "sigmoid", "tanh"]
Values = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Function:
    """An activation function and its derivative; where that does not exist, at 0, it has torch's value."""

    module: str  # name in torch.nn
    value: Values  # float64 in, float64 of the same shape out
    derivative: Values


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x), computed by tanh, which does not overflow."""
    return 0.5 * (1 + np.tanh(x / 2))


def _normal(x: np.ndarray) -> np.ndarray:
    """The cumulative distribution function of the standard normal distribution."""
    return 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def _normal_density(x: np.ndarray) -> np.ndarray:
    return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


FUNCTIONS: dict[Activation, Function] = {
    "none": Function("Identity", lambda x: x, np.ones_like),
    "relu": Function("ReLU", lambda x: np.maximum(x, 0.0), lambda x: np.where(x > 0, 1.0, 0.0)),
    "leaky_relu": Function("LeakyReLU", lambda x: np.where(x > 0, x, 0.01 * x), lambda x: np.where(x > 0, 1.0, 0.01)),
    # Source: Hendrycks, Gimpel 2016.
    "gelu": Function("GELU", lambda x: x * _normal(x), lambda x: _normal(x) + x * _normal_density(x)),
    "silu": Function("SiLU", lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x)))),
    "sigmoid": Function("Sigmoid", sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x))),
    "tanh": Function("Tanh", np.tanh, lambda x: 1 - np.tanh(x) ** 2),
}
