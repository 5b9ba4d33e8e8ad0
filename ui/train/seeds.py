"""With how many seeds the form's spec is trained: asked below *Start*, and said once the runs are queued."""

from __future__ import annotations

import streamlit as st

from core.spec import MOST_SEEDS, RunSpec
from ui import form, server
from ui.runs import table
from ui.status import REPEATED, note_click, start
from ui.terms import explained
from ui.text import t

SEEDS = "train.seeds"  # in the session state: no field of the spec, and not in the link
ASKED = "train.asked"  # in the session state, from a click on *Start* until the page has the form's spec


def count() -> int:
    """The number of seeds that the reader has asked for."""
    return st.session_state.get(SEEDS, 1)


def ask_to_start() -> None:
    """Note that a start is asked for. Called by a click, before the page is drawn."""
    st.session_state[ASKED] = True
    note_click()


def start_if_asked(spec: RunSpec | None) -> None:
    """Start what the form asks for, if a click has asked for it; None: the form cannot be trained.

    Not by the click itself: that would start what the form was when the page was drawn last. Who changes a field and
    then clicks does so before the page has answered.
    """
    if st.session_state.pop(ASKED, False) and spec:
        start(spec, form.keeps_snapshots(), count())
        st.rerun()


def ask() -> None:
    """Let the reader choose the number of seeds; it takes the width of a few words until it is opened."""
    with st.popover(t("recipes.seeds", count=count()), type="tertiary", icon=":material/repeat:", key="train-seeds"):
        st.number_input(
            t("train.seeds_label"),
            1,
            MOST_SEEDS,
            1,
            key=SEEDS,
            help=explained("spec.seed.label", t("train.seeds_help")),
            persist_state="session",
        )


def of_one() -> None:
    """Say that the time on the page is that of one run, if several are asked for."""
    if count() > 1:
        st.caption(t("train.seeds_time", count=count()))


def say() -> None:
    """Say what has been started with several seeds: what was there already, and where all of them are compared."""
    if REPEATED not in st.session_state:
        return
    names, left = st.session_state[REPEATED]
    words, icon = t("train.compare_seeds", count=len(names)), ":material/arrow_forward:"
    if st.button(words, icon=icon, type="tertiary", key="to-runs"):
        table.look_at(names)
        st.switch_page(server.PAGES / "runs.py", query_params={})
    if left:
        st.caption(t("train.not_again", count=len(left), seeds=", ".join(map(str, left))))
