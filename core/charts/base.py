"""What every chart has: how series are told apart, type that is readable from the last row, numbers in a language.

Series differ by dash and point as well as by colour; colours are the theme's (`.streamlit/config.toml`), so that both
themes work and a change of theme needs no new chart. Beside each chart stands a function that gives it as a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import altair as alt

from core.words import number_marks

FONT = 15  # pixels: readable from the back of a room on a 1280 x 720 projector
DASHES = [[1, 0], [7, 4], [2, 3], [10, 3, 2, 3], [14, 5]]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross"]
# The colour of words and rules: the theme gives none to marks, and a faint one to axes, but it sets the chart's ground.
INK = alt.ExprRef("luminance(background) > 0.18 ? '#1b1f24' : '#f2f4f7'")


def told_apart(series: Sequence[str]) -> tuple[alt.Color, alt.StrokeDash, alt.Shape]:
    """What tells the series from one another: colour, dash and point, in one legend."""
    kinds = [index % len(DASHES) for index in range(len(series))]
    legend = alt.Legend(title=None, orient="top", symbolSize=160, symbolStrokeWidth=0)
    return (
        alt.Color("series:N", scale=alt.Scale(domain=series), legend=legend),
        alt.StrokeDash("series:N", scale=alt.Scale(domain=series, range=[DASHES[k] for k in kinds]), legend=legend),
        alt.Shape("series:N", scale=alt.Scale(domain=series, range=[SHAPES[k] for k in kinds]), legend=legend),
    )


def readable(chart: alt.LayerChart | alt.FacetChart, language: str) -> alt.LayerChart:
    """The chart with type that is readable from the back of a room, and its numbers as the language writes them."""
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
