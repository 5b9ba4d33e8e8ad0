"""Report 003: MLPs and CNNs on MNIST in Keras."""

from __future__ import annotations

from typing import Any

from core.networks.architectures import cnn, mlp
from core.networks.layers import text
from core.recipes.record import AS_PUBLISHED, Recipe

TRAINED: dict[str, Any] = {**AS_PUBLISHED, "data": "mnist", "split": "test", "best_by": "last", "defaults": "keras"}
SGD: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.01}
CNN: dict[str, Any] = {"batch_size": 128, "epochs": 10}
VALIDATED = ("accuracy", "erratum.validated_on_test")

REPORT_003: dict[str, Recipe] = {
    "003-a": Recipe(
        TRAINED | SGD | {"architecture": "mlp", "batch_size": 32, "epochs": 10},
        figures={"accuracy": 0.9552, "loss": 0.1602, "parameters": 101_770},
        errata=(VALIDATED,),
    ),
    "003-b": Recipe(
        TRAINED | {"layers": text(mlp(128, activation="tanh")), "batch_size": 64, "epochs": 20},
        figures={"accuracy": 0.0990, "loss": 0.0836, "parameters": 101_770},
        assumed=("learning_rate",),
        errata=(("accuracy", "erratum.003_impossible"), VALIDATED),
    ),
    "003-c": Recipe(
        TRAINED | SGD | {"layers": text(mlp(256)), "batch_size": 64, "epochs": 20},
        figures={"accuracy": 0.9552, "loss": 0.1519, "parameters": 203_530},
        assumed=("learning_rate",),
        errata=(VALIDATED,),
    ),
    "003-d": Recipe(
        TRAINED | CNN | {"architecture": "cnn"},
        figures={"accuracy": 0.9891, "loss": 0.0382, "parameters": 121_930},
        assumed=("learning_rate",),
        errata=(VALIDATED,),
    ),
    "003-e": Recipe(
        TRAINED | CNN | {"layers": text(cnn((32, 3), (64, 3), widths=(64,), activation="sigmoid"))},
        figures={"accuracy": 0.9860, "loss": 0.0435, "parameters": 121_930},
        assumed=("learning_rate",),
        errata=(VALIDATED, ("parameters", "erratum.003_pooling")),
    ),
    "003-f": Recipe(
        TRAINED | CNN | {"architecture": "cnn-small"},
        figures={"accuracy": 0.9907, "loss": 0.0289, "parameters": 56_970},
        assumed=("learning_rate",),
        errata=(VALIDATED,),
    ),
}
