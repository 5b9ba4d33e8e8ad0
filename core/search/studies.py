"""Carries studies on: which runs one needs now, which follow a run that has ended, and a budget that changes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core import settings, store
from core.refusal import Refusal
from core.search import Driver, Search, created, to_be_tested
from core.search.rules import current
from core.search.study import Study, named
from core.search.study import study as study_named
from core.search.trainings import Training, best, is_spent, own_runs, spent, to_come, trainings
from core.store import Label, Run

MOST_LOOKS = 5  # by `Studies.stop`: a run that ends before it is asked to stop may have been followed by another


class Studies(Driver):
    """The driver of all studies, and of the searches given by name, for the queue and for the command line.

    A study's runs are created when there is room for them, `at_once` at a time: what is tried next may depend on what
    has been found, and a budget may be used up before. A study that was halted, or of which somebody has stopped a run
    of its own, starts no further ones by itself; what is `needed` when it goes on begins with the runs that were left.

    Args:
        searches: the searches by name.
        at_once: how many of a study's runs may wait or be trained, or a function of that; by default
            `settings.runs_at_once()`.
    """

    def __init__(self, searches: Mapping[str, Search] | None = None, at_once: int | Callable[[], int] | None = None):
        super().__init__(searches or {})
        most = at_once or settings.runs_at_once()
        self._at_once = most if callable(most) else lambda: most
        # The studies that wait for a run, by its folder: its label names one at most, and none once it is deleted.
        self._waiting: dict[Path, dict[str, Study]] = {}
        self._halted: dict[str, set[Path]] = {}  # by name: the folders of its runs that were trained then

    def needed(self, study: Study) -> list[Run]:
        """The runs to train now so that the study begins or goes on; those not in the store are created.

        First come runs that were begun, of which those that wait or are trained already are no harm to queue again. In
        the end it is the best run, until its test split has been read; after that, none. Whether the data set exists
        and the layers fit it is the caller's to check, see `training.transfer.fits`. Raises: Refusal.
        """
        with self._making():
            self._halted.pop(study.name, None)
            study, found, is_over = self._now(study)
            running = [one.run for one in found if one.run and one.state == "running"]
            begun = [one.run for one in found if one.run and not one.is_tried and one.run not in running]
            if not is_over and (
                needed := begun + running + self._created(study, found, self._room(study, found, len(begun + running)))
            ):
                return needed
            return [] if running else [to_be_tested(run) for run in _chosen(found) if not run.report()]

    def follow(self, run: Run) -> list[Run]:
        """The runs to queue after a worker has left `run`: see `Driver.follow`, and what each study needs next that has
        the run or waits for it.
        """
        found: list[Run] = []
        own, waiting = current(run), self._waiting.pop(run.folder, {})
        for study in (waiting | ({own.name: own} if own else {})).values():
            found += self._of_study(study, run)
        with contextlib.suppress(Refusal):  # of a run that is damaged or deleted, no search by name is told
            found += super().follow(run)
        return list(dict.fromkeys(found))

    def stop(self, study: Study, is_at_work: Callable[[Run], bool], stop: Callable[[Run], None]) -> None:
        """Halt the study, and stop those of its runs that the queue has or will have, by its two functions.

        Raises: Refusal, if a run is damaged; if one cannot be stopped, once all the others have been asked to.
        """
        trained: set[Path] | None = None
        asked: set[Run] = set()
        refusal: Refusal | None = None
        for _ in range(MOST_LOOKS):
            before, trained = trained, self.halt(study)
            found = [(one, one.run) for one in trainings(study, store.runs()) if one.run]
            at_work = [run for _, run in found if is_at_work(run)]
            created = [run for one, run in found if one.is_own and one.state == "queued"]  # perhaps to be queued yet
            left = {run for run in at_work + created if run not in asked and run.control().wanted != "stop"}
            for run in left:
                try:
                    stop(run)
                except Refusal as error:
                    refusal = refusal or error
            asked |= left
            if not left and trained == before:
                break
        if refusal:
            raise refusal

    def halt(self, study: Study) -> set[Path]:
        """Let the study follow no run until it goes on, or one of its own that is not trained yet does.

        Its runs at work are to be stopped. Returns the folders of those that are trained.
        """
        with self._making():  # a run that was just being created is in the store afterwards
            own = own_runs(study, store.runs())
            self._halted[study.name] = {run.folder for run in own if run.is_trained()}
            return self._halted[study.name]

    def _of_study(self, study: Study, left: Run) -> list[Run]:
        with self._making():
            is_own = left.label().study == study.name
            if (trained := self._halted.get(study.name)) is not None:
                if not is_own or left.folder in trained or _is_stopped(left):
                    return []
                del self._halted[study.name]
            study, found, is_over = self._now(study)
            begun = [one for one in found if one.run and not one.is_tried]
            if not is_over:
                stopped = [one for one in begun if one.run and _is_stopped(one.run)]
                if any(one.is_own for one in stopped) or (is_own and _is_stopped(left)):
                    return []
                # One that was left, whose worker has died, is not queued again by itself: it may be the reason.
                waits = sum(one.state in ("queued", "running") for one in found)
                if new := self._created(study, found, self._room(study, found, waits)):
                    return new
                if begun:  # what was stopped before, as a run of another's, is taken up last
                    again = [one.run for one in stopped if one.run and one.run != left]
                    return [] if waits else [_gone_on(one) for one in again]
            if any(one.state == "running" for one in found):
                return []
            return [to_be_tested(one) for one in _chosen(found) if not one.control().test]

    def change(self, study: Study, *, runs: int | None = None, minutes: float | None = None) -> Study:
        """Give a study another budget, also while it runs: the number that `random` and `tpe` try, and the minutes.

        None leaves it as it is. Each run's label tells it; those of the newest run count. Raises: Refusal.
        """
        with self._making():
            study, *_ = self._now(study)
            limits = {"minutes": minutes or study.minutes, "prune": study.prune}
            named(study.base, study.way, study.varied, runs or study.runs, study.name, **limits)
            study = replace(study, runs=runs or study.runs, minutes=limits["minutes"])
            for run in own_runs(study, store.runs()):
                run.relabel(plan=study.plan())
            return study

    def _now(self, study: Study) -> tuple[Study, list[Training], bool]:
        """The study with the budget that it has now, its trainings, and whether the budget's minutes are used up."""
        runs = store.runs()
        with contextlib.suppress(Refusal):  # it has no run yet
            study = study_named(study.name, own_runs(study, runs))
        found = trainings(study, runs)
        self._noted(study, [one.run for one in found if one.run and not one.is_tried])
        return study, found, is_spent(study, spent(study, runs))

    def _room(self, study: Study, found: Sequence[Training], waits: int) -> int:
        """How many more of the study's runs may be created while so many wait or are trained.

        At least one if it has none of its own: the store knows a study by its runs.
        """
        return max(max(1, self._at_once()) - waits, 0 if any(one.is_own for one in found) else 1)

    def _created(self, study: Study, found: Sequence[Training], room: int) -> list[Run]:
        """New runs of the study, at most `room`."""
        new: list[Run] = []
        found = list(found)
        if study.way != "tpe":
            planned = [one for one in found if one.state == "planned"][: max(0, room)]
            new = [created(one.spec, _labelled(study, one.number)) for one in planned]
            return self._noted(study, new)
        from core.search.tpe import asked

        # Also of runs that are no trainings of it, such as one ended by hand.
        given = [run.label().trial or 0 for run in own_runs(study, store.runs())]
        for _ in range(min(room, to_come(study, found))):
            spec = asked(study, found)
            if not spec:
                break
            number = 1 + max(given, default=0)
            given.append(number)
            new.append(created(spec, _labelled(study, number)))
            found.append(Training(number, (0,), spec, new[-1], "queued", is_own=True))
        return self._noted(study, new)

    def _noted(self, study: Study, runs: list[Run]) -> list[Run]:
        for run in runs:
            self._waiting.setdefault(run.folder, {})[study.name] = study
        return runs


def _labelled(study: Study, number: int | None) -> Label:
    return study.label().model_copy(update={"trial": number})


def _is_stopped(run: Run) -> bool:
    return run.control().wanted == "stop"


def _gone_on(run: Run) -> Run:
    run.ask("run")
    return run


def _chosen(found: Sequence[Training]) -> list[Run]:
    """The run of the best training, if there is one."""
    chosen = best(found)
    return [chosen.run] if chosen and chosen.run else []
