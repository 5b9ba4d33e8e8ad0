"""How far a search is: what is done, running and left, the time left, its failures, its budget and its buttons."""

from __future__ import annotations

import streamlit as st

from core import settings
from core.events import Failure
from core.search.study import MOST_MINUTES, MOST_RUNS
from core.search.trainings import Progress, progress_of, spent
from ui import server
from ui.columns import first_alone
from ui.search.state import POLL, Seen, links, see
from ui.text import duration, kept_refusal, literal, show_refusal, t

REFUSED = "study.refused"


def panel(seen: Seen) -> None:
    """Show progress and buttons; runs the page again whenever a run begins or ends."""
    at_work = seen.at_work()
    so_far = _progress(seen)
    is_unread = so_far.is_over and bool(seen.done) and not (seen.best.run and seen.best.run.report())

    def go_on() -> None:
        with kept_refusal(REFUSED):
            for run in server.searches().needed(seen.study):
                server.workers().resume(run)

    def stop() -> None:
        with kept_refusal(REFUSED):
            server.searches().stop(seen.study, server.workers().is_at_work, server.workers().stop)

    st.html(f"<style>{first_alone('study-work')}</style>")
    with st.container(horizontal=True, vertical_alignment="center", key="study-buttons"):
        _budget(seen)
        links(seen.study)
        with st.container(width="content", key="study-work"):
            if not at_work and (is_unread or not so_far.is_over):
                words = t("search.test") if is_unread else t("study.go_on", count=so_far.left)
                icon = ":material/play_arrow:"
                if st.button(words, key="study-go-on", icon=icon, type="primary"):
                    go_on()
                    st.rerun()
            # Clicked between two runs, when nothing is at work, it stops the search all the same.
            may_stop = at_work or st.session_state.get("study-stop")
            if may_stop and st.button(t("study.stop"), key="study-stop", icon=":material/stop:"):
                stop()
                st.rerun()
    show_refusal(REFUSED)
    before = [(one.spec, one.state) for one in seen.trainings]

    def follow() -> None:
        now = see(seen.study) if at_work else seen
        if now.at_work() != at_work or [(one.spec, one.state) for one in now.trainings] != before:
            st.rerun()
        found = _progress(now)
        words = [t("study.progress", done=found.done, running=found.running, left=found.left)]
        if found.pruned:
            words.append(t("study.progress_pruned", count=found.pruned))
        if found.failed:
            words.append(t("study.progress_failed", count=found.failed))
        if found.seconds_left:
            words.append(t("search.left", seconds=duration(found.seconds_left)))
        if seen.study.minutes is not None:
            minutes = duration(60 * seen.study.minutes)
            words.append(t("study.spent", seconds=duration(found.seconds), minutes=minutes))
        ended = found.done + found.pruned + found.failed
        st.progress(ended / max(1, found.of), " · ".join(words))

    st.fragment(follow, run_every=POLL if at_work else None, key="study-progress")()
    _failures(seen)


def _progress(seen: Seen) -> Progress:
    return progress_of(seen.study, seen.trainings, spent(seen.study, server.handles()), settings.runs_at_once())


def _budget(seen: Seen) -> None:
    """Let the reader change the number of runs and the minutes, also while the search runs."""
    study = seen.study
    with (
        st.popover(t("study.budget"), icon=":material/timer:", key=f"study-budget-{study.name}"),
        st.form("study-budget"),
    ):
        runs = None
        if study.way not in ("grid", "staged"):
            runs = st.number_input(t("study.runs"), 1, MOST_RUNS, study.runs)
        minutes = st.number_input(
            t("study.minutes"),
            0.1,
            float(MOST_MINUTES),
            study.minutes,
            step=1.0,
            format="%g",
            help=t("study.minutes_help"),
        )
        if st.form_submit_button(t("study.change")):
            with kept_refusal(REFUSED):
                server.searches().change(study, runs=runs, minutes=minutes)
                if seen.at_work():  # a larger budget is taken up at once
                    for run in server.searches().needed(study):
                        server.workers().resume(run)
            st.rerun()


def _failures(seen: Seen) -> None:
    """Show how many trainings have failed, and why each has, with a link to its run."""
    failed = [(one, one.run) for one in seen.trainings if one.state == "failed" and one.run]
    if not failed:
        return
    with st.container(border=True):
        st.error(t("study.failed", count=len(failed), all=len(seen.trainings)))
        for one, run in failed:
            option = literal(seen.words(one))
            if failure := run.last(Failure):
                st.markdown(f"**{option}:** {t(failure.error, **failure.slots)}")
            label, icon = t("search.open", option=option, page=t("page.train")), ":material/arrow_forward:"
            st.page_link(server.PAGES / "train.py", label=label, icon=icon, query_params={"run": run.name})
