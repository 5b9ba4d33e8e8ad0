"""Published figures, checked: a confusion matrix's measures, and figures that cannot be as they are written."""

import streamlit as st

from ui import claim
from ui.text import t

st.write(t("check.about"))
figures, matrix = st.tabs([t("check.figures"), t("check.matrix_tab")])
with figures:
    claim.figures_panel()
with matrix:
    claim.matrix_panel()
