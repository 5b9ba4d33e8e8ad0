"""A drawing and what a model takes it for."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.drawing import open_picture
from core.predict import Model
from core.refusal import Refusal
from core.store import Run
from ui import charts, server
from ui.pad import PAD_LABELS, drawing_pad
from ui.text import language, percent, t

CANVAS = 336  # pixels: twelve to each that the model sees


def panel(run: Run) -> None:
    """The sheet, the image that the model sees, and its answer; only this part runs again when the pen is lifted."""

    @st.fragment
    def look() -> None:
        left, middle, right = st.columns([3, 1, 3], gap="large")
        with left:
            picture = _picture()
        with right:
            try:
                model = server.model(run)  # the newest weights, of a run that is still training too
                if not model.done:
                    st.warning(t("draw.not_finished", epoch=model.epoch))
                image = None if picture is None else model.image(picture)
            except Refusal as refusal:
                st.error(t(refusal.key, **refusal.slots))
                return
            if image is None:
                st.info(t("draw.empty"))
                return
            _answer(model, image)
        with middle:
            st.image(charts.enlarge(image, 5), caption=t("draw.seen", side=image.shape[-1]))

    look()


def _answer(model: Model, image: np.ndarray) -> None:
    values = model.probabilities(image[None])[0]
    names = model.class_names.get(language(), model.class_names["en"])
    best = int(np.argmax(values))
    st.subheader(t("draw.answer", label=names[best], digit=best, probability=percent(float(values[best]))))
    words = {"x_title": t("chart.probability"), "y_title": t("chart.class")}
    chart = charts.probabilities(values, names, language=language(), highlight=best, **words)
    st.altair_chart(chart, key="answer", width="stretch", alt=t("draw.answer_alt"))
    with st.expander(t("chart.as_table")):
        st.dataframe(charts.probabilities_table(values, names, **words), hide_index=True, width="stretch")


def _picture() -> np.ndarray | None:
    """What is drawn or handed in: ink uint8 (H, W), or RGBA uint8 (H, W, 4); None while there is nothing."""
    say = {mode: t(f"draw.mode_{mode}") for mode in ("pad", "canvas", "file")}
    mode = st.segmented_control(
        t("draw.mode"),
        list(say),
        default="pad",
        format_func=say.__getitem__,
        required=True,
        label_visibility="collapsed",
        key="mode",
    )
    if mode == "canvas":
        return _canvas()
    if mode == "file":
        return _file()
    drawing = drawing_pad("pad", labels={name: t(f"pad.{name}") for name in PAD_LABELS})
    return drawing.pixels if drawing else None


def _canvas() -> np.ndarray | None:
    """The canvas on which what was drawn can be selected, moved, scaled and turned."""
    from streamlit_drawable_canvas import st_canvas  # cannot be imported outside a running server

    st.caption(t("draw.canvas_help"))
    canvas = st_canvas(
        stroke_width=28,
        stroke_color="#ffffff",
        background_color="#000000",
        width=CANVAS,
        height=CANVAS,
        return_image_data=True,
        key="canvas",
    )
    return None if canvas.image_data is None else np.asarray(canvas.image_data, dtype=np.uint8)


def _file() -> np.ndarray | None:
    """A picture file, for those who cannot draw here; dark on light or light on dark."""
    file = st.file_uploader(t("draw.file_help"), type=["png", "jpg", "jpeg", "webp", "bmp"], key="file")
    try:
        return open_picture(file.getvalue(), file.name) if file else None
    except Refusal as refusal:
        st.error(t(refusal.key, **refusal.slots))
        return None
