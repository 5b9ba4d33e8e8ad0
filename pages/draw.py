"""The page Draw: the visitor draws a digit, and saved models classify it."""

import streamlit as st

from core.models.model import offered
from ui.choice import CHOSEN, choose_runs, run_label
from ui.draw import answer
from ui.text import t

names = offered()
chosen = st.session_state.get(CHOSEN)
if names and chosen and chosen not in names:
    st.info(t("draw.not_offered", run=run_label(chosen)))
if names:
    if runs := choose_runs(names):
        answer.panel(runs)
else:
    st.info(t("draw.none_yet"))
