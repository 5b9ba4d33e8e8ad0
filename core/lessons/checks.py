"""The checks of the lessons: each looks at runs, logs and answers, or at the kept drawings, and says what it sees.

It looks at the newest finished run with exactly the step's settings, whatever its seed. A question is answered by
choosing what that run shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core import store
from core.drawing import collection
from core.drawing.collection import LabelledDrawing
from core.events import Epoch, Event, Report, Started
from core.lessons.lesson import Lesson, Step
from core.measures.answers import Answers, stored_answers
from core.measures.compare import Comparison, compare
from core.measures.measures import measures, wilson
from core.networks.layers import Conv
from core.refusal import Refusal
from core.spec import RunSpec, differing
from core.store import Run
from core.words import text

NEWEST = 300  # runs that are looked at
CELLS = 6  # of a confusion matrix that can be chosen from
BUT_SEED = [name for name in RunSpec.model_fields if name != "seed"]
RISE = 1.1  # over-fitting: the last val loss is at least this multiple of the lowest one


@dataclass(frozen=True)
class Evidence:
    """What the checks look at, and how they read it; pages give functions that cache what these read anew."""

    drawn: Callable[[Run, list[LabelledDrawing]], Answers]  # a run's answers to drawings, at least one
    runs: Callable[[], Sequence[Run]] = store.runs  # newest first
    events: Callable[[Run], Sequence[Event]] = Run.events
    answers: Callable[[Run], Answers | None] = stored_answers
    drawings: Callable[[], list[LabelledDrawing]] = collection.kept


@dataclass(frozen=True)
class Seen:
    """What a check has seen: whether it holds, and a sentence as a text key and its slots.

    `fields` are fields of the spec, to be named after the sentence: those in which two runs differ. `run` is the run
    that was looked at, if there is one.
    """

    holds: bool
    key: str
    slots: Mapping[str, object]
    fields: tuple[str, ...] = ()
    run: Run | None = None

    def sentence(self, language: str) -> str:
        """What was seen, in a language."""
        said = text(language, self.key, **self.slots)
        names = ", ".join(text(language, f"spec.{name}.label") for name in self.fields)
        return f"{said} {text(language, 'lessons.seen.differ', names=names)}" if names else said


def look(evidence: Evidence, lesson: Lesson, step: Step, given: str | None = None) -> Seen:
    """Look whether a step is done; `given` is what the pupil has chosen among `options`."""
    about = dict(step.check)
    kind = about.pop("kind")
    if kind == "asks":
        return _asks(evidence, lesson, given, **about)
    try:
        return CHECKS[kind](evidence, lesson, **about)
    except Refusal as refusal:
        return Seen(False, refusal.key, refusal.slots)


def options(evidence: Evidence, lesson: Lesson, step: Step) -> list[str]:
    """What a pupil can choose from as the answer to a step's check; empty if it asks nothing, or cannot yet."""
    if step.check["kind"] != "asks":
        return []
    try:
        return _possible(evidence, lesson, step.check["what"], step.check["run"])[0]
    except Refusal:
        return []


def found(evidence: Evidence, spec: RunSpec) -> Run:
    """The newest finished run with these settings, whatever its seed. Raises: Refusal, which says what is there."""
    return next(_finished(evidence, spec))


def _finished(evidence: Evidence, spec: RunSpec) -> Iterator[Run]:
    """All runs with these settings that ended by themselves and whose log is whole, the newest first.

    Raises: Refusal, if there is none.
    """
    runs, is_found = [], False
    for run in evidence.runs()[:NEWEST]:
        try:
            alike = all(
                getattr(run.spec, name) == getattr(spec, name) for name in RunSpec.model_fields if name != "seed"
            )
            report = run.report() if alike else None
        except Refusal:  # damaged
            continue
        runs += [run] if alike and not report else []
        if report and not report.is_by_hand and _is_whole(evidence, run, report):
            is_found = True
            yield run
    if is_found:
        return
    for run in runs:
        epochs = [event for event in evidence.events(run) if isinstance(event, Epoch)]
        raise Refusal("lessons.seen.at_work", epoch=epochs[-1].epoch if epochs else 0, epochs=spec.epochs)
    raise Refusal("lessons.seen.no_run")


def _is_whole(evidence: Evidence, run: Run, report: Report) -> bool:
    """Whether no line of the run's log, one of which may be damaged, is missing that a check reads."""
    is_started = any(isinstance(event, Started) for event in evidence.events(run))
    return is_started and [one.epoch for one in _epochs(evidence, run)] == [*range(1, report.epochs + 1)]


def _report(run: Run) -> Report:
    report = run.report()
    assert report
    return report


def _epochs(evidence: Evidence, run: Run) -> list[Epoch]:
    return [event for event in evidence.events(run) if isinstance(event, Epoch)]


def _parameters(evidence: Evidence, run: Run) -> int:
    return next(event.parameters for event in evidence.events(run) if isinstance(event, Started))


def _compared(evidence: Evidence, one: Run, other: Run) -> Comparison:
    """The answers of two finished runs compared on the test images. Raises: Refusal."""
    first, second = evidence.answers(one), evidence.answers(other)
    assert first
    assert second
    return compare(first, second)


# --- kinds of checks --------------------------------------------------------------------------------------------------


def _val_accuracy(
    evidence: Evidence, lesson: Lesson, run: str, *, epoch: int = 0, above: float = 0, below: float = 1
) -> Seen:
    """The val accuracy after an epoch, of the kept one for 0, is above or below a bound (0 to 1)."""
    seen = found(evidence, lesson.runs[run])
    number = epoch or _report(seen).best_epoch
    value = next(one.val_accuracy for one in _epochs(evidence, seen) if one.epoch == number)
    slots = {"accuracy": value, "epoch": number}
    if above:
        key, holds = ("above" if value > above else "not_above"), value > above
    else:
        key, holds = ("below" if value < below else "not_below"), value < below
    return Seen(holds, f"lessons.seen.{key}", slots | {"bound": above or below}, run=seen)


def _seeds(evidence: Evidence, lesson: Lesson, run: str, *, least: int) -> Seen:
    """At least so many runs with the same settings and different seeds are finished."""
    by_seed = {one.spec.seed: one for one in reversed(list(_finished(evidence, lesson.runs[run])))}
    accuracies = [_report(one).accuracy for one in by_seed.values()]
    slots = {"count": len(by_seed), "least": least, "low": min(accuracies), "high": max(accuracies)}
    holds = len(by_seed) >= least
    return Seen(holds, "lessons.seen.seeds" if holds else "lessons.seen.few_seeds", slots)


def _apart(evidence: Evidence, lesson: Lesson, runs: Sequence[str]) -> Seen:
    """By McNemar's test of their answers to the test images, the second run is better than the first."""
    other = found(evidence, lesson.runs[runs[1]])
    rivals = list(_finished(evidence, lesson.runs[runs[0]]))
    one = next((run for run in rivals if run.spec.seed == other.spec.seed), rivals[0])
    compared = _compared(evidence, one, other)
    fixed, broken = len(compared.fixed), len(compared.broken)
    slots = {"before": _report(one).accuracy, "after": _report(other).accuracy, "fixed": fixed, "broken": broken}
    key = "chance" if not compared.is_difference else "better" if fixed > broken else "worse"
    differ = tuple(
        name
        for name, *values in differing(one.spec, other.spec)
        if name != "architecture" and None not in values  # None: one of the optimizers has no momentum
    )
    return Seen(key == "better", f"lessons.seen.{key}", slots, differ, run=other)


def _smaller(evidence: Evidence, lesson: Lesson, runs: Sequence[str]) -> Seen:
    """The second run's network has fewer parameters than the first one's and is right more often."""
    one, other = (found(evidence, lesson.runs[name]) for name in runs)
    slots = {"parameters": _parameters(evidence, one), "fewer": _parameters(evidence, other)}
    slots |= {"before": _report(one).accuracy, "after": _report(other).accuracy}
    holds = slots["fewer"] < slots["parameters"] and slots["after"] > slots["before"]
    return Seen(holds, "lessons.seen.smaller" if holds else "lessons.seen.not_smaller", slots, run=other)


def _errors(evidence: Evidence, lesson: Lesson, run: str, *, least: int) -> Seen:
    """The run makes at least so many errors on the test images, enough to look at."""
    seen = found(evidence, lesson.runs[run])
    report = _report(seen)
    errors = report.n - sum(row[k] for k, row in enumerate(report.confusion_matrix))
    slots = {"count": errors, "n": report.n, "accuracy": report.accuracy}
    holds = errors >= least
    return Seen(holds, "lessons.seen.errors" if holds else "lessons.seen.few_errors", slots, run=seen)


def _overfits(evidence: Evidence, lesson: Lesson, run: str) -> Seen:
    """After the epoch of the lowest val loss, the val loss has risen while the train loss has fallen."""
    seen = found(evidence, lesson.runs[run])
    epochs = _epochs(evidence, seen)
    best, last = min(epochs, key=lambda one: one.val_loss), epochs[-1]
    slots = {"best": best.epoch, "last": last.epoch, "low": best.val_loss, "high": last.val_loss}
    slots |= {"train_before": best.train_loss, "train_after": last.train_loss}
    holds = last.val_loss >= RISE * best.val_loss and last.train_loss < best.train_loss
    return Seen(holds, "lessons.seen.overfits" if holds else "lessons.seen.not_overfits", slots, run=seen)


def _stopped(evidence: Evidence, lesson: Lesson, run: str) -> Seen:
    """The run has ended by its patience, before the last epoch asked for."""
    seen = found(evidence, lesson.runs[run])
    report = _report(seen)
    slots = {"last": report.epochs, "epochs": seen.spec.epochs, "best": report.best_epoch}
    holds = report.stop == "patience"
    return Seen(holds, "lessons.seen.stopped" if holds else "lessons.seen.not_stopped", slots, run=seen)


def _rises_less(evidence: Evidence, lesson: Lesson, runs: Sequence[str]) -> Seen:
    """The last val loss of the second run is lower than that of the first."""
    one, other = (found(evidence, lesson.runs[name]) for name in runs)
    before, after = (_epochs(evidence, run)[-1].val_loss for run in (one, other))
    holds = after < before
    slots = {"before": before, "after": after}
    return Seen(holds, "lessons.seen.rises_less" if holds else "lessons.seen.not_rises_less", slots, run=other)


def _test_use(evidence: Evidence, lesson: Lesson, run: str, *, use: str) -> Seen:
    """The run's report says how it used the test split."""
    seen = found(evidence, lesson.runs[run])
    report = _report(seen)
    holds = report.test_use == use
    slots = {"accuracy": report.accuracy, "n": report.n}
    return Seen(holds, f"lessons.seen.test_{report.test_use}", slots, run=seen)


def _tried(evidence: Evidence, lesson: Lesson, runs: Sequence[str]) -> Seen:
    """All of the named runs are finished."""
    done = []
    for name in runs:
        try:
            done.append(found(evidence, lesson.runs[name]))
        except Refusal:
            continue
    holds = len(done) == len(runs)
    key = "lessons.seen.tried" if holds else "lessons.seen.not_tried"
    return Seen(holds, key, {"count": len(done), "all": len(runs)})


def _drawings(evidence: Evidence, lesson: Lesson, *, least: int) -> Seen:  # noqa: ARG001 -- as all kinds
    """So many drawings are kept."""
    kept = evidence.drawings()
    digits = len({one.label for one in kept})
    holds = len(kept) >= least
    slots = {"count": len(kept), "least": least, "digits": digits}
    return Seen(holds, "lessons.seen.drawings" if holds else "lessons.seen.few_drawings", slots)


def _on_drawings(evidence: Evidence, lesson: Lesson, run: str) -> tuple[Run, list[LabelledDrawing], Answers]:
    """The run, the kept drawings and the run's answers to them. Raises: Refusal, if there are none."""
    seen, kept = found(evidence, lesson.runs[run]), evidence.drawings()
    if not kept:
        raise Refusal("lessons.seen.no_drawings")
    return seen, kept, evidence.drawn(seen, kept)


def _drawn_below_test(evidence: Evidence, lesson: Lesson, run: str) -> Seen:
    """The model is right less often about the drawings than about its test images."""
    seen, kept, answers = _on_drawings(evidence, lesson, run)
    right, tested = int(answers.is_right.sum()), _report(seen)
    low, high = wilson(right, len(kept))
    slots = {"drawn": right / len(kept), "low": low, "high": high, "count": len(kept)}
    slots |= {"tested": tested.accuracy, "n": tested.n}
    holds = right / len(kept) < tested.accuracy
    key = "lessons.seen.drawn_below" if holds else "lessons.seen.drawn_not_below"
    return Seen(holds, key, slots, run=seen)


def _misread(evidence: Evidence, lesson: Lesson, run: str) -> Seen:
    """The model takes at least one kept drawing for another digit."""
    seen, kept, answers = _on_drawings(evidence, lesson, run)
    wrong = np.flatnonzero(~answers.is_right)
    if not len(wrong):
        return Seen(False, "lessons.seen.none_misread", {"count": len(kept)}, run=seen)
    last = int(wrong[-1])
    slots = {"label": int(answers.labels[last]), "predicted": int(answers.predicted[last])}
    slots |= {"confidence": float(answers.confidence[last]), "wrong": len(wrong), "count": len(kept)}
    return Seen(True, "lessons.seen.misread", slots, run=seen)


CHECKS: dict[str, Callable[..., Seen]] = {
    "val_accuracy": _val_accuracy,
    "seeds": _seeds,
    "apart": _apart,
    "smaller": _smaller,
    "errors": _errors,
    "overfits": _overfits,
    "stopped": _stopped,
    "rises_less": _rises_less,
    "test_use": _test_use,
    "tried": _tried,
    "drawings": _drawings,
    "drawn_below_test": _drawn_below_test,
    "misread": _misread,
}
"""By the `kind` of a step's check; the kind `asks` is `_asks`."""


# --- questions that the run itself answers ----------------------------------------------------------------------------


def _asks(evidence: Evidence, lesson: Lesson, given: str | None, *, what: str, run: Any) -> Seen:
    """The pupil has chosen what the run shows; of values that are equal any is right."""
    try:
        known, right, seen = _possible(evidence, lesson, what, run)
    except Refusal as refusal:
        return Seen(False, refusal.key, refusal.slots)
    if given not in known:
        return Seen(False, "lessons.seen.choose", {}, run=seen)
    holds = given in right
    return Seen(holds, "lessons.seen.right" if holds else "lessons.seen.wrong", {}, run=seen)


def _possible(evidence: Evidence, lesson: Lesson, what: str, run: Any) -> tuple[list[str], set[str], Run]:
    """The options of a question, those that are right, and the run that tells. Raises: Refusal."""
    if what == "best_val":
        return _best_val(evidence, lesson, run)
    if what == "verdict":
        one, other = (found(evidence, lesson.runs[name]) for name in run)
        return ["real", "chance"], {"real" if _compared(evidence, one, other).is_difference else "chance"}, other
    if what == "most_misread":
        seen, _, answers = _on_drawings(evidence, lesson, run)
        errors = answers.confusion_matrix.sum(axis=1) - np.diag(answers.confusion_matrix)
        if not errors.any():
            raise Refusal("lessons.seen.none_misread", count=len(answers.labels))
        shown = np.flatnonzero(answers.confusion_matrix.sum(axis=1))
        return [str(k) for k in shown], _highest(errors), seen
    seen = found(evidence, lesson.runs[run])
    matrix = np.array(_report(seen).confusion_matrix)
    classes = [str(k) for k in range(len(matrix))]
    if what in ("lowest_recall", "lowest_precision"):
        values = [getattr(one, what.removeprefix("lowest_")).value for one in measures(matrix).classes]
        return classes, _highest(-np.array(values)), seen
    if what == "largest_confusion":
        return *_confusions(matrix), seen
    if what == "lowest_val_loss":
        told = [str(one.epoch) for one in _epochs(evidence, seen)]
        losses = -np.array([one.val_loss for one in _epochs(evidence, seen)])
        return told, {told[int(k)] for k in _highest(losses)}, seen
    if what == "last_maps":
        filters = [layer.filters for layer in seen.spec.layers if isinstance(layer, Conv)]
        return sorted({*map(str, filters), "28", "120"}, key=int), {str(filters[-1])}, seen
    raise ValueError(what)


def _best_val(evidence: Evidence, lesson: Lesson, runs: Sequence[str]) -> tuple[list[str], set[str], Run]:
    """Which learning rate has the highest val accuracy in its kept epoch."""
    seen = [found(evidence, lesson.runs[name]) for name in runs]
    rates = [repr(run.spec.learning_rate) for run in seen]
    best = [_report(run).best_epoch for run in seen]
    accuracies = [
        next(one.val_accuracy for one in _epochs(evidence, run) if one.epoch == epoch)
        for run, epoch in zip(seen, best, strict=True)
    ]
    return rates, {rates[int(k)] for k in _highest(np.array(accuracies))}, seen[-1]


def _confusions(matrix: np.ndarray) -> tuple[list[str], set[str]]:
    """The largest cells beside the diagonal, as `9 → 4`: true and predicted class, by class; and the largest ones."""
    errors = matrix - np.diag(np.diag(matrix))
    classes = len(matrix)
    largest = np.argsort(-errors, axis=None, kind="stable")[:CELLS]
    names = {int(place): f"{place // classes} → {place % classes}" for place in sorted(largest)}
    return list(names.values()), {name for place, name in names.items() if errors.flat[place] == errors.max()}


def _highest(values: np.ndarray) -> set[str]:
    """The places (N,) of the highest value, several if they are equal; NaN is none."""
    return {str(k) for k in np.flatnonzero(values == np.nanmax(values))}
