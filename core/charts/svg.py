"""A chart as an SVG picture for a page without scripts, drawn here, in the colours of the light theme."""

from __future__ import annotations

import functools
import re
import tomllib
from typing import Any

import altair as alt

from core.settings import ROOT

WIDTH = 620  # pixels of the plot, without labels: so wide that a printed page holds it


def svg(chart: alt.LayerChart, name: str, width: int = WIDTH) -> str:
    """The chart as an SVG element; `name` tells its inner names apart from those of other charts on the page."""
    import vl_convert

    drawn = vl_convert.vegalite_to_svg(chart.properties(width=width).to_dict(), config=_config())
    # Vega numbers the areas to which it clips lines anew in each picture.
    return re.sub(r'(?<=id=")(?=clip|gradient)|(?<=url\(#)(?=clip|gradient)', f"{name}-", drawn)


@functools.cache
def _config() -> dict[str, Any]:
    """What Streamlit tells the charts of its light theme."""
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]["light"]
    categories, shades = theme["chartCategoricalColors"], theme["chartSequentialColors"]
    ranges = {"category": categories, "ramp": shades, "heatmap": shades}
    return {"background": "#ffffff", "font": "sans-serif", "mark": {"color": categories[0]}, "range": ranges}


def shades() -> list[str]:
    """The colours of the light theme for numbers, from the least to the greatest."""
    return list(_config()["range"]["ramp"])
