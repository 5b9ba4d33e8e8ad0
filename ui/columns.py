"""Columns side by side where the window has room for them, and one below the other where it has not."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

NARROW = 900  # px: in a window of at most this width, such as a tablet's, a page is one column


def beside_or_below(key: str) -> DeltaGenerator:
    """A container whose columns stand one below the other in a narrow window; columns within a column do not."""
    column = '[data-testid="stColumn"]'
    own = f".st-key-{key} {column}:not(.st-key-{key} {column} {column})"
    st.html(f"<style>@media (max-width: {NARROW}px) {{ {own} {{ min-width: calc(100% - 1.5rem); }} }}</style>")
    return st.container(key=key)


def first_alone(key: str) -> str:
    """The style by which a container, or each of its columns, shows the first of its elements alone.

    While the browser replaces a button by another one it has both for a moment, and the other buttons would move from
    below the pointer while it is pressed.
    """
    return f".st-key-{key} .stElementContainer ~ .stElementContainer {{ display: none; }}"


def in_sight(key: str) -> DeltaGenerator:
    """A container that stays visible while the longer column beside it is scrolled."""
    column = f'[data-testid="stColumn"]:has(.st-key-{key})'
    st.html(
        "<style>"
        f"@media (min-width: {NARROW + 1}px) {{ {column} {{ position: sticky; top: 4.5rem; align-self: start; }} }}"
        f"@media (max-width: {NARROW}px) {{ .st-key-{key} {{ scroll-margin-top: 4.5rem; }} }}"
        "</style>"
    )
    return st.container(key=key)
