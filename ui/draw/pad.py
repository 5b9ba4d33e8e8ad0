"""The drawing pad: a canvas in the browser (`pad.js`) whose drawing reaches Python when the pen is lifted.

Beside it stand the answers to the drawing (`answers.js`), which can also be shown without a pad.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from core.drawing import SHEET
from ui.files import beside

MOST_CHARACTERS = 200_000  # of the strokes as JSON: about 15,000 points
PAD_LABELS = ("draw", "erase", "undo", "redo", "clear", "width", "pad")

ANSWERS = """
<div class="answers">
  <p class="said" role="status"></p>
  <table><thead><tr></tr></thead><tbody></tbody></table>
  <p class="legend"></p>
</div>
<div class="sees"><canvas class="seen none" aria-hidden="true"></canvas><p class="caption"></p></div>
"""
PAD = f"""
<div class="room"><div class="pad">
  <canvas class="sheet" tabindex="0" role="img"></canvas>
  <div class="tools">
    <button class="draw" type="button"></button>
    <button class="erase" type="button"></button>
    <button class="undo" type="button"></button>
    <button class="redo" type="button"></button>
    <button class="clear" type="button"><span class="word"></span> <kbd>X</kbd></button>
    <label><span class="wide"></span><input class="width" type="range" min="12" max="64" value="32"></label>
  </div>
  {ANSWERS}
</div></div>
"""
SHOW = """
export default function ({ parentElement, data }) {
  const answers = makeAnswers(parentElement);
  answers.label(data);
  answers.show(data.message);
}
"""


def pad_script() -> str:
    """The script of the pad and of the answers beside it, a module: the pupils' page is served the same."""
    return beside(__file__, "answers.js") + beside(__file__, "pad.js")


def pad_style() -> str:
    """The style sheet of the pad and of the answers."""
    return beside(__file__, "pad.css")


_pad = st.components.v2.component(  # pyright: ignore[reportAttributeAccessIssue]
    "bancada.pad", html=PAD, css=pad_style(), js=pad_script()
)
_answers = st.components.v2.component(  # pyright: ignore[reportAttributeAccessIssue]
    "bancada.answers",
    html=f'<div class="room">{ANSWERS}</div>',
    css=pad_style(),
    js=beside(__file__, "answers.js") + SHOW,
)


@dataclass(frozen=True)
class Drawing:
    """The drawing on the pad when the pen was last lifted."""

    sequence: int  # grows by one with each change of the drawing
    pixels: np.ndarray  # uint8 (SHEET, SHEET), 0 ground to 255 ink


def drawing_pad(
    key: str, *, labels: Mapping[str, str], answers: Mapping[str, Any] | None = None, live: str | None = None
) -> None:
    """Show the pad, whose drawing is `drawn(key)`, and the answers to it.

    The drawing survives a change of page: Streamlit drops the state of a component that is not shown, so the last
    message is stored under a key of our own and sent back to the browser when the pad is shown again.

    Args:
        key: the pad's key; the session state uses `key`, `key` + ".kept" and `key` + ".taken".
        labels: the text for each of `PAD_LABELS` in the reader's language.
        answers: as in `show_answers`, to the latest drawing; None for a pad alone.
        live: the address (see `ui/draw/live_answer.py`) whose answers the pad shows while the pen is down.
    """
    last = st.session_state.get(f"{key}.kept")
    _pad(
        key=key,
        data={
            "side": SHEET,
            "most": MOST_CHARACTERS,
            "labels": {name: labels[name] for name in PAD_LABELS},
            "answers": answers and {**answers, "to": last["seq"] if last else 0},
            "live": live,
            "taken": st.session_state.get(f"{key}.taken"),
            "initial": last and {"seq": last["seq"], "strokes": last["strokes"]},
        },
        on_drawing_change=lambda: None,
    )


def show_answers(key: str, answers: Mapping[str, Any]) -> None:
    """Show answers without a pad.

    `answers` holds the names of the `models` and the `classes`, the texts `legend` and `table`, the `message` of
    `ui/draw/agreement.py`, and what to say while nothing is drawn, `empty`.
    """
    _answers(key=key, data=answers)


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
