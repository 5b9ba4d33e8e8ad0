"""The page Our drawings: the drawings that visitors have saved, and how often models classify them correctly."""

import streamlit as st

from core.drawing import collection
from core.models.model import offered
from ui import drawings, server
from ui.choice import choose_runs
from ui.text import t

kept = collection.kept()
if kept:
    drawings.panel(choose_runs(offered()), kept)
else:
    st.info(t("drawings.none_yet"))
    st.page_link(server.PAGES / "draw.py", label=t("page.draw"), icon=":material/draw:")
st.caption(t("drawings.private"))
