"""The page Train: choose a spec, start its training and watch it."""

import streamlit as st

from core.datasets import dataset
from core.refusal import Refusal
from core.spec import checked
from core.training.ready import check, unusual
from core.training.transfer import fits
from ui import cluster, form, server
from ui.columns import beside_or_below
from ui.data_card import data_are_here, data_facts, what_splits_lack
from ui.inside.link import to_step
from ui.link import copy_link
from ui.notices import test_use_notice
from ui.search.state import look_at
from ui.status import REFUSED
from ui.text import refused, show_refusal, t
from ui.train import live, network, rates, seeds

with beside_or_below("form-and-run"):
    left, right = st.columns([1, 2], gap="large")
spec, source, can_start = None, None, False

with left:
    values = form.first_fields()
    begin = st.container()  # above the collapsed fields, to be visible on a projector; filled once all values are known
    top = st.container()  # below the button to start, which stays where it is whatever is said here
    note = top.container()  # filled once the run and the form are known
    with top:
        cluster.panel()
    values = form.other_fields(values)
    form.write_link(values)
    form.link_refused(top.warning)
    try:
        spec, source = checked(values), dataset(values["data"])
        rows = fits(spec).rows
        data_facts(source)
        with begin:
            here = data_are_here(source)  # or a button in the place of Start that fetches them
        with top:
            network.how_long(spec)
            seeds.of_one()
            if here:
                counts = server.counts(spec)
                check(spec, counts, rows)
                rates.finder(spec)
                to_step(spec)
                what_splits_lack(spec, source, unusual(spec, int(counts["train"].sum()), rows))
            test_use_notice(spec)
        can_start = here
    except Refusal as refusal:
        here = True
        refused(refusal, top.error)
    seeds.start_if_asked(spec if can_start else None)
    if here:
        button = {"type": "primary", "width": "stretch", "shortcut": "s", "disabled": not can_start}
        words = t("train.start") if seeds.count() == 1 else t("train.start_seeds", count=seeds.count())
        begin.button(words, **button, on_click=seeds.ask_to_start)
        # The form is shared with Search, so nothing has to be handed over; for `query_params` see `form.to_train`.
        icon = ":material/manage_search:"
        with begin.container(horizontal=True, horizontal_alignment="distribute"):
            if st.button(t("train.search"), icon=icon, type="tertiary", key="to-search"):
                look_at("")
                st.switch_page(server.PAGES / "search.py", query_params={})
            seeds.ask()
        with begin:
            seeds.say()
    if spec:
        copy_link(spec)
    show_refusal(REFUSED, top.error)

with right:
    run = live.choose()
    if run:
        live.panel(run, spec, note)
    elif spec and source:
        network.panel(spec, source, open=True)
