"""Report 000: MLPs on MNIST in PyTorch. It states neither SGD's learning rate nor the number of epochs."""

from __future__ import annotations

from typing import Any

from core.networks.architectures import mlp
from core.networks.layers import text
from core.recipes.record import AS_PUBLISHED, Recipe

TRAINED: dict[str, Any] = {
    **AS_PUBLISHED,
    "data": "mnist",
    "split": "test",
    "best_by": "last",
    "batch_size": 256,
    "epochs": 10,
}
ASSUMED = ("epochs", "normalisation", "best_by")
VALIDATED = ("accuracy", "erratum.validated_on_test")
ALIKE = ("errors", "erratum.000_alike")

REPORT_000: dict[str, Recipe] = {
    "000-a": Recipe(
        TRAINED | {"layers": text(mlp(128, activation="sigmoid")), "optimizer": "sgd", "learning_rate": 0.1},
        figures={"accuracy": 0.9157, "errors": 843, "parameters": 101_770},
        assumed=("learning_rate", *ASSUMED),
        errata=(VALIDATED,),
    ),
    "000-b": Recipe(
        TRAINED | {"layers": text(mlp(128, activation="sigmoid"))},
        figures={"accuracy": 0.9619, "errors": 381, "parameters": 101_770},
        assumed=ASSUMED,
        errata=(VALIDATED,),
    ),
    "000-c": Recipe(
        TRAINED | {"architecture": "mlp"},
        figures={"accuracy": 0.9741, "errors": 259, "parameters": 101_770},
        assumed=ASSUMED,
        errata=(VALIDATED,),
    ),
    "000-d": Recipe(
        TRAINED | {"layers": text(mlp(256))},
        figures={"accuracy": 0.9776, "errors": 224, "parameters": 203_530},
        assumed=ASSUMED,
        errata=(VALIDATED, ALIKE),
    ),
    "000-e": Recipe(
        TRAINED | {"architecture": "mlp-256-256"},
        figures={"accuracy": 0.9790, "errors": 210, "parameters": 269_322},
        assumed=ASSUMED,
        errata=(VALIDATED, ALIKE),
    ),
}
