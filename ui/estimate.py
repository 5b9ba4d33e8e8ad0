"""How long a training will take: as known from before at once, and a button that has it measured on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from core.spec import RunSpec
from core.workers import paced
from ui import server
from ui.choice import run_label
from ui.text import t

USUAL = 17.0  # seconds that a measurement took on two cores beside a training, for its progress bar
LONG = 3600.0  # seconds of a training from which on its time is a warning
MANY = 300  # epochs from which on a training whose time is not known is one, too


def is_lasting(spec: RunSpec, asked: str) -> bool:
    """Whether the time of this training was asked for, under the key `asked`, and is still being measured."""
    return st.session_state.get(asked) == paced(spec) and not server.estimate(paced(spec)).done()


def offer(spec: RunSpec, asked: str, say: Callable[[Mapping[str, Any]], str], *, lasting: bool, **button: Any) -> None:
    """Show how long a training took here before, and a button that has it measured; once that is done, its answer.

    To be called in a fragment that is run again at intervals while `lasting`, see `is_lasting`. `asked`: the key in the
    session state under which the spec is kept; `say`: the sentence for `epoch_seconds` and `seconds` of the whole
    training; `button`: further arguments of `st.button`.
    """
    pace = paced(spec)
    found = server.estimate(pace) if st.session_state.get(asked) == pace else None
    if found and found.done() and not found.exception():
        if lasting:
            st.rerun()  # the whole page, which then no longer polls
        _answer(spec, found.result()["epoch_seconds"], say, t("estimate.measured", steps=found.result()["steps"]))
        return
    if known := server.pace_so_far(spec):
        seconds, run = known
        _answer(spec, seconds, say, t("estimate.as_run", run=run_label(run)) if run else t("estimate.before"))
    elif spec.epochs >= MANY:
        st.warning(t("estimate.many", epochs=spec.epochs))
    if found and not found.done():
        taken = time.monotonic() - st.session_state[f"{asked}.since"]
        st.progress(taken / max(USUAL, taken), t("estimate.lasting", seconds=round(taken)))
        return
    if found:
        st.caption(t("estimate.failed"))
    if st.button(t("estimate.ask"), icon=":material/timer:", help=t("estimate.help"), **button):
        if found:  # the estimate failed: it is repeated
            server.estimate.clear(pace)
        st.session_state[asked], st.session_state[f"{asked}.since"] = pace, time.monotonic()
        st.rerun()  # the whole page, which then polls


def _answer(spec: RunSpec, epoch_seconds: float, say: Callable[[Mapping[str, Any]], str], how: str) -> None:
    """Say what `epoch_seconds` make for the whole training, and how they are known."""
    limit = spec.time_limit or math.inf
    seconds = min(epoch_seconds * spec.epochs, limit)
    words = f"{say({'epoch_seconds': epoch_seconds, 'seconds': seconds})} {how}"
    (st.warning if seconds > LONG else st.caption)(words)
    if limit < epoch_seconds:
        st.warning(t("estimate.limit", limit=limit, epoch_seconds=epoch_seconds))
