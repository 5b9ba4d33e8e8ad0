"""Common to all charts: encodings that distinguish series, font sizes, and number formats of a language.

Series differ by dash and point shape as well as by colour. Colours come from the theme (`.streamlit/config.toml`), so
that both themes work and a change of theme needs no new chart. Most charts have a function that returns their data as a
table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import altair as alt

from core.words import number_marks

FONT = 15  # pixels: readable from the back of a room on a 1280 x 720 projector
DASHES = [[1, 0], [7, 4], [2, 3], [10, 3, 2, 3], [14, 5]]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross"]
# Colour of text and rules, computed from the background: the theme has none for marks and only a faint one for axes.
INK = alt.ExprRef("luminance(background) > 0.18 ? '#1b1f24' : '#f2f4f7'")


def told_apart(series: Sequence[str], legend_columns: int = 0) -> tuple[alt.Color, alt.StrokeDash, alt.Shape]:
    """Encodings that distinguish the series by colour, dash and point shape, with one common legend."""
    kinds = [index % len(DASHES) for index in range(len(series))]
    # More than two names side by side would leave a narrow chart, which cuts them off.
    columns = legend_columns or (2 if len(series) > 2 else 0)
    legend = alt.Legend(title=None, orient="top", symbolSize=160, symbolStrokeWidth=0, columns=columns)
    return (
        alt.Color("series:N", scale=alt.Scale(domain=series), legend=legend),
        alt.StrokeDash("series:N", scale=alt.Scale(domain=series, range=[DASHES[k] for k in kinds]), legend=legend),
        alt.Shape("series:N", scale=alt.Scale(domain=series, range=[SHAPES[k] for k in kinds]), legend=legend),
    )


def readable(chart: alt.LayerChart | alt.FacetChart, language: str, *, above: int = 0) -> alt.LayerChart:
    """The chart with fonts that are readable from the back of a room and with the language's number formats.

    `above` is the height in pixels of what stands between the plot and the legend, beside one line of labels.
    """
    chart = cast("alt.LayerChart", chart)  # `alt.layer` returns a FacetChart only for layers with facets
    marks = number_marks(language)
    numbers = {**marks, "grouping": [3], "currency": ["", ""]}
    return chart.configure(
        aria=False,  # else a screen reader hears of each mark, in English, after the `alt`; a table is offered
        axis=alt.AxisConfig(
            labelFontSize=FONT, titleFontSize=FONT, titleFontWeight=600, labelColor=INK, titleColor=INK, titlePadding=10
        ),
        legend=alt.LegendConfig(
            labelFontSize=FONT,
            titleFontSize=FONT,
            labelColor=INK,
            titleColor=INK,
            labelLimit=400,
            columnPadding=14,
            offset=18 + above,
        ),
        locale=alt.Locale(number=alt.NumberLocale(**numbers)),
    )
