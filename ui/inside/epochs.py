"""The epochs of a run whose weights are kept: the reader goes through them, by hand or as a film."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.events import Snapshot
from core.models.snapshots import AnswersAt, answers_at, snapshots
from core.refusal import Refusal
from core.store import Run
from ui import server
from ui.inside.opened import opened
from ui.inside.waiting import WAITS
from ui.matrix import matrix_table
from ui.text import Markdown, percent, plain, refused, t

KEY = "inside-epoch"  # in the session state and in the link
NOW = "now"  # stands for weights within an epoch, of a run that is not finished; no snapshot has them
PLAYS = "inside.plays"  # key in the session state: the run whose epochs are shown one after the other
FILM = "inside.film"  # key in the session state: the epoch that the film has shown last, None before the first
SHOWN = "inside.shown"  # key in the session state: when the film's epoch was first shown
LASTS = 0.8  # seconds that each is shown


@dataclass(frozen=True)
class Chosen:
    """The epoch that is looked at."""

    number: int | str  # the epoch, or `NOW`
    snapshot: Snapshot | None  # None, if only the model itself has its weights
    weights: int | None  # of the snapshot that is opened; None for the model itself


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=server.BY_WEIGHTS)
def _kept(run: Run) -> list[Snapshot]:
    return snapshots(run)


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=server.BY_WEIGHTS)
def _answers(run: Run, epoch: int) -> AnswersAt:
    return answers_at(run, epoch)


def plays(run: Run) -> bool:
    """Whether the epochs of this run are being shown one after the other."""
    return st.session_state.get(PLAYS) == run.name


def choose(run: Run) -> Chosen:
    """Let the reader choose an epoch, at first that of the run's model. Raises: Refusal, as `opened`."""
    model = opened(run).model
    kept = {one.epoch: one for one in _kept(run)}
    if not kept:
        st.caption(t("inside.no_epochs"))
        return Chosen(model.epoch, None, None)
    same = model.done or (model.epoch in kept and kept[model.epoch].step == model.step)
    own = model.epoch if same else NOW  # a run that was paused within an epoch has weights of its own
    numbers: list[int | str] = [*sorted({*kept, model.epoch} if same else kept), *([] if same else [NOW])]
    _follow_link(numbers)
    if st.session_state.get(KEY) not in numbers:
        st.session_state[KEY] = own
    if plays(run):
        _go_on(numbers)
    with st.container(horizontal=True, vertical_alignment="center", key="inside-epochs"):
        _button(run, numbers)
        chosen = st.select_slider(
            t("inside.epoch"),
            numbers,
            format_func=lambda number: plain("inside.now") if number == NOW else str(number),
            key=KEY,
            label_visibility="collapsed",
            persist_state="session",
            disabled=plays(run),
        )
        st.query_params["epoch"] = str(chosen)
        snapshot = None if isinstance(chosen, str) else kept.get(chosen)
        if chosen == NOW:
            said = t("inside.epoch_now", epoch=model.epoch + 1, step=model.step or 0)
        else:
            said = t("inside.epoch_is", epoch=chosen)
        if chosen == own != NOW:
            said += f" ({t('inside.epoch_model')})"
        if snapshot:
            said += f" · {t('inside.epoch_accuracy', accuracy=percent(snapshot.val_accuracy, 2))}"
        st.markdown(Markdown(said), width="content")
    # While a run is training its model changes; the snapshot with the same weights stays.
    return Chosen(chosen, snapshot, snapshot.epoch if snapshot and not (chosen == own and model.done) else None)


def _follow_link(numbers: list[int | str]) -> None:
    """At first the epoch is that of the link, if the run has it."""
    asked = st.query_params.get("epoch", "")
    if KEY not in st.session_state and re.fullmatch("[0-9]{1,6}", asked) and int(asked) in numbers:
        st.session_state[KEY] = int(asked)


def _go_on(numbers: list[int | str]) -> None:
    """Choose the epoch after the one that the film has shown; the last one ends it.

    The slider does not say which that is: a rerun that the clock begins may still bring its value of before.
    """
    now = time.monotonic()
    if st.session_state.pop(WAITS, False):  # what belongs to this epoch has not been shown yet
        st.session_state[SHOWN] = now
    if now - st.session_state.get(SHOWN, 0) < LASTS * 0.9:  # another rerun than that of the clock
        return
    st.session_state[SHOWN] = now
    at = st.session_state.get(FILM)
    later = numbers[numbers.index(at) + 1 :] if at in numbers else numbers
    if later:
        st.session_state[KEY] = st.session_state[FILM] = later[0]
    else:
        st.session_state[KEY] = at
        st.session_state.pop(PLAYS)
        st.rerun()  # the whole page, which then no longer runs by itself


def _button(run: Run, numbers: list[int | str]) -> None:
    """Show the button that begins and ends the film."""
    on = plays(run)
    icon = ":material/pause:" if on else ":material/play_arrow:"
    if st.button(t("inside.pause" if on else "inside.play"), key="inside-play", icon=icon, disabled=len(numbers) < 2):
        if on:
            st.session_state.pop(PLAYS)
        else:
            st.session_state[PLAYS] = run.name
            st.session_state.pop(SHOWN, None)
            st.session_state.pop(WAITS, None)
            st.session_state[FILM] = None if st.session_state[KEY] == numbers[-1] else st.session_state[KEY]
        st.rerun()  # the whole page, which then runs by itself, or no longer


def matrix(run: Run, chosen: Chosen, names: tuple[str, ...]) -> None:
    """Show the val confusion matrix of the chosen epoch."""
    if not chosen.snapshot:
        st.caption(t("inside.no_answers"))
        return
    try:
        found = _answers(run, chosen.snapshot.epoch)
    except Refusal as refusal:
        refused(refusal, st.warning)
        return
    counts: np.ndarray = found.confusion_matrix
    slots = {"right": int(counts.trace()), "n": int(counts.sum())}
    accuracy = percent(chosen.snapshot.val_accuracy, 2)
    st.markdown(t("inside.matrix", epoch=chosen.snapshot.epoch, accuracy=accuracy, **slots))
    matrix_table(counts, names, key="inside-matrix")
