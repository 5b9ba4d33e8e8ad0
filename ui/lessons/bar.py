"""The line above every other page while a lesson is open: what to do there, and whether it is done."""

from __future__ import annotations

import contextlib
from typing import Any

import streamlit as st

from core.refusal import Refusal
from ui import server
from ui.lessons.place import Place, close, go_to, here, sign_of, word_of
from ui.lessons.steps import POLL
from ui.text import language, t

# One line of a fixed height, cut off where the window is too narrow: nothing below moves when the sentence changes.
STYLE = """<style>
.st-key-lesson-bar { height: 2.25rem; margin-bottom: -0.75rem; overflow: hidden; flex-wrap: nowrap; gap: 0.75rem;
  border-bottom: 1px solid var(--st-border-color); }
.st-key-lesson-bar > :first-child { flex: 1 1 0; min-width: 0; }
.st-key-lesson-bar p { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.st-key-lesson-bar button { min-height: 0; padding: 0 0.4rem; }
@media (max-width: 640px) { .st-key-lesson-to p { display: none; } }
</style>"""


def bar() -> None:
    """Show the line if a lesson is open; to be called above every page but Lessons, which shows the lesson itself."""
    place = None
    with contextlib.suppress(Refusal):  # the page Lessons says which lesson the link names that does not exist
        place = here()
    if not place:
        return
    st.html(STYLE)
    with st.container(horizontal=True, vertical_alignment="center", key="lesson-bar"):
        holds = place.seen().holds
        st.fragment(_seen, run_every=None if holds else POLL, key="lesson-seen")(place, holds)
        last = place.number == len(place.lesson.steps)
        back = _button("to", "school", t("lessons.to_lesson"))
        on = _button("on", "arrow_forward", t("lessons.next"), disabled=last)
        _button("close", "close", help=t("lessons.close"), on_click=close)
    if back or on:
        there = Place(place.lesson, place.number + int(on))
        go_to(there.lesson.name, there.number)
        st.switch_page(server.PAGES / "lessons.py", query_params=there.link)


def _button(key: str, icon: str, words: str = "", **more: Any) -> bool:
    return st.button(words, icon=f":material/{icon}:", type="tertiary", key=f"lesson-{key}", **more)


def _seen(place: Place, held: bool) -> None:
    """Show lesson, step, and what the check sees now; `held`: as the page was drawn with."""
    seen = place.seen()
    if seen.holds != held:
        st.rerun()  # the whole page, which then looks no more
    title, count = place.lesson.title[language()], len(place.lesson.steps)
    said = t("lessons.answer_there") if seen.key == "lessons.seen.choose" else seen.sentence(language())
    step = t("lessons.step", number=place.number, count=count)
    st.markdown(f"{sign_of(seen)} {step} · **{t(word_of(seen))}.** {said} · {title}")
