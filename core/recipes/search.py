"""The searches of report 002: many trainings, of which those that are done are found again in the store.

Nothing of a search is stored but its runs: a training that is done is never repeated, wherever it was begun, and one
that was broken off goes on. Two stages that need the same training share it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.architectures import mlp, one_convolution
from core.events import Epoch
from core.layers import Layers, text
from core.recipes.record import SHORT_SECONDS, VARIANTS
from core.recipes.report_002 import HONEST, TRAINED
from core.refusal import Refusal
from core.spec import RunSpec, checked
from core.store import Run


@dataclass(frozen=True)
class Stage:
    """Trainings that differ in one choice; the option with the best val accuracy goes on to the next stage."""

    choice: str
    reported: Mapping[Any, float]  # by option: the val accuracy (0 to 1) of the best epoch


@dataclass(frozen=True)
class Search:
    """Stages one after the other, each with what the ones before it chose."""

    start: Mapping[str, Any]  # what holds before the first stage
    stages: tuple[Stage, ...]
    network: Callable[[Mapping[str, Any]], Layers]  # of the choices
    epochs: int

    def spec(self, choices: Mapping[str, Any], variant: str = "faithful", **others: Any) -> RunSpec:
        """The training of these choices. Raises: Refusal."""
        if variant not in VARIANTS:
            raise Refusal("error.variant_unknown", variant=variant[:60], known=", ".join(VARIANTS))
        values = TRAINED | {"layers": text(self.network(choices)), "epochs": self.epochs}
        if choices.get("optimizer") == "adam":
            values |= {"optimizer": "adam", "learning_rate": 0.001}
        if variant != "faithful":
            values |= HONEST
        if variant == "short":
            trainings = sum(len(stage.reported) for stage in self.stages)
            values |= {"epochs": 1, "time_limit": SHORT_SECONDS / trainings, "precision": "auto"}
        return checked(values | others)


@dataclass(frozen=True)
class Cell:
    """One training of a stage."""

    stage: int  # from 0
    option: Any
    spec: RunSpec
    reported: float  # val accuracies, 0 to 1
    measured: float | None


SEARCHES: dict[str, Search] = {
    "002-a": Search(
        start={"width": 256, "activation": "relu", "dropout": 0, "optimizer": "sgd"},
        stages=(
            Stage("width", {256: 0.8746, 512: 0.8763, 1024: 0.8804, 2048: 0.8813, 4096: 0.8832}),
            Stage("activation", {"relu": 0.8832, "sigmoid": 0.8523}),
            Stage("dropout", {0: 0.8838, 0.25: 0.8846, 0.5: 0.8799}),
            Stage("optimizer", {"sgd": 0.8846, "adam": 0.8333}),
        ),
        network=lambda choices: mlp(choices["width"], activation=choices["activation"], dropout=choices["dropout"]),
        epochs=500,
    ),
    "002-c": Search(
        start={},
        stages=(
            Stage(
                "convolution",  # (filters, kernel)
                {
                    **{(8, 3): 0.8715, (8, 5): 0.8813, (8, 7): 0.8765, (8, 9): 0.8849},
                    **{(16, 3): 0.8835, (16, 5): 0.8907, (16, 7): 0.8944, (16, 9): 0.8899},
                    **{(32, 3): 0.8891, (32, 5): 0.8938, (32, 7): 0.8977, (32, 9): 0.9002},
                    **{(64, 3): 0.8907, (64, 5): 0.8994, (64, 7): 0.9027, (64, 9): 0.9047},
                    **{(128, 3): 0.8902, (128, 5): 0.9002, (128, 7): 0.9027, (128, 9): 0.9044},
                },
            ),
        ),
        network=lambda choices: one_convolution(*choices["convolution"]),
        epochs=100,
    ),
}


def cells(search: Search, accuracies: Mapping[RunSpec, float], variant: str = "faithful", **others: Any) -> list[Cell]:
    """The trainings of a search as far as they are known: a stage is, once all of the one before it are measured.

    `accuracies` are those on val of the trainings that are done, see `accuracies_of`.
    """
    choices, found = dict(search.start), []
    for number, stage in enumerate(search.stages):
        here = []
        for option, reported in stage.reported.items():
            spec = search.spec(choices | {stage.choice: option}, variant, **others)
            here.append(Cell(number, option, spec, reported, accuracies.get(spec)))
        found += here
        best = winner(here)
        if best is None:
            break
        choices[stage.choice] = best.option
    return found


def winner(stage: Iterable[Cell]) -> Cell | None:
    """The cell with the best measured val accuracy, the first of several; None while one is not measured or known."""
    stage = list(stage)
    if not stage or any(cell.measured is None for cell in stage):
        return None
    return max(stage, key=lambda cell: cell.measured or 0)


def known_runs(runs: Iterable[Run]) -> dict[RunSpec, Run]:
    """A run for each spec that has one among `runs`, newest first: a finished one if there is any, else the newest."""
    found: dict[RunSpec, Run] = {}
    for run in runs:
        with contextlib.suppress(Refusal):  # damaged
            if run.spec not in found or run.is_done():
                found[run.spec] = run
    return found


def accuracies_of(runs: Mapping[RunSpec, Run]) -> dict[RunSpec, float]:
    """The val accuracy (0 to 1) of the epoch that each finished run kept. Raises: Refusal, if one is damaged."""
    found = {}
    for spec, run in runs.items():
        if report := run.report():
            kept = (event for event in run.events() if isinstance(event, Epoch) and event.epoch == report.best_epoch)
            found[spec] = next(kept).val_accuracy
    return found
