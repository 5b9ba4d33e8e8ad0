"""The page Recipes: the published experiments, the figures reported and measured here, and whether they agree."""

from typing import Any

import streamlit as st

from core.recipes import VARIANTS, results
from ui import beside, server
from ui.choice import linked_row
from ui.recipes import experiments, searches
from ui.text import t

with st.container(horizontal=True, vertical_alignment="center"):
    views = {name: t(f"recipes.{name}") for name in ("experiments", "searches")}
    view = linked_row(t("recipes.view"), views, "recipes-view", name="view")
    say = {variant: t(f"variant.{variant}") for variant in VARIANTS}
    # Of a search, the variant that a class has the time for.
    key, default = ("variant", "faithful") if view == "experiments" else ("search-variant", "short")
    variant: Any = linked_row(t("variant.label"), say, key, name="variant", default=default)
    st.caption(t(f"variant.{variant}_help"))
others = searches.LINK if view == "experiments" else experiments.LINK
for name in others:
    st.query_params.pop(name, None)
if view == "experiments":
    found = server.results()
    rows = results.rows(found)
    report, shown = experiments.reports([row for row in rows if row.variant == variant])
    name = experiments.table(shown, report)
    experiments.panel(name, variant, rows)
    beside.panel(name, variant, found)
    experiments.epochs_table(shown)
else:
    searches.panel(variant)
