"""Charts of a search: what each value of a field reached, all learning curves, parallel coordinates, importance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import numpy as np
import pandas as pd

from core.charts.base import FONT, INK, readable
from core.charts.curves import lttb
from core.words import number, percent

Kind = Literal["best", "near", "behind", "pruned"]
KINDS: tuple[Kind, ...] = ("best", "near", "behind", "pruned")
_TURNED_CROSS = "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z"
_SHAPES = {"best": "diamond", "near": "square", "behind": "circle", "pruned": _TURNED_CROSS}
_DASHES = {"best": [1, 0], "near": [1, 0], "behind": [1, 0], "pruned": [5, 4]}
POINTS_SENT = 60  # most points of one of many lines
NAMED = 7  # most values of an axis that it names
LINE = 0.07  # of the height of an axis of `parallel`: what a label needs
PARALLEL = 120  # px from one axis of `parallel` to the next, in which a word and a number can be read
BRUSH = "brush"  # the selection of `parallel`


@dataclass(frozen=True)
class Tried:
    """A training of a search, as its charts show it."""

    run: str  # its short name, such as its number
    value: Any  # of the field along the axis: a number, or words
    accuracy: float  # the best on val, 0 to 1
    kind: Kind
    label: str = ""  # all its varied values, for the tooltip


def slices(
    tried: Sequence[Tried],
    values: Sequence[Any],
    *,
    is_log: bool,
    x_title: str,
    y_title: str,
    kinds: Mapping[Kind, str],
    language: str,
) -> alt.LayerChart:
    """The best val accuracy of each training against the value of one field: a point each, its shape by its kind.

    Args:
        tried: the trainings.
        values: of the field: numbers, or words, which have a place each, in this order.
        is_log: whether the axis of numbers is logarithmic, for which they have to be above 0.
        x_title: title of the axis of values.
        y_title: title of the axis of accuracies.
        kinds: the words of each kind, for the legend.
        language: for number formats.
    """
    tried = sorted(tried, key=lambda one: -KINDS.index(one.kind))  # the best one is drawn last
    data = pd.DataFrame([vars(one) for one in tried])
    data["said"] = [percent(one.accuracy, 2, language=language) for one in tried]
    is_number = all(isinstance(one.value, int | float) for one in tried)
    written = [number(one.value, language=language) if is_number else str(one.value) for one in tried]
    data["written"] = written
    if is_number:
        x = alt.X("value:Q", title=x_title, scale=_scale(values, is_log=is_log), axis=_axis(values, is_log=is_log))
    else:
        order = list(dict.fromkeys(str(value) for value in values))
        x = alt.X(
            "written:N", title=x_title, scale=alt.Scale(domain=order), axis=alt.Axis(labelAngle=0, labelLimit=130)
        )
    y = _accuracies([one.accuracy for one in tried], y_title)
    data["of"] = [kinds[one.kind] for one in tried]
    color, shape, _ = _looks([one.kind for one in tried], kinds)
    tooltip = [
        alt.Tooltip("run:N", title=" "),
        alt.Tooltip("written:N", title=x_title),
        alt.Tooltip("said:N", title=y_title),
        alt.Tooltip("label:N", title=" "),
    ]
    data["size"] = [260 if one.kind == "best" else 130 for one in tried]
    points = alt.Chart(data).mark_point(filled=True, opacity=0.9)
    best = data[data["kind"] == "best"]
    names = alt.Chart(best).mark_text(dy=-16, fontSize=FONT, fontWeight=700, color=INK)
    layers = [
        points.encode(
            x=x, y=y, color=color, shape=shape, tooltip=tooltip, size=alt.Size("size:Q", scale=None, legend=None)
        ),
        names.encode(x=x, y=y, text="said:N"),
    ]
    return readable(alt.layer(*layers), language).properties(height=280)


def _looks(there: Sequence[Kind], kinds: Mapping[Kind, str]) -> tuple[alt.Color, alt.Shape, alt.StrokeDash]:
    """Encodings that tell the kinds apart, each the same in every chart; the legend has those that are `there`."""
    shown = [kinds[kind] for kind in KINDS if kind in there]
    legend = alt.Legend(title=None, orient="top", symbolSize=160, columns=2, values=shown)
    domain = [kinds[kind] for kind in KINDS]
    return (
        alt.Color("of:N", scale=alt.Scale(domain=domain), legend=legend),
        alt.Shape("of:N", scale=alt.Scale(domain=domain, range=[_SHAPES[kind] for kind in KINDS]), legend=legend),
        alt.StrokeDash("of:N", scale=alt.Scale(domain=domain, range=[_DASHES[kind] for kind in KINDS]), legend=legend),
    )


def _axis(values: Sequence[float], *, is_log: bool) -> alt.Axis:
    """An axis that names the values themselves, if they are few."""
    format = "~g" if is_log else ",~f"
    if len(values) <= NAMED:
        return alt.Axis(values=values, grid=False, format=format, labelOverlap=True)
    return alt.Axis(tickCount=4, grid=False, format=format, labelOverlap=True)


def _scale(values: Sequence[float], *, is_log: bool) -> alt.Scale:
    """An axis a little longer than its values, also where all are equal."""
    low, high = min(values), max(values)
    if is_log:
        return alt.Scale(type="log", domain=(low / 1.3, high * 1.3), nice=False)
    margin = 0.06 * (high - low) or 0.5
    return alt.Scale(domain=(low - margin, high + margin), nice=False)


def _accuracies(values: Sequence[float], title: str) -> alt.Y:
    low, high = min(values), max(values)
    margin = 0.12 * (high - low) or 0.01
    scale = alt.Scale(domain=(max(0.0, low - margin), min(1.0, high + margin) + margin / 2), nice=False)
    return alt.Y("accuracy:Q", title=title, scale=scale, axis=alt.Axis(format=".1%", tickCount=5))


@dataclass(frozen=True)
class Course:
    """The val accuracy of a training over its epochs."""

    run: str
    kind: Kind
    label: str
    points: Sequence[tuple[float, float]]  # (epoch, accuracy), at least one


def courses(
    lines: Sequence[Course], *, x_title: str, y_title: str, kinds: Mapping[Kind, str], language: str
) -> alt.LayerChart:
    """The learning curves of many trainings: the best one thick, pruned ones dashed, with a cross where they end.

    Args:
        lines: at least one; each is thinned to `POINTS_SENT` points.
        x_title: title of the axis of epochs.
        y_title: title of the axis of accuracies.
        kinds: the words of each kind, for the legend.
        language: for number formats.
    """
    rows, ends = [], []
    for one in sorted(lines, key=lambda one: -KINDS.index(one.kind)):  # the best one is drawn last
        kept = lttb(np.array(one.points, dtype=float).reshape(-1, 2), POINTS_SENT).tolist()
        rows += [(one.run, kinds[one.kind], x, y) for x, y in kept]
        last, said = kept[-1], percent(kept[-1][1], 2, language=language)
        ends.append((one.run, kinds[one.kind], *last, said, one.label, 4.0 if one.kind == "best" else 1.6))
    data = pd.DataFrame(rows, columns=["run", "of", "x", "accuracy"])
    marked = pd.DataFrame(ends, columns=["run", "of", "x", "accuracy", "said", "label", "width"])
    data = data.merge(marked[["run", "width"]], on="run")
    top = max(x for one in lines for x, _ in one.points)
    x = alt.X(
        "x:Q",
        title=x_title,
        scale=alt.Scale(domain=(0, 1.03 * top), nice=False),
        axis=alt.Axis(tickMinStep=1, grid=False),
    )
    values = [value for one in lines for _, value in one.points]
    y = _accuracies([float(np.quantile(values, 0.05)), max(values)], y_title)  # the first epochs are far below
    color, shape, dash = _looks([one.kind for one in lines], kinds)
    tooltip = [
        alt.Tooltip("run:N", title=" "),
        alt.Tooltip("label:N", title=" "),
        alt.Tooltip("x:Q", title=x_title),
        alt.Tooltip("said:N", title=y_title),
    ]
    strokes = alt.Chart(data).mark_line(clip=True, opacity=0.85).encode(x=x, y=y, color=color, strokeDash=dash)
    strokes = strokes.encode(
        detail="run:N", strokeWidth=alt.StrokeWidth("width:Q", scale=None, legend=None), order="x:Q"
    )
    points = alt.Chart(marked).mark_point(filled=True, size=80, opacity=1, clip=True)
    layers = [strokes, points.encode(x=x, y=y, color=color, shape=shape, tooltip=tooltip)]
    return readable(alt.layer(*layers), language).properties(height=360)


def importance(shares: Mapping[str, float], *, x_title: str, y_title: str, language: str) -> alt.LayerChart:
    """One bar for each field, the most important first, with its percentage.

    `shares`: 0 to 1 by the field's name.
    """
    found = sorted(shares.items(), key=lambda pair: -pair[1])
    rows = [(name, share, percent(share, 0, language=language)) for name, share in found]
    data = pd.DataFrame(rows, columns=["field", "value", "label"])
    y = alt.Y(
        "field:N", title=y_title, scale=alt.Scale(domain=[name for name, _ in found]), axis=alt.Axis(labelLimit=280)
    )
    x = alt.X("value:Q", title=x_title, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%", tickCount=5))
    bars = alt.Chart(data).encode(y=y, x=x)
    labels = bars.mark_text(align="left", dx=6, fontSize=FONT, color=INK).encode(text="label:N")
    return readable(alt.layer(bars.mark_bar(), labels), language).properties(height=34 * len(data) + 70)


@dataclass(frozen=True)
class Axis:
    """An axis of `parallel`: the values of one field, each with its place and its words."""

    title: str
    places: Mapping[Any, float]  # from 0 (bottom) to 1 (top), by value, in ascending order
    words: Mapping[Any, str]  # by value


def axis(title: str, values: Sequence[Any], words: Mapping[Any, str]) -> Axis:
    """The axis of these values: numbers by size (by logarithms where they span a factor of ten), words side by side.

    A value of None, of a run that has no use for the field, is at the bottom, below all others.
    """
    known = [value for value in dict.fromkeys(values) if value is not None]
    if known and all(isinstance(value, int | float) for value in known):
        known = sorted(known)
        low, high = known[0], known[-1]
        scaled = [math.log(value) for value in known] if low > 0 and high >= 10 * low else known
        width = scaled[-1] - scaled[0]
        places = {value: (at - scaled[0]) / width if width else 0.5 for value, at in zip(known, scaled, strict=True)}
    else:
        places = {value: place / (len(known) - 1) if len(known) > 1 else 0.5 for place, value in enumerate(known)}
    if None in values:
        places = {None: 0.0} | {value: 0.15 + 0.85 * place for value, place in places.items()}
    return Axis(title, places, words)


def parallel(
    axes: Sequence[Axis], lines: Mapping[str, Sequence[Any]], passing: Sequence[str], *, language: str
) -> alt.LayerChart:
    """Parallel coordinates: a line for each run through its value on each axis; a box drawn with the mouse is `BRUSH`.

    Args:
        axes: at least two, from left to right; the lines take their colour from the last one.
        lines: a value for each axis by the run's name.
        passing: the names of the runs that are drawn in colour; the others are thin and grey.
        language: for number formats.

    No label is wider than the room between two axes, see `PARALLEL` for how much that has to be.
    """
    within = frozenset(passing)
    rows = [
        (run, place, axes[place].places[value], axes[place].words[value], axes[-1].places[values[-1]], run in within)
        for run, values in lines.items()
        for place, value in enumerate(values)
    ]
    data = pd.DataFrame(rows, columns=["run", "x", "y", "said", "value", "passes"])
    ticks = [
        (place, one.places[value], one.words[value]) for place, one in enumerate(axes) for value in _ticks(one.places)
    ]
    marked = pd.DataFrame(ticks, columns=["x", "y", "said"])
    titles = pd.DataFrame(
        [(place, 1.26, _in_two(one.title)) for place, one in enumerate(axes)], columns=["x", "y", "said"]
    )
    bars = pd.DataFrame([(place, 0.0, 1.0) for place in range(len(axes))], columns=["x", "y", "top"])
    left, right = -0.45, len(axes) - 0.4  # room for half of the first title, and for the last axis's values
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=(left, right), nice=False))
    room = f"width / {right - left}"  # pixels from one axis to the next
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=(-0.08, 1.28), nice=False))
    drawn = alt.Chart(data).encode(x=x, y=y, detail="run:N", order="x:Q")
    grey = drawn.transform_filter("!datum.passes").mark_line(color="#808080", strokeWidth=1, opacity=0.35)
    coloured = drawn.transform_filter("datum.passes").mark_line(strokeWidth=2.5, opacity=0.9)
    color = alt.Color("value:Q", scale=alt.Scale(domain=(-0.6, 1)), legend=None)
    select = alt.selection_interval(name=BRUSH, encodings=["x", "y"])
    tooltip = [alt.Tooltip("run:N", title=" "), alt.Tooltip("said:N", title=" ")]
    points = drawn.transform_filter("datum.passes").mark_point(filled=True, size=45, opacity=1)
    at = {"x": x, "y": y}
    text = alt.Chart(marked).encode(**at, text="said:N")
    fits: dict[str, Any] = {"align": "left", "dx": 8, "fontSize": FONT - 1, "limit": alt.ExprRef(f"{room} - 16")}
    halo = text.mark_text(**fits, stroke=alt.ExprRef("background"), strokeWidth=4, strokeJoin="round")
    title: dict[str, Any] = {"fontSize": FONT, "fontWeight": 600, "limit": alt.ExprRef(f"{room} - 8")}
    title |= {"baseline": "top", "lineBreak": "\n"}
    layers = [
        grey,
        coloured.encode(color=color),
        points.encode(color=color, tooltip=tooltip).add_params(select),
        alt.Chart(bars).mark_rule(strokeWidth=2, color=INK).encode(**at, y2="top:Q"),
        halo,
        text.mark_text(**fits, color=INK),
        alt.Chart(titles).mark_text(**title, color=INK).encode(**at, text="said:N"),
    ]
    return readable(alt.layer(*layers), language).properties(height=340)


def _in_two(title: str) -> str:
    """A title in two lines, of which the longer one is as short as the words allow."""
    words = title.split()
    lines = [(" ".join(words[:place]), " ".join(words[place:])) for place in range(len(words))]
    return "\n".join(filter(None, min(lines, key=lambda both: max(map(len, both)))))


def _ticks(places: Mapping[Any, float]) -> list[Any]:
    """The values that an axis names: both ends, and of a few all, else the middle one, where there is room for them."""
    values = list(places)
    kept = [values[0], *([values[-1]] if len(values) > 1 else [])]
    for value in values[1:-1] if len(values) <= NAMED else [values[len(values) // 2]]:
        if all(abs(places[value] - places[other]) >= LINE for other in kept):
            kept.append(value)
    return kept


def brushed(axes: Sequence[Axis], brush: Mapping[str, Any]) -> dict[int, tuple[int, int]]:
    """The places of the lowest and the highest value on each axis, by its place, over which a box was drawn."""
    across, along = brush.get("x"), brush.get("y")
    if not across or not along:
        return {}
    (left, right), (low, high) = sorted(map(float, across)), sorted(map(float, along))
    found = {}
    for place, one in enumerate(axes):
        hit = [index for index, at in enumerate(one.places.values()) if low <= at <= high]
        if left - 0.1 <= place <= right + 0.1 and hit:
            found[place] = hit[0], hit[-1]
    return found
