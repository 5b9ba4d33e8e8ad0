"""Notices about a run: how its test split was used, what a fault cost it, which layers come from another run."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.events import Event, Report, Started, died_at
from core.exports.facts import taken
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run, Status
from ui import server
from ui.choice import run_label
from ui.text import refused, t


def test_use_notice(spec: RunSpec) -> None:
    """Show a notice if a spec uses its test split for more than a single evaluation at the end."""
    if spec.test_use == "watched":
        st.info(t("test_use.notice_watched"))
    if spec.test_use == "selected":
        st.warning(t("test_use.notice_selected"))


def ending_notice(status: Status, events: Sequence[Event]) -> None:
    """Show that the run's worker ended without saving, or that the worker before it did."""
    started = next((event for event in reversed(events) if isinstance(event, Started)), None)
    step = died_at(events[-1]) if events and status == "interrupted" else None
    if step is not None:
        st.warning(t("train.died", step=step))
    elif status != "done" and started and started.died_at is not None:
        st.caption(t("train.restarted", start=started.step, step=started.died_at))


def unread_notice(run: Run) -> bool:
    """Show that a run was trained without reading its test split, and a button; returns whether that has it read now.

    Of a run that was pruned, it shows that; of other runs, nothing.
    """
    status = run.status()
    if status == "pruned":
        st.info(t("train.pruned"))
    if status != "trained":
        return False
    st.info(t("train.unread"))
    # Not a callback: after one, the run would no longer be `trained` here, and nobody would learn of the click.
    if not st.button(t("train.read_test"), icon=":material/visibility:", key="read-test"):
        return False
    try:
        run.ask("run", test=True)
    except Refusal as refusal:
        refused(refusal)
        return False
    server.workers().submit(run)
    return True


def lost_epoch_notice(report: Report) -> None:
    """Show that the weights are not the best epoch's, if those were damaged."""
    if report.lost_epoch:
        st.warning(t("train.lost_epoch", lost=report.lost_epoch, epoch=report.best_epoch))


def by_hand_notice(report: Report, spec: RunSpec) -> None:
    """Show that the training was ended by hand, and after how many of its epochs."""
    if report.is_by_hand:
        st.caption(t("train.by_hand", epoch=report.epochs, epochs=spec.epochs))


def damaged_lines_notice(run: Run) -> None:
    """Show how many lines of a run's log are damaged, if there are any."""
    if count := server.damaged_lines(run):
        st.warning(t("log.damaged_lines", count=count))


def taken_notice(run: Run, report: Report) -> None:
    """Show which layers a finished run took over from another or left random, and whether the frozen ones stayed."""
    found = taken(run, report, run_label(run.spec.weights_from) if run.spec.taken else "")
    if found:
        name, slots = found
        (st.error if name == "changed" else st.caption)(t(f"taken.{name}", **slots))
