"""Charts of learning curves, histograms over epochs, and functions, each with a function for its table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Literal

import altair as alt
import numpy as np
import pandas as pd

from core.charts.base import FONT, INK, readable, told_apart
from core.events import Histogram
from core.words import number, percent

POINTS_SENT = 400  # points that a browser draws at 60 frames per second; 20,000 block it for a quarter of a second
SMALL = 36  # square pixels of a point: told apart by its shape, and hiding no line
HEIGHT = 320  # pixels, of a chart of curves
LINE = 18  # pixels, height of a line of labels above the plot
COLUMNS = 40  # most epochs shown in `histograms`
MARKED = 60  # most epochs of a series that all have a point; of more, about 20 do: points would hide the line

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
    stacked: bool = False,
    log: bool = False,
    height: int = HEIGHT,
    legend_columns: int = 0,
) -> alt.LayerChart:
    """One line per series over the epochs, in front of the values of single steps if given.

    Args:
        epochs: points (epoch, value) of each series; values that are not finite are left out.
        x_title: title of the horizontal axis.
        y_title: title of the vertical axis.
        names: the display name of each series, and of `steps` if given.
        language: for number formats.
        x_domain: ends of the horizontal axis, for a run that trains see `epochs_shown`.
        y_domain: ends of the vertical axis; by default 0 and a round number above all values of the epochs.
        steps: values of steps (n, 2) as (epoch, value) with fractional epochs; downsampled, see `POINTS_SENT`.
        marks: one or two epochs to mark, in ascending order, by the label to write above.
        stacked: whether the second label is to the left of its epoch too, a line higher: on the right it would be cut
            off if it is long and its epoch is near the end.
        log: whether the vertical axis is logarithmic; values that are not above 0 are left out then.
        height: of the chart, in pixels.
        legend_columns: of a legend in several lines; by default all names are in one line, and cut off where it ends.
    """
    rows = [(names[key], x, y) for key, points in epochs.items() for x, y in points if math.isfinite(y)]
    rows = [row for row in rows if row[2] > 0] if log else rows
    data = pd.DataFrame(rows, columns=["series", "x", "y"])
    data["label"] = [number(y, language=language) for y in data["y"]]
    marked = pd.concat([data.iloc[:0], *(_thinned(line) for _, line in data.groupby("series", sort=False))])
    raw = np.empty((0, 2)) if steps is None else np.asarray(steps, dtype=float).reshape(-1, 2)
    raw = raw[np.isfinite(raw).all(axis=1) & (raw[:, 1] > 0 if log else True)]
    if log:
        y_domain = y_domain or _decades([*data["y"], *raw[:, 1]])
    y_domain = y_domain or (0.0, round_above(max(data["y"], default=1.0)))
    x_values = [*data["x"], *raw[:, 0]] or [0.0, 1.0]
    x_domain = x_domain or (min(0.0, *x_values), max(1.0, *x_values))

    x, y = _axes(x_title, x_domain, y_title, y_domain, log=log)
    layers = []
    if len(raw):
        thinned = pd.DataFrame(lttb(raw, max(3, POINTS_SENT - len(data))), columns=["x", "y"])
        faint = alt.Opacity("name:O", scale=alt.Scale(range=[0.45, 0.45]), legend=alt.Legend(title=None, orient="top"))
        line = alt.Chart(thinned.assign(name=names["steps"])).mark_line(clip=True, strokeWidth=1)
        layers.append(line.encode(x=x, y=y, opacity=faint))
    # Labels stand above the plot, where no lines are; the first to the left of its epoch and the second to the right,
    # so that they never overlap.
    sides: tuple[tuple[Literal["right", "left"], int, int], ...]
    sides = (("right", -4, -8), ("right", -4, -8 - LINE) if stacked else ("left", 4, -8))
    for (name, epoch), (align, dx, dy) in zip((marks or {}).items(), sides, strict=False):
        mark = alt.Chart(pd.DataFrame({"x": [epoch], "name": [name]})).encode(x=x)
        layers.append(mark.mark_rule(strokeDash=[4, 4], strokeWidth=2, color=INK))
        words = mark.mark_text(y=0, dy=dy, align=align, dx=dx, fontSize=FONT, color=INK)
        layers.append(words.encode(text="name:N"))
    kinds = told_apart([names[key] for key in epochs], legend_columns)
    layers += _series(data, marked, x, y, kinds, _tooltip(x_title, y_title), width=3 if len(marked) == len(data) else 2)
    return readable(alt.layer(*layers), language, above=LINE if stacked else 0).properties(height=height)


def _thinned(line: pd.DataFrame) -> pd.DataFrame:
    """Of a series with more than `MARKED` rows evenly spaced ones, the last among them."""
    return line if len(line) <= MARKED else line.iloc[:: -math.ceil(3 * len(line) / MARKED)]


def lines(
    series: Mapping[str, Points],
    domain: Sequence[str],
    *,
    x_title: str,
    y_title: str,
    language: str,
    y_domain: tuple[float, float],
    height: int = 300,
) -> alt.LayerChart:
    """One line per series, for long curves: thinned, see `POINTS_SENT`, with a few points that tell the series apart.

    Args:
        series: points (epoch, value) of each series by its display name.
        domain: the names of all series, at most `len(DASHES)`, so that each looks the same in charts that lack others.
        x_title: title of the horizontal axis.
        y_title: title of the vertical axis.
        language: for number formats.
        y_domain: ends of the vertical axis; what lies outside is cut off.
        height: of the chart, in pixels.
    """
    rows, marked = [], []
    for name, points in series.items():
        kept = lttb(np.array(points, dtype=float).reshape(-1, 2), POINTS_SENT // 2)
        rows += [(name, x, y) for x, y in kept.tolist()]
        marked += [(name, x, y, number(y, 4, language=language)) for x, y in points[-1 :: -max(1, len(points) // 8)]]
    last = max([x for _, x, _ in rows], default=1.0)
    x, y = _axes(x_title, (0, 1.03 * last), y_title, y_domain)
    data = pd.DataFrame(rows, columns=["series", "x", "y"])
    points = pd.DataFrame(marked, columns=["series", "x", "y", "label"])
    layers = _series(data, points, x, y, told_apart(domain), _tooltip(x_title, y_title), width=2)
    return readable(alt.layer(*layers), language).properties(height=height)


def epochs_shown(done: float, planned: int) -> tuple[float, float]:
    """Ends of the axis of epochs of a run that has done so many (also a part of one) of the planned.

    The upper end is a round number, so that the first of many epochs are not squeezed into a corner and the axis does
    not change at each look.
    """
    return 0.0, float(min(planned, next(end for end in _ROUND_EPOCHS if end >= done)))


def accuracies_shown(values: Sequence[float]) -> tuple[float, float]:
    """Ends of the axis for these accuracies (0 to 1), two of each epoch; of more than ten epochs it may leave out some.

    That is at most a tenth, the lowest: where all others are high, the small distance between two lines is what there
    is to see; where all are low, it is as small.
    """
    if not values:
        return 0.0, 1.0
    low = float(np.quantile(values, 0.1, method="lower")) if len(values) > ALL_SHOWN else min(values)
    high = max(values)
    bottom = max(end for end in (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99) if end <= min(low, 0.999))
    return bottom, 1.0 if bottom else next(end for end in (0.2, 0.5, 1.0) if end >= high)


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """Ends of a logarithmic axis: the values, each a little further out, and a factor of two at least."""
    low, high = min(values, default=0.1), max(values, default=1.0)
    return low / 1.1, max(high * 1.1, low * 2)


ALL_SHOWN = 20  # accuracies, of which none is left out
_ROUND_EPOCHS = [step * 10**power for power in range(8) for step in (1, 2, 3, 5, 8)]


def _axes(
    x_title: str, x_domain: tuple[float, float], y_title: str, y_domain: tuple[float, float], *, log: bool = False
) -> tuple[alt.X, alt.Y]:
    """The axis of epochs and that of a quantity, with these ends."""
    x = alt.X(
        "x:Q", title=x_title, scale=alt.Scale(domain=x_domain, nice=False), axis=alt.Axis(tickMinStep=1, grid=False)
    )
    scale = alt.Scale(domain=y_domain, nice=False, type="log" if log else "linear")
    return x, alt.Y("y:Q", title=y_title, scale=scale, axis=alt.Axis(tickCount=6))


def _series(
    data: pd.DataFrame,
    marked: pd.DataFrame,
    x: alt.X,
    y: alt.Y,
    kinds: tuple[alt.Color, alt.StrokeDash, alt.Shape],
    tooltip: list[alt.Tooltip],
    *,
    width: float,
) -> list[alt.Chart]:
    """The layers of the lines through `data` and of the points of `marked`, which also has a `label` for each."""
    color, dash, shape = kinds
    lines = alt.Chart(data).mark_line(clip=True, strokeWidth=width).encode(x=x, y=y, color=color, strokeDash=dash)
    points = alt.Chart(marked).mark_point(filled=True, size=SMALL, opacity=1, clip=True)
    return [lines, points.encode(x=x, y=y, color=color, shape=shape, tooltip=tooltip)]


def _tooltip(x_title: str, y_title: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("series:N", title=" "),
        alt.Tooltip("x:Q", title=x_title),
        alt.Tooltip("label:N", title=y_title),
    ]


def span(values: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis for most of the finite values: without their lowest and highest 2 %, with a margin around."""
    finite = np.array([value for value in values if math.isfinite(value)])
    if not len(finite):
        return 0.0, 1.0
    low, high = np.quantile(finite, [0.02, 0.98])
    margin = 0.1 * (high - low) or 0.05
    return max(0.0, float(low - margin)), float(high + margin)


def histograms(
    epochs: Sequence[tuple[int, Histogram]], *, x_title: str, y_title: str, share_title: str, language: str
) -> alt.LayerChart:
    """A histogram per epoch, drawn as a column with colour by the fraction of values in each bin.

    Args:
        epochs: (epoch, histogram) of one series; of more than `COLUMNS`, evenly spaced ones are shown.
        x_title: title of the epoch axis.
        y_title: title of the value axis.
        share_title: title of the colour legend.
        language: for number formats.
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
    return readable(alt.layer(cells), language).properties(height=320)


def histograms_table(
    epochs: Sequence[tuple[int, Histogram]], *, x_title: str, y_title: str, share_title: str
) -> pd.DataFrame:
    """The data of `histograms`: one row per bin and epoch, with the bin's lower end, its `top` and fraction 0 to 1."""
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
    """One line per function of one variable, with a point at every even integer.

    Args:
        x: arguments (n,), in ascending order.
        values: the values (n,) of each function by its name; at most `len(DASHES)`, so that the lines differ.
        x_title: title of the horizontal axis.
        y_title: title of the vertical axis.
        language: for number formats.
        height: of the chart, in pixels.
    """
    rows = [(name, float(a), float(b)) for name, line in values.items() for a, b in zip(x, line, strict=True)]
    data = pd.DataFrame(rows, columns=["series", "x", "y"])
    marked = data[data["x"] % 2 == 0]
    marked = marked.assign(label=[number(y, language=language) for y in marked["y"]])
    color, dash, shape = told_apart(list(values))
    encoding = {"x": alt.X("x:Q", title=x_title), "y": alt.Y("y:Q", title=y_title), "color": color}
    tooltip = _tooltip(x_title, y_title)
    lines = alt.Chart(data).mark_line(strokeWidth=3).encode(**encoding, strokeDash=dash)
    points = alt.Chart(marked).mark_point(filled=True, size=70, opacity=1)
    return readable(alt.layer(lines, points.encode(**encoding, shape=shape, tooltip=tooltip)), language).properties(
        height=height
    )


def rates(
    tried: Sequence[tuple[float, float, float]],
    *,
    x_title: str,
    y_title: str,
    names: Mapping[str, str],
    language: str,
    suggested: float | None = None,
    height: int = 260,
) -> alt.LayerChart:
    """The loss against the learning rate, on a logarithmic axis: smoothed as a line, of each batch as points.

    Args:
        tried: the rate, the loss of its batch and the smoothed loss, in ascending order, all above 0.
        x_title: title of the horizontal axis.
        y_title: title of the vertical axis, which ends a little above the smoothed loss.
        names: the display names of `smoothed`, `batch` and `suggested`.
        language: for number formats.
        suggested: the rate to mark.
        height: of the chart, in pixels.
    """
    data = pd.DataFrame(tried, columns=["rate", "batch", "smoothed"])
    for name in ("rate", "batch", "smoothed"):
        data[f"{name}_label"] = [number(value, language=language) for value in data[name]]
    low, high = data[["batch", "smoothed"]].min(axis=None), data["smoothed"].max()
    margin = 0.08 * (high - low) or 0.1 * low
    ends = alt.Scale(domain=[max(0.0, low - margin), high + margin], nice=False)
    # Labels at the powers of ten alone: the others would lie over each other in a narrow column.
    axis = alt.Axis(values=[10.0**power for power in range(-8, 3)], format="~g", grid=False, labelOverlap=True)
    x = alt.X("rate:Q", title=x_title, scale=alt.Scale(type="log", nice=False), axis=axis)
    tooltip = [alt.Tooltip("rate_label:N", title=x_title)]
    tooltip += [alt.Tooltip(f"{name}_label:N", title=names[name]) for name in ("smoothed", "batch")]
    chart = alt.Chart(data)
    y_axis = alt.Axis(tickCount=5)
    points = chart.mark_point(size=SMALL, opacity=0.6, clip=True)
    line = chart.mark_line(strokeWidth=3, clip=True)
    layers = [
        points.encode(x=x, y=alt.Y("batch:Q", title=y_title, scale=ends, axis=y_axis), tooltip=tooltip),
        line.encode(x=x, y=alt.Y("smoothed:Q", title=y_title, scale=ends, axis=y_axis), tooltip=tooltip),
    ]
    if suggested:
        mark = alt.Chart(pd.DataFrame({"rate": [suggested], "name": [names["suggested"]]})).encode(x=x)
        layers.append(mark.mark_rule(strokeDash=[4, 4], strokeWidth=2, color=INK))
        words = mark.mark_text(y=0, dy=-8, align="center", fontSize=FONT, color=INK)
        layers.append(words.encode(text="name:N"))
    return readable(alt.layer(*layers), language).properties(height=height)


def rates_table(
    tried: Sequence[tuple[float, float, float]], *, x_title: str, names: Mapping[str, str], language: str
) -> pd.DataFrame:
    """The data of `rates` as text: one row per step, with the rate and both losses."""
    titles = (x_title, names["smoothed"], names["batch"])
    rows = [[number(value, language=language) for value in (rate, mean, loss)] for rate, loss, mean in tried]
    return pd.DataFrame(rows, columns=list(titles))


def functions_table(x: np.ndarray, values: Mapping[str, np.ndarray], *, x_title: str, language: str) -> pd.DataFrame:
    """The marked points of `functions`: one row per even integer, one column per function."""
    marked = x % 2 == 0
    columns = {name: [number(float(y), language=language) for y in line[marked]] for name, line in values.items()}
    return pd.DataFrame({x_title: x[marked].astype(int), **columns})


def curves_table(epochs: Mapping[str, Points], *, x_title: str, names: Mapping[str, str]) -> pd.DataFrame:
    """The data of `curves`: one row per epoch, one column per series."""
    columns = {names[key]: pd.Series(dict(points), dtype=float) for key, points in epochs.items()}
    return pd.DataFrame(columns).rename_axis(x_title).sort_index().reset_index()


def lttb(points: np.ndarray, count: int) -> np.ndarray:
    """Downsample a line to at most `count` (3 or more) points, keeping its shape: largest triangle, three buckets.

    The first and the last point are kept. Those between are divided into `count - 2` buckets of nearly equal size, and
    of each bucket the point is kept that forms the largest triangle with the previously kept point and the mean of the
    next bucket.

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
    """The smallest 1, 2 or 5 times a power of ten that is not below a value; 1 for values that are not above 0."""
    if not value > 0:
        return 1.0
    power = math.floor(math.log10(value))
    # Read from text: 5 times a large power of ten is not the number nearest to that product.
    rounded = [float(f"{step}e{power}") for step in (1, 2, 5)]
    return next((one for one in rounded if one >= value), float(f"1e{power + 1}"))
