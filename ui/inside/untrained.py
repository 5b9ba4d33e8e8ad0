"""A step of the network that Train's form describes, walked through before any training; the link holds its spec."""

from __future__ import annotations

import streamlit as st
from torch import nn

from core.inside.step import initial
from core.refusal import Refusal
from core.spec import RunSpec, checked
from core.training.transfer import fits
from ui import server
from ui.choice import data_name, network_name
from ui.data_card import data_are_here
from ui.inside import step
from ui.inside.link import spec_fields, to_form
from ui.text import language, refused, t


def panel() -> None:
    """Let the reader walk through the first steps of a training of the link's spec; no run is made."""
    fields = spec_fields(st.query_params.to_dict())
    try:
        spec = checked(fields)
        source, rows, _ = fits(spec)
    except Refusal as refusal:
        refused(refusal)
        to_form(fields)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        slots = {"network": network_name(spec.architecture, None), "data": data_name(spec.data), "seed": spec.seed}
        st.markdown(f"**{t('inside.view_step')}** · {t('inside.step_untrained', **slots)}", width="content")
        to_form(fields)
    if not data_are_here(source):
        return
    names = source.class_names.get(language(), source.class_names["en"])

    def show() -> None:
        try:
            module = _initial(spec)
        except Refusal as refusal:  # the data cannot be read
            refused(refusal)
            return
        step.panel(step.Start(spec, module, rows, names, key=spec.model_dump_json(), said="inside.step_said_untrained"))

    st.fragment(show, key="inside-untrained")()


@st.cache_resource(show_spinner=False, max_entries=4, hash_funcs=server.BY_SPEC)
def _initial(spec: RunSpec) -> nn.Sequential:
    """See `initial`; shared by all visitors, so never changed. Raises: Refusal, as `server.splits`."""
    return initial(spec, server.splits(spec).train.images, fits(spec).source.class_count)
