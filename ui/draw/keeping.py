"""Labels and saves a drawing with one tap or key, and runs rounds of ten requested digits with a score at the end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from core.drawing import collection
from core.measures.measures import proportion
from core.models.model import Model, answers_to
from ui.choice import run_label
from ui.draw import pad
from ui.gallery import gallery
from ui.text import interval, kept_refusal, literal, show_refusal, t

ROUND, LAST, REFUSED = "keeping.round", "keeping.last", "keeping.refused"  # keys in the session state
SIDE = 56  # px, width of a drawing below the score
# The label of each button is its shortcut key, so Streamlit's hint of the key is hidden.
STYLE = "<style>.st-key-keep-as kbd { display: none; }</style>"


@dataclass(frozen=True)
class Round:
    """A round: ten digits to draw, in random order, and the names of the drawings saved so far."""

    asked: tuple[int, ...]
    names: tuple[str, ...] = ()

    @property
    def next(self) -> int | None:
        """The digit to draw next; None at the end."""
        return self.asked[len(self.names)] if len(self.names) < len(self.asked) else None


def say_score(models: Sequence[Model], without: Collection[str]) -> None:
    """Show at the end of a round how often each model was right."""
    current = _round()
    if current and current.next is None:
        _score(current, models, without)


def offer(key: str, *, drawn: bool) -> None:
    """Show the controls that label and save the drawing on the pad `key`, with a free label or within a round."""
    show_refusal(REFUSED)
    st.html(STYLE)
    current = _round()
    asked = current.next if current else None
    if asked is None:
        st.caption(t("keep.as"))
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="keep-as"):
        if current and asked is not None:
            place, count = len(current.names) + 1, len(current.asked)
            st.subheader(t("keep.asked", digit=asked, place=place, count=count), anchor=False, width="content")
            st.button(
                t("keep.next", digit=asked),
                key="keep-next",
                type="primary",
                shortcut=str(asked),  # not Enter, which also presses the focused button
                disabled=not drawn,
                on_click=_keep,
                args=(key, asked),
            )
            st.button(t("keep.stop"), key="round-stop", on_click=_set_round, args=(None,))
        else:
            for digit in range(collection.CLASSES):
                st.button(
                    str(digit),
                    key=f"keep-{digit}",
                    shortcut=str(digit),
                    on_click=_keep,
                    args=(key, digit),
                    disabled=not drawn,  # rather than absent: new buttons would delay the answer
                    width=48,
                )
            st.button(t("keep.round"), key="round-start", icon=":material/casino:", on_click=_begin, args=(key,))
            if current:
                st.button(t("keep.done"), key="round-done", on_click=_set_round, args=(None,))
        st.text_input(
            t("keep.nickname"),
            key="nickname",
            max_chars=collection.LONGEST_NICKNAME,
            placeholder=t("keep.optional"),
            label_visibility="collapsed",
            width=190,
            persist_state="session",
        )
        if not current and not drawn and (last := st.session_state.get(LAST)):
            st.button(t("keep.take_back", digit=last[1]), key="take-back", on_click=_take_back)


def _score(current: Round, models: Sequence[Model], without: Collection[str]) -> None:
    st.subheader(t("keep.score"), anchor=False)
    names = set(current.names)
    kept = [one for one in collection.kept() if one.name in names]  # somebody may have deleted some
    if kept and models:
        answers = [answers_to(model, kept, without=without) for model in models]
        found = [proportion(int(one.is_right.sum()), len(kept)) for one in answers]
        table = {
            t("draw.model"): [literal(run_label(model.run)) for model in models],
            t("keep.right"): [_in_one_line(t("keep.of", right=round(one.value * one.n), n=one.n)) for one in found],
            t("measure.interval"): [_in_one_line(interval(one.low, one.high)) for one in found],
        }
        st.table(table, hide_index=True)  # wraps a long name instead of cutting off the figures
        captions = [f"{one.label} → {k}" for one, k in zip(kept, answers[0].predicted, strict=True)]
        gallery([one.pixels[None] for one in kept], captions, side=SIDE)


def _in_one_line(words: str) -> str:
    return words.replace(" ", "\N{NO-BREAK SPACE}")


def _keep(key: str, label: int) -> None:
    drawing = pad.drawn(key)
    if drawing is None:  # a second tap on the button
        return
    with kept_refusal(REFUSED):
        name = collection.keep(drawing.pixels, label, st.session_state.get("nickname") or "")
        pad.take(key, drawing)
        st.session_state[LAST] = (name, label)
        if (current := _round()) and current.next is not None:
            st.session_state[ROUND] = replace(current, names=(*current.names, name))


def _take_back() -> None:
    with kept_refusal(REFUSED):
        name, _ = st.session_state[LAST]
        collection.delete([name])
        del st.session_state[LAST]  # not before: what is still kept can still be taken back


def _begin(key: str) -> None:
    if drawing := pad.drawn(key):  # drawn before the round's first digit was requested
        pad.take(key, drawing)
    _set_round(Round(tuple(np.random.default_rng().permutation(collection.CLASSES).tolist())))


def _round() -> Round | None:
    return st.session_state.get(ROUND)


def _set_round(one: Round | None) -> None:
    st.session_state[ROUND] = one
