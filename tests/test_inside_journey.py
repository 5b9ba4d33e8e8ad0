"""What a visitor of the page Inside does, in a real browser: draw, see the layers follow, go through the epochs."""

from __future__ import annotations

import itertools

import pytest

from tests.browser import CHROMIUM, SEVEN, draw, faultless, projector, serve_run
from tests.conftest import wait_for

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")
MINUTE = 60_000  # milliseconds
MAPS = "strip => [...strip.querySelectorAll('canvas')].map(one => one.toDataURL()).join()"
# All epochs that the page says.
WATCH = """() => {
  window.seen = [3];
  new MutationObserver(() => {
    const said = document.querySelector(".st-key-inside-epochs .stMarkdown")?.textContent.match(/Epoch (\\d+)/);
    if (said) window.seen.push(Number(said[1]));
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


def maps(page) -> str:
    """All pictures of the strip."""
    return page.locator(".strip").evaluate(MAPS)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A page that shows a run of three epochs."""
    fields = {"architecture": "lenet", "epochs": 3, "batch_size": 32, "best_by": "last"}
    with serve_run(tmp_path_factory.mktemp("inside"), **fields) as (at, run):
        yield f"{at}/inside?run={run}&lang=en"


@pytest.fixture(scope="module")
def profile(browser):
    return projector(browser)


@pytest.fixture
def page(profile, address):
    with faultless(profile, address, MINUTE) as one:
        one.locator(".strip canvas").first.wait_for()
        one.get_by_text("products as a table").wait_for()  # the page's last element: nothing moves any more
        yield one


def test_the_layers_follow_the_pen_and_go_through_the_epochs(page):
    empty = maps(page)
    box = page.locator("canvas.sheet").bounding_box()
    page.mouse.move(box["x"] + 90, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 60, steps=8)
    wait_for(lambda: maps(page) != empty)  # while the pen is down
    stroke = maps(page)
    page.mouse.move(box["x"] + 130, box["y"] + 230, steps=8)
    wait_for(lambda: maps(page) != stroke)
    page.mouse.up()
    page.get_by_text("Nothing is drawn yet").wait_for(state="detached")  # the page's own answer
    drawn = maps(page)

    slider = page.get_by_role("slider").first
    slider.focus()
    page.keyboard.press("Home")
    page.get_by_text("Epoch 0 · val accuracy").wait_for()
    wait_for(lambda: maps(page) != drawn)
    untrained = maps(page)
    page.get_by_role("radio", name="Val at this epoch").click()
    page.get_by_text("validation images right").wait_for()
    slider.focus()
    page.keyboard.press("End")
    page.get_by_text("Epoch 3").first.wait_for()
    wait_for(lambda: maps(page) != untrained)
    wait_for(lambda: maps(page) == drawn)


def test_the_film_shows_every_epoch_and_ends(page):
    page.evaluate(WATCH)
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Play").wait_for()
    assert [epoch for epoch, _ in itertools.groupby(page.evaluate("window.seen"))] == [3, 0, 1, 2, 3]


def test_a_map_and_a_place_are_chosen_by_the_keyboard(page):
    draw(page, *SEVEN)
    page.get_by_text("Nothing is drawn yet").wait_for(state="detached")
    page.locator(".strip button.one").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_text("map 2 of 6").wait_for()
    assert page.locator(".strip button.one:focus").get_attribute("aria-label") == "layer 1, map 2"
    place = page.locator(".looks .map canvas")
    place.focus()
    page.keyboard.press("ArrowDown")
    before = page.locator(".said", has_text="It sees").inner_text()
    page.keyboard.press("ArrowDown")
    wait_for(lambda: page.locator(".said", has_text="It sees").inner_text() != before)
    page.locator(".strip section[data-number='8'] button.one").nth(7).click()
    page.get_by_text("value 8 of 10 (Seven)").wait_for()


def test_the_form_leads_to_a_step_of_its_untrained_network_and_back(profile, address):
    form = address.partition("/inside?")[0] + "/?lang=en&learning_rate=0.05"
    with faultless(profile, form, MINUTE) as page:
        page.get_by_role("link", name="Walk through one step").click()
        page.get_by_text("Step 1 on 8 training images").wait_for()
        page.get_by_role("button", name="Next step").click()
        page.get_by_text("Step 2 on 8 training images").wait_for()
        page.reload()
        page.get_by_text("Step 1 on 8 training images").wait_for()
        page.get_by_role("link", name="Back to the form").click()
        page.get_by_role("button", name="Start training").wait_for()
        rate = page.get_by_role("textbox", name="Learning rate")
        wait_for(lambda: rate.input_value() == "0.05")
