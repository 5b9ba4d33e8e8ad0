"""The page Our drawings: the drawings that visitors have saved, and how often models classify them correctly."""

import streamlit as st

from core.drawing import collection
from ui import drawings, server
from ui.choice import choose_runs
from ui.text import t

kept = collection.kept()
if kept:
    drawings.panel(choose_runs(server.offered()), kept)
else:
    drawings.empty(choose_runs(server.offered()))
st.caption(t("drawings.private"))
