"""The page Draw in a real browser with the shipped models: digits drawn with the mouse, moved, scaled and turned."""

import contextlib
import math
import re
import shutil
from collections.abc import Iterator

import numpy as np
import pytest

from core import store
from core.models.model import can_be_drawn_for
from tests.browser import CHROMIUM, ONE, ROOT, SEVEN, draw, serve
from tests.conftest import wait_for

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")
SHIPPED = [run for run in store.runs(ROOT / "models_store") if can_be_drawn_for(run)]
MODELS = 6  # the shipped ones, and the last of them again
SHEET, CANVAS, ANSWER = "canvas.sheet", "canvas.upper-canvas", ".said"


def arc(x: float, y: float, across: float, down: float, start: float, end: float) -> list[tuple[float, float]]:
    """Points of an ellipse's arc, from one angle to another in degrees: 0 is right, 90 is down."""
    count = max(3, round(abs(end - start) / 30))
    angles = [math.radians(start + (end - start) * i / count) for i in range(count + 1)]
    return [(x + across * math.cos(angle), y + down * math.sin(angle)) for angle in angles]


DIGITS = {  # strokes as shares of the sheet's side
    0: (arc(0.5, 0.5, 0.18, 0.3, -90, 275),),
    1: ONE,
    2: ([*arc(0.5, 0.36, 0.17, 0.16, -170, 30), (0.32, 0.8), (0.7, 0.8)],),
    3: ([*arc(0.48, 0.35, 0.16, 0.14, -160, 80), *arc(0.48, 0.65, 0.19, 0.16, -80, 150)],),
    4: ([(0.42, 0.2), (0.32, 0.55), (0.7, 0.55)], [(0.6, 0.2), (0.58, 0.85)]),
    5: ([(0.66, 0.2), (0.4, 0.2), (0.38, 0.45), *arc(0.48, 0.61, 0.18, 0.18, -100, 140)],),
    6: ([(0.58, 0.18), (0.42, 0.4), *arc(0.5, 0.66, 0.15, 0.15, -160, 200)],),
    7: SEVEN,
    8: ([*arc(0.5, 0.34, 0.13, 0.14, 90, -270), *arc(0.5, 0.65, 0.16, 0.17, -90, 270)],),
    9: ([*arc(0.48, 0.36, 0.15, 0.15, 0, -350), (0.63, 0.36), (0.58, 0.82)],),
}


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """The address of the app over a store that holds six models."""
    folder = tmp_path_factory.mktemp("draw")
    for place in range(MODELS):
        run = SHIPPED[min(place, len(SHIPPED) - 1)]
        name = run.name if place < len(SHIPPED) else f"20261101-00000{place}-again-{place:04}"
        shutil.copytree(run.folder, folder / "store" / name)
    environment = {f"BANCADA_{name}": str(folder / name.lower()) for name in ("STORE", "CACHE", "DATA")}
    with serve("app.py", ROOT, environment) as at:
        yield at


@pytest.fixture(scope="module")
def context(browser):
    """One browser profile, whose cache keeps Streamlit's scripts for all tabs."""
    return browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-US", reduced_motion="reduce")


@pytest.fixture
def page(context, address) -> Iterator:
    page = context.new_page()
    page.goto(f"{address}/draw")
    page.get_by_text("Draw a digit on the black square.").wait_for()
    page.locator(SHEET).wait_for()
    yield page
    page.close()


@contextlib.contextmanager
def redrawn(page) -> Iterator[None]:
    """Inside, something changes what is drawn; at the end the page has answered it."""
    before = page.evaluate(
        "() => document.querySelector('.pictures img')?.getAttribute('src') ?? ''"
    )  # it may be going
    yield
    page.locator(f'.pictures img[src="{before}"]').first.wait_for(state="detached")
    page.locator(".answers[aria-busy=false], .answers:not([aria-busy])").wait_for()


def wait_for_ink(page) -> None:
    """Wait until the canvas shows what it was handed back: a stroke that came before would be lost with its drawing."""
    ink = """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
        .data.some((level, i) => i % 4 === 0 && level)"""
    wait_for(lambda: page.locator("canvas.dc-canvas.lower-canvas").evaluate(ink))


def test_ten_digits_drawn_with_the_mouse_are_answered_and_most_of_them_rightly(page):
    answers = {}
    for digit, strokes in DIGITS.items():
        for stroke in strokes:
            with redrawn(page):
                draw(page, stroke, steps=2)
        heading = page.locator(ANSWER)
        said = re.search(r"(\d) · \w+", heading.inner_text())
        assert said
        answers[digit] = int(said[1])
        page.get_by_role("button", name="Clear").click()
        page.locator(ANSWER, has_text="Draw a digit").wait_for()
    print(answers)
    assert sum(digit == answer for digit, answer in answers.items()) >= 8


def choose_all(page) -> None:
    page.get_by_role("button", name="Models").click()
    page.locator(".st-key-others input").last.click()
    page.get_by_role("option", name="Select all").click()
    page.locator("tbody tr").nth(MODELS - 1).wait_for()
    page.keyboard.press("Escape")  # closes the options
    page.get_by_role("button", name="Models").click()
    page.locator(".st-key-others").wait_for(state="hidden")


def test_all_models_answer_while_the_button_is_down_and_nothing_changes_when_it_is_lifted(page):
    choose_all(page)
    page.locator(".answers").evaluate(
        """(answers) => {
            window.answers = 0;
            const all = { subtree: true, childList: true, characterData: true };
            new MutationObserver(() => window.answers++).observe(answers, all);
        }"""
    )
    box = page.locator(SHEET).bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in SEVEN[0]]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=25)
    page.locator("tbody tr td:nth-child(9).best").nth(MODELS - 1).wait_for()  # all of them say 7
    assert page.evaluate("window.answers") > 5
    assert page.locator(".answers").get_attribute("aria-busy") == "true"
    live = page.locator(".answers").inner_text()
    assert "7 · Seven" in live
    page.mouse.up()
    page.locator(".answers[aria-busy=false]").wait_for()
    page.get_by_role("button", name="7", exact=True).and_(page.locator(":enabled")).wait_for()  # the page has answered
    assert page.locator(".answers").inner_text() == live
    page.keyboard.press("x")
    page.locator(ANSWER, has_text="Draw a digit on the black square.").wait_for()
    assert page.locator("tbody .best").count() == 0


IN_SIGHT = """(page) => {
  const find = (selector) => [...page.querySelectorAll(selector)];
  const boxes = find("canvas.sheet, .said, tr, th, td, .clear").map((one) => one.getBoundingClientRect());
  const whole = find("th, td").every((one) => one.scrollWidth <= one.clientWidth + 1);
  return {
    columns: page.querySelectorAll("thead th").length,
    right: Math.max(...boxes.map((box) => box.right)),
    bottom: Math.max(...boxes.map((box) => box.bottom)),
    whole,
    wide: document.documentElement.scrollWidth,
  };
}"""


def look(page) -> dict:
    """What of pad and answers lies where, px, and whether all names and numbers are whole."""
    return page.locator(".room").evaluate(IN_SIGHT)


def test_pad_and_answers_are_in_sight_on_a_projector_a_tablet_and_a_phone(page):
    one = look(page)
    choose_all(page)
    sheet, table, labels = (page.locator(one).bounding_box() for one in (SHEET, ".answers table", ".st-key-keep-as"))
    assert (sheet["width"], sheet["height"]) == (440, 440)
    assert sheet["y"] <= 130
    assert table["x"] > sheet["x"] + sheet["width"]
    assert table["height"] <= 240
    assert labels["y"] + labels["height"] <= 720
    found = look(page)
    assert one["columns"] == found["columns"] == 10
    assert found["whole"]
    assert max(found["right"], found["wide"]) <= 1280
    assert page.locator("tbody tr").count() == MODELS
    page.set_viewport_size({"width": 768, "height": 1024})
    found = look(page)
    assert found["whole"]
    assert max(found["right"], found["wide"]) <= 768
    assert found["bottom"] <= 1024
    page.set_viewport_size({"width": 390, "height": 844})
    found = look(page)
    assert found["whole"]
    assert max(found["right"], found["wide"]) <= 390
    assert page.locator(SHEET).bounding_box()["width"] == 300
    first = page.locator("tbody tr").first.bounding_box()
    assert first["y"] + first["height"] <= 844
    page.set_viewport_size({"width": 1280, "height": 720})


def test_a_drawing_is_moved_scaled_and_turned_and_the_centring_holds_it(page):
    page.get_by_role("radio", name="Move", exact=True).click()
    page.locator(CANVAS).wait_for()
    draw(page, *SEVEN, sheet=CANVAS)
    page.locator(ANSWER, has_text="7 · Seven").wait_for()
    box = page.locator(CANVAS).bounding_box()
    page.mouse.move(box["x"] + 168, box["y"] + 84)
    page.get_by_role("button", name="Edit").click()

    def seen() -> str:
        return page.locator(".pictures img").last.get_attribute("src")

    def drag(start: tuple[float, float], end: tuple[float, float]) -> str:
        """Drag from one place on the canvas to another; what the model sees once the page knows."""
        page.locator(CANVAS).scroll_into_view_if_needed()
        box = page.locator(CANVAS).bounding_box()
        with redrawn(page):
            page.mouse.move(box["x"] + start[0], box["y"] + start[1])
            page.mouse.down()
            page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=10)
            page.mouse.up()
        return seen()

    drawn = seen()
    assert drag((168, 84), (118, 60)) == drawn  # moved, and centred again
    assert drag((118, 60), (168, 84)) == drawn
    drag((247, 282), (166, 176))  # by its corner to half its size
    assert page.locator(ANSWER).inner_text().startswith("7 · Seven")
    small = seen()
    assert drag((125, 29), (240, 123)) != small  # by its handle on to its side

    for step in ("Crop", "Centre"):
        page.get_by_text(step, exact=True).click()
    page.get_by_text("the sheet in the middle").wait_for()
    page.get_by_text("the whole sheet").wait_for()
    uncentred = seen()
    assert uncentred != small
    assert drag((125, 123), (200, 200)) != uncentred


def test_what_is_on_the_sheet_that_moves_is_still_there_after_another_sheet(page):
    page.get_by_role("radio", name="Move", exact=True).click()
    page.locator(CANVAS).wait_for()
    draw(page, *SEVEN, sheet=CANVAS)
    page.locator(ANSWER, has_text="7 · Seven").wait_for()
    page.get_by_role("radio", name="File", exact=True).click()
    page.get_by_text("Upload a picture").wait_for()
    assert not page.locator(CANVAS).is_visible()
    page.get_by_role("radio", name="Draw", exact=True).click()
    page.get_by_text("Draw a digit on the black square.").wait_for()
    top = page.locator(SHEET).bounding_box()["y"]
    page.get_by_role("radio", name="Move", exact=True).click()
    page.locator(ANSWER, has_text="7 · Seven").wait_for()
    page.reload()
    page.locator(SHEET).wait_for()
    assert page.locator(SHEET).bounding_box()["y"] == top, "what is out of sight takes no room"


def test_what_is_on_the_sheet_that_moves_is_still_there_after_another_page_and_can_be_drawn_on(page):
    page.get_by_role("radio", name="Move", exact=True).click()
    page.locator(CANVAS).wait_for()
    draw(page, SEVEN[0][1:], sheet=CANVAS)
    page.locator(ANSWER, has_text=" · ").wait_for()
    for _ in range(2):
        before = page.locator(".pictures img").last.get_attribute("src")
        page.get_by_role("link", name="Data").first.click()
        page.get_by_role("heading", name="Data").wait_for()
        page.get_by_role("link", name="Draw").first.click()
        page.locator(ANSWER, has_text=" · ").wait_for()
        assert page.locator(".pictures img").last.get_attribute("src") == before
        wait_for_ink(page)
    with redrawn(page):
        draw(page, SEVEN[0][:2], sheet=CANVAS)
    page.locator(ANSWER, has_text="7 · Seven").wait_for()


def test_a_file_of_another_kind_and_an_empty_one_are_refused_in_words(page):
    page.get_by_role("radio", name="File", exact=True).click()
    page.get_by_text("Upload a picture").wait_for()
    for name, kind, content in (("moving.gif", "image/gif", b"GIF89a"), ("empty.png", "image/png", b"")):
        page.locator("input[type=file]").set_input_files({"name": name, "mimeType": kind, "buffer": content})
        page.get_by_text(f"{name} is damaged or is not a picture").wait_for()


def test_a_drawing_is_labelled_by_its_key_seen_in_the_accuracy_exported_and_deleted(page, tmp_path):
    draw(page, *SEVEN)
    page.locator(ANSWER, has_text="7 · Seven").wait_for()
    nickname = page.get_by_role("textbox", name="Nickname")
    nickname.press_sequentially("Ana 7")  # writes, and labels nothing
    nickname.press("Enter")
    draw(page, *SEVEN)

    page.keyboard.press("7")
    page.locator(ANSWER, has_text="Draw a digit").wait_for()
    page.locator(".pad .clear:disabled").wait_for()  # the sheet is empty
    draw(page, *ONE)
    page.locator(ANSWER, has_text="1 · One").wait_for()
    page.get_by_role("button", name="4", exact=True).click()
    page.locator(".pad .clear:disabled").wait_for()

    page.get_by_role("link", name="Our drawings").first.click()
    page.get_by_text("classifies 50.0% of our 2 drawings correctly").wait_for()
    page.locator(".stVegaLiteChart").nth(1).wait_for()
    page.get_by_role("radio", name="Where it fails").click()
    page.locator("figcaption", has_text=re.compile(r"4 → 1\s+Ana 7")).wait_for()
    page.get_by_role("radio", name="The drawings").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as data set").click()
    download.value.save_as(tmp_path / "ours.npz")
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as arrays:
        assert arrays["labels"].tolist() == [7, 4]
        assert arrays["drawings"].shape == (2, 112, 112)

    page.locator(".pictures [data-number]").first.click()  # the newest
    page.get_by_role("button", name="Delete this drawing").click()
    page.get_by_role("button", name="Yes, delete for good").click()
    page.locator("figcaption", has_text="4 → 1").wait_for(state="detached")
    page.get_by_role("button", name="Delete this drawing").click()
    page.get_by_role("button", name="Yes, delete for good").click()
    page.get_by_text("No drawing has been saved yet").wait_for()
