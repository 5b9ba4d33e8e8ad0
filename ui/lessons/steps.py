"""The list of the lessons, and the open lesson, one step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.lessons.checks import Seen, found, options
from core.lessons.lesson import Lesson, Words, filled, lessons
from core.lessons.sheet import sheet
from core.refusal import Refusal
from ui import choice, form, server
from ui.lessons.place import Place, answer_key, close, evidence, go_to, sign_of, word_of
from ui.terms import address
from ui.text import Markdown, language, number, t

POLL = 2.0  # seconds between two looks at a check that does not hold yet
STYLE = """<style>
.st-key-lesson-say p { font-size: 1.35rem; line-height: 1.5; }
.st-key-lesson-panel a:not([role]) { color: inherit; text-decoration: underline dotted; }
</style>"""


def cards() -> None:
    """Show each lesson with its title, minutes, and what one learns."""
    st.write(t("lessons.about"))
    with st.container(horizontal=True, key="lesson-cards"):
        for place, one in enumerate(lessons(), 1):
            with st.container(border=True, width=290, height=236, vertical_alignment="distribute"):
                with st.container(gap="xsmall"):
                    st.markdown(f"##### {place}. {one.title[language()]}")
                    st.markdown(one.learn[language()])
                with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                    minutes, steps = t("lessons.minutes", minutes=one.minutes), t("lessons.steps", count=len(one.steps))
                    st.markdown(f":material/schedule: {minutes} · {steps}", width="content")
                    st.button(t("lessons.begin"), key=f"begin-{one.name}", on_click=go_to, args=(one.name,))


def panel(place: Place) -> None:
    """Show the open lesson at one of its steps, with its check, its question, and the way back and on."""
    lesson, count = place.lesson, len(place.lesson.steps)
    st.html(STYLE)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(
            f"#### {lesson.title[language()]} · {t('lessons.minutes', minutes=lesson.minutes)}", width="content"
        )
        with st.container(horizontal=True, width="content"):
            _sheet(lesson)
            st.button(t("lessons.all"), icon=":material/apps:", on_click=close, key="all-lessons")
    seen = [Place(lesson, number_of).seen() for number_of in range(1, count + 1)]
    _steps(place, seen)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown(f"**{t('lessons.step', number=place.number, count=count)}**")
        with st.container(key="lesson-say"):
            st.markdown(_markdown(place.step.say))
        _open(place)
    with right:
        # The check looks again by itself while a training runs; the question waits for it on the same side.
        holds = seen[place.number - 1].holds
        st.fragment(_check, run_every=None if holds else POLL, key="lesson-check")(place, holds)
        with st.container(border=True):
            st.markdown(f"**{t('lessons.question')}**  \n{_markdown(place.step.ask)}")
            with st.expander(t("lessons.answer"), key=f"lesson-folded-{lesson.name}-{place.number}"):
                st.markdown(_markdown(place.step.answer))
        if all(one.holds for one in seen):
            st.caption(t("lessons.finished"))


def _steps(place: Place, seen: Sequence[Seen]) -> None:
    """Show a button for each step of the lesson, with the sign of those that are done, and the way back and on.

    `seen`: what each step's check sees.
    """
    lesson, count = place.lesson, len(seen)

    def button(words: str, number_of: int, key: str, **more: Any) -> None:
        st.button(words, on_click=go_to, args=(lesson.name, number_of), key=f"lesson-{key}", **more)

    with st.container(horizontal=True, horizontal_alignment="distribute"):
        with st.container(horizontal=True, gap="xsmall", width="content"):
            for number_of, one in enumerate(seen, 1):
                kind = "primary" if number_of == place.number else "secondary"
                button(
                    str(number_of), number_of, f"step-{number_of}", icon=sign_of(one), type=kind, help=t(word_of(one))
                )
        with st.container(horizontal=True, gap="xsmall", width="content"):
            button(t("lessons.back"), place.number - 1, "back", shortcut="Left", disabled=place.number == 1)
            kind = "primary" if seen[place.number - 1].holds else "secondary"
            button(
                t("lessons.next"), place.number + 1, "next", shortcut="Right", disabled=place.number == count, type=kind
            )


def _open(place: Place) -> None:
    """Show the button that opens the step's page, and fills the form if a training is to do.

    If a run that the step is about is still missing, the button opens Train with the settings of that run.
    """
    missing = _missing(place)
    opens = "train" if missing else place.step.opens
    words = t("lessons.open" if opens == "train" else "lessons.open_page", page=t(f"page.{opens}"))
    if st.button(words, type="primary", icon=":material/arrow_forward:", key="lesson-open"):
        _prepare(place)
        shown = st.session_state.get(choice.CHOSEN)
        link = place.link | ({choice.KEY: shown} if shown else {})
        st.switch_page(server.PAGES / f"{opens}.py", query_params=link)


def _prepare(place: Place) -> None:
    """Fill the form and choose the run that the step is about."""
    step, missing = place.step, _missing(place)
    name = missing or step.run
    if missing or step.opens == "train":
        seed = st.session_state.get("seed", "0") if step.seed is None else str(step.seed)
        form.fill(place.lesson.runs[name])
        st.session_state["seed"] = seed
    # A run is shown that is to be looked at, not one that is to be trained again with another seed.
    is_to_do = missing or not name or (step.seed is not None and not place.seen().holds)
    st.session_state[choice.CHOSEN] = None if is_to_do else found(evidence(), place.lesson.runs[name]).name


def _missing(place: Place) -> str | None:
    """The first of the runs that the step is about that is not finished."""
    for name in place.step.named:
        try:
            found(evidence(), place.lesson.runs[name])
        except Refusal:
            return name
    return None


def _check(place: Place, held: bool) -> None:
    """Show what the check sees, and where it asks for an answer the choice of one; `held`: as the page shows it."""
    if possible := options(evidence(), place.lesson, place.step):
        st.pills(
            t("lessons.choose"),
            possible,
            format_func=_option,
            key=answer_key(place),
            persist_state="session",
        )
    seen = place.seen()
    if seen.holds != held:
        st.rerun()  # the whole page: the sign of the step, and no more looks
    say = st.success if seen.holds else st.info
    say(f"**{t(word_of(seen))}.** {seen.sentence(language())}", icon=sign_of(seen))
    if seen.run:
        st.caption(t("lessons.run", name=seen.run.name[-4:], seed=seen.run.spec.seed))


def _option(option: str) -> str:
    """An answer as the reader's language writes it."""
    if option in ("real", "chance"):
        return t(f"lessons.option.{option}")
    return number(float(option)) if "." in option else option


def _sheet(lesson: Lesson) -> None:
    code = language()
    st.download_button(
        t("lessons.sheet"),
        lambda: sheet([lesson], code),
        f"{lesson.name}.html",
        "text/html",
        icon=":material/print:",
        on_click="ignore",
        key="lesson-sheet",
    )


def _markdown(words: Words) -> str:
    return Markdown(filled(words, language(), lambda term, shown: f"[{shown}]({address(term)})"))
