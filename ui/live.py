"""A run while it trains: its curves, its pace, and what can be asked of it."""

from __future__ import annotations

import math
import time
from typing import TypeVar

import numpy as np
import streamlit as st

from core import store
from core.events import Epoch, Event, Failure, Report, Started, Step, seconds_left
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run, Status
from ui import server
from ui.text import duration, interval, language, number, percent, t

POLL = 0.5  # seconds between two looks at a run that works
DOUBLE_CLICK = 1.0  # seconds in which a second click on Start is the same one
LISTED = 50  # runs that can be chosen here; the others are in the store
LIVELY: tuple[Status, ...] = ("queued", "running", "paused")
ICONS: dict[Status, tuple[str, str]] = {
    "queued": (":material/hourglass_empty:", "gray"),
    "running": (":material/directions_run:", "blue"),
    "paused": (":material/pause:", "orange"),
    "stopped": (":material/stop_circle:", "gray"),
    "interrupted": (":material/power_off:", "orange"),
    "failed": (":material/error:", "red"),
    "done": (":material/check_circle:", "green"),
}


Kind = TypeVar("Kind", bound=Event)


def choose() -> Run | None:
    """The run that the reader looks at: the one in the link, or chosen here; at first the newest, if it is at work."""
    runs = store.runs()[:LISTED]
    names = [run.name for run in runs]
    linked = st.query_params.get("run")
    if linked and linked not in names and server.find(linked):
        names.append(linked)
    if not st.session_state.get("run") and not linked and runs and _is_lively(runs[0]):
        st.session_state["run"] = names[0]  # so that a closed tab finds its training again
    if not names:
        return None
    name = st.selectbox(
        t("train.run"), names, index=None, key="run", bind="query-params", placeholder=t("train.choose")
    )
    return server.find(name)


def start(spec: RunSpec) -> None:
    """Queue a run of the spec and look at it. Called by a click, before the page is drawn."""
    now = time.monotonic()
    if now - st.session_state.get("started", -math.inf) < DOUBLE_CLICK:
        return
    st.session_state["started"] = now
    try:
        run = store.create(spec)
    except Refusal as refusal:
        st.session_state["refused"] = refusal
        return
    server.workers().submit(run)
    st.session_state["run"] = run.name


def panel(run: Run) -> None:
    """The run's live view: polled while it works, at rest otherwise."""
    try:
        status = run.status()
        epochs = run.spec.epochs
    except Refusal as refusal:
        st.error(t(refusal.key, **refusal.slots))
        return

    def look() -> None:
        now = run.status()
        if (now in LIVELY) != (status in LIVELY):
            st.rerun()
        events = server.events(run)
        _state(run, now, events, epochs)
        _buttons(run, now)
        _curves(events, epochs)

    st.fragment(look, run_every=POLL if status in LIVELY else None, key="live")()


def _is_lively(run: Run) -> bool:
    try:
        return run.status() in LIVELY
    except Refusal:
        return False


def _state(run: Run, status: Status, events: list[Event], epochs: int) -> None:
    started = _last(events, Started)
    step, epoch, failure, report = (_last(events, kind) for kind in (Step, Epoch, Failure, Report))
    told = next((event for event in reversed(events) if isinstance(event, Step | Epoch)), None)
    icon, colour = ICONS[status]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(t(f"status.{status}"), icon=icon, color=colour)  # pyright: ignore[reportArgumentType]
        if started:
            st.caption(t("train.where", device=started.device, name=started.device_name, threads=started.threads))
        place = server.workers().place(run)
        if status == "queued":
            st.caption(t("train.place", place=place) if place else t("train.not_in_queue"))
    if started and told:
        share = min(1.0, told.step / (started.steps_per_epoch * epochs))
        words = [t("train.epoch_of", epoch=min(told.epoch, epochs), epochs=epochs)]
        if step:
            words.append(t("train.speed", speed=round(step.images_per_second)))
        left = seconds_left(events, epochs)
        if status == "running" and left is not None:
            words.append(t("train.left", seconds=duration(left)))
        words.append(t("train.so_far", seconds=duration(told.seconds)))
        st.progress(share, " · ".join(words))
    elif status == "running":
        st.progress(0.0, t("train.starting"))
    if epoch and started:
        columns = st.columns(4)
        columns[0].metric(t("measure.val_accuracy"), percent(epoch.val_accuracy, 2))
        columns[1].metric(t("measure.val_loss"), number(epoch.val_loss, 4))
        columns[2].metric(t("measure.train_accuracy"), percent(epoch.train_accuracy, 2))
        columns[3].metric(t("measure.best_epoch"), number(epoch.best_epoch))
    if failure and status == "failed":
        st.error(t(failure.error, **failure.slots))
        with st.expander(t("train.trace")):
            st.code(failure.trace, language=None)
    if report:
        st.success(
            t(
                "train.report",
                accuracy=percent(report.accuracy, 2),
                interval=interval(*report.accuracy_interval, 2),
                n=report.n,
                epoch=report.best_epoch,
                by=t(f"option.{report.best_by}"),
            )
        )
        with st.container(horizontal=True):
            st.page_link(server.PAGES / "evaluate.py", label=t("train.to_evaluate"), query_params={"run": run.name})
            st.page_link(server.PAGES / "draw.py", label=t("train.to_draw"))


def _buttons(run: Run, status: Status) -> None:
    """What can be asked of a run in its status; what cannot is not shown."""
    with st.container(horizontal=True):
        if status == "running" and _asks("pause", ":material/pause:"):
            run.ask("pause")
        if status == "paused":
            if _asks("go_on", ":material/play_arrow:", primary=True):
                run.ask("run")
            if _asks("batch", ":material/skip_next:"):
                run.ask("batch")
            if _asks("epoch", ":material/fast_forward:"):
                run.ask("epoch")
        if status in LIVELY and _asks("stop", ":material/stop:"):
            run.ask("stop")
        waits = status == "queued" and server.workers().place(run) is None
        if (waits or status in ("stopped", "interrupted", "failed")) and _asks("resume", ":material/play_arrow:", True):
            run.ask("run")
            server.workers().submit(run)
            st.rerun()


def _asks(what: str, icon: str, primary: bool = False) -> bool:
    return st.button(t(f"train.{what}"), key=f"ask-{what}", icon=icon, type="primary" if primary else "secondary")


def _curves(events: list[Event], epochs: int) -> None:
    told = [event for event in events if isinstance(event, Epoch)]
    started = _last(events, Started)
    steps = [event for event in events if isinstance(event, Step)]
    if not steps or not started:
        return
    from ui import charts  # altair and pandas: only where there is a curve

    best = told[-1].best_epoch if told else None
    names = {name: t(f"chart.{name}") for name in ("train", "val", "steps", "best")}
    columns = st.columns(2)
    for column, what in zip(columns, ("loss", "accuracy"), strict=True):
        series = {
            "train": [(event.epoch, getattr(event, f"train_{what}")) for event in told],
            "val": [(event.epoch, getattr(event, f"val_{what}")) for event in told],
        }
        chart = charts.curves(
            series,
            steps=np.array([(event.step / started.steps_per_epoch, getattr(event, what)) for event in steps]),
            best=best,
            names=names,
            x_title=t("chart.epoch"),
            y_title=t(f"chart.{what}"),
            x_domain=(0, epochs),
            y_domain=(0, 1) if what == "accuracy" else (0, charts.round_above(steps[0].loss)),
            language=language(),
        )
        column.altair_chart(chart, key=f"curve-{what}", width="stretch", alt=t(f"chart.{what}_alt"))
    with st.expander(t("chart.as_table")):
        rows = {
            t("chart.epoch"): [event.epoch for event in told],
            t("measure.train_loss"): [number(event.train_loss, 4) for event in told],
            t("measure.val_loss"): [number(event.val_loss, 4) for event in told],
            t("measure.train_accuracy"): [percent(event.train_accuracy, 2) for event in told],
            t("measure.val_accuracy"): [percent(event.val_accuracy, 2) for event in told],
            t("measure.learning_rate"): [number(event.learning_rate) for event in told],
        }
        st.dataframe(rows, hide_index=True, width="stretch")


def _last(events: list[Event], kind: type[Kind]) -> Kind | None:
    return next((event for event in reversed(events) if isinstance(event, kind)), None)
