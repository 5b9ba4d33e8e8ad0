"""A sheet photographed with the page's own camera, in a real browser whose camera shows a generated sheet."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from core.drawing import collection
from tests import sheets
from tests.browser import CHROMIUM, ROOT, chromium, serve

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")


def test_a_sheet_is_photographed_corrected_by_a_key_and_kept_by_a_click(tmp_path):
    random = np.random.default_rng(3)
    written = {(row, 0): sheets.strokes(9 if row == 4 else row, random) for row in range(10)}  # a 9 among the fours
    view = sheets.View(size=(1920, 1080), turn=90, tilt=8, fall_off=0.2)
    frame = sheets.encoded(sheets.photograph(sheets.filled_in(written), view, random), quality=90)
    (tmp_path / "camera.mjpeg").write_bytes(2 * frame)
    shutil.copytree(ROOT / "models_store", tmp_path / "store")
    environment = {f"BANCADA_{name}": str(tmp_path / name.lower()) for name in ("STORE", "CACHE", "DATA")}
    camera = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={tmp_path / 'camera.mjpeg'}",
    )
    options = environment | {"BANCADA_CLASS_PORT": "0"}
    with serve("app.py", ROOT, options) as address, chromium(*camera) as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="en-US")
        page.set_default_timeout(60_000)
        page.goto(f"{address}/draw")
        page.get_by_text("Sheet", exact=True).click()
        page.get_by_text("Camera", exact=True).click()
        page.wait_for_function("() => document.querySelector('video')?.readyState >= 2")  # its first picture is there
        page.get_by_text("Take Photo").click()
        cards = page.locator(".list .card")
        cards.nth(9).wait_for()
        assert cards.count() == page.locator(".boxes g").count() == 10
        assert "≠ 9" in cards.nth(4).inner_text()
        cards.nth(4).click()
        page.keyboard.press("9")
        keep = page.get_by_role("button", name="Keep")
        for place in range(10):  # those that the model doubts
            if cards.nth(place).inner_text().endswith("?"):
                cards.nth(place).click()
                page.keyboard.press(str(place))
        keep.filter(has_text="Keep 10 digits").click()
        page.get_by_text("10 digits").first.wait_for()
        keep.wait_for(state="detached")
    labels = [one.label for one in collection.kept(tmp_path / "store")]
    assert sorted(labels) == [0, 1, 2, 3, 5, 6, 7, 8, 9, 9]
