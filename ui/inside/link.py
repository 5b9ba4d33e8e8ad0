"""The links of other pages to the page Inside, which need nothing of what it computes."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

import streamlit as st

from core.spec import RunSpec, link
from core.store import Run
from ui import server
from ui.choice import short_label
from ui.text import t

UNTRAINED = "untrained"  # in the link, beside the fields of a spec: its network is shown as it is before any training


def to_inside(run: Run, image: str = "") -> None:
    """Show a link to the inside of a run's network, at an image, such as `test:17`, if one is given."""
    query = {"run": run.name} | ({"image": image} if image else {})
    words = t("inside.look_image" if image else "inside.look", run=short_label(run.name))
    st.page_link(server.PAGES / "inside.py", label=words, icon=":material/neurology:", query_params=query)


def to_step(spec: RunSpec) -> None:
    """Show a link to one step of the spec's untrained network."""
    query = {UNTRAINED: "1"} | dict(parse_qsl(link(spec)))
    words, help = t("inside.to_step"), t("inside.to_step_help")
    st.page_link(server.PAGES / "inside.py", label=words, icon=":material/footprint:", help=help, query_params=query)


def to_form(fields: Mapping[str, str]) -> None:
    """Show a link to Train's form with these fields of a spec."""
    words, icon = t("inside.to_form"), ":material/tune:"
    st.page_link(server.PAGES / "train.py", label=words, icon=icon, query_params=fields)


def spec_fields(query: Mapping[str, str]) -> dict[str, str]:
    """What a link says of the fields of a spec."""
    return {name: value for name, value in query.items() if name in RunSpec.model_fields}
