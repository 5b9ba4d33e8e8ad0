"""The texts and number formats of each language, for the screen and the command line.

Each file in `core/locales` holds one language and is named by its code; its tables are flattened to keys such as
`train.start`. A text has slots in braces; a number in a slot is formatted for the language, and `{share:percent}`,
`{seconds:duration}` and `{seed:plain}` choose another format. A table with only the keys `one` and `other` is a text
with a singular and a plural form, chosen by the slot `count`.
"""

from __future__ import annotations

import functools
import math
import re
import string
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Real
from pathlib import Path
from typing import Any

LOCALES = Path(__file__).parent / "locales"
FALLBACK = "en"
LOOKS = 1.0  # seconds between two looks at whether a file has changed


class InWords(str):
    """A slot's value that each language says in its own words; as a `str` it is what logs, links and tests say."""

    __slots__ = ("say",)

    def __new__(cls, neutral: str, say: Callable[[str], str]) -> InWords:
        """`say` returns the words in a language."""
        made = super().__new__(cls, neutral)
        made.say = say
        return made


def said(value: object, language: str) -> object:
    """A slot's value, in the words of a language if it has such."""
    return value.say(language) if isinstance(value, InWords) else value


def languages() -> dict[str, str]:
    """The language codes that have a file, each with the language's own name."""
    return {code: text(code, "language.name") for code in _codes()}


@functools.lru_cache(maxsize=256)  # a page asks some hundred times
def closest(tag: str | None) -> str | None:
    """The available language closest to a browser's tag (`pt-BR`, `pt`, `en-GB`); None if none has the same base."""
    wanted = (tag or "").replace("-", "_").lower()
    exact = (code for code in _codes() if code.lower() == wanted)
    close = (code for code in _codes() if code.lower().partition("_")[0] == wanted.partition("_")[0])
    return next(exact, None) or next(close, None)


@functools.cache
def _codes() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in LOCALES.glob("*.toml")))


def text(language: str, key: str, /, **slots: object) -> str:
    """The text of a key in a language, with its slots filled.

    Raises:
        KeyError: the key is missing from the language's file, or a slot from the arguments.
    """
    found = words(language)
    if key not in found and "count" in slots:
        key += ".one" if slots["count"] == 1 else ".other"
    return _Slots(language).vformat(found[key], (), slots)


def words(language: str) -> Mapping[str, str]:
    """All texts of a language by key; read again within a second after its file has changed."""
    path = f"{LOCALES}/{language}.toml"
    return _read(path, _changed(path, int(time.monotonic() / LOOKS)))


@functools.lru_cache(maxsize=16)
def _changed(path: str, look: int) -> int:
    """When the file was changed last, ns. A page has some hundred texts: a look for each took a tenth of its time."""
    del look  # only part of the cache's key
    return Path(path).stat().st_mtime_ns


@functools.lru_cache(maxsize=16)
def _read(path: str, changed: int) -> Mapping[str, str]:  # noqa: ARG001 -- `changed` is part of the cache key
    return dict(_flatten(tomllib.loads(Path(path).read_text(encoding="utf-8"))))


def _flatten(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, entry in table.items():
        if isinstance(entry, Mapping):
            yield from _flatten(entry, f"{prefix}{name}.")
        else:
            yield prefix + name, str(entry)


class _Slots(string.Formatter):
    """Fills the slots of a text, formatting values for a language; slots cannot access attributes or items."""

    def __init__(self, language: str) -> None:
        self.language = language

    def get_field(self, field_name: str, args: Sequence[object], kwargs: Mapping[str, object]) -> tuple[object, str]:
        return kwargs[field_name], field_name

    def format_field(self, value: object, format_spec: str) -> str:
        value = said(value, self.language)
        if format_spec == "plain" or isinstance(value, bool) or not isinstance(value, Real):
            return str(value)
        return {"": number, "percent": percent, "duration": duration}[format_spec](value, language=self.language)


def number(value: float, digits: int | None = None, *, language: str, significant: int = 4) -> str:
    """A number formatted for a language: `60,000` or `60.000`, `0.5` or `0,5`.

    Args:
        value: any number; NaN becomes a dash, infinity `∞`.
        digits: number of decimals; None writes integers, and values from 1000 to 1e9, without decimals and all others
            with `significant` digits.
        language: a language code.
        significant: digits, at least 4.
    """
    value = int(value) if isinstance(value, Integral) else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "–" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if digits is not None:
        plain = f"{value:z,.{digits}f}"  # z: no minus sign on values that round to 0
    elif isinstance(value, int) or 1000 <= abs(value) < 1e9:
        plain = f"{value:,.0f}"
    else:
        plain = f"{value:.{significant}g}".replace("e-0", "e-").replace("e+", "e")
    marks = number_marks(language)
    return plain.translate(str.maketrans({".": marks["decimal"], ",": marks["thousands"]}))


def read_number(written: str, *, language: str) -> Decimal:
    """Parse a number as written in a language, keeping its decimals exactly.

    The language's thousands separator is recognised only between groups of three digits, `1,000` in English and `1.000`
    in Portuguese; a point or comma that cannot be a thousands separator is the decimal mark, so `0.5` and `0,5` are
    read in every language. A sign and an exponent, `1e-3`, are allowed.

    Raises:
        ValueError: the text is not a number.
    """
    parts = re.fullmatch(r"([+-]?)([\d.,]{1,40})([eE][+-]?\d{1,3})?", written.strip(), re.ASCII)
    if not parts:
        raise ValueError(written)
    sign, digits, exponent = parts[1], parts[2], parts[3] or ""
    marks = number_marks(language)
    thousands, decimal = marks["thousands"], marks["decimal"]
    # The language's own separators first; then the swapped ones, if the number cannot be read as a decimal instead.
    for group, point, least in ((thousands, decimal, 1), (decimal, thousands, 2)):
        whole = rf"[1-9]\d{{0,2}}(?:{re.escape(group)}\d{{3}})"
        if re.fullmatch(rf"{whole}{{{least},}}(?:{re.escape(point)}\d+)?|{whole}+{re.escape(point)}\d+", digits):
            return Decimal(sign + digits.replace(group, "").replace(point, ".") + exponent)
    if not re.fullmatch(r"\d+(?:[.,]\d*)?|[.,]\d+", digits):
        raise ValueError(written)
    return Decimal(sign + digits.replace(",", ".") + exponent)


def allowed(schema: Mapping[str, Any], unit: str = "") -> InWords:
    """The values that a field's JSON schema allows: a sentence that says what to write or choose.

    As a `str` it is in notation that needs no translation: `1 ... 8192`, `sgd | adam | adamw`. `unit`: of a number, the
    end of its text key.
    """
    parts = schema.get("anyOf", [schema])
    rule = {**schema, **next((part for part in parts if part.get("type") in ("integer", "number")), parts[0])}
    options = [word for part in parts for word in part.get("enum", [part["const"]] if "const" in part else [])]
    if rule.get("type") in ("integer", "number"):
        open_low, open_high = "minimum" not in rule, "maximum" not in rule
        low = rule["exclusiveMinimum" if open_low else "minimum"]
        high = rule["exclusiveMaximum" if open_high else "maximum"]
        kind = "whole" if rule["type"] == "integer" else "above" if open_low else "below" if open_high else "number"
        neutral = f"{'> ' * open_low}{low} ... {'< ' * open_high}{high}"

        def sentence(language: str) -> str:
            most = number(high, language=language) + (f" {text(language, f'unit.{unit}')}" if unit else "")
            also = ["or_words"] * bool(options) + ["or_empty"] * any(part.get("type") == "null" for part in parts)
            range_of = text(language, f"allowed.{kind}", low=low, high=most)
            return " ".join([range_of, *(text(language, f"allowed.{one}", words=" | ".join(options)) for one in also)])

        return InWords(neutral, sentence)
    if options:
        neutral = " | ".join(options)
        return InWords(neutral, lambda language: text(language, "allowed.one_of", values=neutral))
    if "examples" in rule:
        example = rule["examples"][0]
        key = "one_of" if " | " in example else "as_in"
        return InWords(example, lambda language: text(language, f"allowed.{key}", values=example))
    most = rule.get("maxLength", 0)
    return InWords(rule["type"], lambda language: text(language, "allowed.name", most=most))


def number_marks(language: str) -> dict[str, str]:
    """The language's `decimal` mark and `thousands` separator."""
    found = words(language)
    return {"decimal": found["number.decimal"], "thousands": found["number.thousands"]}


def percent(share: float, digits: int = 1, *, language: str) -> str:
    """A fraction between 0 and 1 as a percentage: `98.7%` or `98,7%`; `100.0%` only if it is 1."""
    return _percent(_not_rounded_to_1(share, 2 + digits), digits, language)


def fraction(share: float, digits: int, *, language: str) -> str:
    """A fraction, at most 1, with decimals: `0.9873` or `0,9873`; `1.0000` only if it is 1."""
    return number(_not_rounded_to_1(share, digits), digits, language=language)


def _not_rounded_to_1(share: float, digits: int) -> float:
    most = 1 - 10.0**-digits  # 0.999: a single error among thousands is not rounded away
    return min(share, most) if most < share < 1 else share


def _percent(share: float, digits: int, language: str) -> str:
    written = number(100 * float(share), digits, language=language)
    return f"{written}%" if math.isfinite(share) else written


def interval(low: float, high: float, digits: int = 1, *, language: str) -> str:
    """An interval between two fractions (0 to 1) in percent: `97.9% to 98.4%`."""
    ends = {"low": _percent(low, digits, language), "high": _percent(high, digits, language)}
    return text(language, "number.interval", **ends)


def duration(seconds: float, *, language: str) -> str:
    """A non-negative number of seconds in readable units: `0.35 s`, `12 s`, `3 min 05 s`, `2 h 10 min`, `40 d 2 h`."""
    if not math.isfinite(seconds):
        return number(seconds, language=language)
    if seconds < 10:
        return f"{number(float(f'{seconds:.2g}'), language=language)} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{number(whole // 86_400, language=language)} d {whole % 86_400 // 3600} h"
