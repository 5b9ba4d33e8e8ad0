"""Keras on TensorFlow, by `fit` on arrays in memory."""

# It runs in a Python of its own.
# pyright: reportMissingImports=false

from __future__ import annotations

import os

os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}

import keras  # after the choice of its backend
import numpy as np
from keras import layers, optimizers

from benchmarks.contestants.turn import EPOCH, Clock, Order, Ready, Spent, mnist, serve

KINDS = {
    "conv": lambda layer: layers.Conv2D(
        layer["filters"],
        layer["kernel"],
        padding="same" if layer["same"] else "valid",
        activation=activation(layer),
    ),
    "dense": lambda layer: layers.Dense(layer["units"], activation=activation(layer)),
    "flatten": lambda _: layers.Flatten(),
    "max_pool": lambda layer: layers.MaxPooling2D(layer["size"]),
    "avg_pool": lambda layer: layers.AveragePooling2D(layer["size"]),
}


class Watch(keras.callbacks.Callback):
    """Reads the clock when an epoch begins, when its second step does, and when it ends.

    An epoch takes some 0.1 s before its second step, whatever its number of images.
    """

    async_safe = True  # Keras need not wait for it in every step
    begun: Spent
    stepping: Spent
    ended: Spent

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.begun = Clock.now()

    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
        if batch == 1:
            self.stepping = Clock.now()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.ended = Clock.now()


def activation(layer: dict[str, str]) -> str | None:
    """A layer's activation as Keras names it."""
    return None if layer["activation"] == "none" else layer["activation"]


def prepare(order: Order) -> Ready:
    """Ready to train."""
    images, labels = mnist(order, axis=3)
    pixels = images.astype(np.float32) / 255
    modules = [KINDS[layer["kind"]](layer) for layer in order.layers]
    model = keras.Sequential([keras.Input(pixels.shape[1:]), *modules])
    kind = {"adam": optimizers.Adam, "sgd": optimizers.SGD}[order.optimizer]
    model.compile(kind(order.rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def epoch(count: int) -> Spent:
        """The second of two epochs, without the start of `fit`; only its steps after the first are scaled."""
        watch = Watch()
        model.fit(pixels[:count], labels[:count], batch_size=order.batch, epochs=2, verbose=0, callbacks=[watch])
        first, rest = watch.stepping + watch.begun.times(-1), watch.ended + watch.stepping.times(-1)
        return first + rest.times((EPOCH - order.batch) / (count - order.batch))

    return Ready(epoch, model.count_params())


if __name__ == "__main__":
    serve(prepare)
