"""Which run the reader looks at: the same on all pages, and in the page's link."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.store import Run
from ui import server
from ui.text import t

KEY = "run"
WRITTEN = "run.written"  # what we have put into the link: another value there comes from whoever opened it


def choose_run(label: str, names: Sequence[str], *, required: bool) -> Run | None:
    """Let the reader choose among runs; a run that the link names, or another page showed, is chosen already.

    With `required` the first one stands where nothing is chosen, without it nothing does.
    """
    linked = st.query_params.get(KEY)
    if linked and linked != st.session_state.get(WRITTEN):
        st.session_state[KEY] = linked
    if st.session_state.get(KEY) not in names:
        st.session_state[KEY] = names[0] if required and names else None
    hint = t("train.choose")
    index = 0 if required else None  # None lets the reader choose nothing again
    name = st.selectbox(label, names, index=index, key=KEY, placeholder=hint, persist_state="session")
    st.session_state[WRITTEN] = name
    if name and name != linked:
        st.query_params[KEY] = name
    if not name and linked:
        del st.query_params[KEY]
    return server.find(name)
