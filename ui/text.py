"""Texts and numbers in the reader's language; `core/words.py` has them in every language.

Streamlit reads labels and sentences as Markdown. The sentences are our own, and what fills their slots comes from
files, links and people: class names, names of data sets, nicknames, reasons. `t` therefore escapes each slot, and
`literal` escapes such words where they stand alone. A chart, a cell of `st.dataframe`, an option of a select box, HTML
and `alt` take text as it is: a sentence for these comes from `plain`.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from numbers import Real

import streamlit as st

from core import words
from core.refusal import Refusal

_drawn = threading.local()  # the language of the page that this thread draws now
missing: set[str] = set()  # the keys that had no text; the tests check that there are none


SPACE = re.compile("[\t-\r\x1c- \x85\u2028\u2029]+")
# What has a meaning in Markdown, anywhere or at the start of a line: a backslash takes the meaning away.
MARKS = re.compile(r"[\\`*{}\[\]<>&$~|#]|(?<![^\W_])_|_(?![^\W_])|:(?!\s)|^[-+=]")
# Where Streamlit would still find an icon, an emoji, an arrow or an address, because it looks for these in the text
# that is left when the backslashes are gone, but not across the border of an element; and before a list's number.
BORDER = re.compile(r"(?<=:)(?!\s)|(?<=[-<=>~])(?=[-<=>~])|(?<=www)(?=\.|$)|(?=@)|^(?=\d+[.)])", re.IGNORECASE)
EMPTY_ELEMENT = ":small[]"
RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff]")
ISOLATE, END_ISOLATE = "\u2068", "\u2069"
ISOLATES = re.compile("[\u2066-\u2068]")


class Markdown(str):
    """Text that may be read as Markdown: our own words, in which those of others are escaped."""

    __slots__ = ()


def t(key: str, /, **slots: object) -> str:
    """The text of a key in the reader's language as Markdown, its slots escaped; a missing key is shown as itself."""
    ours, code = (Real, Markdown), language()
    said = {name: words.said(value, code) for name, value in slots.items()}
    escaped = {name: value if isinstance(value, ours) else literal(str(value)) for name, value in said.items()}
    return Markdown(_text(code, key, escaped) or literal(key))


def plain(key: str, /, **slots: object) -> str:
    """The text of a key, for a place that takes text as it is: a chart, a table's cell, an option, HTML, `alt`."""
    code = language()
    said = {name: words.said(value, code) for name, value in slots.items()}
    isolated = {name: value if isinstance(value, Real) else _isolated(str(value)) for name, value in said.items()}
    return _text(code, key, isolated) or key


def as_written(slots: Mapping[str, object]) -> dict[str, object]:
    """Slots of which the words are numbers that core has written, so that `t` does not escape them."""
    return {name: Markdown(value) if isinstance(value, str) else value for name, value in slots.items()}


def literal(words: str) -> str:
    """Words from outside as Markdown that shows them as they are, in one line; Markdown of our own is left alone."""
    if isinstance(words, Markdown):
        return words
    parts = BORDER.split(_isolated(SPACE.sub(" ", words).strip()))
    return Markdown(EMPTY_ELEMENT.join(MARKS.sub(r"\\\g<0>", part) for part in parts))


def _isolated(words: str) -> str:
    """The words; if written from right to left, in Unicode's isolates, so that they do not reorder those around them.

    Each mark in the words that ends or begins an isolate is paired: without it, the words could leave theirs.
    """
    if not RIGHT_TO_LEFT.search(words):
        return words
    ends, begins = words.count(END_ISOLATE), len(ISOLATES.findall(words))
    return ISOLATE * (1 + ends) + words + END_ISOLATE * (1 + ends + begins)


def _text(code: str, key: str, slots: Mapping[str, object]) -> str:
    """The text of a key in a language with its slots filled; "" if the key or a slot is missing."""
    try:
        return words.text(code, key, **slots)
    except KeyError:
        missing.add(key)
        return ""


def language() -> str:
    """The reader's language, as its file is named: the chosen one or the link's, else the browser's, else English."""
    if kept := getattr(_drawn, "language", None):
        return kept
    # In this order, and no more than is needed.
    return (
        words.closest(st.session_state.get("lang")) or words.closest(st.query_params.get("lang")) or browsers_language()
    )


@contextlib.contextmanager
def one_language() -> Iterator[None]:
    """Find the language once for all that is drawn meanwhile: a page asks for it some hundred times."""
    _drawn.language = language()
    try:
        yield
    finally:
        del _drawn.language


def browsers_language() -> str:
    """The language that the reader's browser requests; English if we do not have it."""
    return words.closest(st.context.locale) or words.FALLBACK


def number(value: float, digits: int | None = None, significant: int = 4) -> str:
    """A number as the reader's language writes it, see `words.number`."""
    return Markdown(words.number(value, digits, language=language(), significant=significant))


def percent(share: float, digits: int = 1) -> str:
    """A share between 0 and 1 as a percentage."""
    return Markdown(words.percent(share, digits, language=language()))


def fraction(share: float, digits: int) -> str:
    """A fraction, at most 1, with decimals, see `words.fraction`."""
    return Markdown(words.fraction(share, digits, language=language()))


def signed_points(delta: float) -> str:
    """A difference of two shares in percentage points, with its sign and two decimals."""
    return ("+" if delta > 0 else "") + number(100 * delta, 2)


def interval(low: float, high: float, digits: int = 1) -> str:
    """Two shares between 0 and 1 as the ends of an interval in percent."""
    return Markdown(words.interval(low, high, digits, language=language()))


def duration(seconds: float) -> str:
    """A number of seconds (0 or more) as text with fitting units."""
    return Markdown(words.duration(seconds, language=language()))


def refused(refusal: Refusal, say: Callable[[str], object] = st.error) -> None:
    """Show the message of a refusal by means of `say`, by default as an error."""
    say(t(refusal.key, **refusal.slots))


@contextlib.contextmanager
def kept_refusal(place: str) -> Iterator[None]:
    """Keep the refusal of what a click does, in the session state, until `show_refusal(place)` shows it."""
    st.session_state.pop(place, None)
    try:
        yield
    except Refusal as refusal:
        st.session_state[place] = refusal


def show_refusal(place: str, say: Callable[[str], object] = st.error, *, once: bool = True) -> None:
    """Show the refusal that `kept_refusal(place)` has kept, if any: once, or until the next such click."""
    if refusal := st.session_state.get(place):
        refused(refusal, say)
    if once:
        st.session_state.pop(place, None)
