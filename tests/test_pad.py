"""The drawing pad in a real browser: what is drawn there arrives in Python, and stays."""

import base64
import itertools
import json
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as serve_socket

from core.drawing import SHEET
from core.drawing.strokes import PENS, inked
from tests.browser import CHROMIUM, ROOT, chromium, serve
from tests.conftest import wait_for
from ui.draw.pad import PAD_LABELS, drawing_of, pad_script

APP = """
import numpy as np
import streamlit as st

from ui.draw.pad import PAD_LABELS, drawing_pad, drawn


@st.fragment
def pad():
    words = {name: name + (" (pt)" if portuguese else "") for name in PAD_LABELS}
    drawing_pad("pad", labels=words)
    drawing = drawn("pad")
    if drawing is None:
        st.text("nothing drawn")
        return
    rows, columns = np.nonzero(drawing.pixels > 127)
    st.text(
        f"drawing {drawing.sequence}: ink {(drawing.pixels > 127).sum()}, "
        f"rows {rows.min()} to {rows.max()}, columns {columns.min()} to {columns.max()}"
    )


def draw():
    st.title("Draw")
    pad()


def other():
    st.title("Other")


portuguese = st.sidebar.toggle("portuguese")
st.text_input("name")
st.navigation([st.Page(draw, url_path="draw", default=True), st.Page(other, url_path="other")]).run()
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """The address of a server that shows a page with the pad and another page."""
    folder = tmp_path_factory.mktemp("pad")
    (folder / "scratch.py").write_text(APP)
    options = ("server.address=127.0.0.1", "server.fileWatcherType=none", "browser.gatherUsageStats=false")
    options += ("runner.postScriptGC=false",)
    with serve("scratch.py", folder, {"PYTHONPATH": str(ROOT)}, *(f"--{option}" for option in options)) as at:
        yield at


@pytest.fixture(scope="module")
def context() -> Iterator:
    """One headless browser with a mouse, fingers and a cache for all pages of this file."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt install chromium")
    with chromium() as browser:
        yield browser.new_context(has_touch=True)


@pytest.fixture
def visit(context, address) -> Iterator[Callable]:
    """Opens the page with an empty pad, each time in a session of its own."""
    pages = []

    def open_page(width=1100, height=800):
        page = context.new_page()
        pages.append(page)
        page.set_default_timeout(10_000)
        page.set_viewport_size({"width": width, "height": height})
        page.goto(address)
        page.get_by_text("nothing drawn").wait_for()
        page.locator("canvas.sheet").wait_for()
        return page

    yield open_page
    for page in pages:
        page.close()


def stroke(page, *points: tuple[float, float]) -> None:
    """Draws with the mouse through points that are shares of the pad's side."""
    box = page.locator("canvas.sheet").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()


def arrived(page, sequence: int) -> dict[str, int]:
    """What Python says of a drawing, once it has it."""
    text = page.get_by_text(f"drawing {sequence}:").inner_text()
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    return dict(zip(("sequence", "ink", "top", "bottom", "left", "right"), numbers, strict=True))


def press(page, name: str) -> None:
    page.locator(".pad button", has_text=name).click()


HORIZONTAL = ((0.2, 0.25), (0.8, 0.25))
VERTICAL = ((0.5, 0.4), (0.5, 0.9))


def test_a_stroke_arrives_in_python_where_it_was_drawn(visit):
    page = visit()
    stroke(page, *HORIZONTAL)
    drawing = arrived(page, 1)
    half = 32 / 4 / 2  # the pen's width in px of the drawing
    assert drawing["top"] == pytest.approx(0.25 * SHEET - half, abs=1.5)
    assert drawing["bottom"] == pytest.approx(0.25 * SHEET + half, abs=1.5)
    assert drawing["left"] == pytest.approx(0.2 * SHEET - half, abs=1.5)
    assert drawing["right"] == pytest.approx(0.8 * SHEET + half, abs=1.5)


AS_SENT = """canvas => {
    const small = new OffscreenCanvas(SHEET, SHEET).getContext("2d");
    small.imageSmoothingQuality = "high";
    small.drawImage(canvas, 0, 0, SHEET, SHEET);
    return Array.from(small.getImageData(0, 0, SHEET, SHEET).data).filter((_, i) => i % 4 === 0);
}"""


@pytest.mark.parametrize("pen", PENS[::2])  # the thinnest, the default and the thickest
def test_strokes_are_inked_as_the_pad_inks_them(visit, pen):
    page, strokes = visit(), [((0.3, 0.25), (0.71, 0.28), (0.4, 0.8)), ((0.35, 0.55), (0.62, 0.5))]
    page.get_by_role("slider", name="width").fill(str(4 * pen))
    for one in strokes:
        stroke(page, *one)
    arrived(page, len(strokes))
    drawn = page.locator("canvas.sheet").evaluate(AS_SENT.replace("SHEET", str(SHEET)))
    pixels, ours = np.reshape(drawn, (SHEET, SHEET)).astype(float), inked([np.array(one) for one in strokes], pen)
    assert ours.sum() == pytest.approx(pixels.sum(), rel=0.04)
    assert np.abs(ours - pixels).sum() < 0.08 * pixels.sum()  # the mouse goes by whole pixels of the screen


def test_undo_redo_and_clear_change_what_python_has(visit):
    page = visit()
    stroke(page, *HORIZONTAL)
    one = arrived(page, 1)["ink"]
    stroke(page, *VERTICAL)
    two = arrived(page, 2)["ink"]
    assert two > one
    press(page, "undo")
    assert arrived(page, 3)["ink"] == one
    press(page, "redo")
    assert arrived(page, 4)["ink"] == two
    press(page, "clear")
    page.get_by_text("nothing drawn").wait_for()
    assert page.get_by_role("button", name="clear").is_disabled()
    press(page, "undo")  # clearing can be undone too
    assert arrived(page, 6)["ink"] == two


def test_the_keyboard_undoes_and_redoes(visit):
    page = visit()
    stroke(page, *HORIZONTAL)
    one = arrived(page, 1)["ink"]
    stroke(page, *VERTICAL)
    two = arrived(page, 2)["ink"]
    page.keyboard.press("Control+z")
    assert arrived(page, 3)["ink"] == one
    page.keyboard.press("Control+Shift+Z")
    assert arrived(page, 4)["ink"] == two
    press(page, "erase")
    page.keyboard.press("Control+z")  # from any of the pad's tools
    assert arrived(page, 5)["ink"] == one


def test_the_key_on_the_button_clears_but_not_while_somebody_writes(visit):
    page = visit()
    stroke(page, *HORIZONTAL)
    one = arrived(page, 1)["ink"]
    page.get_by_role("textbox").press_sequentially("Xx")
    page.get_by_role("textbox").press("Enter")
    assert arrived(page, 1)["ink"] == one
    page.locator("canvas.sheet").focus()
    assert "X" in page.get_by_role("button", name="clear").inner_text()
    page.get_by_role("button", name="clear").focus()
    page.keyboard.press("x")
    page.get_by_text("nothing drawn").wait_for()
    focused = "() => document.activeElement.shadowRoot?.activeElement?.className"
    assert page.evaluate(focused) == "sheet", "a button that cannot be pressed any more hands on the focus"


def test_the_eraser_takes_ink_away(visit):
    page = visit()
    stroke(page, *HORIZONTAL)
    whole = arrived(page, 1)
    press(page, "erase")
    stroke(page, (0.5, 0.1), (0.5, 0.4))
    erased = arrived(page, 2)
    assert erased["ink"] < 0.95 * whole["ink"]
    assert (erased["left"], erased["right"]) == (whole["left"], whole["right"])
    press(page, "draw")
    stroke(page, *HORIZONTAL)
    assert arrived(page, 3)["ink"] == pytest.approx(whole["ink"], rel=0.02)  # edges drawn twice are a little whiter


def test_the_width_of_the_pen_can_be_set(visit):
    page = visit()
    page.get_by_role("slider", name="width").fill("12")
    stroke(page, *HORIZONTAL)
    drawing = arrived(page, 1)
    assert drawing["bottom"] - drawing["top"] + 1 == pytest.approx(12 / 4, abs=1.5)


def test_a_drawing_outlives_a_change_of_page_and_of_language(visit):
    page = visit()
    stroke(page, *HORIZONTAL)
    stroke(page, *VERTICAL)
    before = arrived(page, 2)
    page.get_by_role("link", name="other").click()
    page.get_by_role("heading", name="Other").wait_for()
    page.get_by_role("link", name="draw").click()
    page.locator("canvas.sheet").wait_for()
    assert arrived(page, 2) == before
    page.get_by_text("portuguese").click()
    page.get_by_role("button", name="undo (pt)").wait_for()
    assert page.get_by_role("img", name="pad (pt)").is_visible()
    assert arrived(page, 2) == before
    press(page, "undo (pt)")  # the strokes are back, not only their picture
    assert 0 < arrived(page, 3)["ink"] < before["ink"]


def test_a_finger_draws_and_a_second_one_does_not(visit):
    page = visit()
    box = page.locator("canvas.sheet").bounding_box()
    touch = page.context.new_cdp_session(page)

    def fingers(kind, *shares):
        points = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": n} for n, (x, y) in shares
        ]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", (0, (0.2, 0.5)))
    fingers("touchMove", (0, (0.4, 0.5)))
    fingers("touchStart", (0, (0.4, 0.5)), (1, (0.4, 0.1)))
    fingers("touchMove", (0, (0.8, 0.5)), (1, (0.8, 0.1)))
    fingers("touchEnd")
    drawing = arrived(page, 1)
    assert drawing["right"] > 0.78 * SHEET
    assert drawing["top"] > 0.4 * SHEET


def test_a_pen_that_is_pressed_harder_draws_wider(visit):
    page = visit()
    box = page.locator("canvas.sheet").bounding_box()
    pen = page.context.new_cdp_session(page)

    def line(share, force):
        for number, (kind, x) in enumerate((("mousePressed", 0.2), ("mouseMoved", 0.8), ("mouseReleased", 0.8))):
            place = {"x": box["x"] + x * box["width"], "y": box["y"] + share * box["height"]}
            held = {"button": "left", "buttons": int(number < 2), "clickCount": 1, "force": force, "pointerType": "pen"}
            pen.send("Input.dispatchMouseEvent", {"type": kind, **place, **held})

    line(0.5, 0.1)
    light = arrived(page, 1)
    press(page, "clear")
    page.get_by_text("nothing drawn").wait_for()
    line(0.5, 1.0)
    hard = arrived(page, 3)
    assert hard["bottom"] - hard["top"] > 2 * (light["bottom"] - light["top"])


def test_the_pad_is_never_wider_than_its_column(visit):
    wide = visit().locator("canvas.sheet").bounding_box()
    assert wide["width"] == wide["height"] == 440
    page = visit(width=390, height=844)
    assert page.locator("canvas.sheet").bounding_box()["width"] == 300
    page = visit(width=320, height=640)
    narrow = page.locator("canvas.sheet").bounding_box()
    assert narrow["x"] >= 0
    assert narrow["x"] + narrow["width"] <= 320
    assert narrow["width"] == pytest.approx(narrow["height"], abs=1)
    stroke(page, *HORIZONTAL)
    assert arrived(page, 1)["right"] == pytest.approx(0.8 * SHEET + 4, abs=2)  # places are shares of its side


def test_python_answers_soon_after_the_pen_is_lifted(visit):
    page = visit()
    stroke(page, *HORIZONTAL)
    arrived(page, 1)
    milliseconds = []
    for sequence in range(2, 8):
        waiting = page.evaluate_handle(
            """(text) => ({done: new Promise((resolve) => {
                let lifted;
                addEventListener("pointerup", () => (lifted = performance.now()), { once: true, capture: true });
                const look = () => document.body.innerText.includes(text) && resolve(performance.now() - lifted);
                const all = { subtree: true, childList: true, characterData: true };
                new MutationObserver(look).observe(document.body, all);
            })})""",
            f"drawing {sequence}:",
        )
        stroke(page, (0.3, 0.04 * sequence), (0.7, 0.04 * sequence))
        milliseconds.append(waiting.evaluate("(waiting) => waiting.done"))
    print(f"pen-up to text: median {statistics.median(milliseconds):.0f} ms, longest {max(milliseconds):.0f} ms, n = 6")
    assert statistics.median(milliseconds) < 500


def test_a_drawing_is_sent_once_the_rest_that_the_last_answer_asks_for_is_over_and_is_the_newest(context):
    rest, sent = 0.2, []

    def answer(socket: ServerConnection) -> None:
        for drawing in socket:
            sent.append((time.monotonic(), int(drawing)))
            socket.send(json.dumps({"rest": 1000 * rest}))

    with serve_socket(answer, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = context.new_page()
        page.add_script_tag(content=pad_script().replace("export default", "void"))
        page.evaluate(
            """(address) => {
                let drawn = 0;
                const live = makeLive(() => String(drawn), () => {});
                live.listen(address);
                setInterval(() => { drawn++; live.ask(); }, 10);
            }""",
            f"ws://127.0.0.1:{server.socket.getsockname()[1]}",
        )
        wait_for(lambda: len(sent) > 5)
        page.close()
        server.shutdown()
    for (before, older), (after, newer) in itertools.pairwise(sent[1:]):
        assert after - before > rest - 0.01
        assert newer - older > 1, "what was drawn during the rest is sent"


# --- messages ---------------------------------------------------------------------------------------------------------

PIXELS = base64.b64encode(bytes([255]) * SHEET * SHEET).decode()
MESSAGE = {"seq": 1, "side": SHEET, "pixels": PIXELS, "strokes": "[]"}


def test_a_message_of_the_pad_s_own_form_is_a_drawing():
    drawing = drawing_of(MESSAGE)
    assert drawing is not None
    assert drawing.sequence == 1
    assert drawing.pixels.shape == (SHEET, SHEET)
    assert drawing.pixels.min() == 255


@pytest.mark.parametrize(
    "change",
    [
        {"seq": "1"},
        {"seq": True},
        {"seq": -1},
        {"seq": 2**60},
        {"seq": float("nan")},
        {"side": 28},
        {"side": 112.0},
        {"pixels": None},
        {"pixels": PIXELS[:-4]},
        {"pixels": "é" * len(PIXELS)},
        {"pixels": "=" * len(PIXELS)},
        {"pixels": "A" * len(PIXELS)},
        {"pixels": [255] * SHEET * SHEET},
        {"strokes": []},
        {"strokes": "0" * 200_001},
        {"more": 1},
    ],
    ids=lambda change: "-".join(f"{name} {str(value)[:12]}" for name, value in change.items()),
)
def test_a_message_made_by_hand_is_ignored(change):
    assert drawing_of({**MESSAGE, **change}) is None


@pytest.mark.parametrize("message", [None, "text", 7, [], {}, {"seq": 1}])
def test_a_message_of_any_other_kind_is_ignored(message):
    assert drawing_of(message) is None


def shown(drawing: object):
    """A page with the pad after the browser has sent this."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_string(APP)
    app.session_state["pad"] = {"drawing": drawing}
    return app.run()


def test_a_page_shows_a_drawing_that_was_sent_and_ignores_one_made_by_hand():
    assert f"ink {SHEET * SHEET}" in shown(MESSAGE).text[0].value
    page = shown({**MESSAGE, "side": 28})
    assert not page.exception
    assert page.text[0].value == "nothing drawn"


def test_the_words_are_all_that_the_pad_needs():
    assert len(set(PAD_LABELS)) == len(PAD_LABELS)
