"""What a visitor of the page Search does, in a real browser: from Train to a grid, a reload while it runs, a cell."""

from __future__ import annotations

import pytest

from core import store
from tests.browser import CHROMIUM, ROOT, faultless, projector, serve
from tests.small_data import write_small_data

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")
MINUTE = 60_000  # milliseconds
CHART = "[data-testid=stVegaLiteChart]"


@pytest.fixture
def address(tmp_path, monkeypatch):
    """A server with the small data sets and an empty store, which this process reads too."""
    environment = {f"BANCADA_{name}": str(tmp_path / name.lower()) for name in ("STORE", "CACHE", "DATA")}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "data").mkdir()
    write_small_data(tmp_path / "data")
    with serve("app.py", ROOT, environment) as at:
        yield at


def test_a_grid_is_asked_for_on_train_survives_a_reload_and_its_cells_lead_to_their_runs(browser, address):
    form = f"{address}/?data=tiny&split=official&architecture=mlp&epochs=2&lang=en"
    with faultless(projector(browser), form, MINUTE) as page:
        page.get_by_role("button", name="Search the best values").click()
        page.get_by_text("The search has 15 runs.").wait_for()
        for field, written in (("Learning rate", "0.001; 0.01"), ("Batch size", "8; 32")):
            box = page.get_by_role("textbox", name=f"Values of {field}")
            box.fill(written)
            box.press("Enter")
        page.get_by_role("button", name="Start the search (4 runs)").click()
        page.get_by_role("progressbar").first.wait_for()
        page.reload()  # while it runs
        page.get_by_text("4 done · 0 running · 0 left").wait_for()
        assert len(store.runs()) == 4, "nothing twice"
        page.get_by_text("The search ends with").wait_for()
        heat = page.locator(f".st-key-study-heat {CHART}")
        heat.scroll_into_view_if_needed()
        page.wait_for_function("document.querySelectorAll('.st-key-study-heat :is(canvas, svg.marks)').length > 0")
        box = heat.bounding_box()
        # The first rate, the second size.
        page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + 0.2 * box["height"])
        link = page.get_by_role("link", name="Learning rate 0.001, Batch size 32 images: open in")
        link.click()
        page.wait_for_url("**run=*")
        (run,) = (run for run in store.runs() if (run.spec.learning_rate, run.spec.batch_size) == (0.001, 32))
        assert run.name in page.url
