"""The page Draw with sheets of paper: uploaded, looked through, corrected and kept."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from core import words
from core.drawing import collection
from tests import sheets
from tests.page import LANGUAGES, component, texts
from tests.sheets import View


@functools.cache
def pictures() -> dict[str, bytes]:
    """A pupil's printed sheet with ten digits, a blank one with six, and half of a printed one."""
    random = np.random.default_rng(3)
    printed = sheets.filled_in({(row, row): sheets.strokes(row, random) for row in range(10)})
    free = sheets.Paper()
    for place in range(6):
        free.write(place, sheets.strokes(place, random), 30 + 25 * place, 60, 14)
    views = {"pupil.jpg": (printed, View()), "free.jpg": (free, View()), "half.jpg": (printed, View(shift=(0, 0.4)))}
    return {name: sheets.encoded(sheets.photograph(paper, view, random)) for name, (paper, view) in views.items()}


def uploaded(app, *names):
    app.session_state["mode"] = "sheet"
    app.run()
    app.file_uploader[0].set_value([(name, pictures()[name], "image/jpeg") for name in names]).run(timeout=60)
    assert not app.exception
    return app


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_printed_sheet_is_kept_with_its_labels_by_one_click_and_taken_back(frame, trained, language):
    app = uploaded(frame("draw", language, run=trained.name), "pupil.jpg")
    shown = component(app, "bancada.sheet")
    assert len(shown["digits"]) == 10
    doubted = [place for place, one in enumerate(shown["digits"]) if one["label"] is None]
    assert [one["guess"] for one in shown["digits"]] == list(range(10))
    sheet = shown["sheet"]
    app.text_input(key=f"sheet-nickname-{sheet}").set_value("Ana").run()
    decided = {str(place): place for place in doubted} | {"0": None, "1": 7, "99": 3, "2": "x"}
    app.session_state[f"sheet-digits-{sheet}"] = {"labels": {"sheet": sheet, "labels": decided}}
    app.run()
    app.button(key="sheet-keep").click().run()
    kept = collection.kept()
    assert sorted(one.label for one in kept) == sorted([2, 3, 4, 5, 6, 7, 7, 8, 9])
    assert {one.nickname for one in kept} == {"Ana"}
    assert words.text(language, "sheet.kept", count=9) in texts(app)
    assert not component(app, "bancada.sheet")
    app.button(key="sheet-take-back").click().run()
    assert not collection.kept()


def test_several_sheets_are_read_at_once_and_what_cannot_be_read_is_named_with_its_reason(frame, trained):
    app = uploaded(frame("draw", run=trained.name), "half.jpg", "free.jpg", "pupil.jpg")
    assert len(app.error) == 1, [one.value for one in app.error]
    assert app.error[0].value.startswith("half.jpg")
    assert "four corner marks" in app.error[0].value
    assert app.selectbox(key="sheet-which").options[0].startswith("Sheet 2 · free.jpg")
    shown = component(app, "bancada.sheet")
    assert len(shown["digits"]) == 6
    undecided = sum(one["label"] is None for one in shown["digits"])
    if undecided:
        assert words.text("en", "sheet.left_out", count=undecided) in texts(app)
    decided = {"sheet": shown["sheet"], "labels": {str(place): place for place in range(6)}}
    app.session_state[f"sheet-digits-{shown['sheet']}"] = {"labels": decided}
    app.button(key="sheet-keep").click().run()
    kept = collection.kept()
    assert {one.nickname for one in kept} == {"Sheet 2", "Sheet 3"}
    assert sorted(one.label for one in kept if one.nickname == "Sheet 2") == list(range(6))


def test_our_drawings_leads_to_the_sheets(frame, trained):
    app = frame("drawings", run=trained.name)
    app.button(key="drawings-sheet").click().run()
    assert app.file_uploader[0].accept_multiple_files


def test_no_drawing_is_kept_when_not_all_fit(tmp_path, monkeypatch):
    ink = np.zeros((112, 112), np.uint8)
    ink[20:90, 50:60] = 255
    monkeypatch.setattr(collection, "MOST", 3)
    collection.keep_all([(ink, 1, "Ana")] * 2, tmp_path)
    with pytest.raises(ValueError, match="drawings_full"):
        collection.keep_all([(ink, 1, "Rui")] * 2, tmp_path)
    assert len(collection.kept(tmp_path)) == 2
