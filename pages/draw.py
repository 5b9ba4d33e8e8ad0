"""Draw a digit; saved models say what they take it for."""

import streamlit as st

from core import store
from core.predict import fits_drawing
from core.refusal import Refusal
from ui import answer
from ui.text import t


def asked(run: store.Run) -> bool:
    """Whether the run has a model that reads drawn digits."""
    try:
        return fits_drawing(run) and (run.report() is not None or bool(run.checkpoints()))
    except Refusal:
        return False


names = [run.name for run in store.runs() if asked(run)]
if not names:
    st.info(t("draw.none_yet"))
    st.stop()
name = st.selectbox(t("draw.model"), names, key="run", bind="query-params")
answer.panel(store.find(name))
