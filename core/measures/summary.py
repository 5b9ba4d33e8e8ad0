"""What a table of runs says of one run, and the runs that fit conditions on it, in any order."""

from __future__ import annotations

import contextlib
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeVar

from core.events import Epoch, Report, Started
from core.networks.layers import text
from core.refusal import Refusal
from core.spec import RunSpec, any_seed, differing, is_number
from core.store import Label, Run


@dataclass(frozen=True)
class Summary:
    """The figures of a run that are worth comparing; None where they are not known."""

    run: str
    spec: RunSpec | None = None  # None: the run is damaged, or its format is newer
    val_accuracy: float | None = None  # of the epoch whose weights are kept, 0 to 1
    epochs_done: int | None = None
    seconds: float | None = None  # training time so far, without pauses
    parameters: int | None = None
    device: str | None = None  # its name
    n_val: int | None = None  # number of val images
    accuracy: float | None = None  # on the test split, 0 to 1
    interval: tuple[float, float] | None = None  # of that accuracy, 95 %
    n: int | None = None  # number of test images
    test_use: str | None = None
    by_hand: bool = False  # the training was ended before its time, see `Report.is_by_hand`

    @cached_property
    def setting(self) -> str | None:
        """A text that is equal for runs whose specs differ in the seed at most; None for a damaged run."""
        return any_seed(self.spec).model_dump_json() if self.spec else None


LONGEST_LOG = 2**24  # bytes of a log that is read as a whole: more than a training of a thousand epochs writes


def _ends(run: Run) -> list[Started | Report]:
    """The events at the two ends of a log. Raises: Refusal."""
    report = run.report()
    return [run.started(), *([report] if report else [])]


def summary(run: Run) -> Summary:
    """The figures of a run, damaged or not."""
    try:
        started, epochs, report = None, [], None
        is_long = run.log_length() > LONGEST_LOG
        for event in _ends(run) if is_long else run.events(Started, Epoch, Report):
            if isinstance(event, Started):
                started = event
            elif isinstance(event, Epoch):
                epochs.append(event)
            elif isinstance(event, Report):
                report = event
        last = epochs[-1] if epochs else None
        best = report.best_epoch if report else last.best_epoch if last else None
        return Summary(
            run=run.name,
            spec=run.spec,
            val_accuracy=next((one.val_accuracy for one in epochs if one.epoch == best), None),
            epochs_done=last.epoch if last else report.epochs if report else None if is_long else 0,
            seconds=report.seconds if report else last.seconds if last else None,
            parameters=started.parameters if started else None,
            device=started.device_name if started else None,
            n_val=started.counts.get("val") if started else None,
            accuracy=report.accuracy if report else None,
            interval=report.accuracy_interval if report else None,
            n=report.n if report else None,
            test_use=report.test_use if report else None,
            by_hand=bool(report and report.is_by_hand),
        )
    except (Refusal, OSError):
        return Summary(run.name)


def status_of(run: Run, found: Summary) -> str:
    """The run's status, see `Run.facts`; that of a finished run is known from its summary and not read again."""
    return "done" if found.spec and found.accuracy is not None else run.facts()["status"]


NUMBERS = ("accuracy", "val_accuracy", "parameters", "seconds", "epochs_done", "n", "n_val", "trial")
"""The columns that are numbers, apart from the spec's fields; of these the greatest are first when they are sorted."""
WORDS = ("run", "name", "status", "owner", "study", "tag", "note", "device", "test_use")


@dataclass(frozen=True)
class Listed:
    """A run in a table: its figures, and what may change at any time."""

    summary: Summary
    status: str
    label: Label = field(default_factory=Label)

    @cached_property
    def values(self) -> dict[str, Any]:
        """The run's value in each column: those of `NUMBERS` and `WORDS` and the spec's fields; `tag` has several."""
        one, label = self.summary, self.label
        found: dict[str, Any] = {name: getattr(one, name) for name in NUMBERS if name != "trial"}
        found |= {"run": one.run, "status": self.status, "device": one.device, "test_use": one.test_use}
        found |= {"name": label.name, "owner": label.owner, "study": label.study, "note": label.note}
        found |= {"trial": label.trial, "tag": label.tags}
        if one.spec:
            found |= {name: getattr(one.spec, name) for name in RunSpec.model_fields if name != "layers"}
            found["layers"] = text(one.spec.layers)
        return found


COLUMNS = (*WORDS, *NUMBERS, *RunSpec.model_fields)
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION = re.compile(rf"([a-z_]+)({'|'.join(_SIGNS)})(.*)", re.DOTALL)


@dataclass(frozen=True)
class Condition:
    """A condition on one column, such as `data=mnist` or `accuracy>=0.95`."""

    column: str
    sign: str
    value: str | float

    def holds(self, one: Listed) -> bool:
        """Whether it holds for a run; not for one that has no value in the column, unless the sign is `!=`."""
        found = one.values.get(self.column)
        if isinstance(found, tuple):  # tags: one of them, or for `!=` none of them
            return (self.value in found) == (self.sign == "=")
        if found is None:
            return self.sign == "!="
        if isinstance(self.value, str):
            return _SIGNS[self.sign](str(found), self.value)
        return isinstance(found, int | float) and _SIGNS[self.sign](found, self.value)


def condition(written: str, read: Callable[[str], float]) -> Condition:
    """The condition written so; `read` reads a number, in columns that have numbers: a name such as 7 is a word.

    Raises: Refusal, if it is none, or there is no such column.
    """
    found = _CONDITION.fullmatch(written)
    if not found:
        raise Refusal("runs.no_condition", written=written[:80])
    name, sign, value = found.groups()
    if name not in COLUMNS:
        raise Refusal("runs.no_column", column=name[:60], known=", ".join(COLUMNS))
    if name in NUMBERS or (name in RunSpec.model_fields and is_number(name)):
        with contextlib.suppress(ValueError):
            return Condition(name, sign, read(value))
        if sign not in ("=", "!="):
            raise Refusal("runs.no_number", column=name, value=value[:60])
    elif sign not in ("=", "!="):
        raise Refusal("runs.no_order", column=name)
    return Condition(name, sign, value)


class Line(Protocol):
    """A line of a table of runs: it has a value in each column, see `Listed.values`."""

    values: cached_property[dict[str, Any]]


AnyLine = TypeVar("AnyLine", bound=Line)


def in_order(listed: Iterable[AnyLine], column: str, *, turned: bool = False) -> list[AnyLine]:
    """The lines by a column: the greatest numbers or the first words first (`turned`: last), those without any last.

    Raises: Refusal, if there is no such column.
    """
    if column not in COLUMNS:
        raise Refusal("runs.no_column", column=column[:60], known=", ".join(COLUMNS))

    def known(one: Line) -> bool:
        return one.values.get(column) not in (None, "", ())

    def key(one: Line) -> tuple[bool, float, str]:
        value = one.values[column]
        is_number = isinstance(value, int | float)
        return not is_number, -value if is_number else 0.0, "" if is_number else str(value)

    listed = list(listed)
    return [*sorted(filter(known, listed), key=key, reverse=turned), *(one for one in listed if not known(one))]


def all_differing(specs: Sequence[RunSpec]) -> list[str]:
    """The fields in which several specs differ, in the spec's order."""
    names = {name for spec in specs[1:] for name, _, _ in differing(specs[0], spec)}
    return [name for name in RunSpec.model_fields if name in names]


def front(costs: Sequence[float], accuracies: Sequence[float]) -> list[int]:
    """The places of the Pareto front, the cheapest first: no other is as cheap and more accurate, or cheaper and as."""
    order = sorted(range(len(costs)), key=lambda place: (costs[place], -accuracies[place]))
    found: list[int] = []
    for place in order:
        if not found or accuracies[place] > accuracies[found[-1]]:
            found.append(place)
    return found
