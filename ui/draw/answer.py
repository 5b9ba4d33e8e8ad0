"""The panel of the page Draw: a drawing, the steps of its preparation, and the models' answers to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from core.drawing.collection import CLASSES
from core.drawing.picture import MOST_MIB, open_picture
from core.drawing.prepare import STEPS, Prepared, prepare
from core.images import paper
from core.models.model import POLARITY, Model
from core.refusal import Refusal
from core.store import Run
from ui import server
from ui.choice import row_of, short_label
from ui.draw import agreement, keeping, sheet
from ui.draw.live_answer import live_address
from ui.draw.pad import PAD_LABELS, drawing_pad, drawn, show_answers
from ui.gallery import gallery
from ui.numbers import whole_number
from ui.text import language, plain, refused, t

CANVAS = 336  # px, side of the canvas: twelve to each pixel of the model's 28 x 28 image
UPLOADED = 196  # px, longest side of a picture from a file: answer and steps stay in sight
PICTURE = 308  # px, side of a test image: visible with its true class on a 1280 x 720 screen
SEEN = 84  # px, side of the shown image: three to each pixel of the model's 28 x 28 image
PAD = "pad"
MODES = ("pad", "canvas", "image", "file", "sheet")
NOTHING = Prepared(None, {})


def choose_mode() -> str:
    """Let the reader choose one of `MODES`, the ways to make a picture; returns it."""
    return row_of(t("draw.mode"), {mode: t(f"draw.mode_{mode}") for mode in MODES}, "mode", persist_state="session")


def panel(runs: Sequence[Run], mode: str) -> None:
    """Show the sheet to draw on with each run's answer, below it the labels, and the steps of the preparation.

    The panel is a fragment: only it is rerun when the pen is lifted. The models also answer while the pen is down.
    """

    @st.fragment
    def look() -> None:
        without = [name for name in (*paper.STEPS, *STEPS, POLARITY) if not st.session_state.get(f"step.{name}", True)]
        models = _open(runs)  # with the newest weights, also of a run that is still training
        if mode == "sheet":
            sheet.panel(list(models.values()))
            return
        prepared = _without_pad(runs[0], models, without, mode)
        if mode == "pad":
            keeping.say_score(list(models.values()), without)
            drawing = drawn(PAD)
            prepared = prepare(drawing.pixels, without=without) if drawing else NOTHING
            live = live_address(list(models), without=without, language=language()) if models else None
            labels = {name: t(f"pad.{name}") for name in PAD_LABELS}
            answers = told(models, prepared, keeping.asks() or plain("draw.empty"))
            drawing_pad(PAD, labels=labels, answers=answers, live=live)
            keeping.offer(PAD, drawn=bool(drawing))
        turned = any(model.ground == "light" for model in models.values())
        rows = [paper.STEPS] * (mode == "file") + [tuple(STEPS)] + [(POLARITY,)] * turned
        _show_steps(rows, prepared.pictures, without)

    look()


def _open(runs: Sequence[Run]) -> dict[Run, Model]:
    """The models that can be opened, by run; shows for each of the others a message that says why it cannot."""
    models = {}
    for run in runs:
        try:
            models[run] = server.model(run)
        except Refusal as refusal:
            refused(refusal)
    return models


def told(models: Mapping[Run, Model], drawing: Prepared, empty: str) -> dict[str, Any]:
    """What `show_answers` shows of the models' answers to a drawing; `empty`: the sentence if nothing is drawn."""
    answers = [answer for model in models.values() if (answer := model.answer(drawing))]
    return {
        "models": [_name(model) for model in models.values()],
        "classes": [str(digit) for digit in range(CLASSES)],
        "legend": plain("draw.table"),
        "table": plain("draw.table_alt"),
        "message": agreement.message(answers, language(), empty),
        "empty": empty,
    }


def _name(model: Model) -> str:
    """The name of a model's row; of an unfinished run with the epoch of its newest saved weights."""
    name = short_label(model.run)
    return name if model.done else f"{name} · {plain('draw.not_finished', epoch=model.epoch)}"


def _show_steps(rows: Sequence[Sequence[str]], pictures: Mapping[str, np.ndarray], without: Collection[str]) -> None:
    """Show the drawing after each step of its preparation, and a checkbox that switches the step off."""
    st.caption(t("draw.steps"))
    if "centre" in pictures:
        last = pictures["centre"]
        pictures = {**pictures, POLARITY: last if POLARITY in without else 1 - last}
    for row in rows:
        for column, name in zip(st.columns(len(STEPS)), row, strict=False):
            column.checkbox(t(f"step.{name}.name"), value=True, key=f"step.{name}", persist_state="session")
        if shown := {name: pictures[name] for name in row if name in pictures}:
            images = [(picture[None] * 255).round().astype(np.uint8) for picture in shown.values()]
            done = [t(f"step.{name}.off" if name in without else f"step.{name}.on") for name in shown]
            gallery(images, done, side=SEEN, columns=len(STEPS))  # one element of the page, which is faster


# --- the drawing ------------------------------------------------------------------------------------------------------


def _without_pad(run: Run, models: Mapping[Run, Model], without: Collection[str], mode: str) -> Prepared:
    """Show a picture that is not drawn on the pad, with the models' answers to it; returns it, prepared.

    Once shown, the canvas stays in the page, hidden in other modes, so that it keeps its drawing.
    """
    if mode == "pad" and "canvas" not in st.session_state:
        return NOTHING
    hidden = ["other-sheets"] * (mode == "pad") + ["canvas-sheet"] * (mode != "canvas")
    st.html("".join(f"<style>div:has(> .st-key-{key}) {{ display: none; }}</style>" for key in hidden) or "<style/>")
    picture = None
    with st.container(key="other-sheets"):
        left, right = st.columns([5, 7], gap="medium")
        with left:
            with st.container(key="canvas-sheet"):
                moved = _canvas("canvas") if mode == "canvas" or "canvas" in st.session_state else None
            if mode == "canvas":
                picture = _opened(moved, t("draw.mode_canvas"))  # checked like a file: a client can send anything
            elif mode == "image":
                picture = _test_image(run)
            elif mode == "file":
                picture = _file()
        on_paper = paper.prepared if mode == "file" else prepare  # what is drawn in the browser has no paper
        prepared = NOTHING if picture is None else on_paper(picture, without=without)
        if mode != "pad":
            with right:
                empty = plain(
                    "draw.empty" if mode != "file" else "draw.no_ink" if prepared.pictures else "draw.no_file"
                )
                show_answers("answers", told(models, prepared, empty))
    return prepared


def _canvas(key: str) -> bytes | None:
    """Show the canvas, on which strokes can be selected, moved, scaled and turned; returns its picture as a file.

    As with the pad, the drawing survives a change of page: it is stored under `key` + ".kept" in the session state and
    given back to the canvas from `key` + ".initial", which does not change while the canvas is shown.
    """
    from streamlit_drawable_canvas import st_canvas  # cannot be imported outside a running server

    kept, initial = f"{key}.kept", f"{key}.initial"
    st.session_state.setdefault(kept, (None, None))
    if key not in st.session_state:  # it is new, or another page was shown
        st.session_state[initial] = st.session_state[kept][0]
    st.space(20)  # room for the canvas's tools, which appear when the pointer is over it
    canvas = st_canvas(
        stroke_width=28,
        stroke_color="#ffffff",
        background_color="#000000",
        width=CANVAS,
        height=CANVAS,
        initial_drawing=st.session_state[initial],
        return_image_data=True,
        key=key,
    )
    st.caption(t("draw.canvas_help", crop=t("step.crop.name"), centre=t("step.centre.name")))
    if canvas.image_bytes is not None:  # it sends no picture of the drawing that it was given
        st.session_state[kept] = canvas.json_data, canvas.image_bytes
    return st.session_state[kept][1]


def _test_image(run: Run) -> np.ndarray | None:
    """Show a test image of the run's data, chosen by its number, and return it: an alternative to drawing by hand."""
    try:
        test, names = server.splits(run.spec).test, server.class_names(run, language())
    except Refusal as refusal:
        refused(refusal)
        return None
    last = len(test.labels) - 1
    st.session_state["image"] = min(st.session_state.get("image", 0), last)

    def another() -> None:
        st.session_state["image"] = int(np.random.default_rng().integers(last + 1))

    with st.container(horizontal=True, vertical_alignment="bottom"):
        index = whole_number(t("draw.image", last=last), 0, last, key="image", width=330)
        st.button(t("draw.random"), icon=":material/casino:", on_click=another)
    label = int(test.labels[index])
    true = plain("draw.true", said=plain("draw.class", digit=label, label=names[label]))
    gallery(test.images[index][None], [true], side=PICTURE)
    return test.images[index][0]


def _file() -> np.ndarray | None:
    """The picture in a file that the visitor uploads instead of drawing; dark on light or light on dark."""
    # A GIF is refused with a message.
    file = st.file_uploader(t("draw.file_help"), type="image", key="file", max_upload_size=MOST_MIB)
    picture = _opened(file.getvalue(), file.name) if file else None
    if picture is not None:
        st.image(in_sight(picture), caption=t("draw.photograph"))
    return picture


def in_sight(picture: np.ndarray) -> Image.Image:
    """A picture uint8 (H, W, 4), at most `UPLOADED` px a side; a small one in whole steps, so as not to blur it."""
    image, longest = Image.fromarray(picture), max(picture.shape[:2])
    if longest > UPLOADED:
        image.thumbnail((UPLOADED, UPLOADED))
        return image
    times = UPLOADED // longest
    return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)


def _opened(content: bytes | None, name: str) -> np.ndarray | None:
    """The picture, RGBA uint8 (H, W, 4); None without content, or with a message if the content is refused."""
    try:
        return None if content is None else open_picture(content, name)
    except Refusal as refusal:
        refused(refusal)
        return None
