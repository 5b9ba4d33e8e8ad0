"""The image that is looked into the network with: the drawing on the sheet, or one of the run's val or test images."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

import numpy as np
import streamlit as st

from core.datasets import Split, datasets
from core.drawing.prepare import Prepared, prepare
from core.models.model import shown_splits
from core.refusal import Refusal
from core.store import Run, not_shown
from ui import server
from ui.choice import row_of
from ui.data_card import data_are_here
from ui.draw import answer
from ui.draw.live_answer import live_address
from ui.draw.pad import PAD_LABELS, drawing_pad, drawn
from ui.gallery import gallery
from ui.inside.images import Name, images
from ui.inside.opened import Opened
from ui.numbers import whole_number
from ui.text import language, plain, refused, t

KIND, NUMBER = "inside-source", "inside-number"  # keys in the session state
LINK = "image"  # in the link: `test:17`
READ = "inside.link"  # key in the session state: what the link has said already
SIDE = 280  # px


@dataclass(frozen=True)
class Seen:
    """An image as the network gets it."""

    image: np.ndarray  # uint8 (C, H, W)
    label: int | None = None  # its true class, if that is known
    empty: bool = False  # nothing is drawn


def choose(run: Run, one: Opened, layer: int, epoch: int | None) -> Seen | None:
    """Let the reader draw, or choose an image by its number; None, with a message, if there is none to show.

    The sheet is that of the page Draw. `layer`, from 1, is the one whose feature maps follow the pen at least, with
    the weights of `epoch`, or of the model itself.
    """
    kinds = ["pad"] * one.model.digits + list(shown_splits(run))
    _follow_link(kinds)
    if not kinds:
        refused(not_shown(run), st.info)
        return None
    kind = row_of(t("inside.source"), {one: t(f"inside.{one}") for one in kinds}, KIND, persist_state="session")
    if kind == "pad":
        st.query_params.pop(LINK, None)
        st.session_state.pop(READ, None)
        return _drawing(run, one, layer, epoch)
    try:
        split = images(run, cast("Name", kind))
    except Refusal as refusal:
        refused(refusal, st.warning)
        if source := datasets().get(run.spec.data):  # a file of one's own may be gone
            data_are_here(source)
        return None
    return _image(run, split, kind)


def _follow_link(kinds: list[str]) -> None:
    """Take over what the link asks for, once; a choice that this run does not offer is dropped."""
    asked = st.query_params.get(LINK)
    named = re.fullmatch(r"(val|test):(\d{1,9})", asked or "")
    if asked and asked != st.session_state.get(READ):
        st.session_state[READ] = asked
        if named and named[1] in kinds:
            st.session_state[KIND], st.session_state[NUMBER] = named[1], int(named[2])
        else:
            st.query_params.pop(LINK)
            st.warning(t("inside.no_link", value=asked[:40]))
    if st.session_state.get(KIND) not in kinds:
        st.session_state.pop(KIND, None)


def _drawing(run: Run, one: Opened, layer: int, epoch: int | None) -> Seen:
    drawing = drawn(answer.PAD)
    prepared = prepare(drawing.pixels) if drawing else Prepared(None, {})
    labels = {name: t(f"pad.{name}") for name in PAD_LABELS}
    live = live_address([run], language=language(), layer=layer, epoch=epoch)
    told = answer.told({run: one.model}, prepared, plain("inside.empty"))
    drawing_pad(answer.PAD, labels=labels, answers=told, live=live)
    image = one.model.seen(prepared)
    if image is None:
        return Seen(np.zeros(one.model.shape, np.uint8), empty=True)
    return Seen(image)


def _image(run: Run, split: Split, kind: str) -> Seen:
    """Let the reader choose an image by its number."""
    last, names = len(split.labels) - 1, server.class_names(run, language())
    st.session_state[NUMBER] = min(max(0, st.session_state.get(NUMBER, 0)), last)

    def another() -> None:
        st.session_state[NUMBER] = int(np.random.default_rng().integers(last + 1))

    with st.container(horizontal=True, vertical_alignment="bottom"):
        index = whole_number(t("inside.number", last=last), 0, last, key=NUMBER, width=170)
        st.button(t("image.random"), on_click=another, key="inside-random", icon=":material/casino:")
    st.query_params[LINK] = st.session_state[READ] = f"{kind}:{index}"
    label = int(split.labels[index])
    gallery([split.images[index]], [plain("image.this", index=index, label=names[label])], side=SIDE)
    return Seen(split.images[index], label)
