"""A confusion matrix as a table that is clicked, tapped or walked with the arrow keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import streamlit as st

from core.charts.matrices import LABELLED_CLASSES, cell_label, shares
from ui.columns import NARROW
from ui.files import beside
from ui.text import language, plain, t

MOST_CLASSES = 200  # of which a browser draws the cells
Cell = tuple[int, int]  # true and predicted class

HTML = """
<div class="matrix"><div class="scroll"><table role="grid"><thead></thead><tbody></tbody></table></div></div>
"""


_matrix = st.components.v2.component(  # pyright: ignore[reportAttributeAccessIssue]
    "bancada.matrix", html=HTML, css=beside(__file__, "matrix.css"), js=beside(__file__, "matrix.js")
)


def matrix_table(
    matrix: np.ndarray,
    names: Sequence[str],
    *,
    key: str,
    share: Literal["row", "column"] | None = None,
    diagonal: bool = True,
    chosen: tuple[int | None, int | None] = (None, None),
    on_click: Callable[[Cell], None] | None = None,
) -> None:
    """Show a confusion matrix, images (K, K), `[true][predicted]`, with all of its numbers.

    Args:
        matrix: the counts.
        names: K names.
        key: of the element.
        share: None shows counts, `row` fractions of the true class, `column` fractions of the predicted class.
        diagonal: False leaves out the correct predictions, so that the errors use the whole colour scale.
        chosen: the true and the predicted class whose cells are marked; None stands for any.
        on_click: called with the cell that is clicked; without it the cells can only be looked at.
    """
    values = shares(matrix, share).astype(float)
    shown = np.ones_like(values, dtype=bool) if diagonal else ~np.eye(len(values), dtype=bool)
    top = 1.0 if share and diagonal else max(float(values[shown].max(initial=0)), 1e-9)

    def called() -> None:
        cell = st.session_state[key].get("cell")
        if on_click and isinstance(cell, list) and len(cell) == 2 and all(one in range(len(names)) for one in cell):
            on_click((int(cell[0]), int(cell[1])))  # a client can send anything

    if len(names) > MOST_CLASSES:
        st.caption(t("matrix.large", classes=len(names)))
        return
    code, places = language(), range(len(names) if len(names) <= LABELLED_CLASSES else 0)
    data = {
        "names": list(names),
        "texts": [
            [cell_label(float(values[i, j]), share, code) if shown[i, j] else "" for j in places] for i in places
        ],
        # A square-root scale shows small values: 5 errors must be visible next to 1,000 correct predictions.
        "shares": np.where(shown, np.sqrt(values / top), 0).round(3).tolist(),
        "counts": matrix.tolist(),
        "said": plain("matrix.cell", true="{true}", predicted="{predicted}", count="{count}"),
        "locale": code.replace("_", "-"),
        "chosen": list(chosen),
        "clickable": on_click is not None,
        "narrow": NARROW,
        "label": t("evaluate.matrix_alt"),
        "axes": t("matrix.axes"),
    }
    _matrix(key=key, data=data, on_cell_change=called)
