"""The status of a run, how it is shown, and the callback that starts a run."""

from __future__ import annotations

import math
import time

import streamlit as st

from core import store
from core.spec import RunSpec
from core.store import Label, Run, Status
from ui import choice, server, visitor
from ui.text import kept_refusal

POLL_CURVES = 1.5  # seconds between two updates of a run's curves: drawing them takes 0.1 s of a core that could train
DOUBLE_CLICK = 1.0  # seconds within which a second click on Start is ignored
JUST_STARTED = "started.run"  # key in the session state: the name of the run that the visitor has started last
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


def start(spec: RunSpec, snapshots: bool = True) -> None:
    """Queue a run of the spec and choose it for the reader. Called by a click, before the page is drawn.

    `snapshots`: whether the run keeps the weights of past epochs.
    """
    if time.monotonic() - st.session_state.get("started", -math.inf) < DOUBLE_CLICK:
        return
    with kept_refusal(REFUSED):
        run = store.create(spec, label=Label(owner=visitor.name()), snapshots=snapshots)
        server.workers().submit(run)
        choice.look_at(run)
        st.session_state[JUST_STARTED] = run.name
    st.session_state["started"] = time.monotonic()  # on a busy server, creating the run may have taken that long


def status_of(run: Run) -> Status:
    """The run's status; `queued` also from when it is queued, or handed to a worker, until a worker holds it.

    That ends with a request to stop, even if a worker that is handed the run has not taken note of it yet.
    """
    status = run.status()
    if status in ("running", "paused", "pruned", "trained", "done") or run.control().wanted == "stop":
        return status
    return status if server.workers().place(run) is None else "queued"
