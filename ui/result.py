"""A report drawn: measures, classes, the confusion matrix, the errors as pictures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import streamlit as st

from core.datasets import Split, dataset
from core.evaluate import ClassMeasures, Measure, Measures, measures, most_confused
from core.events import Report
from core.refusal import Refusal
from core.store import Run
from ui import charts, server, versus
from ui.choice import architecture_name, data_name
from ui.exploration import known_error
from ui.gallery import gallery
from ui.network import data_are_here
from ui.text import interval, language, number, percent, t

PICTURES = 24  # on one page of the errors


def panel(run: Run) -> None:
    """All that the run's stored report says; the test split is not looked at again."""
    report = run.report()
    assert report
    names = run.class_names(language())
    matrix = np.array(report.confusion_matrix)
    measured = measures(matrix)
    _summary(run, report, measured)
    left, right = st.columns([1, 1], gap="large")
    with left:
        st.subheader(t("evaluate.classes"))
        _classes(measured.classes, names)
    with right:
        st.subheader(t("evaluate.matrix"))
        clicked = _matrix(matrix, names)
    _confusions(matrix, names)
    st.subheader(t("evaluate.errors"))
    try:
        test = server.splits(run.spec).test
    except Refusal as refusal:
        st.warning(t(refusal.key, **refusal.slots))
        data_are_here(dataset(run.spec.data))
        return
    if _errors(run, report, test, names, _chosen_cell(names) or clicked):
        st.subheader(t("compare.title"))
        versus.panel(run, test, names)


def _summary(run: Run, report: Report, measured: Measures) -> None:
    columns = st.columns(5)
    columns[0].metric(
        t("measure.accuracy"), percent(report.accuracy, 2), help=t("measure.accuracy_help"), delta_color="off"
    )
    columns[1].metric(t("measure.errors"), number(measured.errors), help=t("measure.errors_help"))
    columns[2].metric(
        t("measure.balanced_accuracy"), percent(report.balanced_accuracy, 2), help=t("measure.balanced_accuracy_help")
    )
    columns[3].metric(t("measure.macro_f1"), number(measured.macro_f1, 4), help=t("measure.f1_help"))
    columns[4].metric(t("measure.loss"), number(report.loss, 4), help=t("measure.loss_help"))
    st.caption(
        t(
            "evaluate.said",
            accuracy=percent(report.accuracy, 2),
            interval=interval(*report.accuracy_interval, 2),
            n=report.n,
            epoch=report.best_epoch,
            epochs=report.epochs,
            by=t(f"chosen.{report.best_by}"),
            architecture=architecture_name(run.spec.architecture),
            data=data_name(run.spec.data),
        )
    )


def _classes(rows: tuple[ClassMeasures, ...], names: tuple[str, ...]) -> None:
    st.dataframe(
        {
            t("chart.class"): names,
            t("measure.precision"): [_with_interval(row.precision) for row in rows],
            t("measure.recall"): [_with_interval(row.recall) for row in rows],
            t("measure.f1"): [number(row.f1, 4) for row in rows],
            t("measure.support"): [number(row.support) for row in rows],
        },
        hide_index=True,
        width="stretch",
        height=35 * (len(rows) + 1) + 3,
    )
    st.caption(t("evaluate.classes_help"))


def _confusions(matrix: np.ndarray, names: tuple[str, ...]) -> None:
    """A sentence for each class that has errors: what it was most often taken for, ties and all."""
    found = most_confused(matrix)
    if found:
        st.subheader(t("evaluate.confusions"))
    left, right = st.columns(2, gap="large")
    for place, one in enumerate(found):
        others = t("evaluate.and").join(f"**{names[k]}**" for k in one.predicted)
        key = "evaluate.confused_tie" if len(one.predicted) > 1 else "evaluate.confused"
        (right if place % 2 else left).markdown(
            t(key, true=f"**{names[one.true]}**", predicted=others, count=one.count)
        )


def _matrix(matrix: np.ndarray, names: tuple[str, ...]) -> tuple[int, int] | None:
    """Draw the matrix; the cell (true, predicted) that the reader has clicked."""
    words = {
        key: t(f"chart.{key}") for key in ("true_class", "predicted_class", "images", "share_of_row", "share_of_column")
    }
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    shares = {"counts": None, "row": "row", "column": "column"}
    kind = left.segmented_control(
        t("evaluate.show"),
        list(shares),
        default="counts",
        required=True,
        format_func=lambda name: t(f"cells.{name}"),
        key="matrix-kind",
    )
    diagonal = right.toggle(t("evaluate.diagonal"), value=True, key="matrix-diagonal", help=t("evaluate.diagonal_help"))
    share: Any = shares[kind]
    chart = charts.confusion_matrix(
        matrix, names, share=share, diagonal=diagonal, words=words, language=language(), height=440
    )
    chosen = st.altair_chart(
        chart, key="matrix", on_select="rerun", selection_mode="cell", width="stretch", alt=t("evaluate.matrix_alt")
    )
    st.caption(t("evaluate.matrix_help"))
    with st.expander(t("chart.as_table")):
        table = charts.confusion_table(matrix, names, words=words)
        st.dataframe(table, width="stretch")
        st.download_button(
            t("evaluate.download"), table.to_csv(), "confusion-matrix.csv", "text/csv", on_click="ignore"
        )
    cell = (chosen.get("selection", {}).get("cell") or [{}])[0]
    if cell.get("true") in names and cell.get("predicted") in names:
        return names.index(cell["true"]), names.index(cell["predicted"])
    return None


def _chosen_cell(names: tuple[str, ...]) -> tuple[int, int] | None:
    """The cell that two select boxes name, for those who do not click; None while one of them is empty."""
    columns = st.columns(2)
    hint = t("evaluate.all")
    true, predicted = (
        column.selectbox(t(f"chart.{what}"), names, index=None, key=f"cell-{what}", placeholder=hint)
        for column, what in zip(columns, ("true_class", "predicted_class"), strict=True)
    )
    return (names.index(true), names.index(predicted)) if true and predicted else None


def _errors(run: Run, report: Report, test: Split, names: tuple[str, ...], cell: tuple[int, int] | None) -> bool:
    """The pictures of the errors, or of a cell; False where the data here are not those of the test."""
    stored, _ = run.load(report.predictions, report.predictions_sha256)
    probabilities, labels = stored["probabilities"].numpy(), stored["labels"].numpy()
    if not np.array_equal(test.labels, labels):
        st.warning(t("error.other_data", data=data_name(run.spec.data)))
        return False
    predicted = probabilities.argmax(axis=1)
    if cell:
        places = np.flatnonzero((labels == cell[0]) & (predicted == cell[1]))
        st.write(t("evaluate.cell", true=names[cell[0]], predicted=names[cell[1]], count=len(places)))
    else:
        places = np.flatnonzero(labels != predicted)
        st.write(t("evaluate.all_errors", count=len(places), n=report.n))
    orders = {  # of the truth's probability the smallest first is of the loss the largest first
        "index": places,
        "loss": places[np.argsort(probabilities[places, labels[places]], kind="stable")],
        "confidence": places[np.argsort(-probabilities[places, predicted[places]], kind="stable")],
    }
    order = st.segmented_control(
        t("evaluate.order"),
        list(orders),
        default="index",
        required=True,
        format_func=lambda name: t(f"order.{name}"),
        key="errors-order",
    )
    places = orders[order]
    pages = max(1, math.ceil(len(places) / PICTURES))
    page = st.pagination(pages, key=f"errors-{run.name}-{cell}-{order}") if pages > 1 else 1
    places = places[(page - 1) * PICTURES : page * PICTURES]
    source = dataset(run.spec.data)
    captions = [
        t(
            "evaluate.picture",
            index=int(i),
            true=names[labels[i]],
            predicted=names[predicted[i]],
            probability=percent(float(probabilities[i, predicted[i]])),
        )
        + known_error(source, int(i), names, before="\n")
        for i in places
    ]
    gallery(test.images[places], captions)
    return True


def _with_interval(measure: Measure) -> str:
    return f"{number(measure.value, 4)}  ({number(measure.low, 3)} – {number(measure.high, 3)})" if measure.n else "–"
