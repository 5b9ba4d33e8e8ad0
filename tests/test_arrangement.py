"""Where things are on the pages, in pixels, in a real browser: on a projector, a tablet and a phone."""

from __future__ import annotations

import re

import pytest

from tests.browser import CHROMIUM, serve_run
from tests.conftest import wait_for
from ui.streamlit_words import WORDS

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")
PROJECTOR, TABLET, PHONE = (1280, 720), (768, 1024), (390, 844)
# Whether the row of the navigation lies in the window, nothing in it over anything else, and the page right below it.
ONE_ROW = """() => {
  const row = [...document.querySelectorAll('.st-key-frame :is(a, button), header button')]
    .map(one => one.getBoundingClientRect()).filter(one => one.width).sort((one, other) => one.left - other.left);
  const begin = document.querySelector('div:has(> .st-key-frame) + *');
  return row.length > 6 && begin?.getBoundingClientRect().top <= 72
    && row.every(one => one.left >= 0 && one.right <= innerWidth && one.top >= 0 && one.bottom <= 56)
    && row.slice(1).every((one, place) => row[place].right <= one.left + 1)
    && document.documentElement.scrollWidth <= innerWidth;
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server whose store has one finished run on the data that come with the app."""
    with serve_run(tmp_path_factory.mktemp("arrangement"), architecture="mlp", epochs=2) as (at, _):
        yield at


@pytest.fixture(scope="module")
def tab(browser):
    """One tab for all tests, whose cache keeps Streamlit's scripts."""
    return browser.new_context(reduced_motion="reduce").new_page()


@pytest.fixture
def look(tab, address):
    """Opens a page of the app in a window of this size and language, and returns the browser's page."""

    def open_page(path: str, size: tuple[int, int] = PROJECTOR, language: str = "en"):
        tab.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
        there = f"{address}/{path}{'&' if '?' in path else '?'}lang={language}"
        if tab.url != there:
            tab.goto(there)
            tab.locator("h1").wait_for(state="attached")
        return tab

    return open_page


def box(page, selector: str) -> dict[str, float]:
    """The first such element's x, y, width and height, px, once it is there."""
    element = page.locator(selector).first
    element.wait_for()
    return element.bounding_box()


@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_the_navigation_is_one_row_and_the_page_begins_right_below_it(look, language):
    for size in (PROJECTOR, TABLET, PHONE):
        look("check", size, language).wait_for_function(ONE_ROW, timeout=5000)


def test_the_menu_of_a_narrow_window_leads_to_its_pages_and_closes(look):
    page = look("check", PHONE)
    page.locator(".st-key-frame").get_by_role("button", name="Draw").click()
    page.get_by_role("link", name="Our drawings").click()
    page.get_by_role("heading", name="Our drawings").wait_for()
    page.get_by_role("link", name="Our drawings").wait_for(state="hidden")


# The words that a reader sees or hears and that are not in a chart or of our own kind.
HEARD = """() => [...document.querySelectorAll('body *')].flatMap(one => [
  ...['aria-label', 'title', 'placeholder'].map(name => one.getAttribute(name)),
  ...(one.closest('[data-testid="stMarkdownContainer"], style, script') ? [] : [...one.childNodes]
    .filter(node => node.nodeType === Node.TEXT_NODE).map(node => node.data)),
]).map(words => words?.trim()).filter(words => words)"""


def english_of_streamlit(page) -> list[str]:
    """What is said on the page as Streamlit says it."""
    same = {english for english, ours in WORDS.items() if english in ours.values()} | {"{}: {}"}
    known = [re.escape(english).replace(r"\{\}", ".+") for english in WORDS if english not in same]
    return [words for words in page.evaluate(HEARD) if re.fullmatch("|".join(known), words)]


def test_streamlit_speaks_portuguese_on_a_portuguese_page_and_english_again_on_an_english_one(look):
    page = look("evaluate", language="pt-BR")
    page.get_by_role("button", name="Menu principal").click()
    page.get_by_text("Feito com Streamlit").wait_for()
    assert english_of_streamlit(page) == []
    page.keyboard.press("Escape")
    look("draw", language="pt-BR").get_by_role("radio", name="Arquivo", exact=True).click()
    look("draw", language="pt-BR").get_by_role("radio", name="Arquivo").click()
    page.get_by_text("Enviar arquivo").wait_for()
    assert english_of_streamlit(page) == []
    page.get_by_role("radio", name="en", exact=True).click()
    page.get_by_role("button", name="Main menu").wait_for()
    page.get_by_text("10MB per file").wait_for()


# The words of choices, links and pages whose contrast to what lies behind them is below 4.5:1 (WCAG 2, 1.4.3).
FAINT = """() => {
  const one = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const pixel = colours => {
    one.globalAlpha = 1;
    for (const [colour, alpha] of colours) [one.globalAlpha, one.fillStyle] = [alpha, colour], one.fillRect(0, 0, 1, 1);
    return one.getImageData(0, 0, 1, 1).data;
  };
  const light = data => [0.2126, 0.7152, 0.0722].reduce((sum, share, k) => {
    const value = data[k] / 255;
    return sum + share * (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  }, 0);
  const around = element => element ? [...around(element.parentElement), element] : [];
  const named = ':is([role=radio], [role=tab], a, [data-testid^=stPagination]):not(:disabled)';
  return [...document.querySelectorAll(`${named}, ${named} *`)]
    .filter(leaf => !leaf.closest(':disabled') && leaf.getClientRects().length)
    .filter(leaf => [...leaf.childNodes].some(node => node.data?.trim()))
    .map(leaf => {
      const line = around(leaf), style = getComputedStyle(leaf);
      const ground = line.map(outer => [getComputedStyle(outer).backgroundColor, 1]);
      const alpha = line.reduce((product, outer) => product * getComputedStyle(outer).opacity, 1);
      const words = pixel([...ground, [style.color, alpha]]);
      const [more, less] = [light(words), light(pixel(ground))].sort((a, b) => b - a);
      return [leaf.textContent, (more + 0.05) / (less + 0.05)];
    }).filter(([words, ratio]) => !(ratio >= 4.5));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_links_and_choices_can_be_read_in_both_themes_and_show_the_focus(look, scheme):
    for path in ("check", "evaluate"):
        page = look(path)
        page.emulate_media(color_scheme=scheme)
        page.locator("[data-testid=stMain] :is([role=tab], [data-testid=stPaginationPageActive])").first.wait_for()
        page.wait_for_timeout(500)  # colours change gradually
        assert page.evaluate(FAINT) == []
    link = page.locator(".st-key-frame a:visible").first
    link.focus()
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.emulate_media(color_scheme="light")


SMALL = """() => {
 const all = root => root ? [...root.querySelectorAll('*')].flatMap(one => [one, ...all(one.shadowRoot)]) : [];
 return all(document.querySelector('.stMain')).filter(one => {
  const { width, height, top } = one.getBoundingClientRect();
  return width > 2 && height > 2 && top < innerHeight && one.checkVisibility()
    && !one.closest('.st-key-title, [data-testid^=stIcon], svg, [aria-hidden=true]')
    && [...one.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim())
    && parseFloat(getComputedStyle(one).fontSize) * one.currentCSSZoom < 24;
 }).map(one => one.textContent);
}"""


def test_the_end_of_a_page_can_be_reached_in_the_presenter_view(look):
    page = look("evaluate?present=1")
    page.locator(".st-key-matrix").wait_for()
    reached = """() => {
      const main = document.querySelector(".stMain"), block = document.querySelector(".stMainBlockContainer");
      main.scrollTo(0, main.scrollHeight);
      return block.getBoundingClientRect().height > innerHeight
        && block.getBoundingClientRect().bottom <= innerHeight + 1;
    }"""
    page.wait_for_function(reached, timeout=10_000)


def test_the_presenter_view_is_in_the_link_and_has_no_small_text(look):
    page = look("draw?present=1")
    page.locator("canvas.sheet").wait_for()
    page.wait_for_function(f"() => ({SMALL})().length === 0", timeout=5000)
    page = look("evaluate?present=1")
    page.locator(".st-key-matrix tbody td").first.wait_for()
    page.wait_for_function(f"() => ({SMALL})().length === 0", timeout=5000)
    last = page.locator(".st-key-matrix tbody td").last.bounding_box()
    column = page.locator("[data-testid=stColumn]:has(.st-key-matrix)").bounding_box()
    assert last["y"] + last["height"] <= PROJECTOR[1]
    assert last["x"] + last["width"] <= column["x"] + column["width"]
    picture = box(page, "figure")
    assert picture["x"] > column["x"] + column["width"], "beside the matrix"
    assert picture["y"] + picture["height"] <= PROJECTOR[1]
    page.locator(".st-key-present [role=radio]").click()
    page.wait_for_function("() => !location.search.includes('present')")
    page.locator("[data-testid=stMain] .stExpander").first.wait_for()


def test_recipes_show_the_whole_table_and_the_button_of_the_chosen_one_on_a_projector(look):
    page = look("recipes?report=001")
    table = page.locator(".dvn-scroller").first
    table.wait_for()
    assert table.evaluate("one => one.scrollWidth <= one.clientWidth && one.scrollHeight <= one.clientHeight")
    button = box(page, ".st-key-recipe button")
    assert button["y"] + button["height"] <= PROJECTOR[1]
    for size in (TABLET, PHONE):
        page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
        page.locator(".st-key-wide-recipes").wait_for()  # says that the table goes on
        page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")
        page.wait_for_function(
            "[...document.querySelectorAll('.st-key-recipe button p')].every(one => one.scrollWidth <= one.clientWidth)"
        )


def test_all_classes_of_the_data_are_in_sight_and_a_click_follows_a_picture_into_the_network(look):
    page = look("data")
    last = box(page, ".picture-rows > .line:last-child")
    assert last["y"] + last["height"] <= PROJECTOR[1]
    page.locator(".picture-rows .line").nth(4).locator("img").nth(2).click()
    page.get_by_role("heading", name="Four").wait_for()
    step = box(page, ".pictures figure")
    assert step["y"] + step["height"] <= PROJECTOR[1]
    page.locator("[data-testid=stVegaLiteChart]").wait_for()  # the answer of the finished run
    page = look("data", PHONE)
    page.locator(".picture-rows .line").first.wait_for()
    shown = """[...document.querySelectorAll('.picture-rows .line')].every(line => {
      const end = line.getBoundingClientRect().bottom;
      return [...line.children].map(one => one.getBoundingClientRect()).filter(one => one.top < end - 5)
        .every(one => one.right <= innerWidth && one.bottom <= end);
    }) && document.documentElement.scrollWidth <= innerWidth"""
    page.wait_for_function(shown)


def test_what_has_nothing_to_show_yet_shows_an_example_in_sight(look):
    for size in (PROJECTOR, TABLET, PHONE):
        page = look("drawings", size)
        begin = box(page, ".st-key-drawings-begin button")
        assert begin["height"] >= 60
        picture = box(page, ".pictures figure")
        assert picture["y"] + picture["height"] <= size[1]
        page = look("check", size)
        offer = box(page, ".st-key-try-figures button")
        assert offer["y"] + offer["height"] <= size[1] / 2
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_an_open_lesson_adds_one_slim_line_and_its_arrow_key_goes_on_but_not_while_typing(look):
    first = ".stMain .stSelectbox"
    for size in (PROJECTOR, PHONE):
        before = box(look("data", size), first)["y"]
        page = look("data?lesson=errors&step=2", size)
        page.locator(".st-key-lesson-bar").wait_for()
        page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")
        wait_for(lambda page=page, before=before: 0 < box(page, first)["y"] - before <= 40)
    page = look("lessons?lesson=errors&step=2")
    on = box(page, ".st-key-lesson-next button")
    assert on["y"] + on["height"] <= 200
    page.get_by_text("Step 2 of 4").wait_for()
    page.keyboard.press("ArrowRight")
    page.get_by_text("Step 3 of 4").wait_for()
    page.wait_for_function("location.search.includes('step=3')")
    page.reload()
    page.get_by_text("Step 3 of 4").wait_for()
    page = look("lessons?lesson=errors&step=3&term=adam")
    field = page.get_by_label("Search a term")
    field.fill("recall")
    field.press("ArrowRight")
    field.press("Enter")
    page.get_by_text("F1", exact=True).wait_for()
    assert "step=3" in page.url


def cells(page) -> list[dict[str, float]]:
    """Where the cells of the matrix are, and whether one of them does not hold its text."""
    page.locator(".st-key-matrix tbody td").nth(99).wait_for()
    return page.locator(".st-key-matrix tbody td").evaluate_all(
        "all => all.map(one => ({...one.getBoundingClientRect().toJSON(), cut: one.scrollWidth > one.clientWidth + 1}))"
    )


def test_matrix_and_errors_are_in_sight_on_a_projector_and_the_matrix_is_walked_with_keys(look):
    page = look("evaluate")
    found = cells(page)
    assert all(one["bottom"] <= 720 and not one["cut"] for one in found), "all ten rows"
    assert page.locator(".st-key-matrix tbody tr").first.bounding_box()["y"] < 400
    page.locator("figure").first.wait_for()
    picture = page.locator("figure").first.bounding_box()
    assert picture["y"] + picture["height"] <= 720
    assert picture["x"] >= max(one["right"] for one in found), "beside the matrix"
    page.locator(".st-key-matrix tbody td").first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    page.get_by_text("True class One, predicted Zero: ").wait_for()
    assert page.locator(".st-key-matrix tbody td:focus").get_attribute("aria-label").startswith("True One, predicted Z")
    assert page.locator(".st-key-matrix tbody td[aria-pressed=true]").count() == 1
    page.keyboard.press("Enter")
    page.get_by_text("errors among").first.wait_for()


# Whether the images of the matrix are in its column, right below it.
RIGHT_BELOW = """() => {
  const [matrix, images] = ['matrix', 'cell'].map(
    key => document.querySelector(`.st-key-${key}`).getBoundingClientRect());
  return images.left === matrix.left && matrix.bottom < images.top && images.top < matrix.bottom + 150;
}"""


def test_no_number_of_the_matrix_is_cut_and_a_tap_leads_to_its_images_on_a_tablet_and_a_phone(look):
    for size in (TABLET, PHONE):
        page = look("evaluate", size)
        found = cells(page)
        box(page, ".st-key-cell")
        page.wait_for_function(RIGHT_BELOW, timeout=10_000)
        assert all(one["left"] >= 0 and one["right"] <= size[0] and not one["cut"] for one in found)
        page.locator(".st-key-matrix tbody td").nth(11).click()
        page.get_by_text("True class One, predicted One: ").wait_for()
        page.wait_for_function("""() => {
          const top = document.querySelector("figure")?.getBoundingClientRect().top;
          return top > 0 && top < innerHeight;
        }""")
        page.goto("about:blank")
