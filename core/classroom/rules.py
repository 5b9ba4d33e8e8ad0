"""What pupils may choose in a race: a few hyperparameters, each from a short list; all else is set by the teacher."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.datasets import dataset
from core.networks.layers import Conv, Dense, Dropout, Layers
from core.refusal import Refusal
from core.spec import RunSpec, checked, default, is_number, is_used, read_field, unit, value_text, write_number
from core.words import InWords, read_number, text

MOST_CHOICES = 3  # hyperparameters: as many as a phone shows at once and a class can talk about
LEAST_VALUES, MOST_VALUES = 2, 6
MOST_EPOCHS = 50
MOST_SECONDS = 120  # of one training
MOST_ATTEMPTS = 10  # of one pupil

Value = int | float | str


def _hidden(layers: Layers) -> list[Dense]:
    return [layer for layer in layers if isinstance(layer, Dense) and layer.units != "classes"]


def _with_units(layers: Layers, units: Any) -> Layers:
    hidden = _hidden(layers)
    return tuple(layer.model_copy(update={"units": units}) if layer in hidden else layer for layer in layers)


def _with_filters(layers: Layers, filters: Any) -> Layers:
    """The first convolution with these filters, the others in proportion."""
    first = next(layer.filters for layer in layers if isinstance(layer, Conv))
    return tuple(
        layer.model_copy(update={"filters": max(1, round(layer.filters * filters / first))})
        if isinstance(layer, Conv)
        else layer
        for layer in layers
    )


def _with_dropout(layers: Layers, rate: Any) -> Layers:
    """Dropout of this rate after each hidden dense layer, and nowhere else."""
    hidden, found = _hidden(layers), []
    for layer in layers:
        if not isinstance(layer, Dropout):
            found += [layer, Dropout(rate=rate)] if layer in hidden and rate else [layer]
    return tuple(found)


OF_LAYERS: dict[str, tuple[type, Value, Value, Callable[[Layers, Any], Layers]]] = {
    "units": (int, 1, 2048, _with_units),
    "filters": (int, 1, 256, _with_filters),
    "dropout": (float, 0.0, 0.9, _with_dropout),
}
"""What is chosen of the layers: its type, least and greatest value, and the layers with a value of it."""

SUGGESTED: dict[str, tuple[Value, ...]] = {
    "learning_rate": (0.0001, 0.001, 0.01, 0.1),
    "batch_size": (16, 64, 256),
    "optimizer": ("sgd", "adam"),
    "epochs": (1, 2, 4),
    "units": (16, 64, 256),
    "filters": (4, 8, 16),
    "dropout": (0.0, 0.25, 0.5),
    "weight_decay": (0.0, 0.01, 0.1),
    "rotation": (0.0, 10.0, 20.0),
    "shift": (0.0, 1.0, 2.0),
}
"""The hyperparameters that may be chosen, each with the values that are offered first."""


class Choice(BaseModel):
    """A hyperparameter of `SUGGESTED`, and the values that it may have."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    name: Annotated[str, Field(max_length=40)]
    values: Annotated[tuple[Value, ...], Field(min_length=LEAST_VALUES, max_length=MOST_VALUES)]

    @model_validator(mode="after")
    def _can_be_chosen(self) -> Self:
        if self.name not in SUGGESTED or len(set(self.values)) < len(self.values):
            raise ValueError(self.name)
        return self


class Rules(BaseModel):
    """What is the same for all runs of a race, and what a pupil chooses; see `rules`, which checks it."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    spec: RunSpec
    choices: Annotated[tuple[Choice, ...], Field(min_length=1, max_length=MOST_CHOICES)]
    seconds: Annotated[float, Field(gt=0, le=MOST_SECONDS)]  # of one training at most
    attempts: Annotated[int, Field(ge=1, le=MOST_ATTEMPTS)]  # of one pupil

    def chosen(self, places: Sequence[int]) -> dict[str, Value]:
        """The values at these places of the lists. Raises: Refusal, if they are anything else than such places."""
        if (
            not isinstance(places, Sequence)
            or len(places) != len(self.choices)
            or not all(type(place) is int for place in places)
            or not all(0 <= place < len(one.values) for place, one in zip(places, self.choices, strict=True))
        ):
            raise Refusal("race.not_offered")
        return {one.name: one.values[place] for place, one in zip(places, self.choices, strict=True)}

    def spec_of(self, places: Sequence[int]) -> RunSpec:
        """The spec of a run with the values at these places. Raises: Refusal."""
        return applied(self.spec, self.chosen(places)).model_copy(update={"time_limit": self.seconds})

    def places(self) -> list[tuple[int, ...]]:
        """Everything that can be chosen."""
        return list(itertools.product(*(range(len(one.values)) for one in self.choices)))

    def slowest(self) -> RunSpec:
        """The spec that takes longest, by its multiplications and, where these are equal, its steps."""
        source = dataset(self.spec.data)

        def work(spec: RunSpec) -> tuple[float, float]:
            macs = sum(row.macs for row in spec.table(source.shape, source.class_count))
            return macs * spec.epochs, spec.epochs / spec.batch_size

        return max(map(self.spec_of, self.places()), key=work)

    def worst(self, people: int, at_once: int, seconds: float) -> tuple[int, float]:
        """The most trainings of so many people, and their seconds in all, if one takes `seconds`.

        Whoever chooses what has been trained already shares its run, so there are no more runs than choices.
        """
        runs = min(people * self.attempts, len(self.places()))
        return runs, math.ceil(runs / at_once) * seconds


def rules(spec: RunSpec, choices: Mapping[str, Sequence[Value]], seconds: float, attempts: int) -> Rules:
    """The rules of a race, each of whose choices can be trained.

    Raises: Refusal, for a spec that chooses by the test split, for too few or too many choices, values, epochs or
    seconds, or for values that the spec does not take.
    """
    if spec.test_use != "once":
        raise Refusal("race.test_split")
    if not 1 <= len(choices) <= MOST_CHOICES:
        raise Refusal("race.how_many", most=MOST_CHOICES)
    for name, values in choices.items():
        if name not in can_choose(spec):
            raise Refusal("race.no_such", name=label(name))
        if not LEAST_VALUES <= len(set(values)) <= MOST_VALUES:
            raise Refusal("race.how_many_values", name=label(name), least=LEAST_VALUES, most=MOST_VALUES)
    if not 0 < seconds <= MOST_SECONDS:
        raise Refusal("race.too_long", most=MOST_SECONDS)
    offered = tuple(Choice(name=name, values=tuple(dict.fromkeys(values))) for name, values in choices.items())
    found = Rules(spec=spec, choices=offered, seconds=seconds, attempts=attempts)
    source = dataset(spec.data)
    for places in found.places():
        one = found.spec_of(places)
        one.table(source.shape, source.class_count)
        if one.epochs > MOST_EPOCHS:
            raise Refusal("race.too_many_epochs", most=MOST_EPOCHS)
    return found


def can_choose(spec: RunSpec) -> list[str]:
    """The hyperparameters that a class may choose for this spec."""
    lacks = set()
    if not _hidden(spec.layers):
        lacks |= {"units", "dropout"}
    if not any(isinstance(layer, Conv) for layer in spec.layers):
        lacks.add("filters")
    return [name for name in SUGGESTED if name not in lacks]


def applied(spec: RunSpec, values: Mapping[str, Value]) -> RunSpec:
    """The spec with these values in place of its own. Raises: Refusal."""
    layers = spec.layers
    for name, value in values.items():
        if name in OF_LAYERS:
            kind, least, most, change = OF_LAYERS[name]
            if type(value) not in (int, kind) or not least <= value <= most:  # pyright: ignore[reportOperatorIssue]
                raise Refusal("race.value", name=label(name), value=str(value)[:40], least=least, most=most)
            layers = change(layers, value)
    given = {**dict(spec), **{name: value for name, value in values.items() if name not in OF_LAYERS}, "layers": layers}
    return checked({name: value if is_used(name, given) else default(name) for name, value in given.items()})


def label(name: str) -> InWords:
    """What a choice is called, with its unit; as a `str` its name."""
    key = f"race.of_layers.{name}" if name in OF_LAYERS else f"spec.{name}.label"
    of = "" if name in OF_LAYERS else unit(name)

    def say(language: str) -> str:
        return text(language, key) + (f" ({text(language, f'unit.{of}')})" if of else "")

    return InWords(name, say)


def written(name: str, value: Value, language: str) -> str:
    """A value as the language writes it, without its unit, which the label has."""
    return value_text(name, value, language) if isinstance(value, str) else write_number(value, language)


def read(name: str, words: str, language: str) -> Value:
    """A value as a person of the language has written it. Raises: Refusal, for what is no number where one is meant."""
    options = {written(name, value, language): value for value in SUGGESTED[name]}
    if words in options:
        return options[words]
    found = words
    if name in OF_LAYERS:
        try:
            number = read_number(words, language=language)
            found = int(number) if number == int(number) and OF_LAYERS[name][0] is int else float(number)
        except (ValueError, OverflowError):
            pass
    else:
        found = read_field(name, words.strip(), language)
    if isinstance(found, str) and (name in OF_LAYERS or is_number(name)):
        raise Refusal("race.no_number", name=label(name), value=words[:40])
    return found
