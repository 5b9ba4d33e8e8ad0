"""The published experiments, repeated: what was reported, what was measured here, and whether the two agree."""

from typing import Any

import streamlit as st

from core.recipes import VARIANTS, results
from ui import recipes, server
from ui.choice import one_of
from ui.text import t

with st.container(horizontal=True, vertical_alignment="center"):
    variant: Any = one_of("variant", VARIANTS)
    st.caption(t(f"variant.{variant}_help"))
rows = [row for row in results.rows(server.results()) if row.variant == variant]
left, right = st.columns([7, 5], gap="medium")
with left:
    name = recipes.table(rows)
    recipes.epochs_table(rows)
with right:
    recipes.panel(name, rows)
