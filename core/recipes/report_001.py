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
ERRATA = (
    ("accuracy", "erratum.001_selected_on_test"),
    ("parameters", "erratum.001_dead_layer"),
    ("", "erratum.001_histograms"),
    ("", "erratum.001_file_names"),
)
NOT_UNDONE = ("", "erratum.001_normalisation")

REPORT_001: dict[str, Recipe] = {
    "001-a": Recipe(
        TRAINED | {"data": "mnist", "architecture": "lenet-sigmoid"},
        figures={
            "accuracy": 0.9847,
            "best_epoch": 17,
            "first_accuracy": 0.1028,
            "last_accuracy": 0.9746,
            "epochs_to_98": 11,
            "parameters": 61_706,
        },
        assumed=("optimizer",),
        errata=ERRATA,
        honest=HONEST,
        short_epochs=4,
    ),
    "001-b": Recipe(
        TRAINED | {"data": "mnist", "architecture": "lenet"},
        figures={
            "accuracy": 0.9902,
            "best_epoch": 12,
            "first_accuracy": 0.9514,
            "last_accuracy": 0.9902,
            "epochs_to_98": 3,
            "parameters": 61_706,
        },
        assumed=("optimizer",),
        errata=ERRATA,
        honest=HONEST,
        short_epochs=4,
    ),
    "001-c": Recipe(
        TRAINED | CIFAR | {"architecture": "lenet-sigmoid"},
        figures={"accuracy": 0.5331, "best_epoch": 17, "last_accuracy": 0.5252, "parameters": 62_006},
        assumed=("optimizer",),
        errata=(*ERRATA, NOT_UNDONE),
        honest=HONEST,
        short_epochs=4,
    ),
    "001-d": Recipe(
        TRAINED | CIFAR | {"architecture": "lenet"},
        figures={"accuracy": 0.6114, "best_epoch": 14, "last_accuracy": 0.5926, "parameters": 62_006},
        assumed=("optimizer",),
        errata=(*ERRATA, NOT_UNDONE),
        honest=HONEST,
        short_epochs=4,
    ),
}
