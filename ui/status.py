"""The status of a run, how it is shown, and the callback that starts a run."""

from __future__ import annotations

import math
import time

import streamlit as st

from core import store
from core.search import settled
from core.spec import RunSpec, next_seeds
from core.store import Label, Run, Status
from core.training.ready import check
from core.training.transfer import fits
from ui import choice, server, visitor
from ui.text import kept_refusal

POLL_CURVES = 1.5  # seconds between two updates of a run's curves: drawing them takes 0.1 s of a core that could train
DOUBLE_CLICK = 1.0  # seconds within which a second click on Start is ignored
CLICKED, STARTED = "start.clicked", "start.done"  # in the session state: seconds of the clock
JUST_STARTED = "started.run"  # key in the session state: the name of the run that the visitor has started last
REPEATED = "started.seeds"  # key: the names of the runs of the last start with several seeds, and the seeds left out
REFUSED = "refused"  # why a run could not be started, see `ui.text.show_refusal`
LIVELY: tuple[Status, ...] = ("queued", "running", "paused")
ICONS: dict[Status, tuple[str, str]] = {
    "queued": (":material/hourglass_empty:", "gray"),
    "running": (":material/directions_run:", "blue"),
    "paused": (":material/pause:", "orange"),
    "stopped": (":material/stop_circle:", "gray"),
    "interrupted": (":material/power_off:", "orange"),
    "failed": (":material/error:", "red"),
    "pruned": (":material/content_cut:", "gray"),
    "trained": (":material/visibility_off:", "green"),
    "done": (":material/check_circle:", "green"),
}


def note_click() -> None:
    """Note when *Start* is clicked. Called by that click, before the page is drawn, which may take long."""
    st.session_state[CLICKED] = time.monotonic()


def start(spec: RunSpec, snapshots: bool = True, seeds: int = 1) -> None:
    """Queue a run of the spec and choose it for the reader. To be called before the choice of a run is drawn.

    The second click of two, see `note_click`, does nothing.

    Args:
        spec: what to train.
        snapshots: whether the run keeps the weights of past epochs; of several, the first one that is new.
        seeds: with how many seeds, from that of the spec on, it is trained. If there are several, those with which a
            run is done or at work are left out, see `REPEATED`, and the reader looks at the first of the others.
    """
    if st.session_state[CLICKED] - st.session_state.get(STARTED, -math.inf) < DOUBLE_CLICK:
        return
    st.session_state[STARTED] = time.monotonic()
    st.session_state.pop(REPEATED, None)
    with kept_refusal(REFUSED):
        if seeds == 1:
            run = _queued(spec, snapshots)
        else:
            specs = next_seeds(spec, seeds)
            left = settled(specs, server.handles(), server.workers().is_at_work)
            new = [one for one in specs if one not in left]
            for one in new:
                check(one, server.counts(one), fits(one).rows)
            runs = left | {one: _queued(one, snapshots and one == new[0]) for one in new}  # of a hundred, 6 GiB
            names = [runs[one].name for one in specs]
            st.session_state[REPEATED] = names, [one.seed for one in left]
            run = runs[new[0] if new else specs[0]]
        st.session_state[JUST_STARTED] = run.name
        st.session_state[STARTED] = time.monotonic()  # on a busy server, creating the run may have taken that long
        choice.look_at(run)  # last: where it changes the link, the second click may break the page off


def _queued(spec: RunSpec, snapshots: bool) -> Run:
    run = store.create(spec, label=Label(owner=visitor.name()), snapshots=snapshots)
    server.workers().submit(run)
    return run


def status_of(run: Run) -> Status:
    """The run's status; `queued` also from when it is queued, or handed to a worker, until a worker holds it.

    That ends with a request to stop, even if a worker that is handed the run has not taken note of it yet.
    """
    status = run.status()
    if status in ("running", "paused", "pruned", "trained", "done") or run.control().wanted == "stop":
        return status
    return status if server.workers().place(run) is None else "queued"
