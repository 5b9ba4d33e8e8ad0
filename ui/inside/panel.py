"""The page Inside for one run: the image, and one view at a time of what the network makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import streamlit as st

from core.inside.network import Network, feature_maps
from core.networks.layers import in_words, shape_text
from core.refusal import Refusal
from core.store import Run
from ui import server
from ui.choice import linked_row, row_of
from ui.columns import beside_or_below
from ui.inside import epochs, filters, look, plane, source, step, why
from ui.inside.epochs import Chosen
from ui.inside.opened import Opened, Work, asked, dead, opened
from ui.inside.source import Seen
from ui.inside.strip import strip
from ui.inside.waiting import QUICK, is_ready
from ui.tables import unfolded
from ui.text import language, number, percent, refused, t

ASKED = "inside.dead"  # key in the session state: the run and epoch of which the reader wants to know dead channels
BESIDE = ("sum", "exciting", "epoch")  # what can be seen beside the strip


def choose_view() -> str:
    """Let the reader choose one of `VIEWS`; the choice stands in the link."""
    return linked_row(t("inside.view"), {view: t(f"inside.view_{view}") for view in VIEWS}, "inside-view", name="view")


def panel(run: Run, view: str) -> None:
    """Show a view of the run's network at an epoch. Raises: Refusal.

    It is a fragment: only it is rerun when the pen is lifted, and while the epochs are shown as a film.
    """
    opened(run)  # before anything is shown

    def show() -> None:
        try:
            chosen = epochs.choose(run)
            VIEWS[view](run, chosen, opened(run, chosen.weights))
        except Refusal as refusal:  # it has been deleted, or a file is damaged
            refused(refusal)

    st.fragment(show, run_every=epochs.LASTS if epochs.plays(run) else None, key="inside-view")()


def _layers(run: Run, epoch: Chosen, one: Opened) -> None:
    """Show the image, the strip of the layers, and what the reader has chosen to see beside it."""
    network = one.network
    with beside_or_below("inside-columns"):
        left, middle, right = st.columns([5, 8, 7], gap="medium")
    chosen = look.chosen(network.rows)
    with left:
        seen = source.choose(run, one, chosen[0], epoch.weights)
    if seen is None:
        return
    names = server.class_names(run, language())
    maps = feature_maps(network, seen.image)
    with middle:
        work = _asked_for_dead(run, epoch, one)
        silent = work.found.result() if work and work.is_found(QUICK) else None
        strip(network, maps, names, chosen=chosen, dead=silent, on_click=look.choose)
        if seen.empty:
            st.caption(t("inside.empty_maps"))
        st.caption(t("inside.strip_help"))
        if silent is not None:
            _count_dead(silent)
        else:
            _find_dead(run, one, work)
        _table(network, maps, silent)
    with right:
        say = {name: t(f"inside.beside_{name}") for name in BESIDE}
        beside = row_of(t("inside.beside"), say, "inside-beside", persist_state="session")
        if beside == "sum":
            look.panel(network, seen.image, maps, names)
        elif beside == "exciting":
            filters.most_exciting(one, *chosen)
        else:
            epochs.matrix(run, epoch, names)


def _why(run: Run, epoch: Chosen, one: Opened) -> None:
    """Show the image, and why the network answers as it does."""
    with _beside_image(run, epoch, one) as seen:
        if seen:
            why.panel(one, seen)


def _plane(run: Run, epoch: Chosen, one: Opened) -> None:
    """Show the image, and the map of the data with its point."""
    with _beside_image(run, epoch, one) as seen:
        plane.panel(run, one, seen)


@contextmanager
def _beside_image(run: Run, epoch: Chosen, one: Opened) -> Iterator[Seen | None]:
    """Let the reader choose an image; what is shown within lies beside it. Yields the image, if there is one yet."""
    with beside_or_below("inside-columns"):
        left, right = st.columns([5, 15], gap="medium")
    with left:
        seen = source.choose(run, one, look.chosen(one.network.rows)[0], epoch.weights)
    with right:
        yield seen


def _step(run: Run, epoch: Chosen, one: Opened) -> None:
    del epoch  # `one` has its weights
    model = one.model
    step.panel(step.Start(run.spec, model.module, one.network.rows, model.names(language()), key=model.sha256))


def _filters(run: Run, epoch: Chosen, one: Opened) -> None:
    del epoch
    filters.panel(run, one)


# --- channels that are always 0 ---------------------------------------------------------------------------------------


def _asked_for_dead(run: Run, epoch: Chosen, one: Opened) -> Work | None:
    """What is known of the network's dead channels; None, if nobody has asked for them or val is not on this machine.

    Those of a finished run are looked for at once; of another epoch and of a run that is training, when it is asked.
    """
    if (epoch.weights is not None or not one.model.done) and st.session_state.get(ASKED) != _asked(run, one):
        return None
    try:
        return asked(dead, one)
    except Refusal:  # the data are not here
        return None


def _asked(run: Run, one: Opened) -> tuple[str, int]:
    return run.name, one.model.epoch


def _count_dead(silent: Sequence[np.ndarray]) -> None:
    """Say how many channels are dead, and in which layers."""
    counts = [int(channels.sum()) for channels in silent]
    layers = ", ".join(str(place) for place, count in enumerate(counts, start=1) if count)
    st.caption(t("inside.dead", count=sum(counts), layers=layers) if layers else t("inside.none_dead"))


def _find_dead(run: Run, one: Opened, work: Work | None) -> None:
    """Offer to look for dead channels, or say how far the search is."""
    if not server.has_data(run.name):
        st.caption(t("inside.dead_not_known"))
    elif not work:
        set_asked = partial(st.session_state.__setitem__, ASKED, _asked(run, one))
        st.button(t("inside.find_dead"), key="inside-dead", icon=":material/search:", on_click=set_asked)
    elif is_ready(work, t("inside.looking_for_dead"), lambda: dead.clear(one)):
        st.rerun()  # they have been found since the strip was drawn


def _table(network: Network, maps: Sequence[np.ndarray], dead_channels: Sequence[np.ndarray] | None) -> None:
    """Offer the strip's numbers as a table, which is made once it is unfolded."""
    folded = unfolded("inside")
    if not folded:
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


VIEWS: dict[str, Callable[[Run, Chosen, Opened], None]] = {
    "layers": _layers,
    "why": _why,
    "filters": _filters,
    "plane": _plane,
    "step": _step,
}
