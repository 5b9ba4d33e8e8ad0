"""What a class does beside drawing: a quiz against a model, and looking at a chart. The teacher begins each here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from core import words
from core.charts.pictures import enlarge
from core.classroom import quiz
from core.classroom.classroom import Chart, UnderWay
from core.classroom.figures import accuracy_on_test
from core.datasets import dataset
from core.refusal import Refusal
from ui import present, server
from ui.choice import data_name, run_label, short_label
from ui.classroom.opened import Opened
from ui.data_card import answered_images
from ui.numbers import whole_number
from ui.text import kept_refusal, plain, show_refusal, t

# Keys in the session state: what was refused, what this tab shows, and how much has begun.
REFUSED, SHOWN, BEGUN = "class-quiz.refused", "class.shown", "class-quiz.begun"
COUNTS = (6, 8, 10, 12, 16, 20, 30)  # of images; ten take ten minutes
TIMES = (0, 10, 20, 30)  # seconds to answer; 0: until the teacher goes on
WIDTH = 560  # px: a run's label is in sight
WIDEST = 720  # px on a projector, before its zoom: the button is in sight too
# Room for the longest sentence above a box of `agrees`.
ROOM = """<style>
.st-key-class-quiz-told, .st-key-class-look-told { min-height: 5rem; }
.st-key-race-start-told { min-height: 8rem; }
@media (max-width: 480px) { .st-key-class-quiz-told, .st-key-class-look-told { min-height: 6.5rem; } }
@media (min-width: 641px) and (max-width: 850px) { .st-key-race-start-told { min-height: 11rem; } }
</style>"""


def quiz_popover(now: Opened) -> None:
    """Let the teacher begin a quiz."""
    popover = st.popover(t("class.quiz.begun"), icon=":material/psychology_alt:", key=_key("class-quiz"))
    with popover.container(width=WIDEST if present.is_on() else WIDTH):
        show_refusal(REFUSED)
        names = [name for name in server.done() if server.has_data(name)]
        if not names:
            st.info(t("class.quiz.no_runs"))
            return
        if not present.is_on():
            st.markdown(t("class.quiz.about"))
        labels = {name: run_label(name) for name in names}
        run = st.selectbox(t("class.quiz.run"), names, format_func=labels.__getitem__, key="class-quiz-run")
        with st.container(horizontal=True):
            count = st.selectbox(t("class.quiz.count"), COUNTS, index=COUNTS.index(10), key="class-quiz-count")
            times = {one: plain("class.quiz.within", seconds=one) for one in TIMES}
            times[0] = plain("class.quiz.no_limit")
            seconds = st.selectbox(
                t("class.quiz.seconds"), TIMES, format_func=times.__getitem__, key="class-quiz-seconds"
            )
            st.session_state.setdefault("class-quiz-seed", int(np.random.default_rng().integers(1000)))
            seed = whole_number(t("class.quiz.seed"), 0, 999_999, key="class-quiz-seed")
        agreed = agrees(now.classroom.under_way, "class-quiz")
        if st.button(t("class.quiz.begin"), type="primary", key="class-quiz-begin", disabled=not agreed) and agreed:
            with st.spinner(t("class.quiz.reading")), kept_refusal(REFUSED):
                now.classroom.begin_quiz(prepared(now, run, count, seed), seconds or None)
                _see("wall")
            st.rerun()


def prepared(now: Opened, name: str, count: int, seed: int) -> quiz.Asked:
    """What a quiz about a finished run asks. Raises: Refusal."""
    run = server.find(name)
    if not run:
        raise Refusal("error.run_unknown", run=name[:80])
    answers, test = server.answers(run, "test"), accuracy_on_test(name)
    assert answers
    assert test
    images = answered_images(run, answers, scaled=False).images
    places = quiz.chosen(answers, count, seed, dataset(run.spec.data).label_errors)
    if not places:
        raise Refusal("class.quiz.no_images")
    return quiz.asked(
        lesson=now.classroom.lesson,
        run=name,
        model=short_label(name),
        data=data_name(run.spec.data),
        test=test,
        seed=seed,
        classes={code: server.class_names(run, code) for code in words.languages()},
        answers=answers,
        places=places,
        pictures=[enlarge(images[place], 1) for place in places],
    )


def look_popover(now: Opened) -> None:
    """Let the teacher show a chart to all."""
    popover = st.popover(t("class.look.title"), icon=":material/visibility:", key=_key("class-look"))
    with popover.container(width=WIDEST if present.is_on() else WIDTH):
        if not present.is_on():
            st.markdown(t("class.look.about"))
        kinds = {"results": plain("class.look.results")}
        if now.classroom.race:
            kinds["board"] = plain("class.look.board")
        names = [run.name for run in server.handles()]
        if names:
            kinds |= {"curves": plain("class.look.curves_of"), "matrix": plain("class.look.matrix_of")}
        kind = st.selectbox(t("class.look.what"), list(kinds), format_func=kinds.__getitem__, key="class-look-kind")
        if kind in ("curves", "matrix"):
            if kind == "matrix":
                names = server.done()
            labels = {one: run_label(one) for one in names}
            st.selectbox(t("class.quiz.run"), names, format_func=labels.__getitem__, key="class-look-run")
        on = now.classroom.under_way
        agreed = agrees(on, "class-look")
        st.button(
            t("class.look.show"),
            type="primary",
            key="class-look-show",
            disabled=not agreed,
            on_click=_show,
            args=(now, on),
        )


def agrees(on: UnderWay | None, place: str) -> bool:
    """Have the teacher agree that what is on ends, before something else can begin at this place of the page.

    Returns whether it may begin: nothing is on, or the teacher has agreed. The box is above the button, so that two
    clicks at the same place do no harm. It is there, and the sentence has its room, also where nothing is on: what is
    on may end by itself, and the button stays where it is.
    """
    with st.container(key=f"{place}-told"):
        _say_what_ends(on)
    key = f"{place}-ends-{on.kind}-{on.number}" if on else f"{place}-ends"
    agreed = st.checkbox(t("class.agree"), key=key, disabled=not on)
    return agreed or not on


def _say_what_ends(on: UnderWay | None) -> None:
    if on:
        st.warning(t(f"class.{on.kind}.ends"))
    else:
        st.markdown(t("class.ends_nothing"))


def is_told(on: UnderWay | None, told: UnderWay | None) -> bool:
    """Whether the teacher was told of what a click ends, which is on now: another tab may have begun it since."""
    return on in (None, told)


def ending_button(
    find: Callable[[], UnderWay | None],
    label: str,
    icon: str,
    key: str,
    act: Callable[[], None],
    *,
    help: str | None = None,
) -> None:
    """A button that ends what `find` finds to be on: then it is below a sentence that says so, in a popover.

    A popover that is open stays, also when what was on has ended by itself. `help`: of a button without a popover.
    """
    on = find()

    def clicked() -> None:
        if is_told(find(), on):
            act()

    if on or st.session_state.get(f"{key}-ends"):
        with st.popover(label, icon=icon, key=f"{key}-ends", on_change="rerun"):
            _say_what_ends(on)
            st.button(label, icon=icon, key=key, type="primary", on_click=clicked)
    else:
        st.button(label, icon=icon, key=key, on_click=clicked, help=help)


def _show(now: Opened, told: UnderWay | None) -> None:
    # What is chosen at the click, which may be newer than the page's last run.
    kind = st.session_state["class-look-kind"]
    name = (st.session_state.get("class-look-run") or "") if kind in ("curves", "matrix") else ""
    if not {"curves": bool(name), "matrix": name in server.done()}.get(kind, True):
        return  # the choice of a run was not there yet
    if is_told(now.classroom.under_way, told) and kind in ("results", "board", "curves", "matrix"):
        now.classroom.show(Chart(kind, name, short_label(name) if name else ""))
        _see("race" if kind == "board" else "wall")


def see(view: str) -> None:
    """Have this tab show a view from now on.

    The row of views gets another key: the browser, which may not have heard of it, would send what it showed before.
    """
    _, number = st.session_state.get(SHOWN, ("", 0))
    st.session_state[SHOWN] = view, number + 1


def _see(view: str) -> None:
    """Show the wall or the board, and close what is open: it would lie over an image that is in sight for seconds."""
    see(view)
    st.session_state[BEGUN] = st.session_state.get(BEGUN, 0) + 1


def _key(name: str) -> str:
    """The key of a popover, which is another one, and closed, once something has begun."""
    return f"{name}-{st.session_state.get(BEGUN, 0)}"
