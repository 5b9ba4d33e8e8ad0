"""Report 004: CNNs on Fashion-MNIST in Keras.

Its `fit` has neither a val split nor anything that chooses: 1,875 steps of 32 images are all 60,000 train images.
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
SHOWS = ("accuracy", "loss", "recall_6", "train_accuracy_21")
BY_NAME = {"learning_rate": "assumed.by_name"}
NOT_MNIST = ("", "erratum.004_not_mnist")
SEVENTH = ("recall_6", "erratum.004_seventh_row")
NOT_EQUAL = ("accuracy", "erratum.004_not_equal")

REPORT_004 = (
    Recipe(
        "004-a",
        TRAINED | {"architecture": "cnn-deeper"},
        shows=SHOWS,
        assumed=BY_NAME,
        errata=(NOT_EQUAL, ("loss", "erratum.004_over_fitting"), SEVENTH, NOT_MNIST),
        notes=("note.test_once", "note.004_cut_off"),
        short_epochs=1,
    ),
    Recipe(
        "004-b",
        TRAINED | {"architecture": "encoder-mlp"},
        shows=SHOWS,
        assumed=BY_NAME,
        errata=(NOT_EQUAL, ("parameters", "erratum.004_wider"), SEVENTH, NOT_MNIST),
        notes=("note.test_once", "note.004_epochs_lost"),
        short_epochs=1,
    ),
)
