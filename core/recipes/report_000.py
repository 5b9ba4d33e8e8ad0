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
SHOWS = ("accuracy", "errors")
ASSUMED = {
    "batch_size": "assumed.forty_batches",
    "epochs": "assumed.not_stated",
    "normalisation": "assumed.not_stated",
    "best_by": "assumed.not_stated",
}
NOT_STATED = {"learning_rate": "assumed.not_stated"}
CUT_OFF = {"learning_rate": "assumed.cut_off"}
VALIDATED = ("accuracy", "erratum.validated_on_test")
ALIKE = ("errors", "erratum.000_alike")

REPORT_000 = (
    Recipe(
        "000-a",
        TRAINED | {"layers": text(mlp(128, activation="sigmoid")), "optimizer": "sgd", "learning_rate": 0.1},
        shows=SHOWS,
        assumed=NOT_STATED | ASSUMED,
        errata=(VALIDATED,),
    ),
    Recipe(
        "000-b",
        TRAINED | {"layers": text(mlp(128, activation="sigmoid"))},
        shows=SHOWS,
        assumed=ASSUMED,
        errata=(VALIDATED,),
    ),
    Recipe(
        "000-c",
        TRAINED | {"architecture": "mlp"},
        shows=SHOWS,
        assumed=CUT_OFF | ASSUMED,
        errata=(VALIDATED,),
    ),
    Recipe(
        "000-d",
        TRAINED | {"layers": text(mlp(256))},
        shows=SHOWS,
        assumed=CUT_OFF | ASSUMED,
        errata=(VALIDATED, ALIKE),
    ),
    Recipe(
        "000-e",
        TRAINED | {"architecture": "mlp-256-256"},
        shows=SHOWS,
        assumed=ASSUMED,
        errata=(VALIDATED, ALIKE),
    ),
)
