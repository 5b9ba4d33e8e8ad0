"""Choosing what to train next: stages of trainings, of which each goes on from what the one before it found best.

Nothing of a search is stored but its runs: a training that is done is never repeated, wherever it was begun, and one
that was broken off goes on. Two stages that need the same training share it.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core import store
from core.datasets import dataset
from core.events import Checkpoint, Epoch, Event, Report, Started, Step, seconds_left
from core.refusal import Refusal
from core.spec import RunSpec, checked
from core.store import Run


@dataclass(frozen=True)
class Stage:
    """Trainings that differ in one choice; the option with the best val accuracy goes on to the next stage."""

    choice: str
    options: tuple[Any, ...]
    reported: Mapping[Any, float] = field(default_factory=dict)  # by option: a published val accuracy, 0 to 1


@dataclass(frozen=True)
class Search:
    """Stages one after the other, each with what the ones before it chose."""

    start: Mapping[str, Any]  # the choices before the first stage
    stages: tuple[Stage, ...]
    values: Callable[[Mapping[str, Any]], Mapping[str, Any]]  # (choices) -> the spec's fields
    variants: Mapping[str, Mapping[str, Any]]  # by name: the fields that replace some of the values

    def spec(self, choices: Mapping[str, Any], variant: str, **others: Any) -> RunSpec:
        """The training of these choices, with `others`, a seed say, in the place of its own values. Raises: Refusal."""
        if variant not in self.variants:
            raise Refusal("error.variant_unknown", variant=variant[:60], known=", ".join(self.variants))
        return checked({**self.values(choices), **self.variants[variant], **others})


@dataclass(frozen=True)
class Cell:
    """One training of a stage."""

    stage: int  # from 0
    option: Any
    spec: RunSpec
    reported: float | None  # val accuracies, 0 to 1
    measured: float | None


def cells(search: Search, accuracy: Callable[[RunSpec], float | None], variant: str, **others: Any) -> list[Cell]:
    """The trainings of a search as far as they are known: a stage is, once all of the one before it are measured.

    `accuracy` is that on val of a training that is done, see `accuracies_of`.
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
    """Carries searches on: which runs are to be worked at now, and which follow one that has ended.

    The queue and the command line ask the same driver; two threads that ask at once are never given two runs of one
    training.
    """

    def __init__(self, searches: Mapping[str, Search]):
        self._searches = searches
        self._making = threading.Lock()

    def runs(self, name: str, variant: str, most: int | None = None, **others: Any) -> list[Run]:
        """The runs, at most `most`, that the stage under way still needs, made where the store has none.

        None are left once the search is done. Raises: Refusal.
        """
        with self._making:
            known = known_runs(store.runs())
            found = cells(self._searches[name], accuracies_of(known), variant, **others)
            missing = [cell.spec for cell in found if cell.measured is None][:most]
            return [known.get(spec) or store.create(spec) for spec in missing]

    def follow(self, run: Run) -> list[Run]:
        """What a search goes on with once a worker has left this run of it, if it was not asked to stop.

        The run itself, if its worker was killed after it had got further; the next stage, if the run's own is done with
        it, as new runs. Raises: Refusal.
        """
        with self._making:
            known = known_runs(store.runs())
            for search in self._searches.values():
                for variant in search.variants:
                    data, seed = run.spec.data, run.spec.seed
                    found = cells(search, accuracies_of(known), variant, data=data, seed=seed)
                    own = next((cell for cell in found if cell.spec == run.spec), None)
                    if own and own.measured is None:
                        return [run] if run.status() == "interrupted" and _got_further(run) else []
                    if own and own.stage < found[-1].stage:
                        return [store.create(cell.spec) for cell in found if cell.spec not in known]
        return []


def winner(stage: Iterable[Cell]) -> Cell | None:
    """The cell with the best measured val accuracy, the first of several; None while one is not measured or known."""
    stage = list(stage)
    if not stage or any(cell.measured is None for cell in stage):
        return None
    return max(stage, key=lambda cell: cell.measured or 0)


def later(search: Search, found: Sequence[Cell]) -> int:
    """How many trainings the stages after those of `found` need; the option that comes to each is trained already."""
    return sum(len(stage.options) - 1 for stage in search.stages[found[-1].stage + 1 :])


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
    return sum(row.macs for row in spec.table(source.shape, source.class_count))


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


def _got_further(run: Run) -> bool:
    """Whether the newest worker has saved anything: one that would be killed again and again has not."""
    since = itertools.takewhile(lambda event: not isinstance(event, Started), reversed(run.events()))
    return any(isinstance(event, Epoch | Checkpoint) for event in since)
