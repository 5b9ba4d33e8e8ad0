"""The page Draw: the visitor draws a digit, and saved models classify it."""

import streamlit as st

from core.models.model import offered
from ui.choice import choose_runs
from ui.draw import answer
from ui.text import t

names = offered()
if runs := choose_runs(names):
    answer.panel(runs)
if not names:
    st.info(t("draw.none_yet"))
