"""The page Check: impossible published figures, the measures of a confusion matrix, and unused parameters."""

import streamlit as st

from ui import check
from ui.text import t

st.write(t("check.about"))
figures, matrix, parameters = st.tabs([t("check.figures"), t("check.matrix_tab"), t("check.parameters_tab")])
with figures:
    check.figures_panel()
with matrix:
    check.matrix_panel()
with parameters:
    check.parameters_panel()
