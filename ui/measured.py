"""Tables and charts of what a model answers: overall measures, measures by class, the matrix, an image's answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import streamlit as st

from core.charts import bars, matrices
from core.measures.answers import LEAST_ERRORS, Measure
from core.measures.measures import ADDED, ClassMeasures, Measures, most_confused
from ui.choice import one_of
from ui.matrix import Cell, matrix_table
from ui.tables import offer_csv, unfolded
from ui.terms import terms_of
from ui.text import Markdown, fraction, interval, language, literal, number, plain, t


def measures_table(measured: Measures, loss: Measure | None = None, *, accuracy: str | None = None) -> None:
    """Show every measure with its 95 % interval, the number of images, and the interval's method.

    `accuracy`: the name of the accuracy, where the images are not a test split.
    """
    rows: list[tuple[str, Measure, str]] = [
        ("accuracy", measured.accuracy, "wilson"),
        ("balanced_accuracy", measured.balanced_accuracy, "delta"),
        ("macro_f1", measured.macro_f1, "delta"),
        ("weighted_f1", measured.weighted_f1, "delta"),
        ("kappa", measured.kappa, "delta"),
        *([("loss", loss, "hall")] if loss else []),
    ]
    table = {
        t("measure.measure"): [accuracy or t("measure.accuracy"), *(t(f"measure.{name}") for name, _, _ in rows[1:])],
        t("measure.value"): [
            (number if name == "loss" else fraction)(measure.value, 4) if math.isfinite(measure.value) else "–"
            for name, measure, _ in rows
        ],
        t("measure.interval"): [ends(measure) for _, measure, _ in rows],
        t("measure.n"): [number(measure.n) for _, measure, _ in rows],
        t("measure.method"): [t(f"method.{method}") for _, _, method in rows],
    }
    st.dataframe(table, hide_index=True, width="stretch")
    terms_of([*(f"measure.{name}" for name, _, _ in rows), "measure.interval", "measure.n"])
    st.caption(t("evaluate.measures_help", added=ADDED))
    if loss:
        st.caption(t("evaluate.loss_help", least=LEAST_ERRORS))
    offer_csv(
        pd.DataFrame(
            [(name, measure.value, measure.low, measure.high, measure.n, method) for name, measure, method in rows],
            columns=["measure", "value", "low", "high", "n", "interval"],
        ),
        "measures",
    )


def classes_table(rows: tuple[ClassMeasures, ...], names: tuple[str, ...]) -> None:
    """Show precision, recall and F1 of each class, with their intervals."""
    table = {
        t("chart.class"): list(names),
        t("measure.precision"): [_with_interval(row.precision) for row in rows],
        t("measure.recall"): [_with_interval(row.recall) for row in rows],
        t("measure.f1"): [_with_interval(row.f1) for row in rows],
        t("measure.support"): [number(row.support) for row in rows],
    }
    # By way of pandas this would take ten times as long.
    st.dataframe(pa.table(table), hide_index=True, width="stretch", height=35 * (len(rows) + 1) + 3)
    terms_of([f"measure.{name}" for name in ("precision", "recall", "f1")])
    st.caption(t("evaluate.classes_help"))
    measured = {
        f"{name}{end}": [getattr(getattr(row, name), end.strip("_") or "value") for row in rows]
        for name in ("precision", "recall", "f1")
        for end in ("", "_low", "_high")
    }
    offer_csv({"class": names, **measured, "images": [row.support for row in rows]}, "classes")


def probability_bars(
    values: np.ndarray, true: int, names: tuple[str, ...], *, key: str, y_title: str | None = None
) -> pd.DataFrame:
    """Draw a model's probabilities (K,), with the true and the predicted class marked; returns them as a table.

    `y_title` stands in the place of the word for the classes.
    """
    predicted = int(values.argmax())
    marks: dict[int, str] = {true: "right"} if true == predicted else {true: "true", predicted: "predicted"}
    rows = [plain(f"mark.{marks[k]}", label=name) if k in marks else name for k, name in enumerate(names)]
    words = {"x_title": t("chart.probability"), "y_title": y_title or t("chart.class")}
    chart = bars.probabilities(values, rows, language=language(), highlight=marks, **words)
    st.altair_chart(chart, width="stretch", alt=t("image.probabilities_alt"), key=key)
    return bars.probabilities_table(values, rows, **words)


def matrix_panel(
    matrix: np.ndarray,
    names: tuple[str, ...],
    *,
    key: str,
    chosen: tuple[int | None, int | None] = (None, None),
    on_click: Callable[[Cell], None] | None = None,
) -> None:
    """Show the confusion matrix with its switches and its data, see `matrix_table`."""
    left, right = st.columns([3, 2], vertical_alignment="center")
    with left:
        cells = one_of("cells", ("counts", "row", "column"))
    diagonal = right.toggle(t("evaluate.diagonal"), value=True, key=f"{key}-diagonal", help=t("evaluate.diagonal_help"))
    share: Any = None if cells == "counts" else cells
    if on_click:
        st.caption(t("evaluate.matrix_help"))
    matrix_table(matrix, names, key=key, share=share, diagonal=diagonal, chosen=chosen, on_click=on_click)
    said = ("true_class", "predicted_class", "images", "share_of_row", "share_of_column")
    words = {name: t(f"chart.{name}") for name in said}
    with st.container(key=f"{key}-data"):
        folded = unfolded(key)
    if not folded:
        return
    with folded:
        table = matrices.confusion_table(matrix, names, words=words)
        st.dataframe(table, width="stretch")
        offer_csv(table.reset_index(allow_duplicates=True), "confusion-matrix")
        if st.toggle(t("evaluate.as_chart"), key=f"{key}-chart"):  # which can be saved as a picture
            chart = matrices.confusion_matrix(
                matrix, names, share=share, diagonal=diagonal, words=words, language=language()
            )
            st.altair_chart(chart, width="stretch", alt=t("evaluate.matrix_alt"))


def confusions(matrix: np.ndarray, names: tuple[str, ...]) -> None:
    """Show a sentence for each class: the class, or tied classes, most often predicted instead, or that it has none.

    First the classes with errors, then those without, then those without images.
    """
    st.subheader(t("evaluate.confusions"))
    found, support = most_confused(matrix), matrix.sum(axis=1)
    said = []
    for one in found:
        key = "evaluate.confused_tie" if len(one.predicted) > 1 else "evaluate.confused"
        predicted = Markdown(t("evaluate.and").join(_bold(names[k]) for k in one.predicted))
        said.append(t(key, true=_bold(names[one.true]), predicted=predicted, count=one.count))
    others = sorted(set(range(len(names))) - {one.true for one in found}, key=lambda k: (support[k] == 0, k))
    for k in others:
        slots = {"true": _bold(names[k]), "count": int(support[k])}
        said.append(t("evaluate.never_confused", **slots) if support[k] else t("evaluate.no_images", **slots))
    for first, column in enumerate(st.columns(2, gap="large")):
        if sentences := said[first::2]:
            column.markdown("\n\n".join(sentences))


def ends(measure: Measure, *, percents: bool = False) -> str:
    """The interval of a measure; a dash if it has none."""
    if not math.isfinite(measure.low):
        return "–"
    if percents:
        return interval(measure.low, measure.high, 2)
    return f"{number(measure.low, 4)} – {number(measure.high, 4)}"


def _bold(name: str) -> Markdown:
    return Markdown(f"**{literal(name)}**")


def _with_interval(measure: Measure) -> str:
    if not measure.n:
        return "–"
    return f"{number(measure.value, 4)}  ({number(measure.low, 3)} – {number(measure.high, 3)})"
