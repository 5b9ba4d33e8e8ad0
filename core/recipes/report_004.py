"""Report 004: CNNs on Fashion-MNIST in Keras.

It mentions no val split, so all train images are used for training, as in reports 000, 001 and 003, and the last epoch
is kept.
"""

from __future__ import annotations

from typing import Any

from core.recipes.record import AS_PUBLISHED, Recipe

TRAINED: dict[str, Any] = {
    **AS_PUBLISHED,
    "data": "fashion-mnist",
    "split": "test",
    "best_by": "last",
    "defaults": "keras",
    "batch_size": 32,
    "epochs": 50,
}
ASSUMED = ("learning_rate", "split", "best_by")
NOT_MNIST = ("", "erratum.004_not_mnist")
SEVENTH = ("recall_6", "erratum.004_seventh_row")

REPORT_004: dict[str, Recipe] = {
    "004-a": Recipe(
        TRAINED | {"architecture": "cnn-deeper"},
        figures={"accuracy": 0.8876, "loss": 0.8573, "recall_6": 0.625, "parameters": 65_354},
        assumed=ASSUMED,
        errata=(("loss", "erratum.004_over_fitting"), SEVENTH, NOT_MNIST),
        short_epochs=1,
    ),
    "004-b": Recipe(
        TRAINED | {"architecture": "encoder-mlp"},
        figures={"accuracy": 0.9077, "loss": 0.7093, "recall_6": 0.745, "parameters": 123_690},
        assumed=ASSUMED,
        errata=(("parameters", "erratum.004_wider"), SEVENTH, NOT_MNIST),
        short_epochs=1,
    ),
}
