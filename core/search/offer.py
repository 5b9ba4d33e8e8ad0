"""What a form offers for a search: the fields that can vary, values to begin with, and lists as people write them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, get_args

from core.networks.architectures import ARCHITECTURES
from core.search.study import FIXED
from core.spec import RunSpec, bounds, is_number, is_used, only_if, read_field
from core.words import number_marks

# Of fields that are not used by default, and of those whose default is 0, which has no multiples.
_VALUES: Mapping[str, tuple[float, ...]] = {
    "momentum": (0, 0.5, 0.9),
    "weight_decay": (0, 0.0001, 0.001, 0.01),
    "rotation": (0, 5, 10, 20),
    "shift": (0, 1, 2, 4),
    "zoom": (0, 0.1, 0.2),
    "flip": (0, 0.5),
    "elastic": (0, 1, 2),
    "stroke_width": (0, 0.25, 0.5),
    "target_accuracy": (0.9, 0.95, 0.99),
    "patience": (2, 5, 10),
    "time_limit": (10, 30, 60),
}
_FACTORS = {"learning_rate": (0.1, 0.3, 1, 3, 10)}
_OTHER_FACTORS = (0.5, 1, 2)


def variable(values: Mapping[str, Any], varied: Collection[str] = ()) -> list[str]:
    """The fields that can vary in a search beside these values, in the form's order.

    A field that needs a certain value of another one can vary if that other one is among those that are `varied`.
    """
    return [
        name
        for name in RunSpec.model_fields
        if name not in FIXED and (is_used(name, values) or (only_if(name) or ("",))[0] in varied)
    ]


def options(name: str) -> tuple[str, ...]:
    """All words that a field takes; none of a field that takes numbers."""
    if name == "architecture":
        return tuple(ARCHITECTURES)
    found = get_args(RunSpec.model_fields[name].annotation)
    return tuple(found) if found and all(isinstance(one, str) for one in found) else ()


def first_values(name: str, value: Any) -> tuple[Any, ...]:
    """Values to begin with, in ascending order: around a field's `value`, within its bounds, or all of its words.

    Of the architectures only the given one: no two need be alike in cost.
    """
    if not is_number(name):
        return (value,) if name == "architecture" and value in ARCHITECTURES else options(name)
    if name in _VALUES:
        found = {*_VALUES[name], *((value,) if isinstance(value, int | float) else ())}
    else:
        found = {_like(value, value * factor) for factor in _FACTORS.get(name, _OTHER_FACTORS)}
    low, high = bounds(name)
    return tuple(sorted(one for one in found if low <= one <= high))


def _like(value: float, found: float) -> float | int:
    return max(1, round(found)) if isinstance(value, int) else float(f"{found:.3g}")


def read_list(name: str, written: str, language: str) -> tuple[Any, ...]:
    """The values of a field as a person of the language writes a list: between semicolons, spaces or line breaks.

    Where the language's decimal mark is no comma, commas do too, unless there is a semicolon: `1,000; 2,000`. What is
    no number is left for the check of the field to refuse.
    """
    commas = "," if ";" not in written and number_marks(language)["decimal"] != "," else ""
    separators = ";\n" if ";" in written else rf"\s{commas}"
    parts = (part.strip() for part in re.split(f"[{separators}]+", written))
    return tuple(dict.fromkeys(read_field(name, part, language) for part in parts if part))
