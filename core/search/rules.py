"""When the run of a study ends before its last epoch: by pruning, or because the study's minutes are used up.

The worker of a run asks after each epoch, and writes the answer with that epoch into the run's log; so no process has
to watch the others, and the run folders stay the only state. A worker that is killed has decided nothing yet: the run
goes on from its last epoch and is judged then.

Pruning is successive halving (Jamieson, Talwalkar 2016, AISTATS, "Non-stochastic best arm identification and
hyperparameter optimization") in its asynchronous form (Li, Jamieson et al. 2020, MLSys, "A system for massively
parallel hyperparameter tuning"), which compares a run with those that have reached the same rung so far. The
synchronous form would have to halt runs at a rung until the last has reached it, and to take them up again: with one
run at a time, as on most machines here, each run would be left and resumed at each rung, and who waits for whom would
be a second state. The price: a run that comes early is judged by few others, and two runs at a time may prune others
than one does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from core import store
from core.events import Epoch
from core.refusal import Refusal
from core.search.study import Study, study_of
from core.search.study import study as study_named
from core.search.trainings import ETA, is_spent, own_runs, rungs, seconds_of, spent
from core.store import Run


def current(run: Run) -> Study | None:
    """The study of a run with the budget that it has now; None if it belongs to none."""
    try:
        study = study_of(run)
        return study and study_named(study.name, own_runs(study, store.runs(run.folder.parent)))
    except Refusal:  # damaged
        return None


def verdict(run: Run, epoch: Epoch) -> Literal["pruned", "spent"] | None:
    """Why a run ends after this epoch, which is not in its log yet, although its spec has more; None if it goes on.

    `pruned`: it is not among the best at a rung. `spent`: its study has used up its minutes.
    """
    study = current(run)
    if not study or not (study.prune or study.minutes):
        return None
    others = [one for one in own_runs(study, store.runs(run.folder.parent)) if one.folder != run.folder]
    if is_spent(study, epoch.seconds + sum(map(seconds_of, others))):
        return "spent"
    if study.prune and epoch.epoch in rungs(run.spec.epochs):
        mine = _best(run, epoch.epoch, epoch)
        known = [found for one in others if (found := _best(one, epoch.epoch)) is not None]
        return "pruned" if mine is not None and falls_behind(mine, known) else None
    return None


def is_used_up(run: Run) -> bool:
    """Whether the run's study has used up its minutes, so that no run of it is begun or taken up."""
    study = current(run)
    if not study or study.minutes is None:
        return False
    return is_spent(study, spent(study, store.runs(run.folder.parent)))


def falls_behind(accuracy: float, others: Sequence[float], eta: int = ETA) -> bool:
    """Whether a run is not among the best 1/`eta` of those that have reached a rung, itself included.

    At least one is among them, and so are all that tie with the last of these.
    """
    ranked = sorted([accuracy, *others], reverse=True)
    return accuracy < ranked[max(1, len(ranked) // eta) - 1]


def _best(run: Run, epoch: int, now: Epoch | None = None) -> float | None:
    """The best val accuracy of a run over the epochs up to this one; None if it has not come so far, or is damaged."""
    try:
        events = [*run.events(Epoch), *([now] if now else ())]
    except Refusal:
        return None
    if not any(event.epoch == epoch for event in events):
        return None
    return max(event.val_accuracy for event in events if event.epoch <= epoch)
