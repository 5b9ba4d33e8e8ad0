"""A field for a whole number, read as the reader's language writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.words import read_number
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
    """Show the whole number under `key` of the session state, between both ends, and let the reader change it.

    It is a text field: the browser's own number field takes `1.000` for 1. What is no number between both ends is
    refused in a sentence, and changes nothing.

    Args:
        label: what stands above the field.
        low: the smallest number.
        high: the largest number.
        key: where the page has put a number; `key` + ".written" and `key` + ".refused" are taken, too.
        then: called once the reader has changed the number, before the page is drawn.
        where: the part of the page that the field stands in; by default where the page is just being drawn.
        options: as of `st.text_input`.
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
        place.error(t("error.no_whole_number", written=text[:40], low=low, high=high))
    return st.session_state[key]
