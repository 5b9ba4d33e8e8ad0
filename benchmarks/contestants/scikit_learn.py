"""scikit-learn's MLPClassifier."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.contestants.turn import Clock, Order, Ready, SkippedError, Spent, mnist, serve


def prepare(order: Order) -> Ready:
    """Ready to train an MLP of ReLUs with Adam."""
    flatten, *hidden, _ = order.layers
    if flatten["kind"] != "flatten" or order.optimizer != "adam":
        raise SkippedError("scikit-learn has no such network")
    warnings.simplefilter("ignore", ConvergenceWarning)  # training stops early on purpose
    images, labels = mnist(order, axis=1)
    pixels = images.reshape(len(images), -1).astype(np.float32) / 255
    widths = tuple(layer["units"] for layer in hidden)
    values: dict[str, Any] = {"batch_size": order.batch, "learning_rate_init": order.rate}

    def new(epochs: int) -> MLPClassifier:
        return MLPClassifier(widths, solver="adam", alpha=0, max_iter=epochs, **values)

    def epoch(count: int) -> Spent:
        """A quarter of four epochs, so that its checks before the first count little."""
        with Clock() as clock:
            new(epochs=4).fit(pixels[:count], labels[:count])
        return clock.spent.times(1 / 4).scaled(count)

    first = new(epochs=1).fit(pixels[: order.batch], labels[: order.batch])
    return Ready(epoch, sum(one.size for one in (*first.coefs_, *first.intercepts_)))


if __name__ == "__main__":
    serve(prepare)
