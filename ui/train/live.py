"""The live view of a run: its result and curves at fixed places, the buttons that control it, and below what explains.

Everything above the curves keeps its place and height from the first look at a run to its report.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import store
from core.datasets import dataset
from core.events import Checkpoint, Epoch, Event, Failure, Report, Started, Step, seconds_left
from core.measures.measures import proportion
from core.models.model import can_be_drawn_for
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run, Status
from ui import choice, cluster, hyperparameters, notices, present, server, visitor
from ui.columns import NARROW, first_alone
from ui.inside.link import to_inside
from ui.status import ICONS, JUST_STARTED, LIVELY, POLL_CURVES, REFUSED, status_of
from ui.tables import folded_table
from ui.terms import explained
from ui.text import duration, interval, kept_refusal, language, number, percent, plain, refused, show_refusal, t
from ui.train import network, watch

POLL = 0.5  # seconds between two updates of a run that is at work
LOOKED_AT = 8  # newest runs that are searched for one at work
LISTED = 50  # runs that can be chosen here; the others are in the store
SEARCHED = 300  # newest runs in the store that are searched for the visitor's own
CONTROLLED = "controlled"  # before a run's name: key in the session state, true if its buttons were asked for
LOG = "log-loss"  # key in the session state: whether the loss is shown on a logarithmic axis
TO_GO_ON = ("stopped", "interrupted", "failed")  # statuses of a run that no worker has and that can be taken up again

# The heights are those of the content, so that nothing moves when a number, a link or a curve is not there yet. In a
# narrow window the page is one column, with the run, if there is one, above the form.
STYLE = """<style>
.st-key-live { gap: 0.5rem; scroll-margin-top: 8rem; }
.st-key-live-controls { min-height: 2.75rem; justify-content: center; }
FIRST_ALONE
.st-key-live-result { min-height: 6.5rem; }
.st-key-live-curves { min-height: 22rem; }
.st-key-live-links { min-height: 2.5rem; }
.st-key-live-links a { border: 1px solid #808080; border-radius: 0.5rem; min-height: 2.5rem; }
.st-key-live-progress { height: 2.75rem; overflow: hidden; }
.st-key-live-progress p { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.bancada-result { height: 6.5rem; line-height: 1.25; overflow: hidden; }
.bancada-result b { display: block; font-size: 2.5rem; line-height: 1.05; font-variant-numeric: tabular-nums; }
@media (max-width: NARROWpx) {
  [data-testid="stColumn"]:has(.st-key-live) { order: -1; }
  .st-key-live-result { min-height: 8rem; }
  .bancada-result { height: 8rem; }
}
@media (max-width: 640px) {
  .st-key-live-controls [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
  .st-key-live-controls [data-testid="stColumn"] { min-width: calc(50% - 1rem); flex: 1 1 0; }
  .st-key-live-controls { min-height: 9.75rem; justify-content: start; }
  .st-key-live-progress { height: 4.25rem; }
  .st-key-live-progress p { white-space: normal; }
  .st-key-live-links { min-height: 5.75rem; }
  .bancada-result { height: 8.5rem; }
}
</style>""".replace("NARROW", str(NARROW)).replace("FIRST_ALONE", first_alone("live-controls"))

# Where the window is too narrow for two columns, or too low, the run that was just started may be out of sight.
_show = st.components.v2.component(  # pyright: ignore[reportAttributeAccessIssue]
    "bancada.in_sight",
    js="""let shown = null;
    export default ({ data }) => {
      const run = document.querySelector(".st-key-live");
      if (!data || data === shown || !run) return;
      shown = data;
      const { top } = run.getBoundingClientRect();
      if (top < 0 || top > innerHeight / 3) run.scrollIntoView({ block: "start" });
    };""",
)

Kind = TypeVar("Kind", bound=Event)


def choose() -> Run | None:
    """Let the visitor choose a run, at first among the own ones; if none is asked for, the newest one that is wanting.

    That is one of the visitor's own, at work or interrupted: somebody waits for it or has to resume it.
    """
    runs = store.runs()[:SEARCHED]
    own = [run.name for run in islice(filter(visitor.owns, runs), LISTED)]
    newest = [run.name for run in runs[:LISTED]]
    with st.container(key="live-choice"):
        left, right = st.columns([5, 2], vertical_alignment="center")
    everybodys = not set(newest) <= set(own) and right.toggle(t("train.others"), key="others-runs")
    names = newest if everybodys else own
    asked = server.find(choice.asked())
    if asked and asked.name not in names:
        names.append(asked.name)
    if not choice.asked():
        wanting = (*LIVELY, "interrupted")
        looked_at = [run for run in runs if run.name in own[:LOOKED_AT] and not server.facts(run.folder).is_done]
        if wanted := next((run for run in looked_at if run.facts()["status"] in wanting), None):
            choice.look_at(wanted)
    with left:
        return choice.choose_run(t("train.run"), names, required=False, label_visibility="collapsed")


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
        with st.container(key="live-curves"):
            _curves(run.spec, server.events(run))

    def details() -> None:
        now, events = status_of(run), server.events(run)
        _details(run, now, events)
        watch.findings(run.spec, events)
        watch.histograms(run.spec, events)

    # Fragments: drawing the curves takes ten times as long as the rest, and a click waits only for its fragment.
    st.html(STYLE)
    with st.container(key="live"):
        st.fragment(state, run_every=POLL if lively else None, key="state")()
        st.fragment(curves, run_every=POLL_CURVES if lively else None, key="curves")()
        st.fragment(details, run_every=POLL_CURVES if lively else None, key="details")()
    with st.container():
        hyperparameters.panel(run.spec, on_train=True)
        try:
            network.panel(run.spec, dataset(run.spec.data), open=False)
        except Refusal as refusal:  # of data that are no longer here, or of images that another version does not read
            refused(refusal)
        if in_form:
            hyperparameters.beside_form(run.spec, in_form, note)
    _show(data=st.session_state.get(JUST_STARTED))


def _state(run: Run, status: Status, events: list[Event], epochs: int) -> None:
    """Show status, buttons, result and progress, always in the same places, so that nothing moves while in use."""
    report = _last(events, Report)
    icon, colour = ICONS[status]
    if report and _chance(report) is not None:
        colour = "gray"  # done, but nothing to be glad of
    with st.container(key="live-controls"):
        # A column for each button, see `first_alone`.
        widths = [5, 4, 4, 4, 4] if _may_control(run) else [5, 16]
        first, *others = st.columns(widths, gap="small", vertical_alignment="center")
        first.badge(t(f"status.{status}"), icon=icon, color=colour)  # pyright: ignore[reportArgumentType]
        _buttons(run, status, others)
    show_refusal(_refused(run), once=False)  # the next look at the run comes in half a second
    with st.container(key="live-result"):
        left, right = st.columns([4, 3], gap="small")
        left.html(_result(events))
        with right:
            share, words = _progress(run, status, events, epochs)
            with st.container(key="live-progress"):
                st.progress(share, " · ".join(words))
            with st.container(key="live-links", horizontal=True, gap="small"):
                if report:
                    _links(run)
                elif (
                    _last(events, Epoch)
                    and status in ("paused", *TO_GO_ON)
                    and _may_control(run)
                    and run.control().test
                ):
                    # Not in the row of Stop, which a double click would take on to a test split that is read for good.
                    st.button(
                        t("train.finish"),
                        key="ask-finish",
                        icon=":material/sports_score:",
                        on_click=_do,
                        args=(run, server.workers().finish),
                    )


def _result(events: list[Event]) -> str:
    """The one important number as HTML: the test accuracy of a run that is done, else its latest val accuracy."""
    started, epoch, report = _last(events, Started), _last(events, Epoch), _last(events, Report)
    name, value, lines = "val_accuracy", "–", [plain("train.no_epoch_yet")]
    if report:
        name, value = "accuracy", percent(report.accuracy, 2)
        lines = [plain("train.of_test", interval=interval(*report.accuracy_interval, 2), n=report.n)]
        chance = _chance(report)
        if chance is not None:
            lines.append(plain("train.no_better", share=percent(chance, 2)))
        else:
            by = plain(f"chosen.{report.best_by}")
            lines.append(plain("train.by_epoch", epoch=report.best_epoch, by=by))
    elif epoch and started:
        n = started.counts.get("val") or started.counts["test"]
        found = proportion(round(epoch.val_accuracy * n), n)
        value = percent(epoch.val_accuracy, 2)
        lines = [plain("train.of_val", n=n, interval=interval(found.low, found.high, 2))]
    words = "<br>".join(f"<span>{html.escape(line)}</span>" for line in lines)
    return (
        f'<div class="bancada-result">{html.escape(plain(f"measure.{name}"))}<b>{html.escape(value)}</b>{words}</div>'
    )


def _chance(report: Report) -> float | None:
    """The share (0 to 1) that always answering the most frequent class gets right, if the model may be no better."""
    share = max(map(sum, report.confusion_matrix)) / report.n
    return share if report.accuracy_interval[0] <= share else None


def _progress(run: Run, status: Status, events: list[Event], epochs: int) -> tuple[float, list[str]]:
    """How much of the training is done (0 to 1), and the words on it."""
    started, step, epoch = _last(events, Started), _last(events, Step), _last(events, Epoch)
    told = max(
        (event for event in (step, epoch, _last(events, Checkpoint)) if event),
        key=lambda event: event.step,
        default=None,
    )
    if not started or not told:
        waits = _waiting(run) if status == "queued" else t("train.starting") if status == "running" else ""
        return 0.0, [waits]
    share = min(1.0, told.step / (started.steps_per_epoch * epochs))
    words = [t("train.epoch_of", epoch=min(told.epoch, epochs), epochs=epochs)]
    if step and status == "running":
        words.append(t("train.speed", speed=round(step.images_per_second)))
        left = seconds_left(events, epochs)
        if left is not None:
            words.append(t("train.left", seconds=duration(left)))
    elif status == "paused":
        is_told = step and step.step == told.step
        words.append(
            t("train.batch_loss", step=step.step, loss=number(step.loss, 4))
            if step and is_told
            else t("train.at_step", step=told.step)
        )
    else:
        timed = max((event for event in (step, epoch) if event), key=lambda event: event.step, default=None)
        if timed:
            taken = duration(timed.seconds)
            words.append(taken if status in ("pruned", "trained", "done") else t("train.so_far", seconds=taken))
    return share, words


def _links(run: Run) -> None:
    for page in ("evaluate", "draw") if can_be_drawn_for(run) else ("evaluate",):
        link, words = {"run": run.name}, t(f"train.to_{page}")
        st.page_link(server.PAGES / f"{page}.py", label=words, icon=":material/arrow_forward:", query_params=link)


def _details(run: Run, status: Status, events: list[Event]) -> None:
    """Show what is to be said of the run: an error that ended it, notices, where and for how long it was trained."""
    if _last(events, Epoch) or _last(events, Report):
        to_inside(run)
    failure, report = _last(events, Failure), _last(events, Report)
    started, epoch = _last(events, Started), _last(events, Epoch)
    if failure and status == "failed":
        st.error(t(failure.error, **failure.slots))
        if failure.error == "error.unexpected":
            with st.expander(t("train.trace")):
                st.code(failure.trace, language=None)
    notices.ending_notice(status, events)
    if status not in LIVELY:
        notices.damaged_lines_notice(run)
    if notices.unread_notice(run):
        st.rerun()  # the whole page, which then polls
    notices.test_use_notice(run.spec)
    if report:
        notices.by_hand_notice(report, run.spec)
        notices.lost_epoch_notice(report)
        notices.taken_notice(run, report)
    words, helps = [], ""
    best = report or epoch
    if epoch and best:
        shown = {
            "val_accuracy": percent(epoch.val_accuracy, 2),
            "train_accuracy": percent(epoch.train_accuracy, 2),
            "val_loss": number(epoch.val_loss, 4),
            "best_epoch": number(best.best_epoch),
        }
        words += [f"{t(f'measure.{name}')}: {value}" for name, value in shown.items()]
        said = {name: f"**{t(f'measure.{name}')}**: {t(f'measure.{name}_help')}" for name in shown}
        helps = "\n\n".join(explained(f"measure.{name}", words) for name, words in said.items())
    if started:
        if epoch and epoch.processor_seconds is not None and status == "done":
            words.append(t("train.processor", seconds=duration(epoch.processor_seconds)))
        words.append(hyperparameters.computed(started))
        helps = "\n\n".join(filter(None, [helps, t("train.computed_by_help")]))
    if words:
        st.caption(" · ".join(words), help=helps or None)


def _waiting(run: Run) -> str:
    place = server.workers().place(run)
    if place is None:
        return t("train.not_in_queue")
    if place == 0:
        return t("cluster.waits" if cluster.is_waited_for() else "train.starting")
    return t("train.place", place=place)


def _buttons(run: Run, status: Status, columns: Sequence[DeltaGenerator]) -> None:
    """Show four buttons that control a run, disabled where they do not apply; none once the run is done.

    Those of another visitor's run come only after a click on a button that says so.
    """
    if status in ("pruned", "trained", "done"):
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
            shortcut="p" if place == 0 else None,
        )

    if not _may_control(run):
        # In the place of Pause, which undoes itself, and not of Stop: a double click must do no harm.
        columns[0].button(
            t("train.control"),
            key="control-anyway",
            on_click=st.session_state.__setitem__,
            args=(f"{CONTROLLED}.{run.name}", True),
        )
        return
    waits = status == "queued" and server.workers().place(run) is None
    if waits or status in TO_GO_ON:
        asks(0, "resume", ":material/play_arrow:", server.workers().resume, primary=True)
    elif status == "paused" or (status == "running" and run.control().wanted == "batch"):
        # A single batch takes only a moment: the button stays, or a second click would hit another one in its place.
        asks(0, "go_on", ":material/play_arrow:", partial(Run.ask, wanted="run"), primary=True)
    else:
        asks(0, "pause", ":material/pause:", partial(Run.ask, wanted="pause"), disabled=status != "running")
    asks(1, "batch", ":material/skip_next:", partial(Run.ask, wanted="batch"), disabled=status != "paused")
    asks(2, "epoch", ":material/fast_forward:", partial(Run.ask, wanted="epoch"), disabled=status != "paused")
    asks(3, "stop", ":material/stop:", server.workers().stop, disabled=status not in LIVELY)


def _may_control(run: Run) -> bool:
    """Whether the run is the visitor's own, or the visitor has asked for the buttons of another's."""
    return visitor.owns(run) or bool(st.session_state.get(f"{CONTROLLED}.{run.name}"))


def _do(run: Run, what: Callable[[Run], object]) -> None:
    if run.name == choice.asked():
        with kept_refusal(_refused(run)):
            what(run)


def _refused(run: Run) -> str:
    return f"{REFUSED}.{run.name}"


def _curves(spec: RunSpec, events: list[Event]) -> None:
    """Show loss and accuracy over the epochs so far, and below them a switch and a table."""
    told = [event for event in events if isinstance(event, Epoch)]
    started = _last(events, Started)
    steps = [event for event in events if isinstance(event, Step)]
    if not steps or not started:
        return
    from core.charts import curves  # altair and pandas are imported only for a curve

    log = bool(st.session_state.get(LOG))
    names = {name: t(f"chart.{name}") for name in ("train", "val", "steps")}
    marks = {}
    if told and spec.best_by != "last":
        marks[t("chart.best")] = (_last(events, Report) or told[-1]).best_epoch
    if told and told[-1].stop:
        marks[t("chart.last")] = told[-1].epoch
    losses = [loss for event in told for loss in (event.train_loss, event.val_loss)] or [step.loss for step in steps]
    accuracies = [one for event in told for one in (event.train_accuracy, event.val_accuracy)]
    domains = {
        "loss": None if log else (0.0, curves.round_above(max(losses))),
        "accuracy": curves.accuracies_shown(accuracies),
    }
    for column, (what, domain) in zip(st.columns(2), domains.items(), strict=True):
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
            x_domain=curves.epochs_shown(steps[-1].step / started.steps_per_epoch, spec.epochs),
            y_domain=domain,
            log=log and what == "loss",
            height=present.CURVES if present.is_on() else curves.HEIGHT,
            language=language(),
        )
        column.altair_chart(chart, key=f"curve-{what}", width="stretch", alt=t(f"chart.{what}_alt"))
    st.toggle(t("chart.log"), key=LOG, persist_state="session")
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


def _last(events: list[Event], kind: type[Kind]) -> Kind | None:
    return next((event for event in reversed(events) if isinstance(event, kind)), None)
