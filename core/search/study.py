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
from dataclasses import dataclass
from typing import Any, Literal, get_args

from core.refusal import Refusal
from core.search import Search, Stage
from core.spec import RunSpec, checked, default, field_value, is_number, is_used, label, only_if, value_text
from core.store import Label, Run

Way = Literal["grid", "staged", "random"]
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
VALUES = 5  # of a range, where single values are tried


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
    runs: int = 20  # that `random` tries

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
        else:
            options = self._drawn()
        return self._search({}, (Stage(self.way, options),))

    def _count(self) -> int:
        """The number of the search's options, told before they are made: those of a grid may not fit in memory."""
        if self.way == "random":
            return self.runs
        sizes = (len(_values(field, values)) for field, values in self.varied.items())
        return math.prod(sizes) if self.way == "grid" else sum(sizes)

    def _search(self, start: Mapping[str, Any], stages: tuple[Stage, ...]) -> Search:
        return Search(start, stages, self._fields, {VARIANT: {}}, self.base.data)

    def _fields(self, choices: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all fields that these choices use; the layers are left out where the architecture varies."""
        chosen = dict(choices) if self.way == "staged" else dict(zip(self.varied, choices[self.way], strict=True))
        found = dict(self.base) | chosen
        if "architecture" in chosen:
            del found["layers"]
        return {name: value for name, value in found.items() if is_used(name, found)}

    def _drawn(self) -> tuple[tuple[Any, ...], ...]:
        """Different tuples of values, drawn by the base's seed: the same each time that the study goes on."""
        by_chance = random.Random(self.base.seed)  # noqa: S311  no secret; and the same in each version of Python
        found: dict[tuple[Any, ...], None] = {}
        for _ in range(20 * self.runs):
            if len(found) == self.runs:
                break
            found[tuple(_draw(field, values, by_chance) for field, values in self.varied.items())] = None
        return tuple(found)

    def plan(self) -> str:
        """All of the study but its name and what of the base each of its runs tells, for the labels of the runs."""
        told = {name: list(v) if isinstance(v, tuple) else vars(v) for name, v in self.varied.items()}
        hidden = {
            name: getattr(self.base, name)  # a run whose varied field has no use for it does not tell it
            for name in RunSpec.model_fields
            if (condition := only_if(name)) and condition[0] in self.varied and name not in self.varied
        }
        return json.dumps({"way": self.way, "vary": told, "runs": self.runs, "base": hidden})

    def label(self) -> Label:
        """The label of the study's runs, but for their numbers."""
        return Label(study=self.name, plan=self.plan())


def named(base: RunSpec, way: Way, varied: Mapping[str, Varied], runs: int = 20, name: str = "") -> Study:
    """The study of these fields; without a name, it gets one that is the same for the same study.

    Raises: Refusal, if a field cannot vary, has no or an impossible value, or if there is nothing to try.
    """
    for field, values in varied.items():
        if field not in RunSpec.model_fields:
            raise Refusal("error.field_unknown", field=field, known=", ".join(RunSpec.model_fields))
        if field in FIXED:
            raise Refusal("error.field_fixed", field=label(field))
        ends = (values.low, values.high) if isinstance(values, Range) else values
        if not ends or (isinstance(values, Range) and not values.low < values.high):
            raise field_value(field, "")
        for value in ends:
            _check(base, field, value)
    if not varied:
        raise Refusal("error.study_empty")
    if not 1 <= runs <= MOST_RUNS:
        raise Refusal("error.study_large", count=runs, most=MOST_RUNS)
    found = Study(name, base, way, varied, runs)
    if name:
        return found
    cleared = [*varied, *(["layers"] if "architecture" in varied else ())]
    unvaried = base.model_copy(update={field: default(field) for field in cleared})
    digest = hashlib.sha256(f"{unvaried.model_dump_json()}{found.plan()}".encode()).hexdigest()[:6]
    return Study(f"{base.data[:30]}-{way}-{digest}", base, way, varied, runs)


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
        way = told["way"]
        if way in WAYS:
            base = RunSpec.model_validate(dict(run.spec) | told["base"])
            return named(base, way, varied, told["runs"], noted.study)
    return None


def follows(run: Run) -> tuple[Search, Label] | None:
    """The search of a run's study and the label of its new runs, for a `Driver`; None if it belongs to none."""
    found = _readable(run)
    return (found.search(), found.label()) if found else None


def study(name: str, runs: Iterable[Run]) -> Study:
    """The study of this name, told from one of its runs. Raises: Refusal, if none of them belongs to it."""
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
    return tuple(dict.fromkeys(_rounded(field, varied.at(place / (VALUES - 1))) for place in range(VALUES)))


def _draw(field: str, varied: Varied, by_chance: random.Random) -> Any:
    if isinstance(varied, tuple):
        return varied[int(by_chance.random() * len(varied))]
    return _rounded(field, varied.at(by_chance.random()))


def _rounded(field: str, value: float) -> float | int:
    """The value as a field takes it: whole, or with three digits, which nobody can tell from more."""
    if RunSpec.model_fields[field].annotation is int or isinstance(default(field), int):
        return round(value)
    return float(f"{value:.3g}") if math.isfinite(value) else value
