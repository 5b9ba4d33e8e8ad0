"""The links of other pages to the page Inside, which need nothing of what it computes."""

from __future__ import annotations

import streamlit as st

from core.store import Run
from ui import server
from ui.text import t


def to_inside(run: Run, image: str = "") -> None:
    """Show a link to the inside of a run's network, at an image, such as `test:17`, if one is given."""
    link = {"run": run.name} | ({"image": image} if image else {})
    words = t("inside.look_image" if image else "inside.look")
    st.page_link(server.PAGES / "inside.py", label=words, icon=":material/neurology:", query_params=link)
