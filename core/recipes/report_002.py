"""Report 002: BloodMNIST in Keras; the last 30 % of the train split are val and choose the best epoch."""

from __future__ import annotations

from typing import Any

from core.networks.architectures import mlp
from core.networks.layers import text
from core.recipes.record import AS_PUBLISHED, Recipe

TEST_IMAGES = 3_421
TRAINED: dict[str, Any] = {
    **AS_PUBLISHED,
    "data": "bloodmnist",
    "split": "first_last",
    "val_fraction": 0.3,
    "defaults": "keras",
    "optimizer": "sgd",
    "learning_rate": 0.01,
    "batch_size": 32,
}
HONEST: dict[str, Any] = {"split": "official", "val_fraction": 0.1}  # unused with `official`, so back to its default
COUNT = ("", "erratum.002_count")
SWAPPED = ("balanced_accuracy", "erratum.002_swapped_columns")

REPORT_002: dict[str, Recipe] = {
    "002-b": Recipe(
        TRAINED | {"layers": text(mlp(4096, dropout=0.25)), "epochs": 500},
        figures={"accuracy": 0.8705, "balanced_accuracy": 0.8437, "parameters": 9_670_664},
        n=TEST_IMAGES,
        assumed=("epochs", "learning_rate", "batch_size"),
        errata=(SWAPPED, ("accuracy", "erratum.002_dropout"), COUNT),
        honest=HONEST,
        short_epochs=5,
    ),
    "002-d": Recipe(
        TRAINED | {"architecture": "cnn-wide-kernel", "epochs": 200},
        figures={"accuracy": 0.9088, "balanced_accuracy": 0.8905, "parameters": 115_976},
        n=TEST_IMAGES,
        assumed=("learning_rate", "batch_size"),
        errata=(
            ("accuracy", "erratum.002_second_training"),
            SWAPPED,
            ("parameters", "erratum.002_ratio"),
            ("parameters", "erratum.002_one_standard_error"),
            COUNT,
        ),
        honest=HONEST,
    ),
    "002-e": Recipe(
        TRAINED
        | {"data": "bloodmnist-64", "architecture": "cnn-wide-kernel", "epochs": 200}
        | {"first_layers": "frozen", "layers_taken": 1},
        figures={"accuracy": 0.8620, "frozen_parameters": 15_616, "trainable_parameters": 524_296},
        n=TEST_IMAGES,
        assumed=("epochs", "learning_rate", "batch_size"),
        errata=(COUNT,),
        honest=HONEST,
        short_epochs=1,
        weights_from="002-d",
    ),
    "002-f": Recipe(
        TRAINED | {"architecture": "dense-net", "epochs": 200},
        figures={"accuracy": 0.9497, "balanced_accuracy": 0.9444, "parameters": 347_656},
        n=TEST_IMAGES,
        assumed=("learning_rate",),
        errata=(("accuracy", "erratum.002_empty_section"), ("parameters", "erratum.002_statistics"), COUNT),
        honest=HONEST,
        short_epochs=1,
    ),
}
