"""Report 001: LeNet-5 on MNIST and CIFAR-10 in PyTorch; each epoch is evaluated on test and the best is kept."""

from __future__ import annotations

from typing import Any

from core.recipes.record import AS_PUBLISHED, Recipe

TRAINED: dict[str, Any] = {
    **AS_PUBLISHED,
    "split": "test",
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "batch_size": 64,
    "epochs": 20,
    "target_accuracy": 0.9901,  # "above 99 %", of 10,000 images
    "seed": 42,
}
CIFAR: dict[str, Any] = {"data": "cifar10", "image_size": 28, "normalisation": "half"}
HONEST: dict[str, Any] = {"split": "stratified"}
SHOWS = ("accuracy", "best_epoch", "first_accuracy", "last_accuracy", "epochs_to_98")
ASSUMED = {
    "optimizer": "assumed.cut_off",
    "target_accuracy": "assumed.001_stop",
    "seed": "assumed.001_seed",
}
ERRATA = (
    ("accuracy", "erratum.001_selected_on_test"),
    ("parameters", "erratum.001_dead_layer"),
    ("", "erratum.001_histograms"),
    ("", "erratum.001_file_names"),
)
RANGE = ("", "erratum.001_range")
NOT_UNDONE = ("", "erratum.001_normalisation")

REPORT_001 = (
    Recipe(
        "001-a",
        TRAINED | {"data": "mnist", "architecture": "lenet-sigmoid"},
        shows=SHOWS,
        assumed=ASSUMED,
        errata=(*ERRATA, RANGE),
        warning="warning.selected",
        honest=HONEST,
        short_epochs=4,
    ),
    Recipe(
        "001-b",
        TRAINED | {"data": "mnist", "architecture": "lenet"},
        shows=SHOWS,
        assumed=ASSUMED,
        errata=ERRATA,
        warning="warning.selected",
        honest=HONEST,
        short_epochs=4,
    ),
    Recipe(
        "001-c",
        TRAINED | CIFAR | {"architecture": "lenet-sigmoid"},
        shows=SHOWS,
        assumed=ASSUMED,
        errata=(*ERRATA, NOT_UNDONE),
        warning="warning.selected",
        honest=HONEST,
        short_epochs=4,
    ),
    Recipe(
        "001-d",
        TRAINED | CIFAR | {"architecture": "lenet"},
        shows=SHOWS,
        assumed=ASSUMED,
        errata=(*ERRATA, NOT_UNDONE),
        warning="warning.selected",
        honest=HONEST,
        short_epochs=4,
    ),
)
