"""What the page shows while something is computed beside it: how far it is, and buttons that stop or begin it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.refusal import Refusal
from ui.inside.opened import Work, me
from ui.text import refused, t

WAITS = "inside.waits"  # key in the session state: whether the page has waited for something since it was last asked
POLL = 0.5  # seconds between two looks
QUICK = 0.2  # seconds in which most of it is ready, so that nothing else is shown before


def is_ready(work: Work, words: str, again: Callable[[], None]) -> bool:
    """Whether something is computed; if not, shows how far it is, or a button that begins it `again`."""
    if work.is_found(QUICK):
        return True
    if not work.found.done() and me() not in work.left:
        st.session_state[WAITS] = True
        _wait(work, words)
        return False
    _failed(work, again)
    return False


def _failed(work: Work, again: Callable[[], None]) -> None:
    """Say why it is not there, and offer to begin it again."""
    error = work.found.exception() if work.found.done() else InterruptedError()  # others still wait for it
    if isinstance(error, Refusal):
        refused(error, st.warning)
    elif isinstance(error, InterruptedError):
        st.caption(t("inside.stopped"))
    elif isinstance(error, MemoryError):
        st.caption(t("inside.no_memory"))
    else:
        st.caption(t("inside.failed", error=f"{type(error).__name__}: {error}"))

    def begin() -> None:
        if work.found.done():
            again()
        work.left.discard(me())

    st.button(t("inside.again"), key="inside-again", icon=":material/refresh:", on_click=begin)


def _wait(work: Work, words: str) -> None:
    def stop() -> None:
        work.stop(me())

    @st.fragment(run_every=POLL)
    def tell() -> None:
        if work.found.done() or me() in work.left:
            st.rerun()  # the whole page, which then no longer polls
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(work.done, words)
            st.button(t("inside.stop"), key="inside-stop", icon=":material/stop:", on_click=stop)

    tell()
