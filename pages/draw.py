"""The page Draw: the visitor draws a digit, and saved models classify it."""

import streamlit as st

from ui import server
from ui.choice import choose_runs
from ui.draw import answer
from ui.inside.link import to_inside
from ui.link import copy_link
from ui.text import t

# On a phone all modes have to be in sight.
STYLE = "<style>@media (max-width: 500px) { .st-key-mode button { padding: 0.25rem 0.5rem; } }</style>"

names = server.offered()
st.html(STYLE)
with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    mode = answer.choose_mode()
    runs = choose_runs(names)
    if runs:
        to_inside(runs[0])
if runs:
    answer.panel(runs, mode)
    copy_link(runs[0].spec, runs[0])  # below: on a phone the sheet has to be in sight
if not names:
    st.info(t("draw.none_yet"))
