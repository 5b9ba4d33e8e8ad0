"""The page Recipes: the published experiments, the figures reported and measured here, and whether they agree."""

from typing import Any

import streamlit as st

from core.recipes import VARIANTS, results
from ui import server
from ui.choice import one_of
from ui.recipes import experiments, searches
from ui.text import t

with st.container(horizontal=True, vertical_alignment="center"):
    variant: Any = one_of("variant", VARIANTS)
    st.caption(t(f"variant.{variant}_help"))
rows = [row for row in results.rows(server.results()) if row.variant == variant]
left, right = st.columns([2, 1], gap="medium")
with left:
    name = experiments.table(rows)
    experiments.epochs_table(rows)
with right:
    experiments.panel(name, rows)
st.subheader(t("search.title"))
searches.panel(variant)
