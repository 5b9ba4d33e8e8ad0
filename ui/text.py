"""Texts and numbers in the reader's language; `core/words.py` has them in every language."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import streamlit as st

from core import words
from core.refusal import Refusal

missing: set[str] = set()  # the keys that had no text; the tests check that there are none


def t(key: str, **slots: object) -> str:
    """The text of a key in the reader's language; a missing key is shown as itself."""
    try:
        return words.text(language(), key, **slots)
    except KeyError:
        missing.add(key)
        return key


def language() -> str:
    """The reader's language, as its file is named: the chosen one or the link's, else the browser's, else English."""
    wanted = (st.session_state.get("lang"), st.query_params.get("lang"))
    return next((code for tag in wanted if (code := words.closest(tag))), None) or browsers_language()


def browsers_language() -> str:
    """The language that the reader's browser requests; English if we do not have it."""
    return words.closest(st.context.locale) or words.FALLBACK


def number(value: float, digits: int | None = None) -> str:
    """A number as the reader's language writes it."""
    return words.number(value, digits, language=language())


def percent(share: float, digits: int = 1) -> str:
    """A share between 0 and 1 as a percentage."""
    return words.percent(share, digits, language=language())


def interval(low: float, high: float, digits: int = 1) -> str:
    """Two shares between 0 and 1 as the ends of an interval in percent."""
    return words.interval(low, high, digits, language=language())


def duration(seconds: float) -> str:
    """A number of seconds (0 or more) as text with fitting units."""
    return words.duration(seconds, language=language())


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
