"""What a finished run's report says: how often it is right, where it fails, and the pictures that it gets wrong."""

import streamlit as st

from core import store
from core.refusal import Refusal
from ui import result
from ui.text import t

done = [run.name for run in store.runs() if run.report()]
if not done:
    st.info(t("evaluate.none_yet"))
    st.stop()
name = st.selectbox(t("evaluate.run"), done, key="run", bind="query-params")
try:
    result.panel(store.find(name))
except Refusal as refusal:
    st.error(t(refusal.key, **refusal.slots))
