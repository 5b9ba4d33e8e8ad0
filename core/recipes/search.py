"""The searches of report 002: many trainings, of which those that are done are found again in the store.

Nothing of a search is stored but its runs: a training that is done is never repeated, wherever it was begun, and one
that was broken off goes on. Two stages that need the same training share it.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import store
from core.architectures import mlp, one_convolution
from core.datasets import dataset
from core.events import Checkpoint, Epoch, Event, Report, Started, Step, seconds_left
from core.layers import Layers, text
from core.recipes import repeated_by
from core.recipes.record import SHORT_SECONDS, VARIANTS, Variant
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


def cells(
    search: Search, accuracy: Callable[[RunSpec], float | None], variant: str = "faithful", **others: Any
) -> list[Cell]:
    """The trainings of a search as far as they are known: a stage is, once all of the one before it are measured.

    `accuracy` is that on val of a training that is done, see `accuracies_of`.
    """
    choices, found = dict(search.start), []
    for number, stage in enumerate(search.stages):
        here = []
        for option, reported in stage.reported.items():
            spec = search.spec(choices | {stage.choice: option}, variant, **others)
            here.append(Cell(number, option, spec, reported, accuracy(spec)))
        found += here
        best = winner(here)
        if best is None:
            break
        choices[stage.choice] = best.option
    return found


def belongs_to(spec: RunSpec) -> tuple[str, Variant] | None:
    """The recipe, one of a single training or a search, and the variant that a spec is of, whatever its seed."""
    return repeated_by(spec) or _trainings().get(spec.model_copy(update={"seed": 0}))


@functools.cache
def _trainings() -> dict[RunSpec, tuple[str, Variant]]:
    """All that the searches may come to, whatever their stages choose."""
    return {
        search.spec({**search.start, **dict(choices)}, variant, seed=0): (name, variant)
        for name, search in SEARCHES.items()
        for choices in itertools.product(*([(one.choice, option) for option in one.reported] for one in search.stages))
        for variant in VARIANTS
    }


def winner(stage: Iterable[Cell]) -> Cell | None:
    """The cell with the best measured val accuracy, the first of several; None while one is not measured or known."""
    stage = list(stage)
    if not stage or any(cell.measured is None for cell in stage):
        return None
    return max(stage, key=lambda cell: cell.measured or 0)


def later(search: Search, found: Sequence[Cell]) -> int:
    """How many trainings the stages after those of `found` need; the option that comes to each is trained already."""
    return sum(len(stage.reported) - 1 for stage in search.stages[found[-1].stage + 1 :])


def time_left(search: Search, found: Sequence[Cell], told: Mapping[RunSpec, Sequence[Event]]) -> float | None:
    """The training seconds that a search still needs, by what its runs have `told`; None before the first steps.

    A training that has not begun is taken to need as long for each multiplication as the others, and one of a later
    stage to be as large as the largest of the newest.
    """
    sizes = {cell.spec: _macs(cell.spec) for cell in found}
    known = {spec: pair for spec in sizes if (pair := _seconds(spec, told.get(spec, ())))}
    if not known:
        return None
    pace = sum(so_far + left for so_far, left in known.values()) / sum(sizes[spec] for spec in known)
    largest = max((cell.spec for cell in found if cell.stage == found[-1].stage), key=sizes.__getitem__)
    waiting = [spec for spec in sizes if spec not in known] + later(search, found) * [largest]
    to_come = sum(min(pace * sizes[spec], spec.time_limit or math.inf) for spec in waiting)
    return sum(left for _, left in known.values()) + to_come


def _macs(spec: RunSpec) -> int:
    source = dataset(spec.data)
    return sum(row.macs for row in spec.table(source.shape, len(source.class_names["en"])))


def _seconds(spec: RunSpec, events: Sequence[Event]) -> tuple[float, float] | None:
    """The training seconds of a run so far and those to go; None before its first steps."""
    so_far = next((event.seconds for event in reversed(events) if isinstance(event, Step | Epoch | Report)), 0.0)
    left = 0.0 if events and isinstance(events[-1], Report) else seconds_left(events, spec.epochs)
    return None if left is None else (so_far, min(left, max(0.0, (spec.time_limit or math.inf) - so_far)))


def known_runs(runs: Iterable[Run]) -> dict[RunSpec, Run]:
    """A run for each spec that has one among `runs`, newest first: a finished one if there is any, else the newest."""
    found: dict[RunSpec, Run] = {}
    for run in runs:
        with contextlib.suppress(Refusal):  # damaged
            if run.spec not in found or run.is_done():
                found[run.spec] = run
    return found


def accuracies_of(runs: Mapping[RunSpec, Run]) -> Callable[[RunSpec], float | None]:
    """Looks up the val accuracy (0 to 1) of the epoch that a spec's run kept; None where it is not done.

    Looking up raises: Refusal, if the run is damaged.
    """

    def look_up(spec: RunSpec) -> float | None:
        run = runs.get(spec)
        report = run.report() if run else None
        return _val_accuracy(run, report.best_epoch) if run and report else None

    return look_up


@functools.lru_cache(maxsize=4096)
def _val_accuracy(run: Run, epoch: int) -> float:
    for event in run.events():
        if isinstance(event, Epoch) and event.epoch == epoch:
            return event.val_accuracy
    raise Refusal("error.run_without_epoch", run=run.name, epoch=epoch, folder=str(run.folder))


def next_runs(run: Run) -> list[Run]:
    """What a search goes on with once a worker has left this run of it, if it was not asked to stop.

    The run itself, if its worker was killed after it had got further; the next stage, if the run's own is done with it,
    as new runs. Raises: Refusal.
    """
    runs = known_runs(store.runs())
    for search, variant in itertools.product(SEARCHES.values(), VARIANTS):
        data, seed = run.spec.data, run.spec.seed
        found = cells(search, accuracies_of(runs), variant, data=data, seed=seed)
        own = next((cell for cell in found if cell.spec == run.spec), None)
        if own and own.measured is None:
            return [run] if run.status() == "interrupted" and _got_further(run) else []
        if own and own.stage < found[-1].stage:
            return [store.create(cell.spec) for cell in found if cell.spec not in runs]
    return []


def _got_further(run: Run) -> bool:
    """Whether the newest worker has saved anything: one that would be killed again and again has not."""
    since = itertools.takewhile(lambda event: not isinstance(event, Started), reversed(run.events()))
    return any(isinstance(event, Epoch | Checkpoint) for event in since)
