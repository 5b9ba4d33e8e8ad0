"""Many small pictures with their captions, as one piece of the page: no request each, enlarged with hard edges."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

import numpy as np
import streamlit as st

from ui.charts import enlarge, sheet

ABOVE = 215  # pixels of a page above its pictures
LEAST = 40  # pixels of a row of pictures
STYLE = """<style>
.pictures { display: flex; flex-wrap: wrap; gap: 0.75rem; }
.pictures figure { margin: 0; text-align: center; }
.pictures img { image-rendering: pixelated; border: 1px solid #808080; }
.pictures figcaption { font-size: 0.95rem; line-height: 1.25; white-space: pre-line; }
.picture-rows { display: grid; grid-template-columns: max-content 1fr; gap: 2px 0.75rem; align-items: center; }
.picture-rows { overflow-x: auto; }
</style>"""


def gallery(images: Iterable[np.ndarray], captions: Sequence[str], *, side: int = 120) -> None:
    """Show images uint8 (C, H, W), each `side` CSS pixels wide; its caption is also its text for a screen reader."""
    figures = []
    for image, caption in zip(images, captions, strict=True):
        data = base64.b64encode(enlarge(image, 1)).decode()
        words = html.escape(caption)
        alt = html.escape(caption.replace("\n", ", "), quote=True)
        figures.append(
            f'<figure style="width:{side}px"><img src="data:image/png;base64,{data}" width="{side}" height="{side}" '
            f'alt="{alt}"><figcaption>{words}</figcaption></figure>'
        )
    st.html(f'{STYLE}<div class="pictures">{"".join(figures)}</div>')


def rows(labels: Sequence[str], images: Sequence[np.ndarray], *, columns: int, scale: int) -> None:
    """Show a sheet of images uint8 (N, C, H, W), N at least 1, beside each label, enlarged by `scale` if that fits.

    A sheet breaks after `columns` images. Where the window is too low for all, they are made smaller until they fit.
    """
    lines = []
    for label, some in zip(labels, images, strict=True):
        words = html.escape(label, quote=True)
        # Twice as large as shown: a browser that has to shrink it keeps the edges hard.
        data = base64.b64encode(sheet(some, columns=columns, scale=2 * scale)).decode()
        height = -(-len(some) // columns) * (some.shape[2] + 1) * scale
        lines.append(
            f'<span>{words}</span><img src="data:image/png;base64,{data}" alt="{words} ({len(some)})" '
            f'style="height:min({height}px, max({LEAST}px, (100vh - {ABOVE}px) / {len(labels)}))">'
        )
    st.html(f'{STYLE}<div class="picture-rows">{"".join(lines)}</div>')
