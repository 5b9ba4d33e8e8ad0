"""Report 003: MLPs and CNNs on MNIST in Keras."""

from __future__ import annotations

from typing import Any

from core.networks.architectures import cnn, mlp
from core.networks.layers import text
from core.recipes.record import AS_PUBLISHED, Recipe

TRAINED: dict[str, Any] = {**AS_PUBLISHED, "data": "mnist", "split": "test", "best_by": "last", "defaults": "keras"}
SGD: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.01}
CNN: dict[str, Any] = {"batch_size": 128, "epochs": 10}
SHOWS = ("accuracy", "loss")
BY_NAME = {"learning_rate": "assumed.by_name"}
TEST_ONCE = ("note.test_once",)  # `fit` without validation data; the CNNs' has them
TRAINING_DATA = ("accuracy", "erratum.003_training_data")
VALIDATED = ("accuracy", "erratum.validated_on_test")

REPORT_003 = (
    Recipe(
        "003-a",
        TRAINED | SGD | {"architecture": "mlp", "batch_size": 32, "epochs": 10},
        shows=SHOWS,
        assumed=BY_NAME,
        errata=(TRAINING_DATA,),
        notes=TEST_ONCE,
    ),
    Recipe(
        "003-b",
        TRAINED | {"layers": text(mlp(128, activation="tanh")), "batch_size": 64, "epochs": 20},
        shows=(*SHOWS, "share_of_class_0"),
        assumed=BY_NAME,
        errata=(("accuracy", "erratum.003_impossible"), ("share_of_class_0", "erratum.003_share")),
        warning="warning.impossible",
        notes=TEST_ONCE,
    ),
    Recipe(
        "003-c",
        TRAINED | SGD | {"layers": text(mlp(256)), "batch_size": 64, "epochs": 20},
        shows=SHOWS,
        assumed=BY_NAME,
        errata=(TRAINING_DATA,),
        notes=TEST_ONCE,
    ),
    Recipe(
        "003-d",
        TRAINED | CNN | {"architecture": "cnn"},
        shows=SHOWS,
        assumed=BY_NAME,
        errata=(VALIDATED,),
    ),
    Recipe(
        "003-e",
        TRAINED | CNN | {"layers": text(cnn((32, 3), (64, 3), widths=(64,), activation="sigmoid"))},
        shows=SHOWS,
        assumed=BY_NAME,
        errata=(VALIDATED, ("parameters", "erratum.003_pooling")),
    ),
    Recipe(
        "003-f",
        TRAINED | CNN | {"architecture": "cnn-small"},
        shows=SHOWS,
        assumed=BY_NAME,
        errata=(VALIDATED, ("loss", "erratum.003_rounded")),
    ),
)
