"""Many small pictures with captions in one element of the page: no request for each, enlarged without smoothing."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import streamlit as st

from core.charts.pictures import enlarge

ABOVE = 210  # px, height of the page above its pictures
LEAST = 40  # px, least height of a row of pictures
STYLE = """<style>
.pictures { display: flex; flex-wrap: wrap; gap: 0.75rem; }
.pictures figure { margin: 0; text-align: center; }
.pictures figure, .pictures img { max-width: 100%; }
.pictures img { object-fit: contain; image-rendering: pixelated; background: #808080; border: 1px solid #808080; }
.pictures figcaption { font-size: 0.95rem; line-height: 1.25; white-space: pre-line; }
.pictures [role="button"] { cursor: pointer; }
.pictures [role="button"]:is(:hover, :focus-visible) img { outline: 3px solid currentcolor; }
.picture-rows { display: grid; grid-template-columns: max-content 1fr; gap: 2px 0.75rem; align-items: center; }
.picture-rows > span { overflow-wrap: anywhere; max-width: 30vw; }
.picture-rows .line { display: flex; flex-wrap: wrap; gap: 2px; padding: 2px; }
.picture-rows .cut { height: calc(var(--height) + 4px); overflow: clip; }
.picture-rows img { height: var(--height); image-rendering: pixelated; }
.picture-rows [role="button"] { cursor: pointer; }
.picture-rows [role="button"]:is(:hover, :focus-visible) { outline: 3px solid currentcolor; outline-offset: -1px; }
</style>"""
# The pictures are not widgets; this component reports which of them is clicked.
_clicks = st.components.v2.component(  # pyright: ignore[reportAttributeAccessIssue]
    "bancada.clicks",
    js="""export default ({ setTriggerValue }) => {
  const hear = (event) => {
    const picture = event.target.closest?.(":is(.pictures, .picture-rows) [data-number]");
    if (!picture || (event.type === "keydown" && !["Enter", " "].includes(event.key))) return;
    event.preventDefault();
    setTriggerValue("number", Number(picture.dataset.number));
  };
  document.bancadaForget?.();  // a change of theme begins anew without having ended
  document.addEventListener("click", hear);
  document.addEventListener("keydown", hear);
  document.bancadaForget = () => {
    document.removeEventListener("click", hear);
    document.removeEventListener("keydown", hear);
  };
  return document.bancadaForget;
};""",
)


def gallery(
    images: Iterable[np.ndarray],
    captions: Sequence[str],
    *,
    side: int = 120,
    numbers: Sequence[int] | None = None,
    columns: int | None = None,
) -> None:
    """Show images uint8 (C, H, W), each `side` CSS pixels wide; its caption is also its text for a screen reader.

    With `numbers` each image is a button, see `clicked_picture`. With `columns` the images are aligned with as many
    `st.columns`.
    """
    figures = []
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        button = f'role="button" tabindex="0" data-number="{numbers[place]}" ' if numbers else ""
        data = base64.b64encode(enlarge(image, 1)).decode()
        words = html.escape(caption)
        alt = html.escape(caption.replace("\n", ", "), quote=True)
        figures.append(
            f'<figure {button}style="width:{side}px"><img src="data:image/png;base64,{data}" width="{side}" '
            f'height="{side}" alt="{alt}"><figcaption>{words}</figcaption></figure>'
        )
    grid = f' style="display:grid;grid-template-columns:repeat({columns},minmax(0,1fr));gap:1rem"' if columns else ""
    st.html(f'{STYLE}<div class="pictures"{grid}>{"".join(figures)}</div>')


def clicked_picture(then: Callable[[int], None]) -> None:
    """Call `then` with the number of the picture that is clicked, or activated with the keyboard."""

    def called() -> None:
        number = st.session_state["clicks"].get("number")
        if isinstance(number, int):  # a client can send anything
            then(number)

    _clicks(key="clicks", on_number_change=called)


def rows(
    labels: Sequence[str],
    images: Sequence[np.ndarray],
    numbers: Sequence[np.ndarray] | None,
    *,
    height: int,
    is_cut: bool = True,
) -> None:
    """Show images uint8 (N, C, H, W), N at least 1, beside each label; with `numbers` buttons, see `clicked_picture`.

    They are `height` px high, or lower if the window is too low for all rows. If `is_cut`, a row shows as many of its
    images as fit into one line, else it goes on in the next.
    """
    lines = []
    shown = (
        f"min({height}px, max({LEAST}px, (100vh - {ABOVE}px) / {max(1, len(labels))} - 6px))"
        if is_cut
        else f"{height}px"
    )
    for label, some, places in zip(labels, images, numbers or [None] * len(labels), strict=True):
        words = html.escape(label, quote=True)
        figures = []
        for place, image in enumerate(some):
            data = base64.b64encode(enlarge(image, 1)).decode()
            number = None if places is None else places[place]
            said = words if number is None else f"{words} {number}".strip()
            button = "" if number is None else f'role="button" tabindex="0" data-number="{number}" '
            figures.append(f'<img {button}alt="{said}" src="data:image/png;base64,{data}">')
        lines.append(f'<span>{words}</span><div class="line{" cut" * is_cut}">{"".join(figures)}</div>')
    st.html(f'{STYLE}<div class="picture-rows" style="--height:{shown}">{"".join(lines)}</div>')
