"""Charts of confusion matrices, their differences, and heat maps, with functions for tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import altair as alt
import numpy as np
import pandas as pd

from core.charts.base import FONT, INK, readable
from core.words import number, percent

UNKNOWN = "?"
LABELLED_CLASSES = 12  # with more classes, the cells are too small for numbers


def confusion_matrix(
    counts: np.ndarray,
    class_names: Sequence[str],
    *,
    share: Literal["row", "column"] | None = None,
    diagonal: bool = True,
    words: Mapping[str, str],
    language: str,
    height: int = 520,
) -> alt.LayerChart:
    """A confusion matrix.

    Args:
        counts: images (K, K), `[true][predicted]`; NaN, in a matrix shown as counts, for a cell that is not known.
        class_names: K different names.
        share: None shows counts, `row` fractions of the true class, `column` fractions of the predicted class.
        diagonal: False leaves out the correct predictions, so that the errors use the whole colour scale.
        words: the names of `true_class`, `predicted_class`, `images`, `share_of_row` and `share_of_column`.
        language: for number formats.
        height: of the chart, in pixels.
    """
    values = shares(counts, share)
    measure = words[f"share_of_{share}"] if share else words["images"]
    rows = [
        {
            "true": class_names[i],
            "predicted": class_names[j],
            "value": float(values[i, j]),
            "label": cell_label(float(values[i, j]), share, language),
            "images": _count(float(counts[i, j]), language),
        }
        for i, j in np.ndindex(*counts.shape)
        if diagonal or i != j
    ]
    known = [row["value"] for row in rows if math.isfinite(row["value"])]
    top = 1.0 if share and diagonal else max([*known, 1e-9])
    legend = None if len(class_names) <= LABELLED_CLASSES else alt.Legend(title=measure, format=".0%" if share else "d")
    # A square-root scale shows small values: 5 errors must be visible next to 1,000 correct predictions.
    color = alt.Color("value:Q", scale=alt.Scale(type="sqrt", domain=[0, top]), legend=legend)
    tooltip = [alt.Tooltip("images:N", title=words["images"])]
    tooltip += [alt.Tooltip("label:N", title=measure)] if share else []
    matrix = _cells(rows, class_names, color, tooltip, words)
    return readable(matrix, language).properties(height=height)


def difference_matrix(
    difference: np.ndarray, class_names: Sequence[str], *, words: Mapping[str, str], language: str, height: int = 520
) -> alt.LayerChart:
    """The difference of two confusion matrices, with signed numbers and a diverging colour scale.

    Args:
        difference: images (K, K), `[true][predicted]`; NaN for a cell that is not known.
        class_names: K different names.
        words: the names of `true_class`, `predicted_class` and `difference`.
        language: for number formats.
        height: of the chart, in pixels.
    """
    rows = [
        {
            "true": class_names[i],
            "predicted": class_names[j],
            "value": float(difference[i, j]),
            "label": ("+" if np.round(difference[i, j]) > 0 else "") + _count(float(difference[i, j]), language),
        }
        for i, j in np.ndindex(*difference.shape)
    ]
    most = max(1.0, float(np.nanmax(np.abs(difference), initial=0)))
    color = alt.Color("value:Q", scale=alt.Scale(scheme="blueorange", domain=[-most, most], domainMid=0), legend=None)
    matrix = _cells(rows, class_names, color, [alt.Tooltip("label:N", title=words["difference"])], words)
    return readable(matrix, language).properties(height=height)


def _cells(
    rows: Sequence[Mapping[str, object]],
    class_names: Sequence[str],
    color: alt.Color,
    tooltip: Sequence[alt.Tooltip],
    words: Mapping[str, str],
) -> alt.LayerChart | alt.FacetChart:
    """A matrix of cells with `true`, `predicted`, `value` and `label`."""
    slanted = max(map(len, class_names)) > 3  # in narrow columns even short horizontal words would overlap
    x = alt.X(
        "predicted:N",
        title=f"{words['predicted_class']} →",
        scale=alt.Scale(domain=list(class_names)),
        axis=alt.Axis(
            orient="top", labelAngle=-35 if slanted else 0, labelOverlap=False, labelFlush=False, labelLimit=220
        ),
    )
    y = alt.Y(
        "true:N",
        title=f"← {words['true_class']}",
        scale=alt.Scale(domain=list(class_names)),
        axis=alt.Axis(labelFlush=False, labelLimit=220),
    )
    tooltip = [
        alt.Tooltip("true:N", title=words["true_class"]),
        alt.Tooltip("predicted:N", title=words["predicted_class"]),
        *tooltip,
    ]
    matrix = alt.Chart(pd.DataFrame(rows)).encode(x=x, y=y)
    cells = matrix.mark_rect(stroke="#808080", strokeWidth=0.4).encode(color=color, tooltip=tooltip)
    if len(class_names) > LABELLED_CLASSES:
        return alt.layer(cells)
    # At a luminance of 0.18, black and white have the same contrast; on either side, the chosen one has at least 4.5:1.
    on_light = "luminance(scale('color', datum.value)) > 0.18"
    labels = (
        matrix.transform_filter("isValid(datum.value)")
        .mark_text(fontSize=FONT, fontWeight=600, tooltip=None)
        .encode(text="label:N", color=alt.condition(on_light, alt.value("#000000"), alt.value("#ffffff")))
    )
    if all(math.isfinite(float(str(row["value"]))) for row in rows):
        return alt.layer(cells, labels)
    # Vega-Lite leaves out the rectangle of a cell without a value: it is hollow, with a frame of its own.
    lost = matrix.transform_filter("!isValid(datum.value)").encode(tooltip=tooltip)
    frames = lost.mark_rect(fillOpacity=0, stroke="#808080", strokeWidth=0.4)
    signs = lost.mark_text(fontSize=FONT, fontWeight=600, color=INK).encode(text="label:N")
    return alt.layer(cells, labels, frames, signs)


def heat_map(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    x_title: str,
    y_title: str,
    language: str,
    signs: Mapping[tuple[int, int], str] | None = None,
    height: int = 360,
) -> alt.LayerChart:
    """A heat map with numbers of values (R rows, C columns) from 0 to 1; cells with NaN stay empty.

    `signs` are written after the numbers of cells (row, column). A click selects a cell's `row` and `column`.
    """
    cells = [
        {
            "row": rows[i],
            "column": columns[j],
            "value": float(values[i, j]),
            "label": f"{percent(float(values[i, j]), 2, language=language)} {(signs or {}).get((i, j), '')}".strip(),
        }
        for i, j in np.ndindex(*values.shape)
        if math.isfinite(values[i, j])
    ]
    x = alt.X("column:N", title=x_title, scale=alt.Scale(domain=list(columns)), axis=alt.Axis(labelAngle=0))
    y = alt.Y("row:N", title=y_title, scale=alt.Scale(domain=list(rows)))
    tooltip = [
        alt.Tooltip("row:N", title=y_title),
        alt.Tooltip("column:N", title=x_title),
        alt.Tooltip("label:N", title=" "),
    ]
    grid = alt.Chart(pd.DataFrame(cells, columns=["row", "column", "value", "label"])).encode(x=x, y=y, tooltip=tooltip)
    color = alt.Color("value:Q", scale=alt.Scale(zero=False), legend=None)
    on_light = "luminance(scale('color', datum.value)) > 0.18"
    labels = grid.mark_text(fontSize=FONT, fontWeight=600).encode(
        text="label:N", color=alt.condition(on_light, alt.value("#000000"), alt.value("#ffffff"))
    )
    chosen = alt.selection_point(name="cell", fields=["row", "column"], empty=False)
    rect = grid.mark_rect(cursor="pointer", stroke="#808080").encode(
        color=color, strokeWidth=alt.condition(chosen, alt.value(4), alt.value(0.4))
    )
    chart = alt.layer(rect.add_params(chosen), labels)
    return readable(chart, language).properties(height=height)


def confusion_table(
    counts: np.ndarray,
    class_names: Sequence[str],
    *,
    share: Literal["row", "column"] | None = None,
    words: Mapping[str, str],
) -> pd.DataFrame:
    """The data of `confusion_matrix`: one row per true, one column per predicted class; counts, or fractions 0 to 1."""
    columns = pd.Index(class_names, name=words["predicted_class"])
    return pd.DataFrame(shares(counts, share), index=pd.Index(class_names, name=words["true_class"]), columns=columns)


def shares(counts: np.ndarray, share: Literal["row", "column"] | None) -> np.ndarray:
    """Counts (K, K) divided by the sum of their row or column, 0 if the sum is 0; the counts themselves for None."""
    if share is None:
        return counts
    sums = counts.sum(axis=1 if share == "row" else 0, keepdims=True)
    return counts / np.maximum(sums, 1)


def _count(value: float, language: str) -> str:
    """A number of images; a question mark if it is not known."""
    return number(round(value), language=language) if math.isfinite(value) else UNKNOWN


def cell_label(value: float, share: str | None, language: str) -> str:
    """What a cell says: a number of images, or a share from 0 to 1 as a percentage; zero as 0."""
    if not share or value == 0:
        return _count(value, language)
    return percent(value, language=language)
