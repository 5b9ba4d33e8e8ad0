"""Where the visitor is in the lessons: in the link of every page while a lesson is open, and in the session."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import streamlit as st

from core.drawing import collection
from core.lessons.checks import Evidence, Seen, look
from core.lessons.lesson import Lesson, Step, lesson
from core.store import Run
from ui import server, visitor

LESSON, STEP = "lesson", "step"  # in the link
OPEN = "lesson.open"  # in the session: the name of the open lesson and the number of its step
WRITTEN = "lesson.written"  # what we last wrote into the link; anything else there comes from a link that was opened


@dataclass(frozen=True)
class Place:
    """A step of an open lesson."""

    lesson: Lesson
    number: int  # from 1

    @property
    def step(self) -> Step:
        """The step itself."""
        return self.lesson.step(self.number)

    @property
    def link(self) -> dict[str, str]:
        """What names the place in a link."""
        return {LESSON: self.lesson.name, STEP: str(self.number)}

    def seen(self) -> Seen:
        """What the step's check sees now."""
        return look(evidence(), self.lesson, self.step, st.session_state.get(answer_key(self)))


def answer_key(place: Place) -> str:
    """Under which the session keeps the answer that the visitor has chosen."""
    return f"lesson.answer.{place.lesson.name}.{place.number}"


def sign_of(seen: Seen) -> str:
    """The sign of a step that is done, or not yet."""
    return ":material/check_circle:" if seen.holds else ":material/radio_button_unchecked:"


def word_of(seen: Seen) -> str:
    """The text key of the word beside that sign."""
    return "lessons.done" if seen.holds else "lessons.not_yet"


def here() -> Place | None:
    """The step that the link or else the session names, written into the link; None if no lesson is open.

    Raises: Refusal, if there is no lesson of that name.
    """
    linked = st.query_params.get(LESSON), st.query_params.get(STEP)
    if linked[0] and linked != st.session_state.get(WRITTEN):
        go_to(linked[0], linked[1])
        st.session_state[WRITTEN] = linked
    name, number = st.session_state.get(OPEN, ("", 1))
    if not name:
        return None
    found = lesson(name)
    place = Place(found, min(max(number, 1), len(found.steps)))
    st.session_state[WRITTEN] = tuple(place.link.values())
    for key, value in place.link.items():
        if st.query_params.get(key) != value:
            st.query_params[key] = value
    return place


def go_to(name: str, number: int | str | None = 1) -> None:
    """Open a lesson at a step; a number that is none means the first step."""
    with contextlib.suppress(TypeError, ValueError):
        st.session_state[OPEN] = name, int(number or 1)
        return
    st.session_state[OPEN] = name, 1


def close() -> None:
    """Close the lesson that is open."""
    st.session_state.pop(OPEN, None)
    for key in (LESSON, STEP):
        if key in st.query_params:
            del st.query_params[key]
    st.session_state.pop(WRITTEN, None)


def _runs() -> list[Run]:
    """The runs, newest first, but first those that the visitor started: others do not do one's lesson."""
    return sorted(server.handles(), key=lambda run: not visitor.owns(run))


def evidence() -> Evidence:
    """What the checks look at, read through the server's caches."""
    return Evidence(
        drawn=server.drawn_answers,
        runs=_runs,
        events=server.events,
        answers=lambda run: server.answers(run, "test"),
        drawings=collection.kept,
    )
