"""What can be done with the chosen runs: look at one, name and tag it, stop, resume or delete several at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import streamlit as st

from core.measures.summary import Listed
from core.refusal import Refusal
from core.store import Run
from ui import server, visitor
from ui.link import copy_link
from ui.runs.table import CHOSEN, called
from ui.status import LIVELY, status_of
from ui.text import kept_refusal, show_refusal, t

REFUSED = "runs.refused"
RESUMED = ("stopped", "interrupted", "failed")


def panel(chosen: Sequence[Listed]) -> None:
    """Show what can be done with the chosen runs; those that have just been deleted are left out."""
    found = [(run, one) for one in chosen if (run := server.find(one.summary.run))]
    if not found:
        return
    runs = [run for run, _ in found]
    with st.container(horizontal=True, vertical_alignment="center", key="runs-actions"):
        st.markdown(f"**{t('runs.chosen', count=len(runs))}**", width="content")
        if len(found) == 1:
            page = "evaluate" if found[0][1].status == "done" else "train"
            st.page_link(
                server.PAGES / f"{page}.py",
                label=t("runs.open", page=t(f"page.{page}")),
                icon=":material/arrow_forward:",
                query_params={"run": runs[0].name},
                width="content",
            )
            copy_link(runs[0].spec, runs[0])
        st.button(t("runs.leave"), icon=":material/close:", key="runs-leave", on_click=_leave)
        if lively := [run for run, one in found if one.status in LIVELY]:
            _stop_or_resume("stop", ":material/stop:", lively, _stop)
        if resting := [run for run, one in found if one.status in RESUMED]:
            _stop_or_resume("resume", ":material/play_arrow:", resting, _resume)
        with st.popover(t("runs.delete", count=len(runs)), icon=":material/delete:"):
            st.markdown(t("runs.delete_warning", count=len(runs)))
            if others := _others(runs):
                st.warning(t("runs.of_others", count=others))
            st.button(t("drawings.yes"), key="runs-delete", on_click=_each, args=(runs, _delete))
    show_refusal(REFUSED)
    if len(found) == 1:
        _note(found[0][1], runs[0])


def _stop_or_resume(what: str, icon: str, runs: Sequence[Run], act: Callable[[Run], None]) -> None:
    """Show a button; if some of the runs are other visitors', it comes only after a click, with a warning."""
    words, others = t(f"runs.{what}", count=len(runs)), _others(runs)
    with st.popover(words, icon=icon) if others else contextlib.nullcontext():
        if others:
            st.warning(t("runs.of_others", count=others))
        st.button(words, icon=icon, key=f"runs-{what}", on_click=_each, args=(runs, act))


def _others(runs: Sequence[Run]) -> int:
    """The number of the runs that other visitors have started."""
    return sum(not visitor.owns(run) for run in runs)


def _leave() -> None:
    st.session_state[CHOSEN] = []


def _each(runs: Sequence[Run], act: Callable[[Run], None]) -> None:
    """Do something with each run that is still chosen; of what is refused, the last reason is kept."""
    refusal: Refusal | None = None
    for run in [one for one in runs if one.name in st.session_state.get(CHOSEN, ())]:
        try:
            act(run)
        except Refusal as error:
            refusal = error
    if refusal:
        with kept_refusal(REFUSED):
            raise refusal


def _stop(run: Run) -> None:
    server.workers().stop(run)


def _resume(run: Run) -> None:
    if status_of(run) in RESUMED:
        server.workers().resume(run)


def _delete(run: Run) -> None:
    if server.workers().place(run) is not None:
        raise Refusal("error.run_held", run=run.name)
    run.delete()
    st.session_state[CHOSEN] = [name for name in st.session_state.get(CHOSEN, ()) if name != run.name]


def _note(one: Listed, run: Run) -> None:
    """Let the reader name the run, tag it and write a note."""
    label = one.label
    with st.popover(t("runs.note"), icon=":material/edit_note:", key=f"runs-note-{run.name}"), st.form("runs-note"):
        name = st.text_input(t("runs.column.name"), label.name, max_chars=60)
        tags = st.text_input(t("runs.column.tag"), ", ".join(label.tags), help=t("runs.tags_help"))
        note = st.text_area(t("runs.column.note"), label.note, max_chars=2_000)
        if st.form_submit_button(t("runs.save")):
            with kept_refusal(REFUSED):
                words = tuple(filter(None, (word.strip() for word in tags.split(","))))
                run.relabel(name=name, tags=words, note=note)
            st.rerun()
    if label.note:
        st.caption(f"{called(one)}: {label.note}")
