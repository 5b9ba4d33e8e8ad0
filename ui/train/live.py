"""The live view of a run: its status, progress and curves, and the buttons that control it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import store
from core.events import Epoch, Event, Failure, Report, Started, Step, seconds_left
from core.models.model import can_be_drawn_for
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run, Status
from ui import choice, hyperparameters, notices, server
from ui.status import ICONS, LIVELY, POLL_CURVES, REFUSED, status_of
from ui.tables import folded_table
from ui.terms import explained
from ui.text import duration, interval, kept_refusal, language, number, percent, refused, show_refusal, t
from ui.train import watch

POLL = 0.5  # seconds between two updates of a run that is at work
LOOKED_AT = 8  # newest runs that are searched for one at work
LISTED = 50  # runs that can be chosen here; the others are in the store

Kind = TypeVar("Kind", bound=Event)


def choose() -> Run | None:
    """Let the reader choose a run; if none is asked for, the newest one at work or interrupted is chosen."""
    names = [run.name for run in store.runs()[:LISTED]]
    asked = server.find(choice.asked())
    if asked and asked.name not in names:
        names.append(asked.name)
    if not choice.asked():
        newest = [run for name in names[:LOOKED_AT] if (run := server.find(name))]
        wanting = (*LIVELY, "interrupted")  # runs that somebody waits for or has to resume
        if wanted := next((run for run in newest if run.facts()["status"] in wanting), None):
            choice.look_at(wanted)
    return choice.choose_run(t("train.run"), names, required=False)


def panel(run: Run, in_form: RunSpec | None, note: DeltaGenerator) -> None:
    """Show the run's live view, updated at intervals while it is at work.

    `in_form`: the form's spec, if it is valid; `note`: where to say, beside the form, that it is not the run's.
    """
    try:
        status = status_of(run)
        epochs = run.spec.epochs
    except Refusal as refusal:
        refused(refusal)
        return

    lively, has_curve = status in LIVELY, _last(server.events(run), Step) is not None

    def state() -> None:
        now, events = status_of(run), server.events(run)
        begins = not has_curve and _last(events, Step) is not None  # the first point must not wait for POLL_CURVES
        if (now in LIVELY) != lively or begins:
            st.rerun()
        _state(run, now, events, epochs)

    def curves() -> None:
        events = server.events(run)
        watch.findings(run.spec, events)
        _curves(run.spec, events)
        watch.histograms(run.spec, events)

    # Two fragments: drawing the curves takes ten times as long as the rest, and a click waits only for its fragment.
    st.fragment(state, run_every=POLL if lively else None, key="state")()
    st.fragment(curves, run_every=POLL_CURVES if lively else None, key="curves")()
    if in_form:
        hyperparameters.beside_form(run.spec, in_form, note)
    hyperparameters.panel(run.spec, on_train=True)


def _state(run: Run, status: Status, events: list[Event], epochs: int) -> None:
    """Show status, buttons, progress and figures, always in the same places, so that no button moves while in use."""
    started, step, epoch = _last(events, Started), _last(events, Step), _last(events, Epoch)
    best = _last(events, Report) or epoch
    icon, colour = ICONS[status]
    # A column for each button: while the browser replaces a button by another, it shows both for a moment.
    first, *others = st.columns(5, gap="small")
    first.badge(t(f"status.{status}"), icon=icon, color=colour)  # pyright: ignore[reportArgumentType]
    _buttons(run, status, others)
    show_refusal(_refused(run), once=False)  # the next look at the run comes in half a second
    told = max((event for event in (step, epoch) if event), key=lambda event: event.step, default=None)
    words = [_waiting(run) if status == "queued" else t("train.starting") if status == "running" else ""]
    share = 0.0
    if started and told:
        share = min(1.0, told.step / (started.steps_per_epoch * epochs))
        words = [t("train.epoch_of", epoch=min(told.epoch, epochs), epochs=epochs)]
        if step and status == "running":
            words.append(t("train.speed", speed=round(step.images_per_second)))
            left = seconds_left(events, epochs)
            if left is not None:
                words.append(t("train.left", seconds=duration(left)))
        taken = duration(told.seconds)
        words.append(taken if status in ("trained", "done") else t("train.so_far", seconds=taken))
        if status == "done" and epoch and epoch.processor_seconds is not None:
            words.append(t("train.processor", seconds=duration(epoch.processor_seconds)))
        words.append(_where(started))
    st.progress(share, " · ".join(words))
    notices.ending_notice(status, events)
    shown = {
        "val_accuracy": epoch and percent(epoch.val_accuracy, 2),
        "val_loss": epoch and number(epoch.val_loss, 4),
        "train_accuracy": epoch and percent(epoch.train_accuracy, 2),
        "best_epoch": best and number(best.best_epoch),
    }
    for column, (name, value) in zip(st.columns(4), shown.items(), strict=True):
        column.metric(t(f"measure.{name}"), value or "–", help=explained(f"measure.{name}", t(f"measure.{name}_help")))
    notices.test_use_notice(run.spec)
    _outcome(run, status, events)


def _outcome(run: Run, status: Status, events: list[Event]) -> None:
    """Show the run's report with links to the pages that use it, or the error that ended the run."""
    failure, report = _last(events, Failure), _last(events, Report)
    if status not in LIVELY:
        notices.damaged_lines_notice(run)
    if failure and status == "failed":
        st.error(t(failure.error, **failure.slots))
        if failure.error == "error.unexpected":
            with st.expander(t("train.trace")):
                st.code(failure.trace, language=None)
    if notices.unread_notice(run):
        st.rerun()  # the whole page, which then polls
    if report:
        accuracy, ends = percent(report.accuracy, 2), interval(*report.accuracy_interval, 2)
        by = t(f"chosen.{report.best_by}")
        st.success(t("train.report", accuracy=accuracy, interval=ends, n=report.n, epoch=report.best_epoch, by=by))
        notices.lost_epoch_notice(report)
        notices.taken_notice(run, report)
        with st.container(horizontal=True):
            for page in ("evaluate", "draw") if can_be_drawn_for(run) else ("evaluate",):
                link, words = {"run": run.name}, t(f"train.to_{page}")
                st.page_link(
                    server.PAGES / f"{page}.py", label=words, icon=":material/arrow_forward:", query_params=link
                )


def _where(started: Started) -> str:
    device, precision = started.device, t(f"option.{started.precision}")
    return t("train.where", device=device, name=started.device_name, threads=started.threads, precision=precision)


def _waiting(run: Run) -> str:
    place = server.workers().place(run)
    if place is None:
        return t("train.not_in_queue")
    return t("train.place", place=place) if place else t("train.starting")


def _buttons(run: Run, status: Status, columns: Sequence[DeltaGenerator]) -> None:
    """Show four buttons that control a run, disabled where they do not apply; none once the run is done."""
    if status in ("trained", "done"):
        return

    def asks(
        place: int, what: str, icon: str, do: Callable[[Run], object], *, primary: bool = False, disabled: bool = False
    ) -> None:
        columns[place].button(
            t(f"train.{what}"),
            key=f"ask-{what}",
            icon=icon,
            type="primary" if primary else "secondary",
            disabled=disabled,
            width="stretch",
            on_click=_do,
            args=(run, do),
        )

    waits = status == "queued" and server.workers().place(run) is None
    if waits or status in ("stopped", "interrupted", "failed"):
        asks(0, "resume", ":material/play_arrow:", server.workers().resume, primary=True)
    elif status == "paused" or (status == "running" and run.control().wanted == "batch"):
        # A single batch takes only a moment: the button stays, or a second click would hit another one in its place.
        asks(0, "go_on", ":material/play_arrow:", partial(Run.ask, wanted="run"), primary=True)
    else:
        asks(0, "pause", ":material/pause:", partial(Run.ask, wanted="pause"), disabled=status != "running")
    asks(1, "batch", ":material/skip_next:", partial(Run.ask, wanted="batch"), disabled=status != "paused")
    asks(2, "epoch", ":material/fast_forward:", partial(Run.ask, wanted="epoch"), disabled=status != "paused")
    asks(3, "stop", ":material/stop:", server.workers().stop, disabled=status not in LIVELY)


def _do(run: Run, what: Callable[[Run], object]) -> None:
    with kept_refusal(_refused(run)):
        what(run)


def _refused(run: Run) -> str:
    return f"{REFUSED}.{run.name}"


def _curves(spec: RunSpec, events: list[Event]) -> None:
    told = [event for event in events if isinstance(event, Epoch)]
    started = _last(events, Started)
    steps = [event for event in events if isinstance(event, Step)]
    if not steps or not started:
        return
    from core.charts import curves  # altair and pandas are imported only for a curve

    names = {name: t(f"chart.{name}") for name in ("train", "val", "steps")}
    marks = {}
    if told and spec.best_by != "last":
        marks[t("chart.best")] = (_last(events, Report) or told[-1]).best_epoch
    if told and told[-1].stop:
        marks[t("chart.last")] = told[-1].epoch
    columns = st.columns(2)
    for column, what in zip(columns, ("loss", "accuracy"), strict=True):
        series = {
            "train": [(event.epoch, getattr(event, f"train_{what}")) for event in told],
            "val": [(event.epoch, getattr(event, f"val_{what}")) for event in told],
        }
        chart = curves.curves(
            series,
            steps=np.array([(event.step / started.steps_per_epoch, getattr(event, what)) for event in steps]),
            marks=marks,
            names=names,
            x_title=t("chart.epoch"),
            y_title=t(f"chart.{what}"),
            x_domain=(0, spec.epochs),
            y_domain=(0, 1) if what == "accuracy" else (0, _highest_loss(steps)),
            language=language(),
        )
        column.altair_chart(chart, key=f"curve-{what}", width="stretch", alt=t(f"chart.{what}_alt"))
    folded_table(
        {
            t("chart.epoch"): [event.epoch for event in told],
            t("measure.train_loss"): [number(event.train_loss, 4) for event in told],
            t("measure.val_loss"): [number(event.val_loss, 4) for event in told],
            t("measure.train_accuracy"): [percent(event.train_accuracy, 2) for event in told],
            t("measure.val_accuracy"): [percent(event.val_accuracy, 2) for event in told],
            t("measure.learning_rate"): [number(event.learning_rate) for event in told],
        }
    )


def _highest_loss(steps: Sequence[Step]) -> int:
    """The upper end of the loss axis, nats: the highest loss rounded up, but at most four times the first loss."""
    return math.ceil(min(4 * steps[0].loss, max(step.loss for step in steps)))


def _last(events: list[Event], kind: type[Kind]) -> Kind | None:
    return next((event for event in reversed(events) if isinstance(event, kind)), None)
