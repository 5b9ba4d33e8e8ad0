"""The page Inside for one run: the image, and one view at a time of what the network makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from core.inside.network import Network, feature_maps
from core.networks.layers import in_words, shape_text
from core.refusal import Refusal
from core.store import Run
from ui import server
from ui.choice import linked_row
from ui.columns import beside_or_below
from ui.inside import look, source
from ui.inside.opened import Opened, Work, dead, opened
from ui.inside.strip import strip
from ui.text import language, number, percent, refused, t

ASKED = "inside.dead"  # key in the session state: the run and epoch of which the reader wants to know dead channels
POLL = 0.5  # seconds between two looks at what is computed beside the page


def choose_view() -> str:
    """Let the reader choose one of `VIEWS`; the choice stands in the link."""
    return linked_row(t("inside.view"), {view: t(f"inside.view_{view}") for view in VIEWS}, "inside-view", name="view")


def panel(run: Run, view: str) -> None:
    """Show a view of the run's network; it is a fragment: only it is rerun when the pen is lifted. Raises: Refusal."""
    opened(run)  # before anything is shown

    @st.fragment
    def show() -> None:
        try:
            VIEWS[view](run, opened(run))
        except Refusal as refusal:  # it has been deleted, or a checkpoint is damaged
            refused(refusal)

    show()


def _layers(run: Run, one: Opened) -> None:
    """Show the image, the strip of the layers, and the chosen channel, enlarged."""
    network = one.network
    with beside_or_below("inside-columns"):
        left, middle, right = st.columns([5, 8, 7], gap="medium")
    chosen = look.chosen(network.rows)
    with left:
        seen = source.choose(run, one, chosen[0])
    if seen is None:
        return
    names = server.class_names(run, language())
    maps = feature_maps(network, seen.image)
    with middle:
        work = _asked_for_dead(run, one)
        silent = work.found.result() if work and work.is_found() else None
        strip(network, maps, names, chosen=chosen, dead=silent, on_click=look.choose)
        if seen.empty:
            st.caption(t("inside.empty_maps"))
        st.caption(t("inside.strip_help"))
        if work and not work.found.done():
            _wait(work)
        _say_dead(run, one, work)
        _table(network, maps, silent)
    with right:
        look.panel(network, seen.image, maps, names)


# --- channels that are always 0 ---------------------------------------------------------------------------------------


def _asked_for_dead(run: Run, one: Opened) -> Work | None:
    """What is known of the run's dead channels; None, if nobody has asked for them or val is not on this machine.

    Those of a finished run are looked for at once; a run that is training has others after each epoch.
    """
    if not one.model.done and st.session_state.get(ASKED) != (run.name, one.model.epoch):
        return None
    try:
        return dead(run)
    except Refusal:  # the data are not here
        return None


def _wait(work: Work) -> None:
    """Show how far something is that is computed beside the page, and a button that stops it."""

    @st.fragment(run_every=POLL)
    def tell() -> None:
        if work.found.done():
            st.rerun()  # the whole page, which then no longer polls
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(work.done, t("inside.looking_for_dead"))
            st.button(t("inside.stop"), key="inside-stop", icon=":material/stop:", on_click=work.stopped.set)

    tell()


def _say_dead(run: Run, one: Opened, work: Work | None) -> None:
    """Say how many channels are dead, or offer to look for them."""
    if work and work.is_found():
        counts = [int(silent.sum()) for silent in work.found.result()]
        if sum(counts):
            layers = ", ".join(str(place) for place, count in enumerate(counts, start=1) if count)
            st.caption(t("inside.dead", count=sum(counts), layers=layers))
        else:
            st.caption(t("inside.none_dead"))
        return
    if work and not work.found.done():
        return

    def begin() -> None:
        st.session_state[ASKED] = run.name, one.model.epoch
        dead.clear(run)

    if not server.has_data(run.name):
        st.caption(t("inside.dead_not_known"))
    else:
        st.button(t("inside.find_dead"), key="inside-dead", icon=":material/search:", on_click=begin)


def _table(network: Network, maps: Sequence[np.ndarray], dead_channels: Sequence[np.ndarray] | None) -> None:
    """Offer the strip's numbers as a table, which is made once it is unfolded."""
    folded = st.expander(t("chart.as_table"), key="inside-table", on_change="rerun")
    if not folded.open:
        return
    rows = network.rows
    table = {
        t("network.layer"): [f"{row.number}. {in_words(row.layer).say(language())}" for row in rows],
        t("network.shape"): [shape_text(row.shape) for row in rows],
        t("network.parameters"): [number(row.parameters) for row in rows],
        t("inside.least"): [number(float(values.min()), 3) for values in maps],
        t("inside.most"): [number(float(values.max()), 3) for values in maps],
        t("inside.mean"): [number(float(values.mean()), 3) for values in maps],
        t("inside.zeros"): [percent(float((values == 0).mean())) for values in maps],
    }
    if dead_channels is not None:
        table[t("inside.dead_channels")] = [number(int(silent.sum())) for silent in dead_channels]
    folded.dataframe(table, hide_index=True, width="stretch")


VIEWS: dict[str, Callable[[Run, Opened], None]] = {"layers": _layers}
