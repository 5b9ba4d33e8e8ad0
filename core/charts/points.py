"""A chart of images as points of a plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from core.charts.base import FONT, INK, readable

WIDTH = 320  # px of the plane at least, on a phone
LETTER, LINE = 0.62 * (FONT + 1), 1.2 * (FONT + 1)  # px that a class's name needs for a letter, and as a line


def plane(
    points: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    names: Sequence[str],
    *,
    words: Mapping[str, str],
    language: str,
    images: np.ndarray | None = None,
    own: np.ndarray | None = None,
    chosen: int | None = None,
    height: int = 480,
) -> alt.LayerChart:
    """Images as points, coloured by their class, whose name stands in the middle of its points; errors are crosses.

    A click on a point selects its image's number, `index`.

    Args:
        points: float32 (N, 2).
        labels: int64 (N,), the true classes.
        predicted: int64 (N,).
        names: of the K classes.
        words: the words for `true_class`, `predicted_class`, `image`, and of the reader's own image, `own`.
        language: for number formats.
        images: int64 (N,), the numbers of the images; by default from 0.
        own: the point (2,) of the reader's own image, a star.
        chosen: the place among the points of the image that is marked with a ring.
        height: of the chart, px.
    """
    titles = {name: name for name in ("index", "true", "predicted")}
    data = plane_table(points, labels, predicted, names, words=titles, images=images)
    ends = [(float(low), float(high)) for low, high in zip(points.min(axis=0), points.max(axis=0), strict=True)]
    if own is not None:
        ends = [(min(low, float(at)), max(high, float(at))) for (low, high), at in zip(ends, own, strict=True)]
    domains = [[low - 0.04 * (high - low), high + 0.04 * (high - low)] for low, high in ends]
    rooms = [alt.Scale(domain=domain, nice=False) for domain in domains]
    x, y = alt.X("x:Q", axis=None, scale=rooms[0]), alt.Y("y:Q", axis=None, scale=rooms[1])
    colour = alt.Color("true:N", legend=None, scale=alt.Scale(domain=list(names), scheme="tableau10"))
    tooltip = [
        alt.Tooltip("index:Q", title=words["image"]),
        alt.Tooltip("true:N", title=words["true_class"]),
        alt.Tooltip("predicted:N", title=words["predicted_class"]),
    ]
    select = alt.selection_point(name="point", fields=["index"], empty=False)
    drawn = alt.Chart(data).encode(x=x, y=y, color=colour, tooltip=tooltip)
    right = drawn.transform_filter("datum.true === datum.predicted").mark_circle(size=34, opacity=0.75)
    wrong = drawn.transform_filter("datum.true !== datum.predicted")
    errors = wrong.mark_point(shape="cross", size=130, filled=True, opacity=1, stroke=INK, strokeWidth=1)
    middles = data.groupby("true", sort=False)[["x", "y"]].median().reset_index()
    middles["y"] = _apart(middles, *domains, height)
    at = alt.Chart(middles).encode(x=x, y=y, text="true:N")
    halo = at.mark_text(fontSize=FONT + 1, fontWeight=700, color="#ffffff", stroke="#ffffff", strokeWidth=4)
    layers = [right.add_params(select), errors, halo, at.mark_text(fontSize=FONT + 1, fontWeight=700, color="#000000")]
    marks = [(own, words["own"], "diamond")] if own is not None else []
    if chosen is not None:
        marks.append((points[chosen], "", "circle"))
    for place, said, shape in marks:
        one = alt.Chart(pd.DataFrame({"x": [float(place[0])], "y": [float(place[1])], "said": [said]})).encode(x=x, y=y)
        layers.append(one.mark_point(shape=shape, size=420, strokeWidth=4, color=INK, filled=False))
        layers.append(one.mark_text(dy=-20, fontSize=FONT, fontWeight=700, color=INK).encode(text="said:N"))
    return readable(alt.layer(*layers), language).properties(height=height)


def _apart(middles: pd.DataFrame, across: Sequence[float], along: Sequence[float], height: int) -> list[float]:
    """The height of each class's name, moved down from the middle of its points where it would cover another one.

    `across`, `along`: the ends of the axes, of which the second has `height` pixels, and the first at least `WIDTH`.
    """
    letter, line = LETTER * (across[1] - across[0]) / WIDTH, LINE * (along[1] - along[0]) / height
    xs, ys, halves = middles["x"].tolist(), middles["y"].tolist(), [letter * len(name) / 2 for name in middles["true"]]
    placed: list[int] = []
    for one in np.argsort(ys)[::-1].tolist():  # from the top on
        near = [ys[other] for other in placed if abs(xs[one] - xs[other]) < halves[one] + halves[other]]
        while covered := [y for y in near if abs(ys[one] - y) < line]:
            ys[one] = min(covered) - 1.001 * line  # a little more than a line: else rounding may leave it covered
        placed.append(one)
    return ys


def plane_table(
    points: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    names: Sequence[str],
    *,
    words: Mapping[str, str],
    images: np.ndarray | None = None,
) -> pd.DataFrame:
    """The data of `plane`, one row for each image; `words`: those for `index`, `true` and `predicted`."""
    numbers = np.arange(len(points)) if images is None else images
    columns = {words["index"]: numbers, "x": points[:, 0], "y": points[:, 1]}
    columns |= {words["true"]: [names[k] for k in labels], words["predicted"]: [names[k] for k in predicted]}
    return pd.DataFrame(columns)
