"""The panel of the page Draw: a drawing, the steps of its preparation, and the models' answers to it."""

from __future__ import annotations

import base64
import html
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import streamlit as st

from core.charts.pictures import enlarge
from core.drawing.picture import open_picture
from core.drawing.prepare import STEPS, Prepared, prepare
from core.models.model import Answer, Model
from core.refusal import Refusal
from core.store import Run
from ui import server
from ui.choice import row_of, run_label
from ui.draw import keeping
from ui.draw.live_answer import live_address
from ui.draw.pad import PAD_LABELS, drawing_pad
from ui.gallery import gallery
from ui.numbers import whole_number
from ui.text import Markdown, language, percent, plain, refused, t

CANVAS = 336  # px, side of the canvas: twelve to each pixel of the model's 28 x 28 image
PICTURE = 308  # px, side of a test image: visible with its true class on a 1280 x 720 screen
SEEN = 84  # px, side of the shown image: three to each pixel of the model's 28 x 28 image
PAD = "pad"
TOP = 3  # classes shown of each model where there are several models

STYLE = """<style>
.answers { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem; }
.answers section { display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 0.75rem; align-items: start; }
.answers h4 { grid-column: 1 / -1; margin: 0; padding: 0; font-size: 0.95rem; }
.answers img { image-rendering: pixelated; border: 1px solid #808080; }
.answers table { width: 100%; border-collapse: collapse; line-height: 1.25; }
.answers td { padding: 0 0.25rem; border: none; white-space: nowrap; }
.answers td:nth-child(2) { width: 100%; }
.answers td:nth-child(2) div { height: 0.875rem; min-width: 1px; background: currentColor; opacity: 0.6; }
.answers td:nth-child(3) { text-align: right; }
.answers .best { font-weight: 700; }
</style>"""


def panel(runs: Sequence[Run]) -> None:
    """Show the sheet to draw on and, for each run's model, the image that it gets and its answer.

    The panel is a fragment: only it is rerun when the pen is lifted. The first run's model also answers while the pen
    is down.
    """

    @st.fragment
    def look() -> None:
        left, right = st.columns([11, 9], gap="large")
        without = [name for name in STEPS if not st.session_state.get(f"step.{name}", True)]
        with left:
            mode, picture = _picture(runs[0], without)
        with right:
            models = _open(runs)  # with the newest weights, also of a run that is still training
            drawing = Prepared(None, {}) if picture is None else prepare(picture, without=without)
            pictures = drawing.pictures
            answers = [answer for model in models if (answer := model.answer(drawing))]
            in_round = mode == "pad" and keeping.say_what_is_asked(models, without)
            if not pictures and not in_round and mode != "image":
                st.info(t("draw.no_file" if mode == "file" else "draw.empty"))
            if answers:
                st.subheader(agreement(answers), anchor=False)
            if mode == "pad":
                keeping.offer(PAD, drawn=bool(pictures))  # above the bars, of which there are many with several models
            if answers:
                _tell(answers, in_full=mode != "pad")
            _show_steps(pictures, without)
            if answers:
                _table(answers)

    look()


def _open(runs: Sequence[Run]) -> list[Model]:
    """The models that can be opened; shows for each of the others a message that says why it cannot."""
    models = []
    for run in runs:
        try:
            models.append(server.model(run))
        except Refusal as refusal:
            refused(refusal)
    for model in models:
        if not model.done:
            st.warning(t("draw.not_finished", epoch=model.epoch, run=run_label(model.run)))
    return models


# --- the models' answers ----------------------------------------------------------------------------------------------


def _tell(answers: Sequence[Answer], *, in_full: bool) -> None:
    """Show the answers as bars; a single answer only if `in_full`, with all classes: else the pad shows its bars."""
    alone = len(answers) == 1
    if in_full or not alone:
        st.html(f'{STYLE}<div class="answers">{"".join(_bars(answer, alone=alone) for answer in answers)}</div>')


def _table(answers: Sequence[Answer]) -> None:
    """Show the probability that each model gives to each class, in a collapsed table."""
    columns: dict[str, object] = {t("chart.class"): answers[0].model.names(language())}
    columns |= {run_label(answer.model.run): answer.values for answer in answers}
    expander = st.expander(t("chart.as_table"), key="answers-table", on_change="rerun")
    if expander.open:  # a collapsed table would delay the answer for nothing
        expander.dataframe(columns, hide_index=True, width="stretch")


def agreement(answers: Sequence[Answer]) -> str:
    """A sentence: which class the models name, counting those that are sure; if none is sure, the reason."""
    sure = [answer for answer in answers if not answer.doubt]
    if sure:
        return _agreement(sure, len(answers))
    doubt = answers[0].doubt
    if doubt and doubt != "doubt.unsure":
        return t(doubt)
    return t("draw.unsure", said=_agreement(answers, len(answers)))


def _agreement(answers: Sequence[Answer], models: int) -> str:
    """The answers in a sentence; `models` is the number of all models, the doubtful ones included."""
    votes = Counter(int(answer.values.argmax()) for answer in answers).most_common()
    (best, count), *others = votes
    names = answers[0].model.names(language())
    said = t("draw.class", digit=best, label=names[best])
    if models == 1:
        return t("draw.answer", said=said, probability=percent(float(answers[0].values[best])))
    if others and others[0][1] == count:
        parties = [t("draw.votes", said=t("draw.class", digit=k, label=names[k]), votes=n) for k, n in votes]
        return t("draw.split", said=Markdown(", ".join(parties)))
    return t("draw.most", said=said, votes=count, models=models)


def _bars(answer: Answer, *, alone: bool) -> str:
    """HTML for one model: the image that it gets, and bars for its `TOP` most probable classes, if `alone` for all."""
    ranks = (-answer.values).argsort(kind="stable")
    names, rows = answer.model.names(language()), []
    for k in map(int, sorted(ranks) if alone else ranks[:TOP]):
        best = " class=best" if k == answer.best else ""
        name, share = html.escape(plain("draw.class", digit=k, label=names[k])), float(answer.values[k])
        bar = f'<div style="width:{share:.1%}"></div>'
        rows.append(f"<tr{best}><td>{name}</td><td>{bar}</td><td>{percent(share)}</td></tr>")
    seen = base64.b64encode(enlarge(answer.image, 1)).decode()
    words = html.escape(t("draw.seen", side=answer.image.shape[-1]), quote=True)
    doubts = f" ({html.escape(t('draw.doubts'))})" if answer.doubt else ""  # its vote is not counted
    title = "" if alone else f"<h4>{html.escape(run_label(answer.model.run))}{doubts}</h4>"
    picture = f'<img src="data:image/png;base64,{seen}" width="{SEEN}" height="{SEEN}" alt="{words}" title="{words}">'
    return f"<section>{title}{picture}<table>{''.join(rows)}</table></section>"


def _show_steps(pictures: Mapping[str, np.ndarray], without: Collection[str]) -> None:
    """Show the drawing after each step of its preparation, and a checkbox that switches the step off."""
    st.caption(t("draw.steps"))
    for column, name in zip(st.columns(len(STEPS)), STEPS, strict=True):
        column.checkbox(t(f"step.{name}.name"), value=True, key=f"step.{name}")
    if pictures:
        images = [(picture[None] * 255).round().astype(np.uint8) for picture in pictures.values()]
        done = [t(f"step.{name}.off" if name in without else f"step.{name}.on") for name in pictures]
        gallery(images, done, side=SEEN, columns=len(STEPS))  # one element of the page, which is faster


# --- the drawing ------------------------------------------------------------------------------------------------------


def _picture(run: Run, without: Collection[str]) -> tuple[str, np.ndarray | None]:
    """The mode of drawing and the drawing: ink uint8 (H, W), or RGBA uint8 (H, W, 4); None while there is none."""
    say = {mode: t(f"draw.mode_{mode}") for mode in ("pad", "canvas", "image", "file")}
    mode = row_of(t("draw.mode"), say, "mode", persist_state="session")
    shown = "flex" if mode == "canvas" else "none"
    st.html(f"<style>div:has(> .st-key-canvas-sheet) {{ display: {shown}; }}</style>")
    with st.container(key="canvas-sheet"):  # once shown it stays in the page, hidden, so that it keeps its drawing
        moved = _canvas("canvas") if mode == "canvas" or "canvas" in st.session_state else None
    if mode == "canvas":
        return mode, _opened(moved, t("draw.mode_canvas"))  # checked like a file: a client can send anything
    if mode == "image":
        return mode, _test_image(run)
    if mode == "file":
        return mode, _file()
    live = live_address(run, without=without, language=language())
    drawing = drawing_pad(PAD, labels={name: t(f"pad.{name}") for name in PAD_LABELS}, live=live)
    return mode, drawing.pixels if drawing else None


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
    left, right = st.columns([CANVAS, 240])
    right.caption(t("draw.canvas_help", crop=t("step.crop.name"), centre=t("step.centre.name")))
    with left:
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
    file = st.file_uploader(t("draw.file_help"), type="image", key="file")  # a GIF is refused with a message
    return _opened(file.getvalue(), file.name) if file else None


def _opened(content: bytes | None, name: str) -> np.ndarray | None:
    """The picture, RGBA uint8 (H, W, 4); None without content, or with a message if the content is refused."""
    try:
        return None if content is None else open_picture(content, name)
    except Refusal as refusal:
        refused(refusal)
        return None
