"""Report 002: BloodMNIST in Keras; the last 30 % of the train split are val, whose least loss chooses the epoch.

What its text leaves open stands in its author's public notebooks and weights files.
"""

from __future__ import annotations

from typing import Any

from core.networks.architectures import mlp
from core.networks.layers import text
from core.recipes.record import AS_PUBLISHED, Recipe

TRAINED: dict[str, Any] = {
    **AS_PUBLISHED,
    "data": "bloodmnist",
    "split": "first_last",
    "val_fraction": 0.3,
    "defaults": "keras",
    "optimizer": "sgd",
    "learning_rate": 0.01,
    "batch_size": 32,
    "best_by": "val_loss",  # Keras' ModelCheckpoint monitors it by default; the searches compare val accuracies
}
HONEST: dict[str, Any] = {
    "split": "official",
    "val_fraction": 0.1,  # unused with `official`, so back to its default
    "best_by": "val_accuracy",
}
EPOCHS = ("best_epoch", "kept_val_accuracy", "max_val_epoch", "max_val_accuracy")
SHOWS = ("accuracy", "balanced_accuracy", *EPOCHS, "parameters")
KEPT = ("best_epoch", "erratum.002_kept")
COUNT = ("", "erratum.002_count")
SWAPPED = ("balanced_accuracy", "erratum.002_swapped_columns")
LARGE: dict[str, Any] = {"data": "bloodmnist-64", "architecture": "cnn-wide-kernel", "epochs": 200}

REPORT_002 = (
    Recipe(
        "002-b",
        TRAINED | {"layers": text(mlp(4096, dropout=0.25)), "epochs": 500},
        shows=SHOWS,
        errata=(
            KEPT,
            SWAPPED,
            ("", "erratum.002_worst_classes"),
            ("accuracy", "erratum.002_dropout"),
            ("", "erratum.002_figure_15"),
            COUNT,
        ),
        honest=HONEST,
        short_epochs=5,
    ),
    Recipe(
        "002-d",
        TRAINED | {"architecture": "cnn-wide-kernel", "epochs": 200},
        shows=SHOWS,
        errata=(
            ("accuracy", "erratum.002_second_training"),
            KEPT,
            SWAPPED,
            ("parameters", "erratum.002_ratio"),
            ("parameters", "erratum.002_one_standard_error"),
            COUNT,
        ),
        honest=HONEST,
    ),
    Recipe(
        "002-e",
        TRAINED | LARGE | {"first_layers": "random", "layers_taken": 1},
        shows=("accuracy", *EPOCHS, "frozen_parameters", "trainable_parameters"),
        errata=(("accuracy", "erratum.002_never_trained"), ("", "erratum.002_proof"), COUNT),
        warning="warning.never_trained",
        honest=HONEST,
        short_epochs=1,
    ),
    Recipe(
        "002-e-meant",
        TRAINED | LARGE | {"first_layers": "frozen", "layers_taken": 1},
        notes=("note.002_meant",),
        honest=HONEST,
        short_epochs=1,
        weights_from="002-d",
    ),
    Recipe(
        "002-e-tuned",
        TRAINED | LARGE | {"first_layers": "joint", "layers_taken": 1},
        honest=HONEST,
        short_epochs=1,
        weights_from="002-d",
    ),
    Recipe(
        "002-e-scratch",
        TRAINED | LARGE,
        honest=HONEST,
        short_epochs=1,
    ),
    Recipe(
        "002-f",
        TRAINED | {"architecture": "dense-net", "epochs": 200},
        shows=SHOWS,
        errata=(
            ("accuracy", "erratum.002_empty_section"),
            KEPT,
            SWAPPED,
            ("parameters", "erratum.002_statistics"),
            ("", "erratum.002_architecture_table"),
            COUNT,
        ),
        honest=HONEST,
        short_epochs=1,
    ),
)
