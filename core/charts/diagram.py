"""A network drawn in HTML as a row of blocks, one for the output of each layer.

The two colours and the grey of the edges have a contrast of 3:1 with both themes' backgrounds; boxes and bars differ in
shape, not only in colour. The row wraps, so that forty layers need no horizontal scrolling.
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence

from core.networks.layers import Shape, shape_text

HIGH = 68  # px of the longest side of a block ...
DEEP = 26  # ... and of the greatest depth
MAP, VECTOR, EDGE = "#3a81bb", "#c1641a", "#808080"
STYLE = """<style>
.network { display: flex; flex-wrap: wrap; gap: 0.9rem 0.2rem; align-items: flex-end; }
.network figure { width: 7.4rem; margin: 0; text-align: center; }
.network figcaption { font-size: 0.95rem; line-height: 1.25; overflow-wrap: anywhere; min-height: 5em; }
</style>"""


def diagram(names: Sequence[str], shapes: Sequence[Shape], label: str) -> str:
    """HTML of a row of blocks, each with its name and shape (C, H, W) or (D,); `label` is the accessible description.

    Height and width of a box grow with the square root of the side in pixels, its depth with the logarithm of the
    channels, and a bar's height with the logarithm of its values, so that a side of 5 remains visible next to one of
    28, and 10 values next to 1,600.
    """
    side = max((max(shape[1:]) for shape in shapes if len(shape) == 3), default=1)
    channels = max((shape[0] for shape in shapes if len(shape) == 3), default=1)
    values = max((shape[0] for shape in shapes if len(shape) == 1), default=1)
    figures = []
    for name, shape in zip(names, shapes, strict=True):
        drawing = _box(shape, side, channels) if len(shape) == 3 else _bar(shape[0], values)
        words = f"{html.escape(name)}<br><b>{shape_text(shape)}</b>"
        figures.append(f"<figure>{drawing}<figcaption>{words}</figcaption></figure>")
    sentence = html.escape(label, quote=True)
    return f'{STYLE}<div class="network" role="group" aria-label="{sentence}">{"".join(figures)}</div>'


def _box(shape: Shape, most_side: int, most_channels: int) -> str:
    depth = 3 + (DEEP - 3) * math.log1p(shape[0]) / math.log1p(most_channels)
    high, wide = (max(4.0, HIGH * math.sqrt(side / most_side)) for side in shape[1:])
    shift = depth * 0.6  # the depth goes up and to the right
    front = [(0, shift), (wide, shift), (wide, shift + high), (0, shift + high)]
    top = [(0, shift), (shift, 0), (wide + shift, 0), (wide, shift)]
    right = [(wide, shift), (wide + shift, 0), (wide + shift, high), (wide, shift + high)]
    return _svg(wide + shift, high + shift, [(front, 1.0), (top, 0.55), (right, 0.75)], MAP)


def _bar(values: int, most_values: int) -> str:
    high, wide = max(6.0, HIGH * math.log1p(values) / math.log1p(most_values)), 12.0
    return _svg(wide, high, [([(0, 0), (wide, 0), (wide, high), (0, high)], 1.0)], VECTOR)


def _svg(wide: float, high: float, faces: Sequence[tuple[list[tuple[float, float]], float]], colour: str) -> str:
    """An image of polygons, each with points and opacity; its `alt` is empty because the caption says the same."""
    polygons = "".join(
        f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" fill-opacity="{opacity}"/>'
        for points, opacity in faces
    )
    size = f'width="{wide + 2:.0f}" height="{high + 2:.0f}"'
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="-1 -1 {wide + 2:.1f} {high + 2:.1f}" '
        f'fill="{colour}" stroke="{EDGE}" stroke-linejoin="round">{polygons}</svg>'
    )
    # Streamlit removes <svg> elements from HTML, but not <img> elements with an SVG source.
    return f'<img {size} alt="" src="data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}">'
