"""Charts of probabilities, calibration, confidence intervals and class balance, each with a function for its table."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from core.charts.base import FONT, INK, readable, told_apart
from core.measures.answers import Measure
from core.measures.calibration import Calibration
from core.words import number, percent

BAR = 0.62  # length of a panel's longest bar as a fraction of its width; the rest is for the count


def probabilities(
    values: np.ndarray,
    class_names: Sequence[str],
    *,
    x_title: str,
    y_title: str,
    language: str,
    highlight: Collection[int] = (),
) -> alt.LayerChart:
    """One bar per class, in class order, with its percentage; highlighted classes are bold and in full colour.

    Args:
        values: probabilities (K,), 0 to 1.
        class_names: K different names.
        x_title: title of the probability axis.
        y_title: title of the class axis.
        language: for number formats.
        highlight: indices of the classes to highlight.
    """
    data = pd.DataFrame(
        {
            "class": list(class_names),
            "value": np.asarray(values, dtype=float),
            "label": [percent(value, language=language) for value in values],
            "highlight": [row in highlight for row in range(len(class_names))],
        }
    )
    bold = json.dumps([class_names[row] for row in highlight])
    y = alt.Y(
        "class:N",
        title=y_title,
        scale=alt.Scale(domain=list(class_names)),
        axis=alt.Axis(labelLimit=280, labelFontWeight=alt.ExprRef(f"indexof({bold}, datum.value) < 0 ? 400 : 700")),
    )
    x = alt.X(
        "value:Q",
        title=x_title,
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1]),
    )
    chart = alt.Chart(data).encode(y=y)
    tooltip = [alt.Tooltip("class:N", title=y_title), alt.Tooltip("label:N", title=x_title)]
    bars = chart.mark_bar().encode(
        x=x, opacity=alt.condition("datum.highlight", alt.value(1), alt.value(0.5)), tooltip=tooltip
    )
    weight = alt.ExprRef("datum.highlight ? 700 : 400")
    labels = chart.mark_text(align="left", dx=6, fontSize=FONT, fontWeight=weight, color=INK)
    labels = labels.encode(x=x, text="label:N")
    return readable(alt.layer(bars, labels), language).properties(height=30 * len(data) + 60)


def probabilities_table(values: np.ndarray, class_names: Sequence[str], *, x_title: str, y_title: str) -> pd.DataFrame:
    """The data of `probabilities`: one row per class, probabilities from 0 to 1."""
    return pd.DataFrame({y_title: list(class_names), x_title: np.asarray(values, dtype=float)})


def reliability(found: Calibration, *, words: Mapping[str, str], language: str, height: int = 360) -> alt.LayerChart:
    """A reliability diagram: accuracy against mean confidence, one point per bin, its area by the number of images.

    Args:
        found: the bins.
        words: the names of `confidence`, `accuracy`, `images`, and of the diagonal, `perfect`.
        language: for number formats.
        height: of the chart, in pixels.
    """
    data = reliability_table(found, words={"confidence": "x", "accuracy": "y", "images": "n"}).dropna()
    data["says"] = [percent(value, language=language) for value in data["x"]]
    data["keeps"] = [percent(value, language=language) for value in data["y"]]
    data["label"] = [number(int(count), language=language) for count in data["n"]]
    ends = {"scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1])}
    x, y = alt.X("x:Q", title=words["confidence"], **ends), alt.Y("y:Q", title=words["accuracy"], **ends)
    line = alt.Chart(pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0]}))
    perfect = line.mark_line(strokeDash=[6, 4], strokeWidth=2, color=INK).encode(x=x, y=y)
    named = alt.Chart(pd.DataFrame({"x": [0.98], "y": [0.06], "name": [f"- - -  {words['perfect']}"]}))
    name = named.mark_text(align="right", fontSize=FONT, color=INK).encode(x="x:Q", y="y:Q", text="name:N")
    points = alt.Chart(data).encode(x=x, y=y)
    tooltip = [
        alt.Tooltip("says:N", title=words["confidence"]),
        alt.Tooltip("keeps:N", title=words["accuracy"]),
        alt.Tooltip("label:N", title=words["images"]),
    ]
    size = alt.Size("n:Q", scale=alt.Scale(type="sqrt", range=[60, 900]), legend=None)
    marks = points.mark_circle(opacity=0.85).encode(size=size, tooltip=tooltip)
    counts = points.mark_text(align="left", dx=16, fontSize=FONT, color=INK).encode(text="label:N")
    gaps = points.mark_rule(strokeWidth=2, color=INK).encode(y2="x:Q")
    return readable(alt.layer(perfect, name, gaps, marks, counts), language).properties(height=height)


def reliability_table(found: Calibration, *, words: Mapping[str, str]) -> pd.DataFrame:
    """The data of `reliability`: one row per bin, confidence and accuracy 0 to 1, NaN for a bin without images."""
    columns = {words["confidence"]: found.confidence, words["accuracy"]: found.accuracy, words["images"]: found.counts}
    return pd.DataFrame(columns)


def intervals(
    measured: Mapping[str, Sequence[Measure]],
    rows: Sequence[str],
    *,
    x_title: str,
    y_title: str,
    language: str,
    least: float = 0.0,
) -> alt.LayerChart:
    """Measures from 0 to 1 as points on their confidence intervals; the series of a row are drawn below each other.

    Args:
        measured: by the name of a series (a few), a measure for each row; measures of no images are left out.
        rows: different names.
        x_title: title of the axis.
        y_title: what a row is, for the tooltip; the axis has no title.
        language: for number formats.
        least: the lower end of the axis.
    """
    data = pd.DataFrame(
        [
            (row, name, one.value, one.low, one.high, percent(one.value, language=language), f"n = {one.n}")
            for name, measures in measured.items()
            for row, one in zip(rows, measures, strict=False)
            if one.n
        ],
        columns=["row", "series", "value", "low", "high", "label", "n"],
    )
    color, _, shape = told_apart(list(measured))
    scale = alt.Scale(domain=[least, 1], nice=False)
    # The parts of a run's name, each in a line of its own, so that a narrow chart does not cut it.
    parts = "length(datum.label) > 16 ? split(datum.label, ' · ') : datum.label"
    axis = alt.Axis(labelLimit=330, grid=True, labelExpr=parts)
    y = alt.Y("row:N", title=None, scale=alt.Scale(domain=list(rows)), axis=axis)
    tooltip = [alt.Tooltip(f"{name}:N", title=title) for name, title in (("row", y_title), ("series", " "))]
    tooltip += [alt.Tooltip("label:N", title=x_title), alt.Tooltip("n:N", title=" ")]
    chart = alt.Chart(data).encode(y=y, yOffset=alt.YOffset("series:N", scale=alt.Scale(domain=list(measured))))
    x = alt.X("value:Q", title=x_title, scale=scale, axis=alt.Axis(format="%", tickCount=6))
    lines = chart.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q", scale=scale), x2="high:Q", color=color)
    points = chart.mark_point(filled=True, size=110, opacity=1).encode(x=x, color=color, shape=shape, tooltip=tooltip)
    row = 30 + 20 * max((name.count(" · ") for name in rows), default=0)
    return readable(alt.layer(lines, points), language).properties(height=row * len(rows) + 120)  # with legend and axis


def intervals_table(
    measured: Mapping[str, Sequence[Measure]], rows: Sequence[str], columns: Sequence[str]
) -> pd.DataFrame:
    """The data of `intervals`; `columns` are the names for row, series, value, interval's ends and number of images."""
    return pd.DataFrame(
        [
            (row, name, one.value, one.low, one.high, one.n)
            for place, row in enumerate(rows)
            for name, measures in measured.items()
            for one in measures[place : place + 1]
        ],
        columns=list(columns),
    )


def class_balance(
    counts: Mapping[str, np.ndarray], class_names: Sequence[str], *, y_title: str, language: str
) -> alt.LayerChart:
    """One panel per split, with one bar per class and its count; each panel has its own scale.

    The panels are drawn in one plot, so that they share the class names and fill any width.

    Args:
        counts: images of each class (K,) by the heading of a split; a heading can have two lines.
        class_names: K different names.
        y_title: title of the class axis.
        language: for number formats.
    """
    bars = pd.DataFrame(
        {
            "class": name,
            "split": heading.replace("\n", ", "),
            "start": panel,
            "end": panel + BAR * float(of_class) / max(1, values.max()),
            "label": number(int(of_class), language=language),
        }
        for panel, (heading, values) in enumerate(counts.items())
        for name, of_class in zip(class_names, values, strict=True)
    )
    headings = pd.DataFrame({"start": range(len(counts)), "heading": list(counts)})
    start, end = (
        alt.X(field, axis=None, scale=alt.Scale(domain=[0, len(counts)], nice=False)) for field in ("start:Q", "end:Q")
    )
    y = alt.Y("class:N", title=y_title, scale=alt.Scale(domain=list(class_names)), axis=alt.Axis(labelLimit=160))
    titles = {"class:N": y_title, "split:N": " ", "label:N": "n"}
    tooltip = [alt.Tooltip(field, title=title) for field, title in titles.items()]
    chart = alt.Chart(bars).encode(y=y)
    layers = [
        chart.mark_bar().encode(x=start, x2="end:Q", tooltip=tooltip),
        chart.mark_text(align="left", dx=5, fontSize=FONT, color=INK).encode(x=end, text="label:N"),
        alt.Chart(headings)
        .mark_text(align="left", baseline="bottom", y=-26, fontSize=FONT, fontWeight=600, lineBreak="\n", color=INK)
        .encode(x=start, text="heading:N"),
    ]
    padding = {"left": 5, "top": 48, "right": 5, "bottom": 5}  # the headings are at the top
    lines = max((heading.count("\n") + 1 for heading in counts), default=1)  # which a plot that has to fit gives way to
    height = 30 * len(class_names) + 20 * lines + padding["top"] + padding["bottom"]
    return readable(alt.layer(*layers), language).properties(height=height, padding=padding)


def class_balance_table(counts: Mapping[str, np.ndarray], class_names: Sequence[str], *, y_title: str) -> pd.DataFrame:
    """The data of `class_balance`: one row per class, one column per split."""
    columns = {heading.replace("\n", ", "): values for heading, values in counts.items()}
    return pd.DataFrame({y_title: list(class_names), **columns})
