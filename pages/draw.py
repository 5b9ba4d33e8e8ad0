"""Draw a digit; saved models say what they take it for."""

import streamlit as st

from core import store
from core.predict import can_be_drawn_for
from ui import answer, server
from ui.choice import CHOSEN, choose_run, run_label
from ui.text import t

OTHERS = "others"
BESIDE = 5  # models on one drawing beside the first: more than people can compare, and each is asked at each pen-up

names = [run.name for run in store.runs() if can_be_drawn_for(run)]
chosen = st.session_state.get(CHOSEN)
if names and chosen and chosen not in names:
    st.info(t("draw.not_offered", run=run_label(chosen)))
if names:
    left, right = st.columns([11, 9], gap="large", vertical_alignment="bottom")
    with left:
        run = choose_run(t("draw.model"), names, required=True)
    others = [name for name in names if run and name != run.name]
    st.session_state[OTHERS] = [name for name in st.session_state.get(OTHERS, ()) if name in others]
    beside = right.multiselect(
        t("draw.others", count=BESIDE),
        others,
        key=OTHERS,
        format_func=run_label,
        max_selections=BESIDE,
        placeholder=t("draw.no_others"),
        persist_state="session",
    )
    if run:
        answer.panel([run, *filter(None, map(server.find, beside))])
else:
    st.info(t("draw.none_yet"))
