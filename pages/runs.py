"""The page Runs: all runs of the store in a table, and several of them side by side."""

import streamlit as st

from ui import cluster, server
from ui.runs import actions, comparison, table
from ui.text import t

cluster.panel()
listed = server.listed()
table.warn(listed)
if not listed:
    st.info(t("runs.none_yet"))
else:
    table.panel(listed)
    chosen = table.chosen(listed)
    if chosen:
        actions.panel(chosen)
        comparison.panel(table.lines(chosen))
