"""Several runs in one chart: their learning curves, and what each costs against what it reaches."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd

from core.charts.base import DASHES, INK, SHAPES, readable
from core.charts.curves import lttb
from core.words import interval, number, percent

POINTS_SENT = 200  # most points of a line that are sent to the browser
Points = Sequence[tuple[float, float]]


def courses(
    val: Mapping[str, Points],
    train: Mapping[str, Points],
    *,
    x_title: str,
    y_title: str,
    names: tuple[str, str],
    y_domain: tuple[float, float],
    language: str,
) -> alt.LayerChart:
    """The val curve of each run as a solid line and its train curve as a dashed one, with the run's name at both ends.

    Args:
        val: points (epoch, value) by the run's short name, such as a number; the same runs as in `train`.
        train: points (epoch, value), of steps or of epochs; all lines are thinned, see `POINTS_SENT`.
        x_title: title of the horizontal axis.
        y_title: title of the vertical axis.
        names: the words for val and train.
        y_domain: ends of the vertical axis; what lies outside is cut off.
        language: for number formats.
    """
    rows, ends = [], []
    for of, lines in zip(names, (val, train), strict=True):
        for run, points in lines.items():
            kept = lttb(np.array(points, dtype=float).reshape(-1, 2), POINTS_SENT).tolist()
            rows += [(f"{run} {of}", run, of, x, y) for x, y in kept]
            if kept:
                ends.append((run, of, *kept[-1], number(kept[-1][1], 4, language=language)))
    data = pd.DataFrame(rows, columns=["line", "run", "of", "x", "y"])
    marked = pd.DataFrame(ends, columns=["run", "of", "x", "y", "label"])
    last = max([x for *_, x, _ in rows], default=1.0)
    scale = alt.Scale(domain=(0, 1.05 * last), nice=False)
    x = alt.X("x:Q", title=x_title, scale=scale, axis=alt.Axis(tickMinStep=1, grid=False))
    y = alt.Y("y:Q", title=y_title, scale=alt.Scale(domain=y_domain, nice=False), axis=alt.Axis(tickCount=6))
    color = alt.Color("run:N", scale=alt.Scale(domain=list(val)), legend=None)
    legend = alt.Legend(title=None, orient="top", symbolSize=400)
    dash = alt.StrokeDash("of:N", scale=alt.Scale(domain=list(names), range=[DASHES[0], [5, 4]]), legend=legend)
    lines = alt.Chart(data).mark_line(clip=True, strokeWidth=2.5).encode(x=x, y=y, color=color, strokeDash=dash)
    tooltip = [
        alt.Tooltip("run:N", title=" "),
        alt.Tooltip("of:N", title=" "),
        alt.Tooltip("x:Q", title=x_title),
        alt.Tooltip("label:N", title=y_title),
    ]
    lines = lines.encode(detail="line:N")
    of_val = marked[marked["of"] == names[0]]
    of_val = of_val.assign(place=apart(of_val["y"].tolist(), y_domain))
    labels = alt.Chart(of_val).mark_text(align="left", dx=6, fontSize=15, fontWeight=600, color=INK)
    points = alt.Chart(marked).mark_point(filled=True, size=60, opacity=1, clip=True)
    layers = [
        lines,
        points.encode(x=x, y=y, color=color, tooltip=tooltip),
        labels.encode(x=x, y="place:Q", text="run:N"),
    ]
    return readable(alt.layer(*layers), language).properties(height=320)


def mean_course(courses: Sequence[Points]) -> list[tuple[float, float]]:
    """The mean of several curves of one quantity, as far as all of them have got; those without points are left out.

    Between two points a curve is a straight line: steps may be told at other places.
    """
    known = [np.array(points, dtype=float) for points in courses if len(points)]
    if len(known) < 2:
        return [(x, y) for one in known for x, y in one.tolist()]
    low, high = max(one[0, 0] for one in known), min(one[-1, 0] for one in known)
    places = np.array([x for x in min(known, key=len)[:, 0] if low <= x <= high])
    mean = np.mean([np.interp(places, one[:, 0], one[:, 1]) for one in known], axis=0)
    return list(zip(places.tolist(), mean.tolist(), strict=True))


@dataclass(frozen=True)
class Repeated:
    """The accuracies of a setting's runs, which differ in the seed alone, for `points`."""

    name: str  # a short one, such as a number
    points: Mapping[str, float]  # 0 to 1, by the run's name in the tooltip
    mean: float
    low: float  # the ends of the mean's interval
    high: float


WIDEST = 0.7  # share of a setting's width over which its points are spread


def points(
    settings: Sequence[Repeated], *, x_title: str, y_title: str, mean_title: str, language: str
) -> alt.LayerChart:
    """Each run as a point, in a column for each setting, and beside them the mean with its interval.

    Args:
        settings: the settings, at least one.
        x_title: title of the axis of settings.
        y_title: title of the axis of accuracies.
        mean_title: the words for the mean and its interval in the legend.
        language: for number formats.
    """
    rows, means = [], []
    for place, one in enumerate(settings):
        shape, count = SHAPES[place % len(SHAPES)], len(one.points)
        for number_of, (label, accuracy) in enumerate(one.points.items(), 1):
            beside = WIDEST * (number_of / (count + 1) - 0.5)
            said = percent(accuracy, 2, language=language)
            rows.append((one.name, place + beside, accuracy, shape, label, said))
        said = f"{percent(one.mean, 2, language=language)} ({interval(one.low, one.high, 1, language=language)})"
        means.append((one.name, place, one.mean, one.low, one.high, mean_title, said))
    data = pd.DataFrame(rows, columns=["setting", "x", "accuracy", "shape", "label", "said"])
    of_means = pd.DataFrame(means, columns=["setting", "x", "accuracy", "low", "high", "of", "said"])
    bottom = min(min(one.low, *one.points.values()) for one in settings)
    top = max(max(one.high, *one.points.values()) for one in settings)
    margin = 0.08 * (top - bottom) or 0.01
    names = [one.name for one in settings]
    marks = alt.Axis(
        values=list(range(len(names))), labelExpr=f"{json.dumps(names)}[datum.value]", grid=False, ticks=False
    )
    x = alt.X("x:Q", title=x_title, scale=alt.Scale(domain=(-0.5, len(names) - 0.5), nice=False), axis=marks)
    scale = alt.Scale(domain=(max(0.0, bottom - margin), min(1.0, top + margin)), nice=False)
    y, low = (
        alt.Y(field, title=y_title, scale=scale, axis=alt.Axis(format=".1%")) for field in ("accuracy:Q", "low:Q")
    )
    tooltip = [alt.Tooltip("label:N", title=" "), alt.Tooltip("said:N", title=y_title)]
    color = alt.Color("setting:N", scale=alt.Scale(domain=names), legend=None)
    shape = alt.Shape("shape:N", scale=None, legend=None)
    legend = alt.Legend(title=None, orient="top", symbolSize=400, symbolStrokeWidth=4)
    dash = alt.StrokeDash("of:N", scale=alt.Scale(range=[DASHES[0]]), legend=legend)
    bars = alt.Chart(of_means).mark_rule(strokeWidth=2, color=INK)
    lines = alt.Chart(of_means).mark_point(shape="stroke", size=1_600, strokeWidth=4, color=INK, opacity=1)
    each = alt.Chart(data).mark_point(filled=True, size=110, opacity=0.9)
    of_mean = [alt.Tooltip("setting:N", title=x_title), alt.Tooltip("said:N", title=mean_title)]
    layers = [
        bars.encode(x=x, y=low, y2="high:Q", strokeDash=dash),
        lines.encode(x=x, y=y, tooltip=of_mean),
        each.encode(x=x, y=y, color=color, shape=shape, tooltip=tooltip),
    ]
    return readable(alt.layer(*layers), language).properties(height=320)


def apart(heights: Sequence[float], domain: tuple[float, float]) -> list[float]:
    """The heights of labels, moved so that none covers another: upwards, and down from the top where that is full."""
    low, high = domain
    least = 0.065 * (high - low)
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    moved = [min(high, max(low, height)) for height in heights]
    for before, place in itertools.pairwise(order):
        moved[place] = max(moved[place], moved[before] + least)
    above = high
    for place in reversed(order):
        moved[place] = min(moved[place], above)
        above = moved[place] - least
    return moved


@dataclass(frozen=True)
class Reached:
    """What a run costs and what it reaches, for `trade_off`."""

    run: str  # its short name, such as a number
    label: str  # its name in the tooltip
    cost: float  # above 0
    accuracy: float  # 0 to 1
    low: float  # the ends of the accuracy's interval
    high: float


def trade_off(
    reached: Sequence[Reached], front: Sequence[int], *, x_title: str, y_title: str, front_title: str, language: str
) -> alt.LayerChart:
    """Accuracy against cost on a logarithmic axis, with intervals as bars and a line through the Pareto front.

    Args:
        reached: the runs.
        front: the places of those on the front, the cheapest first, see `measures.summary.front`.
        x_title: title of the axis of costs.
        y_title: title of the axis of accuracies.
        front_title: the word for the front in the legend.
        language: for number formats.
    """
    data = pd.DataFrame([vars(one) for one in reached])
    data["on_front"] = [place in front for place in range(len(reached))]
    data["shape"] = [SHAPES[place % len(SHAPES)] for place in range(len(reached))]
    data["said"] = [
        f"{percent(one.accuracy, 2, language=language)} "
        f"({percent(one.low, 2, language=language)} – {percent(one.high, 2, language=language)})"
        for one in reached
    ]
    data["costs"] = [number(one.cost, language=language) for one in reached]
    low, high = min(one.cost for one in reached), max(one.cost for one in reached)
    x = alt.X(
        "cost:Q",
        title=x_title,
        scale=alt.Scale(type="log", domain=(low / 1.3, high * 1.3), nice=False),
        axis=alt.Axis(tickCount=5, grid=False, format="~s" if high >= 1_000 else "~g"),
    )
    bottom, top = min(one.low for one in reached), max(one.high for one in reached)
    margin = 0.08 * (top - bottom) or 0.01
    domain = (max(0.0, bottom - margin), min(1.0, top + margin))
    y = alt.Y("accuracy:Q", title=y_title, scale=alt.Scale(domain=domain, nice=False), axis=alt.Axis(format=".1%"))
    data["place"] = _apart_at_equal_costs(reached, domain)
    tooltip = [
        alt.Tooltip("label:N", title=" "),
        alt.Tooltip("said:N", title=y_title),
        alt.Tooltip("costs:N", title=x_title),
    ]
    color = alt.Color("run:N", scale=alt.Scale(domain=[one.run for one in reached]), legend=None)
    line = pd.DataFrame([(reached[place].cost, reached[place].accuracy, front_title) for place in front])
    line.columns = ["cost", "accuracy", "front"]
    legend = alt.Legend(title=None, orient="top", symbolSize=400)
    dash = alt.StrokeDash("front:N", scale=alt.Scale(range=[[2, 3]]), legend=legend)
    steps = alt.Chart(line).mark_line(interpolate="step-after", color=INK, strokeWidth=2)
    bars = alt.Chart(data).mark_rule(strokeWidth=3).encode(x=x, y="low:Q", y2="high:Q", color=color)
    points = alt.Chart(data).mark_point(filled=True, size=130, opacity=1)
    names = alt.Chart(data).mark_text(align="left", dx=9, dy=-9, fontSize=15, fontWeight=600, color=INK)
    layers = [
        steps.encode(x=x, y=y, strokeDash=dash),
        bars,
        points.encode(x=x, y=y, color=color, shape=alt.Shape("shape:N", scale=None, legend=None), tooltip=tooltip),
        names.encode(x=x, y="place:Q", text="run:N"),
    ]
    return readable(alt.layer(*layers), language).properties(height=320)


def _apart_at_equal_costs(reached: Sequence[Reached], domain: tuple[float, float]) -> list[float]:
    """The heights of the runs' labels, so that none covers that of a run that costs about the same, see `apart`."""
    order = sorted(range(len(reached)), key=lambda place: reached[place].cost)
    wide = math.log(reached[order[-1]].cost * 1.3**2 / reached[order[0]].cost)  # the axis, see `trade_off`
    groups = [order[:1]]
    for before, place in itertools.pairwise(order):
        near = math.log(reached[place].cost / reached[before].cost) < 0.05 * wide
        if near:
            groups[-1].append(place)
        else:
            groups.append([place])
    found = [0.0] * len(reached)
    for group in groups:
        for place, height in zip(group, apart([reached[one].accuracy for one in group], domain), strict=True):
            found[place] = height
    return found


def span_of(values: Sequence[float], *, is_accuracy: bool) -> tuple[float, float]:
    """Round ends of an axis for accuracies (0 to 1) or losses; an axis needs a length also where all are equal."""
    if not values:
        return 0.0, 1.0
    if is_accuracy:
        return min(0.9, math.floor(10 * float(np.quantile(values, 0.05))) / 10), 1.0
    return 0.0, max(0.1, math.ceil(10 * float(np.quantile(values, 0.98))) / 10)
