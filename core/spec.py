"""RunSpec: the hyperparameters and data set of a run.

Each field declares its bounds, unit and default. The form, the link, the command line, the validation and the report
read them from here, so adding a hyperparameter takes one field here and the code that uses it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args
from urllib.parse import quote, urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from core.events import BestBy, TestUse
from core.networks.architectures import ARCHITECTURES
from core.networks.layers import MOST_LAYERS, BatchNorm, DenseBlock, Layers, Row, parse, table
from core.networks.layers import text as layers_text
from core.refusal import Refusal
from core.words import InWords, number, number_marks, read_number
from core.words import allowed as allowed_by
from core.words import text as words_of

CUSTOM = "custom"  # the architecture's name when the user has written the layers
TAKEN = ("first_layers", ("joint", "frozen"))  # the `only_if` of fields that need layers taken over from another run
APART = ("first_layers", ("joint", "frozen", "random"))  # and of those that need first layers unlike the others
MOST_SEEDS = 100  # trainings with one seed after the other that can be asked for at once
Normalisation = Literal["unit", "half", "standard"]


def _none_of_nothing(value: Any) -> Any:
    """None for an empty form field and for the word `none` on a command line: the field is not used."""
    return None if value in ("", "none", "None") else value


NotUsed = BeforeValidator(_none_of_nothing)


def _field(default: Any, group: str, **more: Any) -> Any:
    extra = {"group": group, "unit": more.pop("unit", ""), "only_if": more.pop("only_if", None)}
    return Field(default, json_schema_extra=extra, **more)


@dataclass(frozen=True)
class Constants:
    """The constants that a library uses where its user states none; `core/training/train.py` trains with these."""

    initial_weights: Literal["fan_in_uniform", "glorot_uniform"]  # of convolutions and dense layers
    initial_biases: Literal["fan_in_uniform", "zeros"]
    adam_epsilon: float
    batch_norm_epsilon: float
    batch_norm_momentum: float  # share of each batch in the running mean and variance; Keras states 1 minus this


CONSTANTS = {
    "pytorch": Constants("fan_in_uniform", "fan_in_uniform", 1e-8, 1e-5, 0.1),
    "keras": Constants("glorot_uniform", "zeros", 1e-7, 1e-3, 0.01),
}
"""By the value of the field `defaults`. Sources: the documentation of PyTorch 2 and of Keras 3."""


class RunSpec(BaseModel):
    """What to train: equal specs give bit-identical weights on the same device, threads, precision and versions."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: str = _field("mnist-5k", "data", min_length=1, max_length=100)
    split: Literal["stratified", "official", "first_last", "test"] = _field("stratified", "data")
    val_fraction: float = _field(0.1, "data", ge=0.01, le=0.5, only_if=("split", ("stratified", "first_last")))
    image_size: Annotated[int | None, NotUsed] = _field(None, "data", ge=8, le=128, unit="px")
    normalisation: Normalisation = _field("unit", "data")

    architecture: str = _field(
        "lenet",
        "network",
        min_length=1,
        max_length=40,
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        examples=[" | ".join([*ARCHITECTURES, CUSTOM])],
    )
    layers: Layers = _field(
        (),
        "network",
        min_length=1,
        max_length=MOST_LAYERS,
        examples=["conv(6, 5), max_pool(2), flatten, dense(classes)"],
    )
    defaults: Literal["pytorch", "keras"] = _field("pytorch", "network")
    # The initial weights of the first `layers_taken` layers. `new`: random; `joint`: those of the run `weights_from`,
    # trained further with the other layers; `frozen`: those of that run, not trained; `random`: random and not trained.
    first_layers: Literal["new", "joint", "frozen", "random"] = _field("new", "network")
    weights_from: str = _field("", "network", max_length=151, only_if=TAKEN)  # the name of a run
    layers_taken: int = _field(1, "network", ge=1, le=MOST_LAYERS, only_if=APART)

    optimizer: Literal["sgd", "adam", "adamw"] = _field("adam", "training")
    learning_rate: float = _field(0.001, "training", gt=0, le=10_000_000)
    momentum: float = _field(0.0, "training", ge=0, lt=1, only_if=("optimizer", ("sgd",)))
    weight_decay: float = _field(0.0, "training", ge=0, le=10)
    schedule: Literal["constant", "cosine", "one_cycle"] = _field("constant", "training")
    batch_size: int = _field(64, "training", ge=1, le=8192, unit="images")
    epochs: int = _field(5, "training", ge=1, le=10_000)
    seed: int = _field(0, "training", ge=0, le=2**31 - 1)
    precision: Literal["auto", "float32", "bfloat16"] = _field("auto", "training")

    rotation: float = _field(0.0, "augmentation", ge=0, le=180, unit="degrees")
    shift: float = _field(0.0, "augmentation", ge=0, le=32, unit="px")
    zoom: float = _field(0.0, "augmentation", ge=0, le=1)
    flip: float = _field(0.0, "augmentation", ge=0, le=1)
    elastic: float = _field(0.0, "augmentation", ge=0, le=8, unit="px")
    stroke_width: float = _field(0.0, "augmentation", ge=0, le=1, unit="px")

    best_by: BestBy = _field("val_accuracy", "stop")
    target_accuracy: Annotated[float | None, NotUsed] = _field(None, "stop", gt=0, le=1)
    patience: Annotated[int | None, NotUsed] = _field(
        None, "stop", ge=1, le=10_000, unit="epochs", only_if=("best_by", ("val_accuracy", "val_loss"))
    )
    time_limit: Annotated[float | None, NotUsed] = _field(None, "stop", gt=0, le=10_000_000, unit="s")

    @model_validator(mode="before")
    @classmethod
    def _layers_of_the_architecture(cls, values: Any) -> Any:
        """Fill in the layers of the named architecture, so that a stored spec contains the network itself."""
        if not isinstance(values, Mapping):
            return values
        values = dict(values)
        if not values.get("layers"):
            name = values.get("architecture", cls.model_fields["architecture"].default)
            if name == CUSTOM:
                raise Refusal("error.layer_count", count=0, most=MOST_LAYERS)
            if not isinstance(name, str) or name not in ARCHITECTURES:
                raise Refusal("error.architecture_unknown", architecture=str(name)[:60], known=", ".join(ARCHITECTURES))
            values["layers"] = ARCHITECTURES[name]
        elif "architecture" not in values:
            values["architecture"] = CUSTOM
        return values

    @field_validator("layers", mode="before")
    @classmethod
    def _layers_from_words(cls, value: Any) -> Any:
        return parse(value) if isinstance(value, str) else value

    @property
    def test_use(self) -> TestUse:
        """How the test split is used; with `split="test"` it serves as val too, as in many published trainings."""
        if self.split != "test":
            return "once"
        return "watched" if self.best_by == "last" and self.target_accuracy is None else "selected"

    @property
    def constants(self) -> dict[str, float | str]:
        """The constants that `defaults` stands for, only those that this network and optimizer use."""
        constants = CONSTANTS[self.defaults]
        used: dict[str, float | str] = {
            name: getattr(constants, name) for name in ("initial_weights", "initial_biases")
        }
        if self.optimizer in ("adam", "adamw"):
            used["adam_epsilon"] = constants.adam_epsilon
        if any(isinstance(layer, BatchNorm | DenseBlock) for layer in self.layers):
            used |= {name: getattr(constants, name) for name in ("batch_norm_epsilon", "batch_norm_momentum")}
        return used

    @property
    def augments(self) -> bool:
        """Whether the train images are augmented."""
        return any(getattr(self, name) for name in AUGMENTATION)

    @property
    def taken(self) -> int:
        """The number of first layers that start with another run's weights, frozen ones included."""
        return self.layers_taken if self.first_layers in TAKEN[1] else 0

    @property
    def frozen(self) -> int:
        """The number of first layers that are frozen."""
        return self.layers_taken if self.first_layers in ("frozen", "random") else 0

    def input_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """The network's input shape (C, H, W) for a data set's images of `shape` (C, H, W)."""
        return (shape[0], self.image_size, self.image_size) if self.image_size else shape

    def table(self, shape: tuple[int, int, int], classes: int) -> list[Row]:
        """The network's layer table for a data set's images of `shape` (C, H, W) and K = `classes`. Raises: Refusal."""
        return table(self.layers, self.input_shape(shape), classes)


def _extra(name: str) -> dict[str, Any]:
    found: Any = RunSpec.model_fields[name].json_schema_extra
    return found


def group(name: str) -> str:
    """The part of the form that a field is in."""
    return _extra(name)["group"]


AUGMENTATION = tuple(name for name in RunSpec.model_fields if group(name) == "augmentation")  # its fields


@dataclass(frozen=True)
class Hyperparameter:
    """A field of a spec with its value, and the value that it has by default."""

    name: str
    value: Any
    default: Any

    @property
    def differs(self) -> bool:
        """Whether the value is not the default."""
        return self.value != self.default


def hyperparameters(spec: RunSpec) -> list[Hyperparameter]:
    """The fields that a spec uses, in the form's order: those that differ from the defaults, then the others.

    Layers are given as text; their default are the layers of the architecture that the spec names.
    """
    found = []
    for name in RunSpec.model_fields:
        value, by_default = getattr(spec, name), default(name)
        if name == "layers":
            value, by_default = layers_text(value), layers_text(ARCHITECTURES.get(spec.architecture, ()))
        if is_used(name, spec):
            found.append(Hyperparameter(name, value, by_default))
    return sorted(found, key=lambda one: not one.differs)


def differing(one: RunSpec, other: RunSpec) -> list[tuple[str, Any, Any]]:
    """The fields in which two specs differ, with the value of each; None for a field that one of them does not use."""
    ones, others = ({given.name: given.value for given in hyperparameters(spec)} for spec in (one, other))
    pairs = [(name, ones.get(name), others.get(name)) for name in RunSpec.model_fields]
    return [(name, value, otherwise) for name, value, otherwise in pairs if value != otherwise]


def link(spec: RunSpec) -> str:
    """The query of a link that fills Train's form with a spec: the fields that differ from the defaults.

    Layers are in their text form, without spaces, if they are not those of a named architecture.
    """
    values = {name: getattr(spec, name) for name in RunSpec.model_fields if name != "layers"}
    differ = {name: str(value) for name, value in values.items() if value != default(name)}
    if spec.layers != ARCHITECTURES.get(spec.architecture):
        differ |= {"architecture": CUSTOM, "layers": layers_text(spec.layers).replace(" ", "")}
    return urlencode(differ, quote_via=quote, safe="(),=")


def any_seed(spec: RunSpec) -> RunSpec:
    """The spec with the default seed: equal for specs that differ in the seed alone."""
    return spec.model_copy(update={"seed": default("seed")})


def next_seeds(spec: RunSpec, count: int) -> list[RunSpec]:
    """The spec and the same with the next seeds, `count` in all, at most `MOST_SEEDS`.

    Raises: Refusal, if there are no such seeds.
    """
    last = spec.seed + count - 1
    if last > bounds("seed")[1]:
        raise field_value("seed", last)
    return [spec.model_copy(update={"seed": seed}) for seed in range(spec.seed, last + 1)]


def share_splits(one: RunSpec, other: RunSpec) -> bool:
    """Whether two specs, given equal seeds, train on the same images."""
    return all(getattr(one, name) == getattr(other, name) for name in ("data", "split", "val_fraction"))


def checked(values: Mapping[str, Any]) -> RunSpec:
    """The validated spec of these field values, given as text or as their own types.

    If `layers` differs from the layers of the given `architecture`, the architecture is changed to `custom`.
    Raises: Refusal, with a field, its invalid value and its bounds, or with a field that other fields make meaningless.
    """
    try:
        spec = RunSpec.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        refusal = (fault.get("ctx") or {}).get("error")
        if isinstance(refusal, Refusal):
            raise refusal from None
        name = str(fault["loc"][0]) if fault["loc"] else ""
        if name not in RunSpec.model_fields:
            raise Refusal("error.field_unknown", field=name, known=", ".join(RunSpec.model_fields)) from None
        if name == "data" and fault["type"] == "string_too_long":
            written = str(fault["input"])
            raise Refusal("error.data_name_long", data=written[:60], count=len(written)) from None
        raise field_value(name, fault["input"]) from None
    for name in values:
        condition = only_if(name)
        if condition and getattr(spec, name) != default(name) and not is_used(name, spec):
            other, options = condition
            raise Refusal("error.field_unused", field=label(name), other=label(other), allowed=option_words(options))
    if spec.layers != ARCHITECTURES.get(spec.architecture):
        spec = spec.model_copy(update={"architecture": CUSTOM})
    return spec


def only_if(name: str) -> tuple[str, tuple[str, ...]] | None:
    """The other field, and its values, with which alone a field has a meaning; None for a field that always has one."""
    return _extra(name)["only_if"]


def is_used(name: str, values: RunSpec | Mapping[str, Any]) -> bool:
    """Whether a field has a meaning beside these values of the others."""
    condition = only_if(name)
    if condition is None:
        return True
    other = getattr(values, condition[0]) if isinstance(values, RunSpec) else values.get(condition[0])
    return other in condition[1]


def field_value(name: str, value: Any, *, most: int | None = None) -> Refusal:
    """The refusal of a field's value; `most`: the field's upper bound beside the values of the others."""
    schema = _fields()[name] | ({} if most is None else {"maximum": most})
    written = InWords(str(value)[:60], lambda language: _written(value, language))
    key = "error.field_value" if str(value) else "error.field_empty"
    return Refusal(key, field=label(name), value=written, allowed=allowed_by(schema, unit(name)))


def _written(value: Any, language: str) -> str:
    return write_number(value, language) if isinstance(value, float) else str(value)[:60]


def label(name: str) -> InWords:
    """A field's label in the form; as a `str` its name."""
    return InWords(name, lambda language: words_of(language, f"spec.{name}.label"))


def option_words(options: Sequence[str]) -> InWords:
    """Some of the words that a field takes, as its list shows them."""
    return InWords(" | ".join(options), lambda language: " / ".join(words_of(language, f"option.{o}") for o in options))


def unit(name: str) -> str:
    """A field's unit, the end of its text key; "" if it has none."""
    return _extra(name)["unit"]


def allowed(name: str) -> InWords:
    """The values that a field accepts, see `core.words.allowed`."""
    return allowed_by(_fields()[name], unit(name))


@functools.cache
def _fields() -> dict[str, Any]:
    """The JSON schema of each field, cached because pydantic takes 5 ms to compute it."""
    return RunSpec.model_json_schema()["properties"]


def bounds(name: str) -> tuple[float, float]:
    """The lowest and the highest number of a field, infinite where it has no bound; they may be left out themselves."""
    schema = _fields()[name]
    found = {key: value for part in (schema, *schema.get("anyOf", ())) for key, value in part.items()}
    low = found.get("minimum", found.get("exclusiveMinimum", -math.inf))
    return low, found.get("maximum", found.get("exclusiveMaximum", math.inf))


def default(name: str) -> Any:
    """A field's default; None means that the field is not used."""
    return RunSpec.model_fields[name].default


def is_number(name: str) -> bool:
    """Whether a field takes numbers."""
    annotation = RunSpec.model_fields[name].annotation
    return bool({int, float} & {annotation, *get_args(annotation)})


def read_field(name: str, written: str, language: str) -> int | float | str:
    """A field's value as a person of the language has written it; what is no number is left for `checked` to refuse."""
    if not is_number(name):
        return written
    try:
        read = read_number(written, language=language)
    except ValueError:
        return written
    if abs(read) < 10**15 and read == int(read):
        return int(read)
    number = float(read)
    return number if number and math.isfinite(number) else written  # no float is as large, or as near to 0


def write_number(value: float, language: str) -> str:
    """A field's number as `read_field` reads it in the language: all its digits, and no thousands separators."""
    written = repr(value).removesuffix(".0").replace("e-0", "e-")
    return written.replace(".", number_marks(language)["decimal"])


def value_text(name: str, value: Any, language: str) -> str:
    """A field's value in the language, with its unit; names of data and runs, architectures and layers as they are."""
    if value is None:
        return words_of(language, "form.own_size" if name == "image_size" else "form.not_used")
    if is_number(name):
        of = words_of(language, f"unit.{unit(name)}") if unit(name) else ""
        is_count = isinstance(value, int) and name != "seed"  # a seed is a name rather than an amount
        written = number(value, language=language) if is_count else write_number(value, language)
        return f"{written} {of}".strip()
    return words_of(language, f"option.{value}") if _is_option(name) else str(value)


def constant_text(value: float | str, language: str) -> str:
    """The value of one of `RunSpec.constants` in the language."""
    return words_of(language, f"constant.{value}") if isinstance(value, str) else write_number(value, language)


def _is_option(name: str) -> bool:
    """Whether a field takes one of a few words."""
    return "enum" in _fields()[name]
