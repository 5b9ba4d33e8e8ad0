"""A drawing and what a model takes it for."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.refusal import Refusal
from core.store import Run
from ui import charts, server
from ui.pad import PAD_LABELS, drawing_pad
from ui.text import language, percent, t

CANVAS = 336  # pixels: twelve to each that the model sees


def panel(run: Run) -> None:
    """The pad, the image that the model sees, and its answer; only this part runs again when the pen is lifted."""
    try:
        model = server.model(run)
    except Refusal as refusal:
        st.error(t(refusal.key, **refusal.slots))
        return
    if not model.done:
        st.warning(t("draw.not_finished", epoch=model.epoch))

    @st.fragment
    def look() -> None:
        left, middle, right = st.columns([3, 1, 3], gap="large")
        with left:
            say = {mode: t(f"draw.mode_{mode}") for mode in ("pad", "canvas")}
            mode = st.segmented_control(
                t("draw.mode"), list(say), default="pad", format_func=say.__getitem__, required=True, key="mode"
            )
            picture = _pad() if mode == "pad" else _canvas()
        image = None if picture is None else model.image(picture)
        if image is None:
            with right:
                st.info(t("draw.empty"))
            return
        values = model.probabilities(image[None])[0]
        names = model.class_names.get(language(), model.class_names["en"])
        best = int(np.argmax(values))
        with middle:
            st.image(charts.enlarge(image, 5), caption=t("draw.seen", side=image.shape[-1]))
        with right:
            st.subheader(t("draw.answer", label=names[best], digit=best, probability=percent(values[best])))
            chart = charts.probabilities(
                values,
                names,
                x_title=t("chart.probability"),
                y_title=t("chart.class"),
                language=language(),
                highlight=best,
            )
            st.altair_chart(chart, key="answer", width="stretch", alt=t("draw.answer_alt"))

    look()


def _pad() -> np.ndarray | None:
    """Our own pad: ink uint8 (112, 112) as soon as the pen is lifted."""
    drawing = drawing_pad("pad", labels={name: t(f"pad.{name}") for name in PAD_LABELS})
    return drawing.pixels if drawing else None


def _canvas() -> np.ndarray | None:
    """The canvas on which what was drawn can be selected, moved, scaled and turned: RGBA uint8 (H, W, 4)."""
    from streamlit_drawable_canvas import st_canvas  # cannot be imported outside a running server

    st.caption(t("draw.canvas_help"))
    canvas = st_canvas(
        stroke_width=28,
        stroke_color="#ffffff",
        background_color="#000000",
        width=CANVAS,
        height=CANVAS,
        return_image_data=True,
        label=t("pad.pad"),
        key="canvas",
    )
    return None if canvas.image_data is None else np.asarray(canvas.image_data, dtype=np.uint8)
