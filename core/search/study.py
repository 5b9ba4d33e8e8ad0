"""A search that somebody has asked for: a spec, the fields of it that vary, and the way in which they are tried.

Its only state are the run folders: each of its runs carries the study's name, its own number and the plan in its label,
so the study can be told from any one of them, and goes on wherever it was broken off.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from pydantic import ValidationError

from core.refusal import Refusal
from core.search import Search, Stage, with_val
from core.spec import RunSpec, checked, default, field_value, is_number, is_used, label, only_if, value_text
from core.store import Label, Run

Way = Literal["grid", "staged", "random", "tpe"]
WAYS: tuple[Way, ...] = get_args(Way)
VARIANT = ""  # the only variant of a study's search
FIXED = (
    "data",
    "split",
    "val_fraction",
    "image_size",
    "seed",
    "layers",
    "weights_from",
    "layers_taken",
    "first_layers",
)
"""Fields that cannot vary: accuracies on other images cannot be compared, the best seed is the luckiest one, and layers
have no order of their own."""
MOST_RUNS = 1_000
MOST_MINUTES = 100_000  # two months
VALUES = 5  # of a range, where single values are tried
STEPS = 100  # least number of values of a range among which is drawn


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`; evenly spaced by their logarithms if they span a factor of ten or more."""

    low: float
    high: float

    @property
    def is_log(self) -> bool:
        """Whether the numbers are spaced by their logarithms."""
        return self.low > 0 and self.high >= 10 * self.low

    def at(self, share: float) -> float:
        """The number at this share (0 to 1) of the way from `low` to `high`."""
        if self.is_log:
            return self.low * (self.high / self.low) ** share
        return self.low + share * (self.high - self.low)


Varied = tuple[Any, ...] | Range  # the values of a field that are tried


@dataclass(frozen=True)
class Study:
    """A search of the values of some fields of a spec. `staged` and `grid` try `VALUES` values of a range."""

    name: str
    base: RunSpec  # the values of all other fields
    way: Way
    varied: Mapping[str, Varied]  # by field, in the order of the stages
    runs: int = 20  # that `random` and `tpe` try
    minutes: float | None = None  # of training, all runs together, after which none is trained further; None: no bound
    prune: bool = False  # whether runs that fall behind are ended early, see `core.search.rules`

    def search(self) -> Search:
        """The search, whose options are tuples of the varied fields' values, or for `staged` single values.

        Raises: Refusal, if it has too many.
        """
        if (count := self._count()) > MOST_RUNS:
            raise Refusal("error.study_large", count=count, most=MOST_RUNS)
        fields = tuple(self.varied)
        if self.way == "staged":
            stages = tuple(Stage(field, _values(field, self.varied[field])) for field in fields)
            return self._search({stage.choice: stage.options[0] for stage in stages}, stages)
        if self.way == "grid":
            options = tuple(itertools.product(*(_values(field, self.varied[field]) for field in fields)))
        else:  # `tpe` chooses as it goes: what it may try is like what is drawn
            options = self._drawn()
        return self._search({}, (Stage(self.way, options),))

    def spec(self, values: Mapping[str, Any]) -> RunSpec:
        """The training with these values of the varied fields, those that it uses. Raises: Refusal."""
        return with_val(checked(self._used(values)))

    def holds(self, spec: RunSpec) -> bool:
        """Whether it is a training of the study's fields, with values among those to try."""
        if any(getattr(spec, name) != getattr(self.base, name) for name in ("data", "seed")):  # most runs
            return False
        values = {field: getattr(spec, field) for field in self.varied if is_used(field, spec)}
        if not all(_is_among(self.varied[field], value) for field, value in values.items()):
            return False
        with contextlib.suppress(Refusal):
            return self.spec(values) == spec
        return False

    def _count(self) -> int:
        """The number of the search's options, told before they are made: those of a grid may not fit in memory."""
        if self.way in ("random", "tpe"):
            return self.runs
        sizes = (len(_values(field, values)) for field, values in self.varied.items())
        return math.prod(sizes) if self.way == "grid" else sum(sizes)

    def _search(self, start: Mapping[str, Any], stages: tuple[Stage, ...]) -> Search:
        return Search(start, stages, self._fields, {VARIANT: {}}, self.base.data)

    def _fields(self, choices: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all fields that these choices use; the layers are left out where the architecture varies."""
        chosen = dict(choices) if self.way == "staged" else dict(zip(self.varied, choices[self.way], strict=True))
        return self._used(chosen)

    def _used(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(self.base) | dict(chosen)
        if "architecture" in chosen:
            del found["layers"]
        return {name: value for name, value in found.items() if is_used(name, found)}

    def _drawn(self) -> tuple[tuple[Any, ...], ...]:
        """Tuples of values of different trainings, drawn by the base's seed: the same each time the study goes on."""
        by_chance = random.Random(self.base.seed)  # noqa: S311  no secret; and the same in each version of Python
        found: dict[RunSpec, tuple[Any, ...]] = {}
        known: set[tuple[Any, ...]] = set()
        for _ in range(20 * self.runs):
            if len(found) == self.runs:
                break
            values = self.draw(by_chance)
            if (drawn := tuple(values.values())) not in known:  # a spec takes longer to make than a draw
                known.add(drawn)
                found.setdefault(self.spec(values), drawn)
        return tuple(found.values())

    def draw(self, by_chance: random.Random) -> dict[str, Any]:
        """A value of each varied field, drawn."""
        return {field: _draw(field, values, by_chance) for field, values in self.varied.items()}

    def plan(self) -> str:
        """All of the study but its name and what of the base each of its runs tells, for the labels of the runs."""
        told = {name: list(v) if isinstance(v, tuple) else vars(v) for name, v in self.varied.items()}
        hidden = {
            name: getattr(self.base, name)  # a run whose varied field has no use for it does not tell it
            for name in RunSpec.model_fields
            if (condition := only_if(name)) and condition[0] in self.varied and name not in self.varied
        }
        plan: dict[str, Any] = {"way": self.way, "vary": told, "runs": self.runs, "base": hidden}
        if self.minutes is not None:
            plan["minutes"] = self.minutes
        if self.prune:
            plan["prune"] = True
        return json.dumps(plan)

    def label(self) -> Label:
        """The label of the study's runs, but for their numbers."""
        return Label(study=self.name, plan=self.plan())


def named(
    base: RunSpec,
    way: Way,
    varied: Mapping[str, Varied],
    runs: int = 20,
    name: str = "",
    *,
    minutes: float | None = None,
    prune: bool = False,
) -> Study:
    """The study of these fields; without a name, it gets one that is the same for the same study.

    Raises: Refusal, if a field cannot vary, has no or an impossible value, if there is nothing to try, or if it cannot
    be pruned.
    """
    for field, values in varied.items():
        if field not in RunSpec.model_fields:
            raise Refusal("error.field_unknown", field=field, known=", ".join(RunSpec.model_fields))
        if field in FIXED:
            raise Refusal("error.field_fixed", field=label(field))
        ends = (values.low, values.high) if isinstance(values, Range) else values
        if not ends or (isinstance(values, Range) and not (is_number(field) and values.low < values.high)):
            raise field_value(field, "")
        for value in ends:
            _check(base, field, value)
    if not varied:
        raise Refusal("error.study_empty")
    if base.split == "test":
        raise Refusal("error.study_split", field=label("split"))
    if not 1 <= runs <= MOST_RUNS:
        raise Refusal("error.study_large", count=runs, most=MOST_RUNS)
    if minutes is not None and not 0 < minutes <= MOST_MINUTES:
        raise Refusal("error.study_minutes", most=MOST_MINUTES)
    if prune and "epochs" in varied:
        raise Refusal("error.prune_epochs", field=label("epochs"))
    if prune and base.epochs < 2:
        raise Refusal("error.prune_short", field=label("epochs"))
    found = _labelled(Study(name, base, way, varied, runs, minutes, prune))
    if found.name:
        return found
    cleared = [*varied, *(["layers"] if "architecture" in varied else ())]
    unvaried = base.model_copy(update={field: default(field) for field in cleared})
    digest = hashlib.sha256(f"{unvaried.model_dump_json()}{found.plan()}".encode()).hexdigest()[:6]
    return replace(found, name=f"{base.data[:30]}-{way}-{digest}")


def _labelled(study: Study) -> Study:
    """The study with its name as the labels of its runs hold it. Raises: Refusal, if they hold no such name or plan."""
    try:
        return replace(study, name=study.label().study)
    except ValidationError as error:
        is_name = error.errors()[0]["loc"][:1] == ("study",)
        raise Refusal("error.study_name" if is_name else "error.study_plan") from None


def _check(base: RunSpec, field: str, value: Any) -> None:
    """Raises: Refusal, if the field cannot have the value beside those of the others that it needs."""
    values = dict(base) | {field: value}
    if field == "architecture":
        del values["layers"]
    if condition := only_if(field):
        values[condition[0]] = condition[1][0]
    checked({name: given for name, given in values.items() if is_used(name, values)})


def study_of(run: Run) -> Study | None:
    """The study to which a run belongs; None if it belongs to none. Raises: Refusal, if the run is damaged."""
    noted = run.label()
    if not noted.study or not noted.plan:
        return None
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):  # another program's label
        told = json.loads(noted.plan)
        varied = {
            field: Range(**values) if isinstance(values, dict) else tuple(values)
            for field, values in told["vary"].items()
        }
        way, runs, minutes = told["way"], told["runs"], told.get("minutes")
        if way in WAYS and type(runs) is int and (minutes is None or type(minutes) in (int, float)):
            base = RunSpec.model_validate(dict(run.spec) | told["base"])
            return named(base, way, varied, runs, noted.study, minutes=minutes, prune=bool(told.get("prune")))
    return None


def study(name: str, runs: Iterable[Run]) -> Study:
    """The study of this name, told from the first of its `runs`, newest first, by which its budget may be another one.

    Raises: Refusal, if none of them belongs to it.
    """
    for run in runs:
        if run.label().study == name and (found := _readable(run)):
            return found
    raise Refusal("error.study_unknown", study=name[:60])


def _readable(run: Run) -> Study | None:
    with contextlib.suppress(Refusal):  # damaged
        return study_of(run)
    return None


def read_varied(field: str, written: Sequence[Any]) -> Varied:
    """The values written for a field: a list, or a single text such as `0.001..0.1` for a range."""
    if len(written) == 1 and isinstance(written[0], str) and ".." in written[0] and is_number(field):
        low, _, high = written[0].partition("..")
        with contextlib.suppress(ValueError):
            return Range(float(low), float(high))
    return tuple(written)


def options_of(study: Study, spec: RunSpec) -> dict[str, Any]:
    """The values that one of the study's specs has of the varied fields, those that it uses."""
    return {field: getattr(spec, field) for field in study.varied if is_used(field, spec)}


def option_words(study: Study, spec: RunSpec, language: str) -> str:
    """The same as text."""
    found = options_of(study, spec).items()
    return ", ".join(f"{label(field).say(language)} {value_text(field, value, language)}" for field, value in found)


def _values(field: str, varied: Varied) -> tuple[Any, ...]:
    if isinstance(varied, tuple):
        return varied
    return tuple(dict.fromkeys(rounded(field, varied.at(place / (VALUES - 1)), varied) for place in range(VALUES)))


def _is_among(varied: Varied, value: Any) -> bool:
    return varied.low <= value <= varied.high if isinstance(varied, Range) else value in varied


def possible(study: Study) -> float:
    """The number of different trainings within a study's fields: infinite, unless there are at most `MOST_RUNS`."""
    options = every(study)
    return math.inf if options is None else len(options)


def every(study: Study) -> list[RunSpec] | None:
    """All different trainings within a study's fields; None if they are more than `MOST_RUNS`."""
    lists = [_all(field, values) for field, values in study.varied.items()]
    if any(values is None for values in lists) or math.prod(len(values or ()) for values in lists) > MOST_RUNS:
        return None
    combined = itertools.product(*(values or () for values in lists))
    return list(dict.fromkeys(study.spec(dict(zip(study.varied, values, strict=True))) for values in combined))


def _all(field: str, varied: Varied) -> Sequence[Any] | None:
    if isinstance(varied, tuple):
        return varied
    return range(math.ceil(varied.low), math.floor(varied.high) + 1) if is_whole(field) else None


def _draw(field: str, varied: Varied, by_chance: random.Random) -> Any:
    if isinstance(varied, tuple):
        return varied[int(by_chance.random() * len(varied))]
    return rounded(field, varied.at(by_chance.random()), varied)


def rounded(field: str, value: float, within: Range) -> float | int:
    """A value within a range as a field takes it: whole, or with three digits, which nobody can tell from more.

    Of a narrow range with as many digits as make `STEPS` different values. It never leaves the range.
    """
    if is_whole(field):
        return min(max(round(value), math.ceil(within.low)), math.floor(within.high))
    if not math.isfinite(value):
        return value
    digits = 3
    if value and not within.is_log:
        step = (within.high - within.low) / STEPS
        digits = max(digits, 1 + math.floor(math.log10(abs(value))) - math.floor(math.log10(step)))
    return min(max(float(f"{value:.{digits}g}"), within.low), within.high)


def is_whole(field: str) -> bool:
    """Whether a field takes whole numbers only."""
    return RunSpec.model_fields[field].annotation is int or isinstance(default(field), int)
