"""What has come of a study so far and what it costs: all of it read from the run folders, whoever trained them."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.events import Epoch, Report, Step
from core.refusal import Refusal
from core.search import Cell, cells, known_runs, later, macs, progress, trained_epochs
from core.search.study import VARIANT, Study, possible
from core.spec import RunSpec
from core.store import Label, Run

State = Literal["planned", "queued", "running", "left", "failed", "pruned", "done"]
"""`planned`: there is no run yet. `left`: stopped or interrupted; it goes on where it was left. The last three are the
end of a training."""
ETA = 3  # of the runs that reach a rung, about one in so many is trained further; see `core.search.rules`
_STATES: dict[str, State] = {"queued": "queued", "running": "running", "paused": "running", "failed": "failed"}
_MOST_KEPT = 20_000  # runs of which is remembered what was read


@dataclass(frozen=True)
class Training:
    """One training of a study, and what has come of it."""

    number: int | None  # in the study, from 1; None: another's run, whose answer `tpe` knows
    stages: tuple[int, ...]  # of a staged study in which it is compared, from 0; (0,) otherwise
    spec: RunSpec
    run: Run | None
    state: State
    is_own: bool = False  # whether the study had it trained: its label says so
    accuracy: float | None = None  # best val accuracy (0 to 1) over the epochs so far, also of one that was pruned
    epochs: int = 0  # that it has
    seconds: float = 0.0  # of training so far

    @property
    def is_tried(self) -> bool:
        """Whether it has come to an end, with a result that is compared or without."""
        return self.state in ("done", "pruned", "failed")


@dataclass(frozen=True)
class Progress:
    """How far a study has come."""

    done: int
    pruned: int
    failed: int
    running: int
    left: int  # trainings that are still to be begun or to go on
    seconds: float  # of training of the study's own runs, all together
    seconds_left: float | None  # of waiting, with as many at once as were named; None where nothing tells
    is_over: bool  # whether nothing is left to train, or the minutes are used up

    @property
    def of(self) -> int:
        """The number of all trainings."""
        return self.done + self.pruned + self.failed + self.running + self.left


@dataclass(frozen=True)
class Cost:
    """What a study will cost, as far as it can be told before it starts."""

    runs: int  # at most
    minutes: float  # of waiting: at most, or the study's budget if that is less
    least_minutes: float  # the same if pruning ends as many runs at each rung as it aims for; else equal


def trainings(study: Study, runs: Iterable[Run]) -> list[Training]:
    """The trainings of a study that are known so far, `runs` being all of the store, newest first.

    A run of the same spec counts whoever had it trained. `tpe` knows all runs within its space and plans none: what it
    tries next, it chooses when a run is needed. A staged study knows its stages up to the current one. Raises: Refusal.
    """
    runs = list(runs)
    own = set(own_runs(study, runs))

    def come(run: Run) -> int:
        so_far, is_pruned = _come(run.folder, run.log_length())
        return 1 if is_pruned and run in own else so_far  # what another study pruned, this one trains in full

    known = known_runs(map(_handle, runs), come)

    def training(number: int | None, stages: tuple[int, ...], spec: RunSpec) -> Training:
        run = known.get(spec)
        if not run:
            return Training(number, stages, spec, None, "planned")
        found = _read(run.folder, run.log_length())
        state: State = found.end or _STATES.get(run.status(), "left")
        return Training(number, stages, spec, run, state, run in own, found.accuracy, found.epochs, found.seconds)

    if study.way == "tpe":
        within = {spec: run for spec, run in reversed(known.items()) if study.holds(spec)}
        others = [training(None, (0,), spec) for spec, run in within.items() if run not in own]
        mine = [training(run.label().trial, (0,), spec) for spec, run in within.items() if run in own]
        return [one for one in others if one.is_tried] + sorted(mine, key=lambda one: one.number or 0)

    def accuracy(spec: RunSpec) -> float | None:
        found = training(None, (), spec)
        return found.accuracy if found.state == "done" else None

    def is_out(spec: RunSpec) -> bool:
        return training(None, (), spec).state in ("pruned", "failed")

    stages: dict[RunSpec, tuple[int, ...]] = {}
    for cell in cells(study.search(), accuracy, VARIANT, is_out):
        stages[cell.spec] = (*stages.get(cell.spec, ()), cell.stage)
    return [training(number, places, spec) for number, (spec, places) in enumerate(stages.items(), 1)]


def own_runs(study: Study, runs: Iterable[Run]) -> list[Run]:
    """Those of the runs that belong to the study by their label."""
    return [_handle(run) for run in runs if _label(run.folder, run.label_changed()).study == study.name]


def best(found: Sequence[Training]) -> Training | None:
    """The training that is done with the best val accuracy, the first if several tie; None if none is done.

    Of a staged study it is one that the last stage with a result has compared, see `search.winner`.
    """
    done = [one for one in found if one.state == "done" and one.accuracy is not None]
    last = max((max(one.stages) for one in done), default=0)
    return max((one for one in done if max(one.stages) == last), key=lambda one: one.accuracy or 0, default=None)


def to_come(study: Study, found: Sequence[Training]) -> int:
    """How many trainings beyond those found a study may still need: later stages, or what `tpe` has not asked for."""
    if study.way == "staged":
        search = study.search()
        stage = max(stage for one in found for stage in one.stages)
        is_stuck = all(one.state in ("pruned", "failed") for one in found if stage in one.stages)
        return 0 if is_stuck else sum(len(one.options) - 1 for one in search.stages[stage + 1 :])
    if study.way != "tpe":
        return 0
    left = study.runs - sum(one.is_own for one in found)
    return max(0, int(min(left, possible(study) - len(found))))


def spent(study: Study, runs: Iterable[Run]) -> float:
    """The seconds that the study's own runs have trained, also those that are no training of it, such as one ended by
    hand.
    """
    return sum(map(seconds_of, own_runs(study, runs)))


def tests_read(study: Study, found: Sequence[Training], runs: Iterable[Run]) -> int:
    """How many of the study's own runs, and of those that it has chosen, have a test split that was read.

    More than one if another was the best before the budget was raised.
    """
    chosen = best(found)
    of = set(own_runs(study, runs)) | ({chosen.run} if chosen and chosen.run else set[Run]())
    return sum(map(_is_tested, of))


def _is_tested(run: Run) -> bool:
    with contextlib.suppress(Refusal):  # damaged
        return bool(run.report())
    return False


def is_spent(study: Study, seconds: float) -> bool:
    """Whether a study's own runs have trained as many minutes together as they may."""
    return study.minutes is not None and seconds >= 60 * study.minutes


def progress_of(
    study: Study, found: Sequence[Training], trained: float, at_once: int = 1, seconds: float | None = None
) -> Progress:
    """How far a study has come, `found` being its `trainings`, with `at_once` runs trained at the same time.

    `trained`: the seconds that it has `spent`.

    The time left is told from the pace of what is trained, for each multiply-accumulate; before the first epoch
    `seconds` tells how long `largest` takes.
    """
    counts = {state: sum(one.state == state for one in found) for state in ("done", "pruned", "failed", "running")}
    begun = [one for one in found if not one.is_tried]
    more = to_come(study, found)
    is_over = is_spent(study, trained) or not (begun or more)
    left = 0 if is_over else len(begun) - counts["running"] + more
    seconds_left = 0.0 if is_over else _seconds_left(study, found, more, seconds)
    if seconds_left is not None and study.minutes is not None:
        seconds_left = min(seconds_left, max(0.0, 60 * study.minutes - trained))
    wait = None if seconds_left is None else seconds_left / at_once
    return Progress(**counts, left=left, seconds=trained, seconds_left=wait, is_over=is_over)


def _seconds_left(study: Study, found: Sequence[Training], more: int, seconds: float | None) -> float | None:
    """The training seconds of all that is left, one after the other."""
    timed = [one for one in found if one.epochs]
    if timed:
        pace = sum(one.seconds for one in timed) / sum(macs(one.spec) * one.epochs for one in timed)
    elif seconds is not None:
        pace = seconds / _work(largest(study))
    else:
        return None
    tried = [one for one in found if one.is_tried and one.epochs]
    share = sum(one.epochs / one.spec.epochs for one in tried) / len(tried) if tried else 1.0  # fewer, with pruning
    left = [max(0.0, pace * _work(one.spec) * share - one.seconds) for one in found if not one.is_tried]
    if more:
        of_one = sum(_work(one.spec) for one in found) / len(found) if found else _work(largest(study))
        left += more * [pace * of_one * share]
    return sum(left)


def largest(study: Study) -> RunSpec:
    """The training of a study that takes longest by its multiply-accumulates: whose time is measured for `cost`.

    Of `tpe`, among as many as it will try, drawn by chance. Raises: Refusal.
    """
    return max((cell.spec for cell in _first(study)), key=_work)


def cost(study: Study, seconds: float, at_once: int = 1) -> Cost:
    """What a study will cost if `largest` trains for `seconds`, with `at_once` runs trained at the same time.

    The others are taken to need as long for each multiply-accumulate. Raises: Refusal.
    """
    first = _first(study)
    specs = list(dict.fromkeys(cell.spec for cell in first))
    pace = seconds / max(map(_work, specs))
    more = later(study.search(), first) if study.way == "staged" else 0
    whole = sum(pace * _work(spec) for spec in specs) + more * seconds
    pruned = whole * _least_share(study)
    most = math.inf if study.minutes is None else 60 * study.minutes
    minutes, least = (min(value, most) / 60 / at_once for value in (whole, pruned))
    return Cost(len(specs) + more, minutes, least)


def _first(study: Study) -> list[Cell]:
    return cells(study.search(), lambda _: None, VARIANT)


def _least_share(study: Study) -> float:
    """The part of all epochs that are trained if exactly one in `ETA` runs passes each rung."""
    if not study.prune:
        return 1.0
    ends, trained = [0, *rungs(study.base.epochs), study.base.epochs], 0.0
    for place, (begin, end) in enumerate(itertools.pairwise(ends)):
        trained += (end - begin) / ETA**place
    return trained / study.base.epochs


def rungs(epochs: int) -> tuple[int, ...]:
    """The epochs after which runs of so many epochs are compared to be pruned: a third, a ninth ... of them."""
    found = (round(epochs / ETA**place) for place in range(3, 0, -1))
    return tuple(dict.fromkeys(epoch for epoch in found if 1 <= epoch < epochs))


def _work(spec: RunSpec) -> float:
    return macs(spec) * spec.epochs


# --- what is read once, until a run's log or label changes ------------------------------------------------------------


@dataclass(frozen=True)
class _Read:
    """What the log of a run tells."""

    end: Literal["done", "pruned"] | None
    accuracy: float | None
    epochs: int
    seconds: float


def _handle(run: Run) -> Run:
    return _kept(run.folder)


@functools.lru_cache(maxsize=_MOST_KEPT)
def _kept(folder: Path) -> Run:
    return Run(folder)  # which keeps its spec once it is read


@functools.lru_cache(maxsize=_MOST_KEPT)
def _label(folder: Path, changed: tuple[int, int] | None) -> Label:
    return Run(folder).label() if changed else Label()


@functools.lru_cache(maxsize=_MOST_KEPT)
def _come(folder: Path, length: int) -> tuple[int, bool]:
    """How far a run has come, see `search.progress`, and whether it was pruned. Raises: Refusal."""
    del length  # only part of the cache's key
    run = _kept(folder)
    return progress(run), run.is_pruned()


def seconds_of(run: Run) -> float:
    """The seconds for which a run has trained so far; 0 if it is damaged."""
    with contextlib.suppress(Refusal):
        return _read(run.folder, run.log_length()).seconds
    return 0.0


@functools.lru_cache(maxsize=_MOST_KEPT)
def _read(folder: Path, length: int) -> _Read:
    """What a run's log tells. Raises: Refusal, if it is damaged."""
    run, (so_far, is_pruned) = _kept(folder), _come(folder, length)
    end = "pruned" if is_pruned else "done" if so_far > 0 else None
    epochs = trained_epochs(run) if end == "done" else run.events(Epoch)
    seconds = max((event.seconds for event in run.events(Step, Epoch, Report)), default=0.0)
    return _Read(end, max((event.val_accuracy for event in epochs), default=None), len(epochs), seconds)
