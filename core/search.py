"""Staged hyperparameter searches: each stage compares options, and the next stage starts from the best option.

The only state of a search is the runs in the store: a finished run is never repeated, whoever started it, and an
interrupted run is resumed. Two stages that need the same spec share its run.
"""

from __future__ import annotations

import contextlib
import functools
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core import store
from core.datasets import dataset
from core.events import Epoch, Event, Report, Step, seconds_left
from core.refusal import Refusal
from core.spec import RunSpec, checked
from core.store import Run


@dataclass(frozen=True)
class Stage:
    """The options for one choice, one training each; the next stages use the option with the best val accuracy."""

    choice: str
    options: tuple[Any, ...]
    reported: Mapping[Any, float] = field(default_factory=dict)  # published val accuracy (0 to 1) by option


@dataclass(frozen=True)
class Search:
    """A sequence of stages, each of which uses the choices of the stages before it."""

    start: Mapping[str, Any]  # the initial choices
    stages: tuple[Stage, ...]
    values: Callable[[Mapping[str, Any]], Mapping[str, Any]]  # maps choices to the spec's field values
    variants: Mapping[str, Mapping[str, Any]]  # by name: field values that override those of `values`

    def spec(self, choices: Mapping[str, Any], variant: str, **others: Any) -> RunSpec:
        """The spec for these choices; `others`, such as a seed, override its field values. Raises: Refusal."""
        if variant not in self.variants:
            raise Refusal("error.variant_unknown", variant=variant[:60], known=", ".join(self.variants))
        return checked({**self.values(choices), **self.variants[variant], **others})


@dataclass(frozen=True)
class Cell:
    """One training of a stage, with its published and its measured val accuracy (0 to 1), None if not known."""

    stage: int  # number, from 0
    option: Any
    spec: RunSpec
    reported: float | None
    measured: float | None


def cells(search: Search, accuracy: Callable[[RunSpec], float | None], variant: str, **others: Any) -> list[Cell]:
    """The trainings of all stages known so far: a stage is known once all trainings of the stage before are measured.

    `accuracy` returns the val accuracy of a spec's finished run, see `accuracies_of`.
    """
    choices, found = dict(search.start), []
    for number, stage in enumerate(search.stages):
        here = []
        for option in stage.options:
            spec = search.spec(choices | {stage.choice: option}, variant, **others)
            here.append(Cell(number, option, spec, stage.reported.get(option), accuracy(spec)))
        found += here
        best = winner(here)
        if best is None:
            break
        choices[stage.choice] = best.option
    return found


class Driver:
    """Decides which runs a search needs now and which runs follow one that has ended.

    Used by the queue and by the command line. Calls from two threads never create two runs of one spec.
    """

    def __init__(self, searches: Mapping[str, Search]):
        self._searches = searches
        self._making = threading.Lock()

    def runs(self, name: str, variant: str, most: int | None = None, **others: Any) -> list[Run]:
        """The runs, at most `most`, that the current stage still needs; those not in the store are created.

        Returns an empty list once the search is done. Whether the data set exists and the layers fit it is the caller's
        to check, see `training.transfer.fits`. Raises: Refusal.
        """
        with self._making:
            known = known_runs(store.runs())
            found = cells(self._searches[name], accuracies_of(known), variant, **others)
            missing = [cell.spec for cell in found if cell.measured is None][:most]
            return [known.get(spec) or store.create(spec) for spec in missing]

    def follow(self, run: Run) -> list[Run]:
        """The runs to queue after a worker has left `run`; empty if `run` belongs to no search or was stopped.

        They are new runs for the next stage, if this run completes its own stage. Raises: Refusal.
        """
        with self._making:
            known = known_runs(store.runs())
            for search in self._searches.values():
                for variant in search.variants:
                    data, seed = run.spec.data, run.spec.seed
                    found = cells(search, accuracies_of(known), variant, data=data, seed=seed)
                    own = next((cell for cell in found if cell.spec == run.spec), None)
                    if own and own.measured is not None and own.stage < found[-1].stage:
                        return [store.create(cell.spec) for cell in found if cell.spec not in known]
        return []


def winner(stage: Iterable[Cell]) -> Cell | None:
    """The cell with the best measured val accuracy, the first if several tie; None until all cells are measured."""
    stage = list(stage)
    if not stage or any(cell.measured is None for cell in stage):
        return None
    return max(stage, key=lambda cell: cell.measured or 0)


def later(search: Search, found: Sequence[Cell]) -> int:
    """The number of trainings in the stages after `found`; one option of each stage is trained already, as the winner
    of the stage before.
    """
    return sum(len(stage.options) - 1 for stage in search.stages[found[-1].stage + 1 :])


def time_left(search: Search, found: Sequence[Cell], told: Mapping[RunSpec, Sequence[Event]]) -> float | None:
    """The estimated remaining training seconds of a search, from its runs' events `told`; None before the first steps.

    A training that has not started is assumed to take as long per multiply-accumulate as those that have, and one in a
    later stage to be as large as the largest in the current stage.
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
    return sum(row.macs for row in spec.table(source.shape, source.class_count))


def _seconds(spec: RunSpec, events: Sequence[Event]) -> tuple[float, float] | None:
    """The training seconds of a run so far and the estimated remaining ones; None before its first steps."""
    so_far = next((event.seconds for event in reversed(events) if isinstance(event, Step | Epoch | Report)), 0.0)
    left = 0.0 if events and isinstance(events[-1], Report) else seconds_left(events, spec.epochs)
    return None if left is None else (so_far, min(left, max(0.0, (spec.time_limit or math.inf) - so_far)))


def known_runs(runs: Iterable[Run], is_done: Callable[[Run], bool] = Run.is_done) -> dict[RunSpec, Run]:
    """One run for each spec among `runs` (newest first): a finished run if there is any, otherwise the newest.

    `is_done` may remember what it has found of a run.
    """
    found: dict[RunSpec, Run] = {}
    for run in runs:
        with contextlib.suppress(Refusal):  # damaged
            if run.spec not in found or is_done(run):
                found[run.spec] = run
    return found


def accuracies_of(runs: Mapping[RunSpec, Run]) -> Callable[[RunSpec], float | None]:
    """A function that returns the val accuracy (0 to 1) of the best epoch of a spec's run; None if it is not done.

    The returned function raises: Refusal, if the run is damaged.
    """

    def look_up(spec: RunSpec) -> float | None:
        run = runs.get(spec)
        report = run.report() if run else None
        return _val_accuracy(run, report.best_epoch) if run and report else None

    return look_up


@functools.lru_cache(maxsize=4096)
def _val_accuracy(run: Run, epoch: int) -> float:
    for event in run.events(Epoch):
        if event.epoch == epoch:
            return event.val_accuracy
    raise Refusal("error.run_without_epoch", run=run.name, epoch=epoch, folder=str(run.folder))
