"""A button that has a training timed on this machine, and the answer in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from core.spec import RunSpec
from ui import server
from ui.text import t


def is_lasting(spec: RunSpec, asked: str) -> bool:
    """Whether the time of this training was asked for, under the key `asked`, and is still being measured."""
    return st.session_state.get(asked) == spec and not server.estimate(spec).done()


def offer(spec: RunSpec, asked: str, say: Callable[[Mapping[str, Any]], str], *, lasting: bool, **button: Any) -> None:
    """Show a button that has the training timed or, once that is done, its answer, written by `say`.

    To be called in a fragment that is run again at intervals while `lasting`, see `is_lasting`. `asked`: the key in the
    session state under which the spec is kept; `button`: further arguments of `st.button`.
    """
    found = server.estimate(spec) if st.session_state.get(asked) == spec else None
    if found and not found.done():
        st.caption(t("estimate.lasting"))
    elif found and not found.exception():
        if lasting:
            st.rerun()  # the whole page, which then no longer polls
        st.caption(say(found.result()))
    else:
        if found:
            st.caption(t("estimate.failed"))
        if st.button(t("estimate.ask"), icon=":material/timer:", help=t("estimate.help"), **button):
            if found:  # the estimate failed: it is repeated
                server.estimate.clear(spec)
            st.session_state[asked] = spec
            st.rerun()  # the whole page, which then polls
