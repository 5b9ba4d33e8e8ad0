"""The drawing pad: a canvas in the browser (`pad.js`) whose drawing reaches Python when the pen is lifted."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from core.drawing import SHEET

MOST_CHARACTERS = 200_000  # of the strokes as JSON: about 15,000 points
PAD_LABELS = ("draw", "erase", "undo", "redo", "clear", "width", "pad")

HTML = """
<div class="pad">
  <div class="draws">
    <canvas class="sheet" tabindex="0" role="img"></canvas>
    <div class="tools">
      <button class="draw" type="button"></button>
      <button class="erase" type="button"></button>
      <button class="undo" type="button"></button>
      <button class="redo" type="button"></button>
      <button class="clear" type="button"></button>
      <label><span class="word"></span><input class="width" type="range" min="12" max="64" value="32"></label>
    </div>
  </div>
  <div class="live" aria-hidden="true">
    <canvas class="seen"></canvas>
    <p class="caption"></p>
    <ol class="bars"></ol>
  </div>
</div>
"""

_pad = st.components.v2.component(  # pyright: ignore[reportAttributeAccessIssue]
    "bancada.pad",
    html=HTML,
    css=Path(__file__).with_name("pad.css").read_text(encoding="utf-8"),
    js=Path(__file__).with_name("pad.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Drawing:
    """The drawing on the pad when the pen was last lifted."""

    sequence: int  # grows by one with each change of the drawing
    pixels: np.ndarray  # uint8 (SHEET, SHEET), 0 ground to 255 ink


def drawing_pad(key: str, *, labels: Mapping[str, str], live: str | None = None) -> Drawing | None:
    """Show the pad and return its drawing; None before the first stroke and when the pad is cleared.

    The drawing survives a change of page: Streamlit drops the state of a component that is not shown, so the last
    message is stored under a key of our own and sent back to the browser when the pad is shown again.

    Args:
        key: the pad's key; the session state uses `key`, `key` + ".kept" and `key` + ".taken".
        labels: the text for each of `PAD_LABELS` in the reader's language.
        live: the address (see `ui/draw/live_answer.py`) whose answers the pad shows while the pen is down.
    """
    drawing, last = drawn(key), st.session_state.get(f"{key}.kept")
    _pad(
        key=key,
        data={
            "side": SHEET,
            "most": MOST_CHARACTERS,
            "labels": {name: labels[name] for name in PAD_LABELS},
            "live": live,
            "taken": st.session_state.get(f"{key}.taken"),
            "initial": last and {"seq": last["seq"], "strokes": last["strokes"]},
        },
        on_drawing_change=lambda: None,
    )
    return drawing


def drawn(key: str) -> Drawing | None:
    """The latest drawing on the pad, which may be newer than this rerun of the page; None if it is blank or taken."""
    kept, state = f"{key}.kept", st.session_state.get(key)
    message = state.get("drawing") if isinstance(state, Mapping) else None
    if drawing_of(message) is not None:
        st.session_state[kept] = message
    drawing = drawing_of(st.session_state.get(kept))
    if drawing is None or drawing.sequence == st.session_state.get(f"{key}.taken") or not drawing.pixels.any():
        return None
    return drawing


def take(key: str, drawing: Drawing) -> None:
    """Have the browser clear this drawing; until it has done so, `drawn` returns None."""
    st.session_state[f"{key}.taken"] = drawing.sequence


def drawing_of(message: object) -> Drawing | None:
    """The drawing in a message from the browser; None unless the message has exactly the form that `pad.js` sends.

    A client can send any message. The strokes are not parsed: they only go back to the browser that sent them.
    """
    if not isinstance(message, Mapping) or set(message) != {"seq", "side", "pixels", "strokes"}:
        return None
    sequence, side, pixels, strokes = (message[name] for name in ("seq", "side", "pixels", "strokes"))
    if type(sequence) is not int or not 0 < sequence < 2**53 or type(side) is not int or side != SHEET:
        return None
    if not isinstance(strokes, str) or len(strokes) > MOST_CHARACTERS:
        return None
    if not isinstance(pixels, str) or len(pixels) != -(-SHEET * SHEET // 3) * 4:
        return None
    try:
        content = base64.b64decode(pixels, validate=True)
    except (binascii.Error, ValueError):  # `ValueError` for a character that is not ASCII
        return None
    if len(content) != SHEET * SHEET:
        return None
    return Drawing(sequence, np.frombuffer(content, np.uint8).reshape(SHEET, SHEET))
