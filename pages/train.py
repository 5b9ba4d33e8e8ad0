"""The page Train: choose a spec, start its training and watch it."""

import streamlit as st

from core.datasets import dataset
from core.refusal import Refusal
from core.spec import checked
from core.training.ready import check
from core.training.transfer import fits
from ui import form, server
from ui.data_card import data_are_here, data_facts, what_splits_lack
from ui.notices import test_use_notice
from ui.status import REFUSED, start
from ui.text import refused, show_refusal, t
from ui.train import live, network

left, right = st.columns([1, 2], gap="large")
spec, source = None, None

with left:
    note = st.container()  # filled once the run and the form are known
    values = form.first_fields()
    top = st.container()  # above the collapsed fields, to be visible on a projector; filled once all values are known
    values = form.other_fields(values)
    form.write_link(values)
    try:
        spec, source = checked(values), dataset(values["data"])
        rows = fits(spec).rows
        data_facts(source)
        with top:
            if data_are_here(source):
                check(spec, server.counts(spec), rows)
                what_splits_lack(spec, source)
                st.button(t("train.start"), type="primary", width="stretch", on_click=start, args=(spec,))
            network.how_long(spec)
            test_use_notice(spec)
    except Refusal as refusal:
        refused(refusal, top.error)
    show_refusal(REFUSED, top.error)

with right:
    run = live.choose()
    if run:
        live.panel(run, spec, note)
    elif spec and source:
        network.panel(spec, source, open=True)
