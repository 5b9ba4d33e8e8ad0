"""A field for a whole number, written as in the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.words import allowed, read_number
from ui.text import language, t


def whole_number(
    label: str,
    low: int,
    high: int,
    *,
    key: str,
    then: Callable[[], None] = lambda: None,
    where: DeltaGenerator | None = None,
    **options: Any,
) -> int:
    """Show the whole number stored under `key` in the session state, let the reader change it, and return it.

    It is a text field, since the browser's own number field reads `1.000` as 1. An entry that is not a whole number
    from `low` to `high` is refused with a message and changes nothing.

    Args:
        label: the text above the field.
        low: the smallest number.
        high: the largest number.
        key: under which the page has stored a number; `key` + ".written" and `key` + ".refused" are used as well.
        then: called once the reader has changed the number, before the page is drawn.
        where: the container that gets the field; by default the current one.
        options: further arguments of `st.text_input`.
    """
    written, refused, place = f"{key}.written", f"{key}.refused", where or st

    def read() -> None:
        text = st.session_state[written]
        try:
            number = read_number(text, language=language())
        except ValueError:
            number = None
        if number is None or number != int(number) or not low <= number <= high:
            st.session_state[refused] = text
            return
        st.session_state[key] = int(number)
        then()

    st.session_state[written] = str(st.session_state[key])
    place.text_input(label, key=written, on_change=read, **options)
    if (text := st.session_state.pop(refused, None)) is not None:
        key, rule = "error.field_value" if text else "error.field_empty", {"minimum": low, "maximum": high}
        place.error(t(key, field=label, value=text[:40], allowed=allowed({"type": "integer", **rule})))
    return st.session_state[key]
