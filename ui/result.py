"""A report drawn: its measures, then one view at a time of what stands behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.charts import matrices
from core.events import Report
from core.exports import tensorboard
from core.measures.answers import Measure
from core.measures.measures import ClassMeasures, Measures, most_confused, resamples
from core.recipes.searches import belongs_to
from core.store import Run
from ui import certainty, errors, network, server, versus
from ui.choice import data_name, network_name, one_of
from ui.gallery import in_sight
from ui.tables import offer_csv
from ui.text import interval, language, number, percent, t

VIEWS = ("fails", "image", "sure", "beside", "numbers")


def panel(run: Run, done: Sequence[str]) -> None:
    """All that the run's stored report says; the test split is not looked at again. `done` names the finished runs."""
    report = run.report()
    assert report
    names = server.class_names(run, language())
    matrix = np.array(report.confusion_matrix)
    measured, answers = server.measured(run), server.answers(run, "test")
    assert answers
    loss = replace(answers.loss(), value=report.loss)
    _summary(run, report, measured, loss)
    network.taken_notice(run, report)
    view = one_of("view", VIEWS)
    if view == "fails":
        left, right = st.columns([1, 1], gap="large")
        with left:
            clicked = matrix_chart(matrix, names, key="matrix")
            st.caption(t("evaluate.matrix_help"))
        with right, in_sight("cell"):
            errors.gallery_of(run, answers, names, clicked)
        with left:
            st.markdown(f"**{t('evaluate.classes')}**")
            classes_table(measured.classes, names)
        confusions(matrix, names)
    elif view == "image":
        errors.one_image(run, answers, names)
    elif view == "sure":
        certainty.panel(run, report, answers)
    elif view == "beside":
        versus.panel(run, answers, names, [name for name in done if name != run.name])
    else:
        measures_table(measured, loss)
        st.download_button(
            t("evaluate.log"),
            lambda: tensorboard.zipped(run),
            f"{run.name}.zip",
            "application/zip",
            on_click="ignore",
            help=t("evaluate.log_help"),
            key="log",
        )


def _network(run: Run) -> str:
    """The recipe with its title, or the architecture."""
    recipe = belongs_to(run.spec)
    name = network_name(run.spec.architecture, recipe)
    return f"{name}: {t(f'recipe.{recipe[0]}.title')}," if recipe else name


def _summary(run: Run, report: Report, measured: Measures, loss: Measure) -> None:
    shown = [
        ("accuracy", percent(measured.accuracy.value, 2), ends(measured.accuracy, percents=True)),
        (
            "balanced_accuracy",
            percent(measured.balanced_accuracy.value, 2),
            ends(measured.balanced_accuracy, percents=True),
        ),
        ("macro_f1", measured_number(measured.macro_f1.value), ends(measured.macro_f1)),
        ("kappa", measured_number(measured.kappa.value), ends(measured.kappa)),
        ("loss", measured_number(loss.value), ends(loss)),
        ("errors", number(measured.errors), t("evaluate.of_images", n=report.n)),
    ]
    for column, (name, value, below) in zip(st.columns(len(shown)), shown, strict=True):
        column.metric(t(f"measure.{name}"), value, below, "off", delta_arrow="off", help=t(f"measure.{name}_help"))
    st.caption(
        t(
            "evaluate.said",
            accuracy=percent(report.accuracy, 2),
            interval=interval(*report.accuracy_interval, 2),
            n=report.n,
            use=t(f"test_use.{report.test_use}"),
            epoch=report.best_epoch,
            epochs=report.epochs,
            by=t(f"chosen.{report.best_by}"),
            architecture=_network(run),
            data=data_name(run.spec.data),
        )
    )


def measures_table(measured: Measures, loss: Measure | None = None) -> None:
    """Every measure with its interval, the number of images, and how the interval was found."""
    rows: list[tuple[str, Measure, str]] = [
        ("accuracy", measured.accuracy, "wilson"),
        ("balanced_accuracy", measured.balanced_accuracy, "bootstrap"),
        ("macro_f1", measured.macro_f1, "bootstrap"),
        ("weighted_f1", measured.weighted_f1, "bootstrap"),
        ("kappa", measured.kappa, "bootstrap"),
        *([("loss", loss, "normal")] if loss else []),
    ]
    table = {
        t("measure.measure"): [t(f"measure.{name}") for name, _, _ in rows],
        t("measure.value"): [measured_number(measure.value) for _, measure, _ in rows],
        t("measure.interval"): [ends(measure) for _, measure, _ in rows],
        t("measure.n"): [number(measure.n) for _, measure, _ in rows],
        t("measure.method"): [t(f"method.{method}") for _, _, method in rows],
    }
    st.dataframe(table, hide_index=True, width="stretch")
    st.caption(t("evaluate.measures_help", resamples=resamples(len(measured.classes))))
    offer_csv(
        pd.DataFrame(
            [(name, measure.value, measure.low, measure.high, measure.n, method) for name, measure, method in rows],
            columns=["measure", "value", "low", "high", "n", "interval"],
        ),
        "measures",
    )


def classes_table(rows: tuple[ClassMeasures, ...], names: tuple[str, ...]) -> None:
    """Precision, recall and F1 of each class, with their intervals."""
    table = {
        t("chart.class"): names,
        t("measure.precision"): [_with_interval(row.precision) for row in rows],
        t("measure.recall"): [_with_interval(row.recall) for row in rows],
        t("measure.f1"): [_with_interval(row.f1) for row in rows],
        t("measure.support"): [number(row.support) for row in rows],
    }
    st.dataframe(table, hide_index=True, width="stretch", height=35 * (len(rows) + 1) + 3)
    st.caption(t("evaluate.classes_help"))
    measured = {
        f"{name}{end}": [getattr(getattr(row, name), end.strip("_") or "value") for row in rows]
        for name in ("precision", "recall", "f1")
        for end in ("", "_low", "_high")
    }
    offer_csv(pd.DataFrame({"class": names, **measured, "images": [row.support for row in rows]}), "classes")


def matrix_chart(matrix: np.ndarray, names: tuple[str, ...], *, key: str) -> tuple[int, int] | None:
    """Draw the confusion matrix; the cell (true, predicted) that the reader has clicked."""
    words = {
        name: t(f"chart.{name}")
        for name in ("true_class", "predicted_class", "images", "share_of_row", "share_of_column")
    }
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        cells = one_of("cells", ("counts", "row", "column"))
    diagonal = right.toggle(t("evaluate.diagonal"), value=True, key=f"{key}-diagonal", help=t("evaluate.diagonal_help"))
    share: Any = None if cells == "counts" else cells
    chart = matrices.confusion_matrix(
        matrix, names, share=share, diagonal=diagonal, words=words, language=language(), height=440
    )
    alt = t("evaluate.matrix_alt")
    chosen = st.altair_chart(
        chart, key=key, on_select=errors.forget_cell, selection_mode="cell", width="stretch", alt=alt
    )
    with st.expander(t("chart.as_table")):
        table = matrices.confusion_table(matrix, names, words=words)
        st.dataframe(table, width="stretch")
        offer_csv(table.reset_index(), "confusion-matrix")
    cell = (chosen.get("selection", {}).get("cell") or [{}])[0]
    if cell.get("true") in names and cell.get("predicted") in names:
        return names.index(cell["true"]), names.index(cell["predicted"])
    return None


def confusions(matrix: np.ndarray, names: tuple[str, ...]) -> None:
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


def measured_number(value: float) -> str:
    """A measure with four decimals; a dash where there is none."""
    return number(value, 4) if math.isfinite(value) else "–"


def ends(measure: Measure, *, percents: bool = False) -> str:
    """The interval of a measure; a dash where there is none."""
    if not math.isfinite(measure.low):
        return "–"
    if percents:
        return interval(measure.low, measure.high, 2)
    return f"{number(measure.low, 4)} – {number(measure.high, 4)}"


def _with_interval(measure: Measure) -> str:
    if not measure.n:
        return "–"
    return f"{number(measure.value, 4)}  ({number(measure.low, 3)} – {number(measure.high, 3)})"
