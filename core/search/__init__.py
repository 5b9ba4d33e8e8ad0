"""Staged hyperparameter searches: each stage compares options, and the next stage starts from the best option.

Options are compared by their best val accuracy over the epochs. The test split is read for the option alone that the
last stage chooses: the other runs end without a report, see `store.Control.test`.

The only state of a search is the runs in the store: a trained run is never repeated, whoever started it, and an
interrupted run is resumed. Two stages that need the same spec share its run.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core import settings, store
from core.datasets import dataset, datasets
from core.events import Epoch, Event, Failure, Report, Step, seconds_left
from core.files import locked
from core.refusal import Refusal, writing
from core.spec import RunSpec, checked
from core.store import Label, Run


@dataclass(frozen=True)
class Stage:
    """The options for one choice, one training each; the next stages use the option with the best val accuracy."""

    choice: str
    options: tuple[Any, ...]
    reported: Mapping[Any, float] = field(default_factory=dict)  # published best val accuracy (0 to 1) by option


@dataclass(frozen=True)
class Search:
    """A sequence of stages, each of which uses the choices of the stages before it."""

    start: Mapping[str, Any]  # the initial choices
    stages: tuple[Stage, ...]
    values: Callable[[Mapping[str, Any]], Mapping[str, Any]]  # maps choices to the spec's field values
    variants: Mapping[str, Mapping[str, Any]]  # by name: field values that override those of `values`
    data: str  # the data set of the published accuracies, which are not comparable with those on other data

    def spec(self, choices: Mapping[str, Any], variant: str, **others: Any) -> RunSpec:
        """The spec for these choices; `others`, such as a seed, override its field values.

        Data without a val split of their authors' own get a stratified one. Raises: Refusal.
        """
        if variant not in self.variants:
            raise Refusal("error.variant_unknown", variant=variant[:60], known=", ".join(self.variants))
        spec = checked({**self.values(choices), **self.variants[variant], **others})
        return spec if "split" in others else with_val(spec)


def with_val(spec: RunSpec) -> RunSpec:
    """The spec with a stratified split, if its data have no val split of their authors' own, else as it is."""
    source = datasets().get(spec.data) if spec.split == "official" else None
    return spec.model_copy(update={"split": "stratified"}) if source and not source.counts.get("val") else spec


@dataclass(frozen=True)
class Cell:
    """One training of a stage, with its published and its measured best val accuracy (0 to 1), None if not known."""

    stage: int  # number, from 0
    option: Any
    spec: RunSpec
    reported: float | None
    measured: float | None
    is_out: bool = False  # tried without a result to compare: pruned or failed


def cells(
    search: Search,
    accuracy: Callable[[RunSpec], float | None],
    variant: str,
    is_out: Callable[[RunSpec], bool] = lambda _: False,
    **others: Any,
) -> list[Cell]:
    """The trainings of all stages known so far: a stage is known once all trainings of the stage before are measured.

    `accuracy` returns the best val accuracy of a spec's trained run, see `accuracies_of`; `is_out` says whether one is
    not waited for, as it cannot win.
    """
    choices, found = dict(search.start), []
    for number, stage in enumerate(search.stages):
        here = []
        for option in stage.options:
            spec = search.spec(choices | {stage.choice: option}, variant, **others)
            reported = stage.reported.get(option) if spec.data == search.data else None
            here.append(Cell(number, option, spec, reported, accuracy(spec), is_out(spec)))
        found += here
        best = winner(here)
        if best is None:
            break
        choices[stage.choice] = best.option
    return found


class Driver:
    """Decides which runs a search needs now and which runs follow one that has ended.

    Used by the queue and by the command line. Calls from two threads or processes never create two runs of one spec.

    Args:
        searches: the searches by name.
    """

    def __init__(self, searches: Mapping[str, Search]):
        self._searches = searches

    @contextlib.contextmanager
    def _making(self) -> Iterator[None]:
        """Hold the store's lock, so that nobody creates a run between a look-up and a creation. Raises: Refusal."""
        folder = settings.store_folder()
        with contextlib.ExitStack() as stack:
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(folder / "searches"))
            yield

    def runs(
        self, name: str, variant: str, most: int | None = None, without: Collection[RunSpec] = (), **others: Any
    ) -> list[Run]:
        """The runs, at most `most`, that the current stage still needs; those not in the store are created.

        Those of the specs `without`, which have failed just now, are left out.

        After the last stage it is the chosen run, until its test split has been read; after that, none. Whether the
        data set exists and the layers fit it is the caller's to check, see `training.transfer.fits`. Raises: Refusal.
        """
        with self._making():
            known = known_runs(store.runs())
            search = self._searches[name]
            found = cells(search, accuracies_of(known), variant, **others)
            wanted = dict.fromkeys(cell.spec for cell in found if cell.measured is None and cell.spec not in without)
            missing = list(wanted)[:most]
            if best := chosen(search, found):
                return [to_be_tested(run)] if not (run := known[best.spec]).report() else []
            return [known.get(spec) or created(spec) for spec in missing]

    def follow(self, run: Run) -> list[Run]:
        """The runs to queue after a worker has left `run`; empty if `run` belongs to no search or was stopped.

        They are new runs for the next stage, if this run completes its own stage, or the run that the last stage has
        chosen, if nobody has asked for its test split yet. Raises: Refusal.
        """
        with self._making():
            if run.control().wanted == "stop":  # also if its training has ended before it could stop
                return []
            known = known_runs(store.runs())
            for search in self._searches.values():
                for variant in search.variants:
                    data, seed = run.spec.data, run.spec.seed
                    found = cells(search, accuracies_of(known), variant, data=data, seed=seed)
                    own = next((cell for cell in found if cell.spec == run.spec), None)
                    if own is None or own.measured is None:
                        continue
                    new = list(dict.fromkeys(cell.spec for cell in found if cell.spec not in known))
                    if new and own.stage < found[-1].stage:
                        return [created(spec) for spec in new]
                    if (best := chosen(search, found)) and not known[best.spec].control().test:
                        return [to_be_tested(known[best.spec])]
        return []


def created(spec: RunSpec, label: Label | None = None) -> Run:
    """A new run of a search.

    It is compared with many others: hundreds of them would fill the disk with snapshots. Raises: Refusal.
    """
    return store.create(spec, label=label, test=False, snapshots=False)


def to_be_tested(run: Run) -> Run:
    """The run, whose test split is now asked for. Raises: Refusal."""
    run.ask("run", test=True)
    return run


def chosen(search: Search, found: Sequence[Cell]) -> Cell | None:
    """The cell that the search ends with, see `winner`; None until the last stage is measured."""
    last = len(search.stages) - 1
    return winner(cell for cell in found if cell.stage == last)


def winner(stage: Iterable[Cell]) -> Cell | None:
    """The cell with the best measured val accuracy, the first if several tie; None until all cells are measured.

    Cells that are out are not waited for; None too if all of them are.
    """
    stage = [cell for cell in stage if not cell.is_out]
    if not stage or any(cell.measured is None for cell in stage):
        return None
    return max(stage, key=lambda cell: cell.measured or 0)


def failures(found: Iterable[Cell], runs: Mapping[RunSpec, Run]) -> dict[Cell, Failure]:
    """Why trainings of a search have failed, which then cannot go on; `runs` are those of `known_runs`."""
    failed = {cell: run for cell in found if cell.measured is None and (run := runs.get(cell.spec))}
    told = {cell: run.last(Failure) for cell, run in failed.items() if run.status() == "failed"}
    return {cell: failure for cell, failure in told.items() if failure}


def done_and_all(search: Search, found: Sequence[Cell]) -> tuple[int, int]:
    """The number of trainings of a search that are done, and of all: one that two stages share is counted once."""
    specs = dict.fromkeys(cell.spec for cell in found)
    done = dict.fromkeys(cell.spec for cell in found if cell.measured is not None)
    return len(done), len(specs) + later(search, found)


def later(search: Search, found: Sequence[Cell]) -> int:
    """The number of trainings in the stages after `found`; one option of each stage is trained already, as the winner
    of the stage before.
    """
    return sum(len(stage.options) - 1 for stage in search.stages[found[-1].stage + 1 :])


def largest(found: Sequence[Cell]) -> RunSpec:
    """The training of the current stage that computes most."""
    return max((cell.spec for cell in found if cell.stage == found[-1].stage), key=macs)


def time_left(
    search: Search, found: Sequence[Cell], told: Mapping[RunSpec, Sequence[Event]], seconds: float | None = None
) -> float | None:
    """The estimated remaining training seconds of a search, from its runs' events `told`; None before the first steps.

    A training that has not started is assumed to take as long per multiply-accumulate as those that have, and one in a
    later stage to be as large as the largest in the current stage. Before the first steps, `seconds` tells how long
    that one takes.
    """
    sizes = {cell.spec: macs(cell.spec) for cell in found}
    known = {spec: pair for spec in sizes if (pair := _seconds(spec, told.get(spec, ())))}
    if known:
        pace = sum(so_far + left for so_far, left in known.values()) / sum(sizes[spec] for spec in known)
    elif seconds is not None:
        pace = seconds / sizes[largest(found)]
    else:
        return None
    waiting = [spec for spec in sizes if spec not in known] + later(search, found) * [largest(found)]
    to_come = sum(min(pace * sizes[spec], spec.time_limit or math.inf) for spec in waiting)
    return sum(left for _, left in known.values()) + to_come


def parameters(spec: RunSpec) -> int:
    """The number of parameters of a spec's network. Raises: Refusal."""
    source = dataset(spec.data)
    return sum(row.parameters for row in spec.table(source.shape, source.class_count))


def macs(spec: RunSpec) -> int:
    """The multiply-accumulates of a spec's network for one image. Raises: Refusal."""
    source = dataset(spec.data)
    return sum(row.macs for row in spec.table(source.shape, source.class_count))


def _seconds(spec: RunSpec, events: Sequence[Event]) -> tuple[float, float] | None:
    """The training seconds of a run so far and the estimated remaining ones; None before its first steps."""
    so_far = next((event.seconds for event in reversed(events) if isinstance(event, Step | Epoch | Report)), 0.0)
    latest = events[-1] if events else None
    is_trained = isinstance(latest, Report) or store.ends_training(latest)
    left = 0.0 if is_trained else seconds_left(events, spec.epochs)
    return None if left is None else (so_far, min(left, max(0.0, (spec.time_limit or math.inf) - so_far)))


def progress(run: Run) -> int:
    """How far a run has come: 2 if it is done, 1 if only its test split is unread, else 0; -1 if it was ended early.

    That is by hand or because it was pruned.

    Raises: Refusal.
    """
    report = run.report()
    if (report and report.is_by_hand) or run.is_pruned():
        return -1
    return 2 if run.is_done() else int(run.is_trained())


def known_runs(runs: Iterable[Run], progress: Callable[[Run], int] = progress) -> dict[RunSpec, Run]:
    """One run for each spec among `runs` (newest first): of those that have come the furthest, the newest.

    Runs that were ended by hand or pruned are left out: they have not repeated their spec.
    So no second run's test split is read where one has been. `progress` may remember what it has found of a run.
    """
    found: dict[RunSpec, tuple[int, Run]] = {}
    for run in runs:
        with contextlib.suppress(Refusal):  # damaged
            so_far = progress(run)
            if so_far >= 0 and (run.spec not in found or so_far > found[run.spec][0]):
                found[run.spec] = so_far, run
    return {spec: run for spec, (_, run) in found.items()}


def settled(
    specs: Sequence[RunSpec], runs: Iterable[Run], is_at_work: Callable[[Run], bool] = Run.is_held
) -> dict[RunSpec, Run]:
    """Those of the specs that need no training, each with the one of its `runs` (newest first) that is done or at work.

    Runs that were ended by hand are left out, as in `known_runs`, and those at work that do not read their test split.
    """
    wanted = set(specs)

    def so_far(run: Run) -> int:
        if run.spec not in wanted:
            return -1
        if report := run.report():
            return -1 if report.is_by_hand else 1
        return 0 if is_at_work(run) and run.control().test else -1

    found = known_runs(runs, so_far)
    return {spec: found[spec] for spec in specs if spec in found}


def accuracies_of(runs: Mapping[RunSpec, Run]) -> Callable[[RunSpec], float | None]:
    """A function that returns the best val accuracy (0 to 1) over the epochs of a spec's run; None until it is trained.

    The returned function raises: Refusal, if the run is damaged.
    """

    def look_up(spec: RunSpec) -> float | None:
        run = runs.get(spec)
        epochs = trained_epochs(run) if run else ()
        return max(event.val_accuracy for event in epochs) if epochs else None

    return look_up


def trained_epochs(run: Run) -> tuple[Epoch, ...]:
    """The epochs of a trained run, at least one; none of a run that is not trained. Raises: Refusal, if one is missing.

    The weights kept are those of the last one's `best_epoch`.
    """
    return _epochs(run, run.log_length()) if run.is_trained() else ()


@functools.lru_cache(maxsize=512)
def _epochs(run: Run, length: int) -> tuple[Epoch, ...]:
    del length  # only part of the cache's key
    epochs, report = tuple(run.events(Epoch)), run.report()
    kept = report.best_epoch if report else epochs[-1].best_epoch
    if kept not in [event.epoch for event in epochs]:
        raise Refusal("error.run_without_epoch", run=run.name, epoch=kept, folder=str(run.folder))
    return epochs
