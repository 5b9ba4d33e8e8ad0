"""What a visitor does, in a real browser against the server that the README starts."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core import store, words
from core.classroom.race import TAG
from core.drawing import collection
from core.drawing.prepare import prepare
from core.events import Epoch
from core.inside.network import Network, feature_maps, reach
from core.inside.pictures import diverging
from core.models.model import open_model
from tests.browser import CHROMIUM, ONE, ROOT, SEVEN, draw, free_port, serve, served
from tests.conftest import wait_for
from tests.test_classroom import SEVEN as SEVEN_INK
from tests.test_classroom import client, cookie, handed_in, hear
from ui.evaluate.errors import PICTURES

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")
MINUTE = 60_000  # milliseconds
# Begins to note the places of the button Stop in every frame.
NOTE_STOPS = """() => {
  window.tops = new Set();
  const note = () => {
    const stop = document.querySelector(".st-key-ask-stop");
    if (stop) window.tops.add(stop.getBoundingClientRect().top);
    requestAnimationFrame(note);
  };
  note();
}"""
CURVES_TOP = "() => document.querySelector('.st-key-live-curves').getBoundingClientRect().top"
# Whether the first such element lies in the window from its top to its bottom, and nothing over it.
UNCOVERED = """selector => {
  const element = document.querySelector(selector), { top, bottom, left } = element.getBoundingClientRect();
  return [top + 1, bottom - 1].every(y => document.elementFromPoint(left + 1, y) === element);
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("journey")


@pytest.fixture(scope="module")
def address(folder):
    environment = {f"BANCADA_{name}": str(folder / name.lower()) for name in ("STORE", "CACHE", "DATA")}
    environment["BANCADA_CLASS_PORT"] = "0"
    with serve("app.py", ROOT, environment) as at:
        yield at


@pytest.fixture(scope="module")
def people(browser):
    """A browser profile for each language and theme, whose cache keeps Streamlit's scripts for the tabs to come."""

    @functools.cache
    def profile(locale: str, scheme: str):
        size = {"width": 1280, "height": 720}
        return browser.new_context(viewport=size, locale=locale, color_scheme=scheme, reduced_motion="reduce")

    return profile


@pytest.fixture
def visit(people, address):
    """Opens a page in a tab of its own; at the end no script may have complained."""
    complaints, pages = [], []

    def open_page(path: str = "/", locale: str = "en-US", scheme: str = "light"):
        page = people(locale, scheme).new_page()
        pages.append(page)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        # Streamlit probes two addresses below a deep link, which answer 404.
        page.on(
            "console", lambda line: line.type == "error" and "404" not in line.text and complaints.append(line.text)
        )
        page.goto(address + path)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not complaints


@pytest.fixture(scope="module")
def runs(folder):
    return lambda: store.runs(folder / "store")


def badge(page, status: str):
    return page.locator(".stMarkdownBadge", has_text=status)


def test_choose_train_watch_inspect_draw(visit, runs, tmp_path):
    page = visit("/?epochs=15")  # long enough to be seen at work on a quick machine
    page.get_by_role("button", name="Start training").click()
    page.locator(".st-key-live-curves").wait_for(state="attached")
    places = {page.evaluate(CURVES_TOP)}  # before the first epoch
    page.get_by_text(re.compile(r"Epoch \d+ of 15")).wait_for(timeout=MINUTE)
    places.add(page.evaluate(CURVES_TOP))
    page.locator("[data-testid=stVegaLiteChart]").first.wait_for()
    places.add(page.evaluate(CURVES_TOP))

    page.reload()  # the run is not the page's
    page.locator(".bancada-result", has_text="n = 1,000").wait_for(timeout=MINUTE)
    page.get_by_role("link", name="See the errors").wait_for()
    places.add(page.evaluate(CURVES_TOP))
    assert len(places) == 1, "pixels moved during a training"
    assert places.pop() <= 300
    report = runs()[0].report()
    assert report
    assert report.accuracy > 0.8
    assert len([event for event in runs()[0].events() if isinstance(event, Epoch)]) == 15
    page.get_by_text("Show as table").click()
    assert page.get_by_text("Learning rate").count() >= 1

    page.get_by_role("link", name="See the errors").click()
    page.get_by_role("radio", name="Where it fails").wait_for()
    assert page.get_by_text(f"{100 * report.accuracy:.2f}%").first.is_visible()
    errors = page.locator("figure")
    errors.first.wait_for()
    assert errors.count() == min(PICTURES, 1000 - round(1000 * report.accuracy))
    matrix = report.confusion_matrix
    wrong = [(i, j, count) for i, row in enumerate(matrix) for j, count in enumerate(row) if count and i != j]
    names = runs()[0].class_names("en")
    for true, predicted, count in (wrong[0], wrong[-1]):  # near the top of the matrix, and far below it
        cell = page.locator(".st-key-matrix tbody td").nth(10 * true + predicted)
        cell.evaluate("cell => cell.scrollIntoView({ block: 'center' })")
        cell.click()
        page.get_by_text(f"True class {names[true]}, predicted {names[predicted]}: {count} image").wait_for()
        page.wait_for_function("n => document.querySelectorAll('figure').length === n", arg=min(PICTURES, count))
        page.wait_for_function(UNCOVERED, arg="figure img", timeout=5_000)
    true, predicted, _ = wrong[-1]

    page.locator(".st-key-matrix-data summary").click()
    page.locator(".st-key-matrix-data canvas").first.wait_for()  # until then what is below it may move
    switch = page.locator(".st-key-matrix-data input[type=checkbox]")
    for _ in range(3):  # beside other work one click of some thirty was lost
        if not switch.is_checked():
            page.get_by_text("As a chart").click()
            page.wait_for_timeout(500)
    chart = page.locator("[data-testid=stVegaLiteChart]").first
    chart.hover()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download as PNG").first.click()
    assert saved.value.path().read_bytes().startswith(b"\x89PNG")
    shown = page.locator("figure").first
    number = re.findall("[0-9]+", shown.inner_text())[0]
    shown.click()
    page.get_by_text(f"It is {names[true]}; the model says {names[predicted]}").wait_for()
    assert page.get_by_role("textbox", name="Number of the test image").input_value() == number
    page.get_by_role("radio", name="Where it fails").click()

    page.get_by_role("link", name="Draw", exact=True).click()
    page.locator("canvas.sheet").wait_for()
    page.get_by_text("Draw a digit on the black square.").wait_for()
    draw(page, *SEVEN)
    page.locator(".said", has_text="7 · Seven").wait_for()
    page.get_by_text("What the model sees: 28 x 28 pixels").wait_for()
    page.get_by_role("button", name="Clear").click()
    page.get_by_text("Draw a digit on the black square.").wait_for()

    page.get_by_role("radio", name="Move", exact=True).click()
    page.locator("canvas.upper-canvas").wait_for()
    draw(page, *SEVEN, sheet="canvas.upper-canvas")
    page.locator(".said", has_text="7 · Seven").wait_for()
    page.get_by_role("radio", name="File", exact=True).click()
    picture = Image.new("L", (300, 200), 255)
    ImageDraw.Draw(picture).line([(150, 20), (150, 180)], fill=0, width=22)
    picture.save(tmp_path / "one.png")
    page.locator("input[type=file]").set_input_files(tmp_path / "one.png")
    page.locator(".said", has_text="1 · One").wait_for()


def test_a_training_outlives_the_tab_and_obeys_its_buttons(visit, runs):
    page = visit("/train?architecture=cnn&epochs=2")  # its address is also the one without a path
    page.get_by_role("textbox", name="Epochs").fill("900")
    page.get_by_role("button", name="Start training").click()  # before the page has answered
    an_epoch = re.compile(r"Epoch \d+ of 900")  # the first may be over before it is shown
    page.get_by_text(an_epoch).wait_for(timeout=MINUTE)
    run = runs()[0]
    page.get_by_role("button", name="Pause").click()
    badge(page, "paused").wait_for()
    page.close()

    page = visit()  # another visitor, no link
    badge(page, "paused").wait_for()
    assert page.get_by_role("combobox", name="Run").input_value().endswith(run.name[-4:])
    steps = run.checkpoints()[-1].step
    page.get_by_role("button", name="One batch").click()
    wait_for(lambda: run.checkpoints()[-1].step == steps + 1)
    page.get_by_text(f"step {steps + 1}: loss").wait_for()
    page.get_by_role("button", name="Continue").click()
    badge(page, "training").wait_for()
    page.get_by_role("button", name="Stop").click()
    badge(page, "stopped").wait_for()
    assert run.checkpoints()[-1].step > steps + 1
    page.evaluate(NOTE_STOPS)
    page.get_by_role("button", name="Resume").click()
    badge(page, "training").wait_for(timeout=MINUTE)
    page.get_by_role("button", name="Stop").click()
    badge(page, "stopped").wait_for()
    assert page.evaluate("window.tops.size") == 1, "it stays below the pointer while Pause takes the place of Resume"


def test_the_page_speaks_portuguese_to_a_browser_that_does(visit):
    page = visit(locale="pt-BR", scheme="dark")
    page.get_by_role("heading", name="Treinar").wait_for()
    page.get_by_role("button", name="Iniciar treinamento").wait_for()
    assert page.get_by_text("A rede: 61.706 parâmetros").is_visible()
    page.get_by_role("radio", name="en", exact=True).click()
    page.get_by_role("heading", name="Train").wait_for()
    assert "lang=en" in page.url
    page.reload()
    page.get_by_role("heading", name="Train").wait_for()


def test_a_link_to_a_page_opens_that_page_with_its_frame(visit):
    for path, title in (("/evaluate", "Evaluate"), ("/draw", "Draw")):
        page = visit(path)
        page.get_by_role("heading", name=title).wait_for()
        page.get_by_role("link", name="Train").wait_for()


def test_what_is_chosen_on_the_data_page_is_what_will_be_trained_and_back(visit):
    page = visit("/data")
    page.get_by_role("button", name="Zero").first.wait_for()
    page.get_by_role("button", name="Split and preprocessing").click()
    page.get_by_role("textbox", name="Share for validation").fill("0.25")
    page.get_by_role("textbox", name="Share for validation").press("Enter")
    page.wait_for_url("**val_fraction=0.25*")
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="Class balance").click()
    page.get_by_text("Always answering").wait_for()
    page.get_by_role("link", name="Train").click()
    page.get_by_role("heading", name="Train").wait_for()
    page.get_by_text("Data and split").click()
    share = page.get_by_role("textbox", name="Share for validation")
    assert share.input_value() == "0.25"
    share.fill("0.5")
    share.press("Enter")
    page.wait_for_url("**val_fraction=0.5*")
    page.get_by_role("link", name="Data", exact=True).click()
    page.get_by_text("Always answering").wait_for()
    page.get_by_role("button", name="Split and preprocessing").click()
    assert page.get_by_role("textbox", name="Share for validation").input_value() == "0.5"


def test_what_a_link_says_is_still_in_the_form_after_another_page(visit):
    page = visit("/?epochs=7&layers=flatten, dense(classes)&optimizer=adamw&weight_decay=0.5")
    page.wait_for_url("**architecture=custom*")
    page.get_by_role("link", name="Evaluate").click()
    page.get_by_role("heading", name="Evaluate").wait_for()
    page.get_by_role("link", name="Train").first.click()
    said = {"epochs": "7", "layers": "flatten\ndense(classes)", "architecture": "custom", "optimizer": "adamw"}
    page.wait_for_url(lambda url: dict(parse_qsl(urlsplit(url).query)) == {**said, "weight_decay": "0.5"})
    wait_for(lambda: page.get_by_role("textbox", name="Epochs").input_value() == "7")


def test_a_change_of_language_keeps_the_form(visit):
    page = visit()
    for recipe in ("MNIST in a few seconds", "none"):
        page.get_by_role("combobox", name="Recipe").click()
        page.get_by_role("option", name=recipe).click()
        page.get_by_text("A strided CNN, four epochs").wait_for(state="detached" if recipe == "none" else "visible")
        page.get_by_role("radio", name="pt-BR").click()
        page.get_by_role("heading", name="Treinar").wait_for()
        page.get_by_text("A rede: 108.874 parâmetros").wait_for()
        page.get_by_role("radio", name="en", exact=True).click()
        page.get_by_role("heading", name="Train").wait_for()
        page.get_by_text("The network: 108,874 parameters").wait_for()
        assert "architecture=cnn-strided" in page.url
        assert page.locator("[data-testid=stException]").count() == 0


# What a race shows on a projector that is smaller than 24 px, or out of sight.
SMALL_OR_CUT_IN_RACE = """() => [...document.querySelectorAll('.race :is(td, th), :has(> .race) p')].filter(one => {
  const { width, top, bottom } = one.getBoundingClientRect();
  const size = parseFloat(getComputedStyle(one).fontSize) * one.currentCSSZoom;
  return one.textContent && width && (size < 24 || top < 0 || bottom > innerHeight);
}).map(one => one.textContent)"""
# The texts of the wall that are smaller than 24 px on the screen, or not in sight; those of an enlarged drawing.
SMALL_OR_CUT = """() => {
  const host = [...document.querySelectorAll('*')].find(one => one.shadowRoot?.querySelector('.showing'));
  const end = document.querySelector('.st-key-class-controls').getBoundingClientRect().top; // they lie over the rest
  return [...host.shadowRoot.querySelectorAll('.showing *, .tile, .large *')].filter(one => {
    const text = [...one.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
    const { width, top, bottom } = one.getBoundingClientRect();
    const size = parseFloat(getComputedStyle(one).fontSize) * one.currentCSSZoom;
    return text && width && (size < 24 || top < 0 || bottom > end);
  }).map(one => one.textContent);
}"""


# What there is to click on in a round on a projector, and what of it is smaller than 24 px, covered or out of sight.
CONTROLS = """() => {
  const all = [...document.querySelectorAll('.st-key-class-controls button:has(p)')].filter(one => one.clientWidth);
  const said = one => one.querySelector('p').textContent;
  return [[...new Set(all.map(said))], all.filter(one => {
    const { left, right, top, bottom } = one.getBoundingClientRect(), said = one.querySelector('p');
    const size = parseFloat(getComputedStyle(said).fontSize) * said.currentCSSZoom;
    const covered = !one.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2));
    return size < 24 || covered || top < 0 || bottom > innerHeight;
  }).map(said)];
}"""
POPOVERS, FREEZE = ("Quiz", "Look", "Pupils"), "Freeze the wall"

# How far the box and the button of *Look* are below the top of what is said above them, in CSS pixels.
BELOW = """() => ['.stCheckbox', '.st-key-class-look-show'].map(one => {
  const said = document.querySelector('.st-key-class-look-told');
  return said.parentElement.parentElement.querySelector(one).getBoundingClientRect().top
    - said.getBoundingClientRect().top;
})"""
# The picture of each feature map: the layer's caption, and colours [r, g, b, ...] of its pixels.
MAPS = """all => [...all.querySelectorAll('figure:not([hidden])')].map(figure => [
  figure.querySelector('figcaption').textContent,
  [...figure.querySelectorAll('canvas')].map(one =>
    [...one.getContext('2d').getImageData(0, 0, one.width, one.height).data].filter((_, k) => k % 4 < 3)),
])"""


def finger(phone, *strokes) -> None:
    """Draws with a finger through points that are shares of the sheet's side."""
    touch, box = phone.context.new_cdp_session(phone), phone.locator("canvas.sheet").bounding_box()
    for stroke in strokes:
        for place, (x, y) in enumerate(stroke):
            at = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
            kind = "touchMove" if place else "touchStart"
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [at]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def opened_to_pupils(teacher) -> tuple[str, str]:
    """Open a class on the teacher's page; returns the address for the pupils, and the code."""
    teacher.get_by_role("combobox", name="Address of this machine").click()
    teacher.get_by_role("option", name="127.0.0.1").click()
    teacher.get_by_role("button", name="Open to the pupils").click()
    teacher.locator(".code", has_text=re.compile(r"\d{4}")).wait_for()
    address, code = (teacher.locator(f".{name}").inner_text() for name in ("address", "code"))
    return address, code


def close_to_pupils(teacher) -> None:
    """Close the class, so that another test can open one."""
    teacher.get_by_role("button", name="Close").click()
    teacher.get_by_role("button", name="Open to the pupils").wait_for()


def joined_phone(browser, address: str, code: str, name: str, locale: str, complaints: list[str]):
    """The page of a phone that has joined; errors of its scripts, and what its console complains of, are noted."""
    size = {"width": 390, "height": 844}
    phone = browser.new_context(viewport=size, has_touch=True, is_mobile=True, locale=locale).new_page()
    phone.on("pageerror", lambda error: complaints.append(str(error)))
    phone.on("console", lambda line: line.type == "error" and complaints.append(line.text))
    phone.goto(address)
    phone.locator("#code").fill(code)
    phone.locator("#nickname").fill(name)
    phone.locator("#enter").click()
    return phone


def test_a_class_joins_draws_and_goes_home_with_a_page(visit, browser, folder, tmp_path):
    starter = next(run for run in store.runs(ROOT / "models_store") if "cnn-four-4072" in run.name)
    shutil.copytree(starter.folder, folder / "store" / starter.name)
    teacher = visit(f"/classroom?run={starter.name}")
    address, code = opened_to_pupils(teacher)
    phones, complaints = [], []
    for name, locale in (("Ana", "en-US"), ("<b>Rui</b>", "pt-BR"), ("Eva", "en-US")):
        phone = joined_phone(browser, address, code, name, locale, complaints)
        phone.locator("#ask").wait_for()
        phones.append(phone)
    ana, rui, eva = phones
    teacher.locator(".names li", has_text="<b>Rui</b>").wait_for()
    teacher.get_by_role("combobox", name="What to ask").click()
    teacher.get_by_role("option", name="The digit 7").click()
    teacher.get_by_role("button", name="Next round").click()
    teacher.locator(".question", has_text="Draw the digit 7").wait_for()
    rui.get_by_text("Desenhe o dígito 7").wait_for()
    teacher.get_by_role("button", name="Look").click()
    teacher.locator("button:disabled", has_text="Show to all").wait_for()
    below = teacher.evaluate(BELOW)
    for phone in phones:
        finger(phone, *SEVEN)
        phone.locator(".best").wait_for()  # answered while drawing
        send = phone.locator("#send").bounding_box()
        assert send["y"] + send["height"] <= 844, "in sight without scrolling"
        phone.locator("#send").click()
        phone.locator("#said", has_text="7").wait_for()
    teacher.locator("button:enabled", has_text="Show to all").wait_for()  # by itself: nobody draws any more
    assert teacher.evaluate(BELOW) == below, "no button comes to lie where another thing was"
    teacher.keyboard.press("Escape")
    teacher.get_by_role("button", name="Show to all").wait_for(state="hidden")
    teacher.locator(".tile").nth(2).wait_for()
    assert "n = 3" in teacher.locator(".model").inner_text()
    assert teacher.locator(".matrix tbody tr").nth(8).locator("td").nth(7).inner_text() == "3"

    present = visit("/classroom?present=1")
    present.locator(".tile").nth(2).wait_for()
    others = SimpleNamespace(
        host=address.removeprefix("http://").strip("/"),
        classroom=SimpleNamespace(door=SimpleNamespace(code=code)),
    )
    for k in range(3, 40):
        with client(others, said=cookie(others, f"Maria Aparecida {k}")) as pupil:
            pupil.send(handed_in(hear(pupil), 7))
            while hear(pupil)["said"] is None:
                pass
    present.locator(".tile").nth(39).wait_for()
    assert not present.evaluate(SMALL_OR_CUT), "text below 24 px, or out of sight, on a projector"
    late = visit("/classroom?present=1")
    late.get_by_role("radio", name="Join").click()
    late.locator(".names li", has_text=re.compile(r"^\+\d+$")).wait_for()
    *shown, more = late.locator(".names li").all_inner_texts()
    assert len(shown) + int(more) == 40
    late.close()
    assert present.evaluate(CONTROLS) == [["Join", "Wall", "Race", "The digit 7", "Next round", *POPOVERS, FREEZE], []]

    def will_ask(digit: int) -> None:
        teacher.get_by_role("combobox", name="What to ask").click()
        teacher.get_by_role("option", name=f"The digit {digit}").click()
        present.locator(".st-key-class-kind button", has_text=f"The digit {digit}").wait_for()  # the other tab, too

    will_ask(3)
    present.keyboard.press(" ")
    for page in (teacher, present):
        page.locator(".question", has_text="Draw the digit 3").wait_for()
    rui.get_by_text("Desenhe o dígito 3").wait_for()
    will_ask(7)
    teacher.locator(".question").click()  # goes on, as the space bar does
    ana.get_by_text("Draw the digit 7").wait_for()
    rui.locator("#send").wait_for()
    finger(ana, *SEVEN)
    ana.reload()  # the cookie keeps the place; what was not sent is gone
    ana.get_by_text("Draw the digit 7").wait_for()
    finger(ana, ((0.2, 0.2), (0.8, 0.8)), ((0.8, 0.2), (0.2, 0.8)))
    ana.locator("#send").click()
    teacher.locator(".tile", has_text="Ana").wait_for()
    teacher.locator(".question").click()
    teacher.locator(".tile").wait_for(state="detached")
    teacher.locator(".hardest", has_text="Ana").click()  # of the round before
    teacher.get_by_role("button", name="Take it off the wall").click()
    teacher.locator(".hardest").wait_for(state="hidden")
    assert len(collection.kept(folder / "store")) == 40
    with teacher.expect_download() as saving:
        teacher.get_by_role("button", name="Save the results").click()
    saved = tmp_path / "class.html"
    saving.value.save_as(saved)
    saved_page = ana.context.new_page()
    saved_page.goto(saved.as_uri())
    assert saved_page.locator("figure").count() == 40
    assert "Rui" not in saved_page.content()
    teacher.get_by_role("button", name="Close").click()
    for phone, words_of_it in ((ana, "The session is over"), (rui, "A sessão terminou"), (eva, "The session is over")):
        phone.get_by_text(words_of_it).wait_for()
        phone.context.close()
    present.get_by_role("button", name="Open to the pupils").wait_for()  # the other tab has heard of it
    teacher.get_by_role("button", name="Open to the pupils").click()
    teacher.locator(".code", has_text=re.compile(r"\d{4}")).wait_for()
    present.locator(".code", has_text=re.compile(r"\d{4}")).wait_for()  # for the pupils to join, in every tab
    present.get_by_role("radio", name="Wall").click()
    present.locator(".question", has_text="Draw any digit").wait_for()
    present.get_by_text("The drawings appear here").wait_for()
    present.get_by_role("button", name="Next round").click()
    present.locator(".question", has_text=re.compile(r"Draw the digit \d")).wait_for()
    present.wait_for_function("""() => {
      const wall = [...document.querySelectorAll("*")].find((one) => one.shadowRoot?.querySelector(".question"));
      const box = (wall?.shadowRoot ?? document).querySelector(".question").getBoundingClientRect();
      return box.top >= 40 && box.bottom <= innerHeight;
    }""")
    teacher.get_by_role("button", name="Close").click()
    present.get_by_role("button", name="Open to the pupils").wait_for()
    assert not complaints


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_lesson_outlives_its_server_s_sudden_end_with_every_drawing_that_was_confirmed(browser, tmp_path):
    environment = {f"BANCADA_{name}": str(tmp_path / name.lower()) for name in ("STORE", "CACHE", "DATA")}
    environment["BANCADA_CLASS_PORT"] = str(free_port())
    starter = next(run for run in store.runs(ROOT / "models_store") if "cnn-four-4072" in run.name)
    shutil.copytree(starter.folder, tmp_path / "store" / starter.name)
    port, complaints = free_port(), []
    teacher = browser.new_context(locale="en-US", reduced_motion="reduce").new_page()
    with served("app.py", ROOT, environment, port=port) as (address, server):
        teacher.goto(f"{address}/classroom?run={starter.name}")
        to_join, code = opened_to_pupils(teacher)
        phones = [joined_phone(browser, to_join, code, name, "en-US", complaints) for name in ("Ana", "Rui")]
        for digit, strokes, confirmed in ((7, SEVEN, True), (1, ONE, True), (7, SEVEN, False)):
            teacher.get_by_role("combobox", name="What to ask").click()
            teacher.get_by_role("option", name=f"The digit {digit}").click()
            teacher.get_by_role("button", name="Next round").click()
            for phone in phones:
                phone.get_by_text(f"Draw the digit {digit}").wait_for()
                finger(phone, *strokes)
                if phone is phones[-1] and not confirmed:
                    server.send_signal(signal.SIGSTOP)  # this one has it on its sheet for certain
                phone.locator("#send:enabled").click()
                if confirmed:  # else the drawings are on their way at the end
                    phone.locator("#said", has_text=re.compile(".")).wait_for()
        assert not complaints
        server.kill()
        server.wait()
        for phone in phones:
            phone.locator("#said", has_text="The connection is lost").wait_for()
    kept = collection.kept(tmp_path / "store")
    assert [(one.label, one.nickname) for one in kept[:4]] == [(7, "Ana"), (7, "Rui"), (1, "Ana"), (1, "Rui")]
    assert len(kept) <= 5

    with served("app.py", ROOT, environment, port=port) as (address, _):
        teacher.goto(f"{address}/classroom?run={starter.name}")
        teacher.get_by_role("combobox", name="Earlier sessions").click()
        teacher.get_by_role("option", name=f"drawings: {len(kept)}").click()
        with teacher.expect_download() as saving:
            teacher.get_by_role("button", name="Save the results").click()
        saving.value.save_as(tmp_path / "class.html")
        saved = teacher.context.new_page()
        saved.goto((tmp_path / "class.html").as_uri())
        assert saved.locator("figure").count() == len(kept)
        again, code = opened_to_pupils(teacher)
        assert again == to_join
        for phone in phones:  # which have tried again since
            phone.locator("#why", has_text="opened anew").wait_for()
        rui = phones[-1]
        rui.locator("#why", has_text="not certain that your last drawing has arrived").wait_for()
        rui.locator("#code").fill(code)
        rui.locator("#enter").click()
        rui.get_by_role("button", name="7", exact=True).click()  # the drawing has stayed on the sheet
        rui.locator("#said", has_text="7").wait_for()
        assert collection.kept(tmp_path / "store")[len(kept) :][0].nickname == "Rui"
        phones.append(joined_phone(browser, again, code, "Eva", "en-US", []))
        phones[-1].locator("#ask").wait_for()
    for page in (teacher, *phones):
        page.context.close()


def test_an_enlarged_drawing_has_the_feature_maps_of_the_first_layers_beside_it(visit, folder, trained_store):
    starter = next(run for run in store.runs(ROOT / "models_store") if "lenet" in run.name)
    (mlp,) = store.runs(trained_store)
    for run in (starter, mlp):
        shutil.copytree(run.folder, folder / "store" / run.name, dirs_exist_ok=True)
    teacher = visit(f"/classroom?run={mlp.name}")
    teacher.locator(".st-key-models button").click()
    teacher.locator(".stMultiSelect input").click()
    teacher.get_by_role("option", name=re.compile(starter.name[-4:])).click()
    teacher.keyboard.press("Escape")  # the list
    teacher.keyboard.press("Escape")  # and the popover
    address, code = opened_to_pupils(teacher)
    room = SimpleNamespace(
        host=address.removeprefix("http://").strip("/"),
        classroom=SimpleNamespace(door=SimpleNamespace(code=code)),
    )
    with client(room, said=cookie(room)) as pupil:
        pupil.send(handed_in(hear(pupil), 7))
    teacher.get_by_role("radio", name="Wall").click()
    teacher.locator(".tile").click()
    assert teacher.locator(".about > p").count() == 3, "whose it is, and what each of two models reads"
    model = open_model(starter)
    image = model.seen(prepare(SEVEN_INK))
    assert image is not None
    maps = feature_maps(Network.of(model.module, starter.spec, model.shape, 10), image)
    teacher.locator(".maps canvas").nth(21).wait_for()
    shown = teacher.locator(".maps").evaluate(MAPS)
    assert len(shown) == 2, "an MLP has none"
    for (caption, pictures), layer in zip(shown, (1, 3), strict=True):
        output = maps[layer - 1]
        end = reach(output)
        assert f"Layer {layer}: {len(output)} feature maps (±{words.number(end, 2, language='en')})" in caption
        expected = [diverging(one, end).transpose(1, 2, 0).ravel() for one in output]
        assert np.abs(np.array(pictures, int) - np.array(expected, int)).max() <= 2, "127 steps to each side of 0"
    present = visit("/classroom?present=1", scheme="dark")
    present.get_by_role("radio", name="Wall").click()
    present.locator(".tile").click()
    present.locator(".maps canvas").nth(21).wait_for()
    assert not present.evaluate(SMALL_OR_CUT)
    assert present.locator(".maps canvas").first.evaluate("one => getComputedStyle(one).imageRendering") == "pixelated"
    present.keyboard.press("Escape")
    present.locator(".large").wait_for(state="hidden")
    teacher.keyboard.press(" ")  # on *Back to the wall*
    teacher.locator(".large").wait_for(state="hidden")
    close_to_pupils(teacher)


def test_a_class_races_in_a_queue_and_each_phone_sees_its_own(visit, browser, folder, runs):
    starter = next(run for run in store.runs(ROOT / "models_store") if "cnn-four-4072" in run.name)
    shutil.copytree(starter.folder, folder / "store" / starter.name, dirs_exist_ok=True)
    teacher = visit(f"/classroom?run={starter.name}")
    address, code = opened_to_pupils(teacher)
    present = visit("/classroom?present=1")
    present.locator(".code", has_text=code).wait_for()
    present.locator(".unreached", has_text="If phones cannot reach the address").wait_for()  # nobody has joined
    teacher.get_by_role("radio", name="Race").click()
    teacher.get_by_role("button", name="Start the race").click()
    for page in (teacher, present):  # which follows
        page.get_by_text("No training has ended yet").wait_for()
    phones, complaints = [], []
    pupils = ("Ana", "en-US", "Train", 2), ("Eva", "en-US", "Train", 0), ("<b>Rui</b>", "pt-BR", "Treinar", 1)
    for name, locale, go, rate in pupils:
        phone = joined_phone(browser, address, code, name, locale, complaints)
        for group, place in ((0, rate), (1, 2), (2, 1)):  # a learning rate, a large batch, Adam
            phone.locator(".options").nth(group).locator("label").nth(place).tap()
        phone.locator("[name=title]").fill(f"<i>{name}")
        button = phone.get_by_role("button", name=go)
        box = button.bounding_box()
        assert box["y"] + box["height"] <= 844, "in sight without scrolling"
        button.tap()
        phone.locator("article").wait_for()
        if not phones:  # the others have to wait for a run that stands still
            wait_for(lambda: [run for run in runs() if TAG in run.label().tags])
            (first,) = (run for run in runs() if TAG in run.label().tags)
            first.ask("pause")
        phones.append(phone)
    ana, eva, rui = phones
    assert ana.locator("article").count() == 1, "another's attempt is not to be seen"
    eva.locator(".state", has_text="Place 1 in the queue").wait_for()
    rui.locator(".state", has_text="Lugar 2 na fila").wait_for()
    eva.get_by_role("button", name="Stop").tap()
    eva.locator("article").wait_for(state="detached")
    rui.locator(".state", has_text="Lugar 1 na fila").wait_for()
    first.ask("run")
    eva.context.close()
    phones.remove(eva)
    rui.get_by_role("button", name="Parar").wait_for()
    for phone in phones:
        phone.locator("article.trained .state", has_text="✓").wait_for(timeout=MINUTE)
        assert not phone.locator(".stop").is_visible()
    teacher.locator(".race tbody tr").nth(1).wait_for()
    assert "<i><b>Rui</b>" in teacher.locator(".race").inner_text()
    present.locator(".race tbody tr").nth(1).wait_for()
    assert not present.evaluate(SMALL_OR_CUT_IN_RACE)
    present.close()
    teacher.get_by_role("button", name="End the race").click()
    ana.get_by_text("The race is over").wait_for()
    assert ana.get_by_role("button", name="Train").is_disabled()
    teacher.get_by_role("button", name="Read the test split").click()
    teacher.get_by_text("Test split, read once: <i>").wait_for(timeout=MINUTE)
    for again in (False, True):  # once the race is over, and when the teacher shows the board
        for phone in phones:
            phone.locator("#look .model").nth(1).wait_for()
            phone.locator("#race").wait_for(state="hidden" if again else "visible")
            assert phone.evaluate("document.documentElement.scrollWidth") == 390
        places = teacher.locator(".race tbody .place").all_inner_texts()
        assert ana.locator("#look .model .name b").all_inner_texts() == places
        assert "<i><b>Rui</b>" in ana.locator("#look").inner_text()
        if not again:
            teacher.get_by_role("button", name="Look").click()
            teacher.get_by_role("combobox", name="What to look at").click()
            teacher.get_by_role("option", name="Board of the race").click()
            teacher.get_by_role("button", name="Show to all").click()
            rui.get_by_text("Olhe: como no quadro").wait_for()
    present = visit("/classroom?present=1")
    for page in (teacher, present):
        page.locator(".race tbody tr").nth(1).wait_for()
    present.get_by_role("radio", name="Wall").click()
    present.locator(".look .model").nth(1).wait_for()
    present.locator(".question").scroll_into_view_if_needed()
    assert not present.evaluate(SMALL_OR_CUT)
    close_to_pupils(teacher)
    for phone in phones:
        phone.context.close()
    assert not complaints


def test_a_class_answers_beside_a_model_and_sees_on_its_phones_what_the_projector_shows(
    visit, browser, folder, trained_store, tmp_path
):
    (run,) = store.runs(trained_store)
    shutil.copytree(run.folder, folder / "store" / run.name, dirs_exist_ok=True)
    teacher = visit(f"/classroom?run={run.name}")
    address, code = opened_to_pupils(teacher)
    phones, complaints = [], []
    for name, locale in (("Ana", "en-US"), ("Rui", "pt-BR")):
        phone = joined_phone(browser, address, code, name, locale, complaints)
        phone.locator("#ask").wait_for()
        phones.append(phone)
    ana, rui = phones
    present = visit("/classroom?present=1")
    present.get_by_role("button", name="Quiz").click()
    begin = present.get_by_role("button", name="Begin the quiz")
    begin.wait_for()
    box = begin.bounding_box()
    assert box["y"] + box["height"] <= 720, "in sight without scrolling"
    present.keyboard.press("Escape")
    begin.wait_for(state="hidden")
    teacher.get_by_role("button", name="Quiz").click()
    teacher.get_by_role("combobox", name="Run").click()
    teacher.get_by_role("option", name=re.compile(run.name[-4:])).click()
    teacher.get_by_role("button", name="Begin the quiz").click()
    for page, picture in ((ana, "#picture"), (rui, "#picture"), (teacher, ".quiz .picture")):
        page.locator(picture).wait_for()
        drawn = page.locator(picture).evaluate(
            "one => [one.naturalWidth, getComputedStyle(one).imageRendering, one.clientWidth]"
        )
        assert drawn[:2] == [28, "pixelated"]
        assert drawn[2] > 250
    assert not teacher.get_by_role("button", name="Begin the quiz").is_visible(), "nothing lies over the image"
    for phone in phones:
        phone.locator("#classes button:enabled").nth(7).tap()
        phone.locator("#classes [aria-pressed=true]", has_text="Se").wait_for()  # Seven, Sete
        assert phone.locator("#picture").is_hidden()
        assert phone.evaluate("document.documentElement.scrollWidth") == 390
    rui.get_by_text("Enviado").wait_for()
    assert rui.locator("#classes button:enabled").count() == 0, "nobody answers twice"
    present.locator(".arrived", has_text="Answered: 2 of 2").wait_for()
    assert not present.evaluate(SMALL_OR_CUT)
    present.keyboard.press(" ")
    present.locator(".says", has_text="The model says").wait_for()
    assert not present.evaluate(SMALL_OR_CUT)
    for phone in phones:
        phone.locator("#look .model").nth(1).wait_for()
    teacher.get_by_role("button", name="End the quiz").click()
    teacher.locator(".st-key-class-quiz-end button").click()  # below the sentence that says what it ends
    present.locator(".verdict").wait_for()
    assert not present.evaluate(SMALL_OR_CUT)
    assert present.locator(".verdict").inner_text() == ana.locator("#look p").nth(1).inner_text(), "below the caption"
    with teacher.expect_download() as saving:
        teacher.get_by_role("button", name="Save the results").click()
    saved = tmp_path / "class.html"
    saving.value.save_as(saved)
    assert "You or the model" in saved.read_text(encoding="utf-8")
    teacher.get_by_role("button", name="Look").click()
    teacher.get_by_role("combobox", name="What to look at").click()
    teacher.get_by_role("option", name="Learning curves of a run").click()
    teacher.get_by_role("combobox", name="Run").click()
    teacher.get_by_role("option", name=re.compile(run.name[-4:])).click()
    teacher.get_by_role("button", name="Show to all").click()
    present.locator(".look polyline").nth(1).wait_for()
    assert not present.evaluate(SMALL_OR_CUT)
    rui.locator("#look polyline").nth(1).wait_for()
    assert "validação" in rui.locator("#look").inner_text()
    close_to_pupils(teacher)
    for phone in phones:
        phone.context.close()
    assert not complaints
