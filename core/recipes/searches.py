"""The hyperparameter searches of report 002, and the lookup of the recipe or search to which a spec belongs."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from core import words
from core.networks.architectures import mlp, one_convolution
from core.networks.layers import Layers, text
from core.recipes import repeated_by
from core.recipes.record import SHORT_SECONDS, VARIANTS, Variant
from core.recipes.report_002 import HONEST, TRAINED
from core.search import Search, Stage
from core.spec import RunSpec


def _search(
    start: Mapping[str, Any],
    stages: Mapping[str, Mapping[Any, float]],  # by choice: the reported val accuracy of each option
    network: Callable[[Mapping[str, Any]], Layers],
    epochs: int,
) -> Search:
    def values(choices: Mapping[str, Any]) -> dict[str, Any]:
        found = TRAINED | {"layers": text(network(choices)), "epochs": epochs}
        if choices.get("optimizer") == "adam":
            found |= {"optimizer": "adam", "learning_rate": 0.001}
        return found

    trainings = sum(map(len, stages.values()))
    short = {"epochs": 1, "time_limit": SHORT_SECONDS / trainings, "precision": "auto"}
    return Search(
        start=start,
        stages=tuple(Stage(choice, tuple(reported), reported) for choice, reported in stages.items()),
        values=values,
        variants={"faithful": {}, "honest": HONEST, "short": HONEST | short},
    )


SEARCHES: dict[str, Search] = {
    "002-a": _search(
        start={"width": 256, "activation": "relu", "dropout": 0, "optimizer": "sgd"},
        stages={
            "width": {256: 0.8746, 512: 0.8763, 1024: 0.8804, 2048: 0.8813, 4096: 0.8832},
            "activation": {"relu": 0.8832, "sigmoid": 0.8523},
            "dropout": {0: 0.8838, 0.25: 0.8846, 0.5: 0.8799},
            "optimizer": {"sgd": 0.8846, "adam": 0.8333},
        },
        network=lambda choices: mlp(choices["width"], activation=choices["activation"], dropout=choices["dropout"]),
        epochs=500,
    ),
    "002-c": _search(
        start={},
        stages={
            "convolution": {  # (filters, kernel)
                **{(8, 3): 0.8715, (8, 5): 0.8813, (8, 7): 0.8765, (8, 9): 0.8849},
                **{(16, 3): 0.8835, (16, 5): 0.8907, (16, 7): 0.8944, (16, 9): 0.8899},
                **{(32, 3): 0.8891, (32, 5): 0.8938, (32, 7): 0.8977, (32, 9): 0.9002},
                **{(64, 3): 0.8907, (64, 5): 0.8994, (64, 7): 0.9027, (64, 9): 0.9047},
                **{(128, 3): 0.8902, (128, 5): 0.9002, (128, 7): 0.9027, (128, 9): 0.9044},
            },
        },
        network=lambda choices: one_convolution(*choices["convolution"]),
        epochs=100,
    ),
}


def option_text(option: object, language: str) -> str:
    """An option of a stage as text: a number, a word, or `8 @ 3 x 3` for 8 filters with kernels of 3 x 3."""
    if isinstance(option, tuple):
        filters, kernel = option
        return f"{filters} @ {kernel} x {kernel}"
    if isinstance(option, int | float):
        return words.number(option, language=language)
    return words.text(language, f"search.option_{option}")


def belongs_to(spec: RunSpec) -> tuple[str, Variant] | None:
    """The recipe or search, and the variant, to which a spec belongs, ignoring its seed; None if it belongs to none."""
    return repeated_by(spec) or _trainings().get(spec.model_copy(update={"seed": 0}))


@functools.cache
def _trainings() -> dict[RunSpec, tuple[str, Variant]]:
    """The specs of all trainings that the searches can reach, whatever their stages choose, with seed 0."""
    return {
        search.spec({**search.start, **dict(choices)}, variant, seed=0): (name, variant)
        for name, search in SEARCHES.items()
        for choices in itertools.product(*([(one.choice, option) for option in one.options] for one in search.stages))
        for variant in VARIANTS
    }
