"""JAX with Optax: one compiled function a step, on arrays in memory."""

# It runs in a Python of its own.
# pyright: reportMissingImports=false

from __future__ import annotations

import os

os.environ["JAX_PLATFORMS"] = "cpu"

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax  # after the choice of its device
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax, nn

from benchmarks.contestants.turn import Clock, Order, Ready, Spent, mnist, serve

ACTIVATIONS = {"relu": nn.relu, "sigmoid": nn.sigmoid, "tanh": jnp.tanh, "none": lambda x: x}
Weights = list[tuple[Any, Any]]  # kernel and bias, of each layer that has some


def forward(layers: list[dict[str, Any]], weights: Weights, x: Any) -> Any:
    """The logits (B, K) of pictures (B, H, W, C)."""
    left: Iterator[tuple[Any, Any]] = iter(weights)
    for layer in layers:
        match layer["kind"]:
            case "conv":
                kernel, bias = next(left)
                orders = ("NHWC", "HWIO", "NHWC")
                padding = "SAME" if layer["same"] else "VALID"
                x = lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=orders) + bias
            case "dense":
                kernel, bias = next(left)
                x = x @ kernel + bias
            case "flatten":
                x = x.reshape(len(x), -1)
            case pool:
                # Not by `lax.reduce_window`, whose backward pass takes half as long again on a CPU.
                size, (images, height, width, channels) = layer["size"], x.shape
                x = x[:, : height // size * size, : width // size * size]
                x = x.reshape(images, height // size, size, width // size, size, channels)
                x = x.max((2, 4)) if pool == "max_pool" else x.mean((2, 4))
        x = ACTIVATIONS[layer.get("activation", "none")](x)
    return x


def initial(layers: list[dict[str, Any]], shape: tuple[int, ...]) -> Weights:
    """Glorot's weights and zero biases for pictures of `shape` (H, W, C)."""
    weights: Weights = []
    for place, layer in enumerate(layers):
        if layer["kind"] not in ("conv", "dense"):
            continue
        before = jax.eval_shape(partial(forward, layers[:place]), weights, jnp.zeros((1, *shape))).shape
        sizes = (
            (layer["kernel"], layer["kernel"], before[-1], layer["filters"])
            if layer["kind"] == "conv"
            else (before[-1], layer["units"])
        )
        draw = nn.initializers.glorot_uniform()
        weights.append((draw(jax.random.key(place), sizes), jnp.zeros(sizes[-1])))
    return weights


def prepare(order: Order) -> Ready:
    """Ready to train."""
    images, labels = mnist(order, axis=3)
    pixels, classes = jnp.asarray(images, jnp.float32) / 255, jnp.asarray(labels)
    optimizer = {"adam": optax.adam, "sgd": optax.sgd}[order.optimizer](order.rate)
    weights = initial(order.layers, images.shape[1:])
    state, chance = (weights, optimizer.init(weights)), np.random.default_rng(0)

    # Not a whole epoch in one function by `lax.scan`: within it, a convolution takes several times as long on a CPU.
    @partial(jax.jit, donate_argnums=0)
    def step(state: Any, pixels: Any, classes: Any, places: Any) -> tuple[Any, Any]:
        def loss(weights: Weights) -> Any:
            logits = forward(order.layers, weights, pixels[places])
            return optax.softmax_cross_entropy_with_integer_labels(logits, classes[places]).mean()

        value, gradients = jax.value_and_grad(loss)(state[0])
        updates, inner = optimizer.update(gradients, state[1], state[0])
        return (optax.apply_updates(state[0], updates), inner), value

    def epoch(count: int) -> Spent:
        nonlocal state
        with Clock() as clock:
            for places in np.split(chance.permutation(count), range(order.batch, count, order.batch)):
                state, _ = step(state, pixels, classes, places)
            jax.block_until_ready(state)
        return clock.spent.scaled(count)

    return Ready(epoch, sum(one.size for one in jax.tree.leaves(weights)))


if __name__ == "__main__":
    serve(prepare)
