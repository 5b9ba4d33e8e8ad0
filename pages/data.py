"""The page Data: what a data set contains, before any training."""

import streamlit as st

from core.datasets import dataset
from core.refusal import Refusal
from core.spec import AUGMENTATION, checked
from ui import data, form, importing
from ui.data_card import data_are_here, data_facts, pitfalls, what_splits_lack
from ui.server import PAGES
from ui.text import refused, t

imports = importing.is_open()  # first, since it may choose the data set that has just been written
with st.container(horizontal=True, vertical_alignment="bottom"):
    with st.container(width=280):
        values = form.fields(["data"])
    # The form is shared with Train, so nothing has to be handed over; for `query_params` see `form.to_train`.
    icon = ":material/model_training:"
    if not imports and st.button(t("explore.train_on_this"), icon=icon, type="primary", key="train-on-this"):
        st.switch_page(PAGES / "train.py", query_params={})
    with st.popover(t("explore.preprocessing"), icon=":material/tune:"):
        names = ["split", "val_fraction", "image_size", "normalisation", "seed", *AUGMENTATION]
        values = form.fields(names, values)
    importing.toggle()
    form.write_link(values)
    form.link_refused()
importing.what_was_written(values["data"])

try:
    if imports:
        importing.panel()
        st.stop()
    spec, source = checked(values), dataset(values["data"])
    if data_are_here(source):
        what_splits_lack(spec, source)
        data.panel(spec, source)
    pitfalls(source)
    data_facts(source)
except Refusal as refusal:
    refused(refusal)
