"""Our own recipes, the fastest and the most accurate found; `benchmarks/recipes.py` measures their accuracy."""

from __future__ import annotations

from typing import Any

# Chosen by val accuracy among some thirty candidates, with three seeds each; benchmarks/RESULTS.md says what helped.
MNIST_FAST: dict[str, Any] = {
    "data": "mnist",
    "architecture": "cnn-strided",
    "normalisation": "standard",
    "optimizer": "adamw",
    "learning_rate": 0.015,
    "weight_decay": 0.01,
    "schedule": "one_cycle",
    "batch_size": 256,
    "epochs": 4,
    "best_by": "last",
}

MNIST_BEST: dict[str, Any] = {
    "data": "mnist",
    "architecture": "cnn-four",
    "normalisation": "standard",
    "optimizer": "adamw",
    "learning_rate": 0.004,
    "weight_decay": 0.02,
    "schedule": "one_cycle",
    "batch_size": 128,
    "epochs": 15,
    "rotation": 10,
    "shift": 2,
    "zoom": 0.1,
    "best_by": "last",
}

# Chosen by val accuracy among six candidates with one seed each, which benchmarks/RESULTS.md names.
FASHION_BEST: dict[str, Any] = {
    "data": "fashion-mnist",
    "layers": (
        "conv(24, 3, padding=1), batch_norm, activation(relu), "
        "conv(32, 3, stride=2, padding=1), batch_norm, activation(relu), "
        "conv(32, 3, padding=1), batch_norm, activation(relu), "
        "conv(40, 3, padding=1), batch_norm, activation(relu), max_pool(2), dropout(0.1), "
        "conv(52, 3, padding=1), batch_norm, activation(relu), "
        "conv(52, 3, padding=1), batch_norm, activation(relu), "
        "conv(52, 3, padding=1), batch_norm, activation(relu), global_avg_pool, dropout(0.1), dense(classes)"
    ),
    "normalisation": "standard",
    "optimizer": "adamw",
    "learning_rate": 0.01,
    "weight_decay": 0.05,
    "schedule": "one_cycle",
    "batch_size": 128,
    "epochs": 30,
    "flip": 0.5,
    "best_by": "last",
}

# Each chosen among three candidates: `DRAWING_MNIST_ONLY` on pen digits, without those of test, `DRAWING` on val;
# benchmarks/RESULTS.md says what was tried.
DRAWING_MNIST_ONLY: dict[str, Any] = MNIST_BEST | {"val_fraction": 0.02, "shift": 1, "elastic": 1}
DRAWING: dict[str, Any] = MNIST_BEST | {
    "data": "mnist-and-drawings",
    "split": "official",
    "epochs": 30,
    "shift": 1,
    "elastic": 1,
    "stroke_width": 0.3,
}
