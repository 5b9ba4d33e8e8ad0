"""Choose, train, watch."""

import streamlit as st

from core.datasets import dataset
from core.refusal import Refusal
from core.spec import checked
from core.training.transfer import fits
from ui import form, live, network
from ui.text import t

left, right = st.columns([1, 2], gap="large")
spec, source, rows = None, None, []

with left:
    values = form.first_fields()
    start = st.container()  # above the folded fields, so that it is in sight on a projector; drawn when they are known
    values = form.other_fields(values)
    form.write_link(values)
    try:
        spec, source = checked(values), dataset(values["data"])
        rows = spec.table(source.shape, source.class_count)
        fits(spec)
        network.data_facts(source)
        with start:
            if network.data_are_here(source):
                st.button(t("train.start"), type="primary", width="stretch", on_click=live.start, args=(spec,))
            network.how_long(spec)
            network.test_use_notice(spec)
        if "refused" in st.session_state:
            raise st.session_state.pop("refused")
    except Refusal as refusal:
        start.error(t(refusal.key, **refusal.slots))

with right:
    run = live.choose()
    if run:
        live.panel(run)
    if spec and source:
        network.panel(spec, source, rows, open=run is None)
