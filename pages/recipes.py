"""The page Recipes: the published experiments, the figures reported and measured here, and whether they agree."""

from typing import Any

import streamlit as st

from core.recipes import VARIANTS, results
from ui import beside, server
from ui.choice import linked, one_of
from ui.recipes import experiments, searches
from ui.text import t

if (asked := linked("variant", VARIANTS)) and "variant" not in st.session_state:  # a link that was opened
    st.session_state["variant"] = asked
with st.container(horizontal=True, vertical_alignment="center"):
    variant: Any = one_of("variant", VARIANTS)
    st.query_params["variant"] = variant
    st.caption(t(f"variant.{variant}_help"))
found = server.results()
rows = results.rows(found)
shown = [row for row in rows if row.variant == variant]
left, right = st.columns([7, 3], gap="medium")
with left:
    name = experiments.table(shown)
    experiments.epochs_table(shown)
with right:
    experiments.panel(name, variant, rows)
beside.panel(name, variant, found)
st.subheader(t("search.title"))
searches.panel(variant)
