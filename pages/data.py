"""The page Data: what a data set contains, before any training."""

import streamlit as st

from core.datasets import dataset
from core.refusal import Refusal
from core.spec import checked
from ui import data, form
from ui.data_card import data_are_here, data_facts, pitfalls, what_splits_lack
from ui.text import refused

left, right = st.columns([1, 3], gap="large")

with left:
    values = form.fields(["data"])
    known = st.container()
    values = form.fields(["split", "val_fraction", "image_size", "normalisation", "seed"], values)
    form.write_link(values)
    form.link_refused()

try:
    spec, source = checked(values), dataset(values["data"])
    with known:
        pitfalls(source)
    with left:
        data_facts(source)
    with right:
        if data_are_here(source):
            what_splits_lack(spec, source)
            data.panel(spec, source)
except Refusal as refusal:
    refused(refusal, right.error)
