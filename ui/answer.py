"""A drawing and what a model takes it for."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.refusal import Refusal
from core.store import Run
from ui import charts, server
from ui.pad import PAD_LABELS, drawing_pad
from ui.text import language, percent, t


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
            drawing = drawing_pad("pad", labels={name: t(f"pad.{name}") for name in PAD_LABELS})
        image = model.image(drawing.pixels) if drawing else None
        if image is None:
            with right:
                st.info(t("draw.empty"))
            return
        values = model.probabilities(image[None])[0]
        names = model.class_names[language()]
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
