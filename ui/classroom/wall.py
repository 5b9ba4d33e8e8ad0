"""What the projector shows: how to join, and the wall of drawings with its figures; `wall.js` draws both."""

from __future__ import annotations

from collections.abc import Callable

import segno
import streamlit as st

from ui import inside, present
from ui.classroom import feature_maps
from ui.classroom.live_wall import wall_address
from ui.classroom.look import look_script, look_style
from ui.classroom.opened import Opened
from ui.files import beside
from ui.text import language, plain

WORDS = ("go", "enter", "code", "off", "back", "hardest", "matrix_of", "empty", "frozen", "lost", "below", "above")
HTML = """
<div class="class">
  <section class="joining">
    <div class="qr"></div>
    <div class="how">
      <p class="go"></p><p class="address"></p><p class="enter"></p><p class="code"></p><p class="longer"></p>
    </div>
    <div class="who"><p class="joined"></p><ul class="names"></ul><p class="unreached"></p></div>
  </section>
  <section class="showing">
    <header>
      <p class="question" role="status"></p><p class="left"></p><p class="arrived"></p>
      <button type="button" class="hardest" hidden><img alt=""><span></span></button>
    </header>
    <div class="tiles"><p class="empty"></p></div>
    <div class="figures">
      <div class="models"></div>
      <p class="caption"></p>
      <table class="matrix"></table>
    </div>
    <div class="quiz">
      <div><img class="picture" alt="" hidden><p class="covered" aria-hidden="true">?</p></div>
      <div class="told"><p class="says"></p><ul class="counts"></ul><div class="outcome"></div></div>
    </div>
    <div class="look"></div>
  </section>
  <div class="large" role="dialog" hidden></div>
  <p class="lost" role="alert"></p>
</div>
"""


_wall = st.components.v2.component(  # pyright: ignore[reportAttributeAccessIssue]
    "bancada.wall",
    html=HTML,
    css=look_style() + beside(__file__, "wall.css"),
    js=look_script() + beside(inside.__file__, "maps.js") + beside(__file__, "wall.js"),
)


def show_wall(
    opened: Opened, *, joining: bool, go_on: Callable[[], None], take_off: Callable[[int], None], key: str = "wall"
) -> None:
    """Show how to join, or the wall.

    Args:
        opened: the open class.
        joining: whether to show how to join.
        go_on: called when somebody presses space, or clicks on what is asked or on the code.
        take_off: called with the number of a drawing that the teacher takes off the wall.
        key: of the element.
    """

    def take() -> None:
        number = st.session_state[key].get("off")
        if type(number) is int:  # a client can send anything
            take_off(number)

    url = f"http://{opened.host}/"
    _wall(
        key=key,
        data={
            "live": wall_address(opened.classroom.lesson, language()),
            "joining": joining,
            "address": url,
            # On a projector, where the page's own small print is left out.
            "unreached": plain("class.unreached", port=opened.port) if present.is_on() else "",
            "qr": segno.make(url, error="m").svg_inline(scale=1, border=2, dark="#000", light="#fff", omitsize=True),
            "words": {name: plain(f"class.wall.{name}") for name in WORDS},
            "inside": feature_maps.inside(opened, language()),
            "colours": feature_maps.COLOURS,
        },
        on_next_change=go_on,
        on_off_change=take,
        on_ended_change=lambda: None,  # in another tab: the page runs again, and shows what is open now
    )
