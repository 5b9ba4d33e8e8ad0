"""Notices that have to accompany a run's figures: how its test split was used, which layers come from another run."""

from __future__ import annotations

import streamlit as st

from core.events import Report, Started
from core.spec import RunSpec
from core.store import Run
from ui import server
from ui.choice import run_label
from ui.text import t


def test_use_notice(spec: RunSpec) -> None:
    """Show a notice if a spec uses its test split for more than a single evaluation at the end."""
    if spec.test_use == "watched":
        st.info(t("test_use.notice_watched"))
    if spec.test_use == "selected":
        st.warning(t("test_use.notice_selected"))


def damaged_lines_notice(run: Run) -> None:
    """Show how many lines of a run's log are damaged, if there are any."""
    if count := server.damaged_lines(run):
        st.warning(t("log.damaged_lines", count=count))


def taken_notice(run: Run, report: Report) -> None:
    """Show which layers a finished run took over from another, and whether the frozen ones have stayed unchanged."""
    if not run.spec.taken:
        return
    slots = {"count": run.spec.taken, "run": run_label(run.spec.weights_from)}
    if report.frozen_unchanged is None:
        st.caption(t("taken.joint", **slots))
    elif report.frozen_unchanged:
        started = next(event for event in server.events(run) if isinstance(event, Started))
        slots |= {"trainable": started.parameters - started.frozen, "frozen": started.frozen}
        st.caption(t("taken.frozen", sha256=report.frozen_after, **slots))
    else:
        st.error(t("taken.changed", before=report.frozen_before, after=report.frozen_after))
