"""Named architectures as lists of layers, among them the networks of the published experiments.

To add an architecture, write a tuple of layers and add a line to `ARCHITECTURES`.
"""

from __future__ import annotations

from core.networks.activations import Activation
from core.networks.layers import (
    ActivationLayer,
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    DenseBlock,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Layers,
    MaxPool,
)


def mlp(*widths: int, activation: Activation = "relu", dropout: float = 0) -> Layers:
    """An MLP with hidden dense layers of the given widths, each followed by dropout if that is not 0."""
    hidden = []
    for width in widths:
        hidden.append(Dense(units=width, activation=activation))
        if dropout:
            hidden.append(Dropout(rate=dropout))
    return (Flatten(), *hidden, Dense(units="classes"))


def lenet(convolutions: Activation = "relu", dense: Activation = "relu") -> Layers:
    """LeNet-5 as built in the reports, with average pooling. Source: LeCun, Bottou, Bengio, Haffner 1998."""
    return (
        Conv(filters=6, kernel=5, padding=2, activation=convolutions),
        AvgPool(size=2),
        Conv(filters=16, kernel=5, activation=convolutions),
        AvgPool(size=2),
        Flatten(),
        Dense(units=120, activation=dense),
        Dense(units=84, activation=dense),
        Dense(units="classes"),
    )


def cnn(*convolutions: tuple[int, int], widths: tuple[int, ...], activation: Activation = "relu") -> Layers:
    """Convolutions (filters, kernel) without padding, each followed by a 2 x 2 max-pool, then dense layers."""
    stages = [
        layer
        for filters, kernel in convolutions
        for layer in (Conv(filters=filters, kernel=kernel, activation=activation), MaxPool(size=2))
    ]
    return (*stages, *mlp(*widths, activation=activation))


def one_convolution(filters: int, kernel: int) -> Layers:
    """A network of report 002's grid search: one convolution, one max-pool, one dense layer."""
    return (
        Conv(filters=filters, kernel=kernel, padding="same", activation="relu"),
        MaxPool(size=2),
        Flatten(),
        Dense(units="classes"),
    )


def dense_net() -> Layers:
    """The deep network of report 002: one convolution and one dense block. Source: Huang et al. 2017."""
    return (
        Conv(filters=64, kernel=7, padding="same"),
        BatchNorm(),
        ActivationLayer(function="relu"),
        MaxPool(size=2),
        DenseBlock(layers=6),
        GlobalAvgPool(),
        Dense(units="classes"),
    )


def cnn_strided() -> Layers:
    """A CNN that is fast on a CPU: the first convolution has stride 2 in place of a pooling layer."""
    first = Conv(filters=16, kernel=5, stride=2, activation="relu")
    return (first, Conv(filters=32, kernel=3, activation="relu"), MaxPool(size=2), *mlp(128))


def cnn_four() -> Layers:
    """Two pairs of convolutions, each followed by a max-pool, as in VGG. Source: Simonyan, Zisserman 2015."""
    return (
        Conv(filters=16, kernel=3, padding=1, activation="relu"),
        Conv(filters=32, kernel=3, activation="relu"),
        MaxPool(size=2),
        Conv(filters=48, kernel=3, activation="relu"),
        Conv(filters=48, kernel=3, activation="relu"),
        MaxPool(size=2),
        Flatten(),
        Dropout(rate=0.3),
        Dense(units=64, activation="relu"),
        Dense(units="classes"),
    )


ARCHITECTURES: dict[str, Layers] = {
    "mlp": mlp(128),
    "mlp-256-256": mlp(256, 256),
    "lenet": lenet(),
    "lenet-sigmoid": lenet("sigmoid", "tanh"),
    "cnn": cnn((32, 3), (64, 3), widths=(64,)),
    "cnn-small": cnn((16, 5), (32, 3), widths=(64,)),
    "cnn-deeper": cnn((32, 3), (64, 3), (64, 3), widths=(128,)),
    "cnn-wide-kernel": one_convolution(64, 9),
    "cnn-strided": cnn_strided(),
    "cnn-four": cnn_four(),
    "encoder-mlp": cnn((32, 3), (64, 3), widths=(64, 32)),
    "dense-net": dense_net(),
}
"""The layers of each architecture, by name. `custom` is not among them: it stands for layers that a user wrote."""
