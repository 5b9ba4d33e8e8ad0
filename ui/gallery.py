"""Many small pictures with their captions, as one piece of the page: no request each, enlarged with hard edges."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

import numpy as np
import streamlit as st

from ui.charts import enlarge

STYLE = """<style>
.pictures { display: flex; flex-wrap: wrap; gap: 0.75rem; }
.pictures figure { margin: 0; text-align: center; }
.pictures img { object-fit: contain; image-rendering: pixelated; background: #808080; border: 1px solid #808080; }
.pictures figcaption { font-size: 0.95rem; line-height: 1.25; white-space: pre-line; }
</style>"""


def gallery(images: np.ndarray, captions: Sequence[str], *, side: int = 120) -> None:
    """Show images uint8 (N, C, H, W), each `side` CSS pixels wide; its caption is also its text for a screen reader."""
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
