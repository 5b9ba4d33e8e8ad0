"""Arrays in, charts and pictures out; nothing here knows the page.

Series differ by dash and point as well as by colour; colours are the theme's (`.streamlit/config.toml`), so that both
themes work and a change of theme needs no new chart. Beside each chart stands a function that gives it as a table.
"""

from __future__ import annotations

import io
import itertools
import json
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, cast

import altair as alt
import numpy as np
import pandas as pd
from PIL import Image

from core.events import Histogram
from core.measures.answers import Measure
from core.measures.calibration import Calibration
from core.words import number, number_marks, percent

POINTS_SENT = 400  # 60 frames a second in the browser; 20,000 points block it for a quarter of a second
COLUMNS = 40  # epochs of a histogram
LABELLED_CLASSES = 12  # above that the cells are too small for numbers
FONT = 15  # pixels: readable from the back of a room on a 1280 x 720 projector
DASHES = [[1, 0], [7, 4], [2, 3], [10, 3, 2, 3], [14, 5]]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross"]
# The colour of words and rules: the theme gives none to marks, and a faint one to axes, but it sets the chart's ground.
INK = alt.ExprRef("luminance(background) > 0.18 ? '#1b1f24' : '#f2f4f7'")
BAR = 0.62  # of a panel's width is its longest bar; its count stands in the rest
GAP = 128  # grey level between the pictures of a sheet: seen in both themes, and beside black and white pictures

Points = Sequence[tuple[float, float]]


def curves(
    epochs: Mapping[str, Points],
    *,
    x_title: str,
    y_title: str,
    names: Mapping[str, str],
    language: str,
    x_domain: tuple[float, float] | None = None,
    y_domain: tuple[float, float] | None = None,
    steps: np.ndarray | None = None,
    marks: Mapping[str, float] | None = None,
    height: int = 320,
) -> alt.LayerChart:
    """One line a series over the epochs, over the raw values of the steps where they are given.

    Args:
        epochs: points (epoch, value) of each series; values that are not finite are left out.
        x_title: what the horizontal axis counts.
        y_title: what the vertical axis measures.
        names: what each series is called; `steps` too where they are given.
        language: decides the decimal mark.
        x_domain: ends of the horizontal axis; give the planned epochs, so that a running chart keeps its axis.
        y_domain: ends of the vertical axis; by default 0 and a round number above all values of the epochs.
        steps: raw values (n, 2) of (epoch, value), epoch with its fraction; thinned to what a browser draws at ease.
        marks: one or two epochs to mark in their order, by what is written above them.
        height: of the chart, in pixels.
    """
    rows = [(names[key], x, y) for key, points in epochs.items() for x, y in points if math.isfinite(y)]
    data = pd.DataFrame(rows, columns=["series", "x", "y"])
    data["label"] = [number(y, language=language) for y in data["y"]]
    raw = np.empty((0, 2)) if steps is None else np.asarray(steps, dtype=float).reshape(-1, 2)
    raw = raw[np.isfinite(raw).all(axis=1)]
    y_domain = y_domain or (0.0, round_above(max(data["y"], default=1.0)))
    x_values = [*data["x"], *raw[:, 0]] or [0.0, 1.0]
    x_domain = x_domain or (min(0.0, *x_values), max(1.0, *x_values))

    color, dash, shape = _told_apart([names[key] for key in epochs])
    x = alt.X(
        "x:Q", title=x_title, scale=alt.Scale(domain=x_domain, nice=False), axis=alt.Axis(tickMinStep=1, grid=False)
    )
    y = alt.Y("y:Q", title=y_title, scale=alt.Scale(domain=y_domain, nice=False), axis=alt.Axis(tickCount=6))
    tooltip = [
        alt.Tooltip("series:N", title=" "),
        alt.Tooltip("x:Q", title=x_title),
        alt.Tooltip("label:N", title=y_title),
    ]

    layers = []
    if len(raw):
        thinned = pd.DataFrame(lttb(raw, max(3, POINTS_SENT - len(data))), columns=["x", "y"])
        faint = alt.Opacity("name:O", scale=alt.Scale(range=[0.45, 0.45]), legend=alt.Legend(title=None, orient="top"))
        line = alt.Chart(thinned.assign(name=names["steps"])).mark_line(clip=True, strokeWidth=1)
        layers.append(line.encode(x=x, y=y, opacity=faint))
    sides: tuple[tuple[Literal["right", "left"], int], ...] = (("right", -4), ("left", 4))
    for (name, epoch), (align, dx) in zip((marks or {}).items(), sides, strict=False):
        mark = alt.Chart(pd.DataFrame({"x": [epoch], "name": [name]})).encode(x=x)
        layers.append(mark.mark_rule(strokeDash=[4, 4], strokeWidth=2, color=INK))
        # Above the plot, where no line is; one to the left and one to the right, so that they never overlap.
        words = mark.mark_text(y=0, dy=-8, align=align, dx=dx, fontSize=FONT, color=INK)
        layers.append(words.encode(text="name:N"))
    lines = alt.Chart(data)
    layers.append(lines.mark_line(clip=True, strokeWidth=3).encode(x=x, y=y, color=color, strokeDash=dash))
    layers.append(
        lines.mark_point(filled=True, size=70, opacity=1).encode(x=x, y=y, color=color, shape=shape, tooltip=tooltip)
    )
    return _readable(alt.layer(*layers), language).properties(height=height)


def histograms(
    epochs: Sequence[tuple[int, Histogram]], *, x_title: str, y_title: str, share_title: str, language: str
) -> alt.LayerChart:
    """One column an epoch, its colour the stronger where more of the values lie.

    Args:
        epochs: (epoch, histogram) of one series; of more than `COLUMNS` epochs evenly chosen ones.
        x_title: what the columns count.
        y_title: what the values are.
        share_title: what the shade says.
        language: decides how numbers are written.
    """
    data = histograms_table(epochs, x_title="epoch", y_title="value", share_title="share")
    data["label"] = [percent(share, language=language) for share in data["share"]]
    x = alt.X("epoch:O", title=x_title, axis=alt.Axis(labelAngle=0, labelOverlap=True))
    y = alt.Y("value:Q", title=y_title, scale=alt.Scale(zero=False, nice=False), axis=alt.Axis(tickCount=6))
    color = alt.Color("share:Q", scale=alt.Scale(type="sqrt"), legend=alt.Legend(title=share_title, format=".0%"))
    tooltip = [
        alt.Tooltip("epoch:O", title=x_title),
        alt.Tooltip("value:Q", title=y_title, format=".3"),
        alt.Tooltip("label:N", title=share_title),
    ]
    cells = alt.Chart(data).mark_bar(orient="vertical").encode(x=x, y=y, y2="top:Q", color=color, tooltip=tooltip)
    return _readable(alt.layer(cells), language).properties(height=320)


def histograms_table(
    epochs: Sequence[tuple[int, Histogram]], *, x_title: str, y_title: str, share_title: str
) -> pd.DataFrame:
    """The cells of `histograms`: one row a bin and epoch, with the bin's lower end, its `top` and its share, 0 to 1."""
    chosen = np.unique(np.linspace(0, len(epochs) - 1, COLUMNS).round().astype(int)) if len(epochs) > COLUMNS else None
    rows = []
    for epoch, one in epochs if chosen is None else [epochs[place] for place in chosen]:
        edges, total = np.linspace(one.low, one.high, len(one.counts) + 1), max(1, sum(one.counts))
        for count, (low, high) in zip(one.counts, itertools.pairwise(edges), strict=True):
            rows.append({x_title: epoch, y_title: float(low), "top": float(high), share_title: count / total})
    return pd.DataFrame(rows)


def functions(
    x: np.ndarray, values: Mapping[str, np.ndarray], *, x_title: str, y_title: str, language: str, height: int = 320
) -> alt.LayerChart:
    """One line a function of a number, with a point at every second whole number.

    Args:
        x: where the functions are computed (n,), in order.
        values: what each is there (n,), by its name; at most `len(DASHES)`, so that they can be told apart.
        x_title: what the horizontal axis is called.
        y_title: what the vertical axis measures.
        language: decides the decimal mark.
        height: of the chart, in pixels.
    """
    rows = [(name, float(a), float(b)) for name, line in values.items() for a, b in zip(x, line, strict=True)]
    data = pd.DataFrame(rows, columns=["series", "x", "y"])
    marked = data[data["x"] % 2 == 0]
    marked = marked.assign(label=[number(y, language=language) for y in marked["y"]])
    color, dash, shape = _told_apart(list(values))
    encoding = {"x": alt.X("x:Q", title=x_title), "y": alt.Y("y:Q", title=y_title), "color": color}
    tooltip = [
        alt.Tooltip("series:N", title=" "),
        alt.Tooltip("x:Q", title=x_title),
        alt.Tooltip("label:N", title=y_title),
    ]
    lines = alt.Chart(data).mark_line(strokeWidth=3).encode(**encoding, strokeDash=dash)
    points = alt.Chart(marked).mark_point(filled=True, size=70, opacity=1)
    return _readable(alt.layer(lines, points.encode(**encoding, shape=shape, tooltip=tooltip)), language).properties(
        height=height
    )


def functions_table(x: np.ndarray, values: Mapping[str, np.ndarray], *, x_title: str, language: str) -> pd.DataFrame:
    """The marked points of `functions`: one row a number, one column a function."""
    marked = x % 2 == 0
    columns = {name: [number(float(y), language=language) for y in line[marked]] for name, line in values.items()}
    return pd.DataFrame({x_title: x[marked].astype(int), **columns})


def _told_apart(series: Sequence[str]) -> tuple[alt.Color, alt.StrokeDash, alt.Shape]:
    """What tells the series from one another: colour, dash and point, in one legend."""
    kinds = [index % len(DASHES) for index in range(len(series))]
    legend = alt.Legend(title=None, orient="top", symbolSize=160, symbolStrokeWidth=0)
    return (
        alt.Color("series:N", scale=alt.Scale(domain=series), legend=legend),
        alt.StrokeDash("series:N", scale=alt.Scale(domain=series, range=[DASHES[k] for k in kinds]), legend=legend),
        alt.Shape("series:N", scale=alt.Scale(domain=series, range=[SHAPES[k] for k in kinds]), legend=legend),
    )


def curves_table(epochs: Mapping[str, Points], *, x_title: str, names: Mapping[str, str]) -> pd.DataFrame:
    """The points of `curves`: one row an epoch, one column a series."""
    columns = {names[key]: pd.Series(dict(points), dtype=float) for key, points in epochs.items()}
    return pd.DataFrame(columns).rename_axis(x_title).sort_index().reset_index()


def lttb(points: np.ndarray, count: int) -> np.ndarray:
    """At most `count` (3 or more) of the points that keep the look of the line: largest triangle, three buckets.

    The first and the last point stay; those between are cut into `count - 2` buckets as equal as can be, and of each
    stays the point that makes the largest triangle with the point kept before it and the mean of the next bucket.

    Args:
        points: (n, 2), finite, ordered by their first column.
        count: points to keep.

    Returns:
        (min(n, count), 2), rows of `points` in their order.

    Source: Steinarsson, Downsampling Time Series for Visual Representation, 2013.
    """
    n = len(points)
    if n <= count:
        return points
    edges = 1 + np.arange(count - 1) * (n - 2) // (count - 2)  # the buckets' first rows, and the last point's
    sums = np.add.reduceat(points, edges)
    means = sums / np.diff(edges, append=n)[:, None]
    kept = [0]
    for bucket, (start, end) in enumerate(itertools.pairwise(edges)):
        before, after = points[kept[-1]], means[bucket + 1]
        candidates = points[start:end]
        twice_area = np.abs(
            (before[0] - after[0]) * (candidates[:, 1] - before[1])
            - (before[0] - candidates[:, 0]) * (after[1] - before[1])
        )
        kept.append(int(start) + int(twice_area.argmax()))
    return points[[*kept, n - 1]]


def round_above(value: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, ... and their tenths that is not below a value (1 for what is not above 0)."""
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((step * power for step in (1, 2, 5) if step * power >= value), 10 * power)


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
    """The matrix of true against predicted classes; a click on a cell selects its `true` and `predicted` class.

    Args:
        counts: images (K, K), rows are true classes and columns predicted ones.
        class_names: K different names.
        share: None writes counts; `row` shares of the true class, `column` shares of the predicted class.
        diagonal: False leaves the right answers out, so that the errors fill the scale.
        words: what is called `true_class`, `predicted_class`, `images`, `share_of_row` and `share_of_column`.
        language: decides how numbers are written.
        height: of the chart, in pixels.
    """
    values = shares(counts, share)
    measure = words[f"share_of_{share}"] if share else words["images"]
    rows = [
        {
            "true": class_names[i],
            "predicted": class_names[j],
            "value": float(values[i, j]),
            "label": _cell_label(float(values[i, j]), share, language),
            "images": number(int(counts[i, j]), language=language),
        }
        for i, j in np.ndindex(*counts.shape)
        if diagonal or i != j
    ]
    top = 1.0 if share and diagonal else max([row["value"] for row in rows] + [1e-9])
    legend = None if len(class_names) <= LABELLED_CLASSES else alt.Legend(title=measure, format=".0%" if share else "d")
    # Half of the scale belongs to the small values: among 1,000 right answers, 5 errors must be seen.
    color = alt.Color("value:Q", scale=alt.Scale(type="sqrt", domain=[0, top]), legend=legend)
    tooltip = [alt.Tooltip("images:N", title=words["images"])]
    tooltip += [alt.Tooltip("label:N", title=measure)] if share else []
    chosen = alt.selection_point(name="cell", fields=["true", "predicted"], empty=False)
    matrix = _cells(rows, class_names, color, tooltip, words, chosen)
    return _readable(matrix, language).properties(height=height)


def difference_matrix(
    difference: np.ndarray, class_names: Sequence[str], *, words: Mapping[str, str], language: str, height: int = 520
) -> alt.LayerChart:
    """One confusion matrix minus another, each cell with its sign and its colour on either side of none.

    Args:
        difference: images (K, K), rows are true classes and columns predicted ones.
        class_names: K different names.
        words: what is called `true_class`, `predicted_class` and `difference`.
        language: decides how numbers are written.
        height: of the chart, in pixels.
    """
    rows = [
        {
            "true": class_names[i],
            "predicted": class_names[j],
            "value": float(difference[i, j]),
            "label": ("+" if difference[i, j] > 0 else "") + number(int(difference[i, j]), language=language),
        }
        for i, j in np.ndindex(*difference.shape)
    ]
    most = max(1.0, float(np.abs(difference).max()))
    color = alt.Color("value:Q", scale=alt.Scale(scheme="blueorange", domain=[-most, most], domainMid=0), legend=None)
    matrix = _cells(rows, class_names, color, [alt.Tooltip("label:N", title=words["difference"])], words)
    return _readable(matrix, language).properties(height=height)


def _cells(
    rows: Sequence[Mapping[str, object]],
    class_names: Sequence[str],
    color: alt.Color,
    tooltip: Sequence[alt.Tooltip],
    words: Mapping[str, str],
    chosen: alt.Parameter | None = None,
) -> alt.LayerChart | alt.FacetChart:
    """A matrix of cells with `true`, `predicted`, `value` and `label`; `chosen` is the selection that a click makes."""
    slanted = max(map(len, class_names)) > 3  # in a narrow column even short words would run into one another
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
    if chosen is None:
        cells = matrix.mark_rect(stroke="#808080", strokeWidth=0.4).encode(color=color, tooltip=tooltip)
    else:
        cells = matrix.mark_rect(cursor="pointer", stroke="#808080").encode(
            color=color,
            tooltip=tooltip,
            strokeWidth=alt.condition(chosen, alt.value(4), alt.value(0.4)),
            strokeOpacity=alt.condition(chosen, alt.value(1), alt.value(0.6)),
        )
        cells = cells.add_params(chosen)
    if len(class_names) > LABELLED_CLASSES:
        return alt.layer(cells)
    # Black and white are equally far from a ground of luminance 0.18; each is at least 4.5:1 on its side of it.
    on_light = "luminance(scale('color', datum.value)) > 0.18"
    labels = matrix.mark_text(fontSize=FONT, fontWeight=600, tooltip=None).encode(
        text="label:N", color=alt.condition(on_light, alt.value("#000000"), alt.value("#ffffff"))
    )
    return alt.layer(cells, labels)


def heat_map(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    x_title: str,
    y_title: str,
    language: str,
    height: int = 360,
) -> alt.LayerChart:
    """Shares (R, C), 0 to 1, of a grid's cells with their numbers; a cell that is NaN stays empty."""
    cells = [
        {
            "row": rows[i],
            "column": columns[j],
            "value": float(values[i, j]),
            "label": percent(float(values[i, j]), 2, language=language),
        }
        for i, j in np.ndindex(*values.shape)
        if math.isfinite(values[i, j])
    ]
    x = alt.X("column:N", title=x_title, scale=alt.Scale(domain=list(columns)), axis=alt.Axis(labelAngle=0))
    y = alt.Y("row:N", title=y_title, scale=alt.Scale(domain=list(rows)))
    grid = alt.Chart(pd.DataFrame(cells, columns=["row", "column", "value", "label"])).encode(x=x, y=y)
    color = alt.Color("value:Q", scale=alt.Scale(zero=False), legend=None)
    on_light = "luminance(scale('color', datum.value)) > 0.18"
    labels = grid.mark_text(fontSize=FONT, fontWeight=600).encode(
        text="label:N", color=alt.condition(on_light, alt.value("#000000"), alt.value("#ffffff"))
    )
    chart = alt.layer(grid.mark_rect(stroke="#808080", strokeWidth=0.4).encode(color=color), labels)
    return _readable(chart, language).properties(height=height)


def confusion_table(
    counts: np.ndarray,
    class_names: Sequence[str],
    *,
    share: Literal["row", "column"] | None = None,
    words: Mapping[str, str],
) -> pd.DataFrame:
    """The cells of `confusion_matrix`: one row a true class, one column a predicted one; counts, or shares 0 to 1."""
    columns = pd.Index(class_names, name=words["predicted_class"])
    return pd.DataFrame(shares(counts, share), index=pd.Index(class_names, name=words["true_class"]), columns=columns)


def shares(counts: np.ndarray, share: Literal["row", "column"] | None) -> np.ndarray:
    """Counts (K, K) divided by the sum of their row or column, 0 where that is 0; the counts themselves for None."""
    if share is None:
        return counts
    sums = counts.sum(axis=1 if share == "row" else 0, keepdims=True)
    return counts / np.maximum(sums, 1)


def _cell_label(value: float, share: str | None, language: str) -> str:
    if not share or value == 0:
        return number(int(value), language=language)
    return percent(value, language=language)


def probabilities(
    values: np.ndarray,
    class_names: Sequence[str],
    *,
    x_title: str,
    y_title: str,
    language: str,
    highlight: Collection[int] = (),
) -> alt.LayerChart:
    """One bar a class, in the classes' order, with its percentage; highlighted classes are bold and in full colour.

    Args:
        values: probabilities (K,), 0 to 1.
        class_names: K different names.
        x_title: what the bars measure.
        y_title: what a bar stands for.
        language: decides how numbers are written.
        highlight: rows of the classes to stress.
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
    return _readable(alt.layer(bars, labels), language).properties(height=30 * len(data) + 60)


def probabilities_table(values: np.ndarray, class_names: Sequence[str], *, x_title: str, y_title: str) -> pd.DataFrame:
    """The bars of `probabilities`: one row a class, probability from 0 to 1."""
    return pd.DataFrame({y_title: list(class_names), x_title: np.asarray(values, dtype=float)})


def reliability(found: Calibration, *, words: Mapping[str, str], language: str, height: int = 360) -> alt.LayerChart:
    """How often a model is right against how sure it says to be: a point a bin, as large as it has images.

    Args:
        found: the bins.
        words: what is called `confidence`, `accuracy`, `images`, and the line `perfect` on which they are equal.
        language: decides how numbers are written.
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
    return _readable(alt.layer(perfect, name, gaps, marks, counts), language).properties(height=height)


def reliability_table(found: Calibration, *, words: Mapping[str, str]) -> pd.DataFrame:
    """The points of `reliability`: one row a bin, confidence and accuracy 0 to 1, NaN for a bin without images."""
    columns = {words["confidence"]: found.confidence, words["accuracy"]: found.accuracy, words["images"]: found.counts}
    return pd.DataFrame(columns)


def intervals(
    measured: Mapping[str, Sequence[Measure]], rows: Sequence[str], *, x_title: str, y_title: str, language: str
) -> alt.LayerChart:
    """A point for each share between 0 and 1, on the line of its interval; the series of a row stand below each other.

    Args:
        measured: by the name of a series (a few), a measure for each row; what is of no images is left out.
        rows: different names.
        x_title: what is measured.
        y_title: what a row is; the heading of the chart says it.
        language: decides how numbers are written.
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
    color, _, shape = _told_apart(list(measured))
    scale = alt.Scale(domain=[0, 1], nice=False)
    y = alt.Y("row:N", title=None, scale=alt.Scale(domain=list(rows)), axis=alt.Axis(labelLimit=330, grid=True))
    tooltip = [alt.Tooltip(f"{name}:N", title=title) for name, title in (("row", y_title), ("series", " "))]
    tooltip += [alt.Tooltip("label:N", title=x_title), alt.Tooltip("n:N", title=" ")]
    chart = alt.Chart(data).encode(y=y, yOffset=alt.YOffset("series:N", scale=alt.Scale(domain=list(measured))))
    x = alt.X("value:Q", title=x_title, scale=scale, axis=alt.Axis(format="%", tickCount=6))
    lines = chart.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q", scale=scale), x2="high:Q", color=color)
    points = chart.mark_point(filled=True, size=110, opacity=1).encode(x=x, color=color, shape=shape, tooltip=tooltip)
    return _readable(alt.layer(lines, points), language).properties(height=30 * len(rows) + 120)  # with legend and axis


def intervals_table(
    measured: Mapping[str, Sequence[Measure]], rows: Sequence[str], columns: Sequence[str]
) -> pd.DataFrame:
    """The points of `intervals`; `columns` are called: row, series, value, its two ends, number of images."""
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
    """One panel a split, in it one bar a class with its count; each panel has a scale of its own.

    The panels are parts of one plane, so that they share the classes' names and fill whatever width there is.

    Args:
        counts: images (K,) of each class by the heading of a split; a line break begins its second line.
        class_names: K different names.
        y_title: what a bar stands for.
        language: decides how numbers are written.
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
    y = alt.Y("class:N", title=y_title, scale=alt.Scale(domain=list(class_names)), axis=alt.Axis(labelLimit=220))
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
    padding = {"left": 5, "top": 48, "right": 5, "bottom": 5}  # above stand the headings
    height = 30 * len(class_names) + padding["top"] + padding["bottom"]
    return _readable(alt.layer(*layers), language).properties(height=height, padding=padding)


def class_balance_table(counts: Mapping[str, np.ndarray], class_names: Sequence[str], *, y_title: str) -> pd.DataFrame:
    """The bars of `class_balance`: one row a class, one column a split."""
    columns = {heading.replace("\n", ", "): values for heading, values in counts.items()}
    return pd.DataFrame({y_title: list(class_names), **columns})


def _readable(chart: alt.LayerChart | alt.FacetChart, language: str) -> alt.LayerChart:
    chart = cast("alt.LayerChart", chart)  # of layers without facets, `alt.layer` makes no other
    marks = number_marks(language)
    numbers = {**marks, "grouping": [3], "currency": ["", ""]}
    return chart.configure(
        axis=alt.AxisConfig(
            labelFontSize=FONT, titleFontSize=FONT, titleFontWeight=600, labelColor=INK, titleColor=INK, titlePadding=10
        ),
        legend=alt.LegendConfig(
            labelFontSize=FONT, titleFontSize=FONT, labelColor=INK, titleColor=INK, labelLimit=400, columnPadding=24
        ),
        locale=alt.Locale(number=alt.NumberLocale(**numbers)),
    )


def sheet(images: np.ndarray, *, columns: int, scale: int) -> bytes:
    """Many images as one PNG, row by row, each enlarged by a whole factor with hard edges and a gap between.

    Args:
        images: uint8 (N, C, H, W), N at least 1, C 1 or 3.
        columns: images in a row.
        scale: picture pixels to one image pixel, in each direction.
    """
    n, channels, high, wide = images.shape
    columns = min(columns, n)
    lines = math.ceil(n / columns)
    gap = max(1, scale)
    canvas = np.full((lines, high * scale + gap, columns, wide * scale + gap, channels), GAP, dtype=np.uint8)
    large = images.transpose(0, 2, 3, 1).repeat(scale, axis=1).repeat(scale, axis=2)  # (N, H * scale, W * scale, C)
    for line in range(lines):
        row = large[line * columns : (line + 1) * columns]
        canvas[line, : high * scale, : len(row), : wide * scale] = row.transpose(1, 0, 2, 3)
    pixels = canvas.reshape(lines * (high * scale + gap), columns * (wide * scale + gap), channels)[:-gap, :-gap]
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def enlarge(image: np.ndarray, scale: int) -> bytes:
    """One image, uint8 (C, H, W), as a PNG enlarged by a whole factor with hard edges."""
    return sheet(image[None], columns=1, scale=scale)
