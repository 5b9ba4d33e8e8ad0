"""What the page shows while something is computed beside it: how far it is, and buttons that stop or begin it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ui.inside.opened import Work
from ui.text import t

POLL = 0.5  # seconds between two looks
QUICK = 0.2  # seconds in which most of it is ready, so that nothing else is shown before


def is_ready(work: Work, words: str, again: Callable[[], None]) -> bool:
    """Whether something is computed; if not, shows how far it is, or a button that begins it `again`."""
    if work.is_found(QUICK):
        return True
    if not work.found.done():
        _wait(work, words)
        return False
    st.caption(t("inside.stopped" if work.stopped.is_set() else "inside.no_memory"))
    st.button(t("inside.again"), key="inside-again", icon=":material/refresh:", on_click=again)
    return False


def _wait(work: Work, words: str) -> None:
    @st.fragment(run_every=POLL)
    def tell() -> None:
        if work.found.done():
            st.rerun()  # the whole page, which then no longer polls
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(work.done, words)
            st.button(t("inside.stop"), key="inside-stop", icon=":material/stop:", on_click=work.stopped.set)

    tell()
