"""Sheets of paper: digits found and read on a picture, and the printable sheet read back with its labels."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from core import words
from core.__main__ import main
from core.drawing import SHEET
from core.images import printed_sheet, sheet
from core.images.folds import without_folds
from core.images.parts import darkness
from core.models.model import open_model
from core.models.sheets import read_sheet
from core.refusal import Refusal
from core.store import runs
from tests import sheets
from tests.browser import ROOT
from tests.page import LANGUAGES
from tests.sheets import View


@pytest.fixture(scope="module")
def model():
    """The shipped model that was also trained on pen strokes."""
    return open_model(next(run for run in runs(ROOT / "models_store") if "drawings" in run.name))


def random() -> np.random.Generator:
    return np.random.default_rng(7)


def pupils_sheet(**pen) -> tuple[sheets.Paper, set[tuple[int, int]]]:
    """A printed sheet with digits in most boxes, and these boxes."""
    chance = random()
    written = {
        (row, column): sheets.strokes(row, chance) for row in range(10) for column in range(10) if chance.random() < 0.7
    }
    return sheets.filled_in(written, **pen), set(written)


def photographed(paper: sheets.Paper, view: View) -> np.ndarray:
    return sheets.rgba(sheets.photograph(paper, view, random()))


VIEWS = {
    "scanned": View(turn=0, table=None, noise=1),
    "tilted": View(tilt=25, tilt_towards=30, turn=-12, fall_off=0.3),
    "on its side": View(tilt=15, tilt_towards=200, turn=90 + 15, shadow=0.4),
    "upside down": View(tilt=25, tilt_towards=120, turn=180 - 8),
    "on its other side": View(tilt=10, tilt_towards=300, turn=270, table=(225, 222, 218)),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_every_written_box_of_the_printed_sheet_is_found_with_the_label_of_its_row_and_no_other(view):
    paper, written = pupils_sheet(height=9)
    found = sheet.read(photographed(paper, view))
    assert found.printed
    assert [one.written for one in found.digits] == sorted(row for row, _ in written)
    to_picture = sheets.homography(paper.size, view)
    truth = printed_sheet.through(to_picture, np.array([ends.mean(axis=0) for _, ends in paper.ends]))
    for one in found.digits:
        away = np.hypot(*(truth - one.corners.mean(axis=0)).T)
        assert away.min() < 0.02 * max(view.size)
        assert paper.ends[int(away.argmin())][0] == one.written


@pytest.mark.parametrize("pen", [{"pen": 0.35, "colour": (150, 150, 150)}, {"pen": 1.8, "colour": (20, 40, 160)}])
def test_a_faint_pencil_and_a_thick_pen_are_found_and_the_boxes_lines_are_not(pen, model):
    paper, written = pupils_sheet(**pen)
    read = read_sheet(photographed(paper, View(tilt=10, size=(2000, 1500))), [model])
    assert len(read.digits) == len(written)
    right = [one.answers[0].values.argmax() == one.found.written for one in read.digits]
    assert np.mean(right) > 0.85


def test_a_mirrored_picture_of_the_printed_sheet_is_read_the_right_way_round():
    paper, _ = pupils_sheet()
    upright = sheet.read(photographed(paper, View()))
    mirrored = sheet.read(photographed(paper, View())[:, ::-1])
    assert [one.written for one in mirrored.digits] == [one.written for one in upright.digits]
    for one, other in zip(mirrored.digits, upright.digits, strict=True):
        assert np.abs(one.pixels.astype(int) - other.pixels).mean() < 12


@pytest.mark.parametrize(
    ("view", "key"),
    [
        (View(fill=1.2, shift=(0.4, 0)), "sheet.marks_missing"),
        (View(fill=0.9, shift=(0, 0.35)), "sheet.marks_missing"),
        (View(blur=9), "sheet.blurred"),
    ],
)
def test_half_a_printed_sheet_or_a_blurred_one_is_refused_with_its_reason(view, key):
    with pytest.raises(Refusal, match=re.escape(key)):
        sheet.read(photographed(pupils_sheet()[0], view))


def test_two_sheets_in_a_picture_an_empty_one_and_an_empty_picture_are_refused():
    one = photographed(pupils_sheet()[0], View(size=(900, 1200)))
    for picture, key in (
        (np.concatenate([one, one], axis=1), "sheet.several"),
        (photographed(sheets.filled_in({}), View()), "sheet.boxes_empty"),
        (photographed(sheets.Paper(), View()), "sheet.no_digit"),
        (sheets.rgba(random().integers(0, 256, (300, 400, 3)).astype(np.uint8)), "sheet."),
        (np.zeros((5, 5, 4), np.uint8), "sheet.no_digit"),
    ):
        with pytest.raises(Refusal, match=re.escape(key)):
            sheet.read(picture)


def test_a_shadow_s_edge_through_the_code_and_a_qr_code_beside_the_digits_do_not_matter():
    paper, written = pupils_sheet()
    view = View(size=(900, 1200))
    picture = photographed(paper, view)
    code = np.array([(printed_sheet.CELLS_LEFT + 2.5 * printed_sheet.PITCH, 0)]) + sheets.FRAME
    x = int(printed_sheet.through(sheets.homography(paper.size, view), code)[0, 0])
    picture[:, x:, :3] = picture[:, x:, :3] * 0.5
    assert len(sheet.read(picture).digits) == len(written)
    free = sheets.Paper()
    for place in range(6):
        free.write(place, sheets.strokes(place, random()), 30 + 25 * place, 60, 14)
    mark = np.array(qr_mark()).repeat(3, axis=0).repeat(3, axis=1)
    picture = photographed(free, view)
    for top, left in ((700, 300), (700, 342), (742, 300)):  # of a code of 21 modules
        picture[top : top + 21, left : left + 21, :3] = 250 - 220 * mark[..., None]
    assert not sheet.read(picture).printed


def qr_mark() -> list[list[int]]:
    """The modules of one of a QR code's three marks: 1 is black."""
    return [[int(max(abs(x), abs(y)) != 2) for x in range(-3, 4)] for y in range(-3, 4)]


def test_digits_in_slanting_rows_are_found_in_reading_order_and_read(model):
    chance, paper = random(), sheets.Paper()
    for place, (left, top, height) in enumerate(sheets.places("rows", 36, chance)):
        paper.write(place % 10, sheets.strokes(place % 10, chance), left, top, height)
    read = read_sheet(photographed(paper, View(tilt=12, tilt_towards=60, turn=4, fall_off=0.3)), [model])
    assert not read.sheet.printed
    answers = [int(one.answers[0].values.argmax()) for one in read.digits]
    assert len(answers) == 36
    assert np.mean(np.array(answers) == [place % 10 for place in range(36)]) > 0.9
    assert all(one.found.pixels.shape == (SHEET, SHEET) for one in read.digits)


@pytest.mark.parametrize("squared", [False, True], ids=["ruled", "squared"])
def test_digits_on_ruled_and_squared_paper_are_found_and_the_lines_are_not(squared, model):
    chance, paper = random(), sheets.Paper()
    paper.rule(5 if squared else 8, squared=squared)
    for place, (left, top, height) in enumerate(sheets.places("rows", 30, chance)):
        paper.write(place % 10, sheets.strokes(place % 10, chance), left, top, height, colour=(90, 90, 95))
    read = read_sheet(photographed(paper, View(tilt=15, turn=14, fall_off=0.2, size=(2000, 1500))), [model])
    assert len(read.digits) == 30
    assert np.mean([one.guess == place % 10 for place, one in enumerate(read.digits)]) > 0.9


def test_digits_on_folded_paper_are_found_and_the_folds_are_not():
    folded = View(turn=5, creases=4, table=None, size=(1200, 1600))
    chance, paper = random(), sheets.Paper()
    for place, (left, top, height) in enumerate(sheets.places("rows", 30, chance)):
        paper.write(place % 10, sheets.strokes(place % 10, chance), left, top, height)
    assert len(sheet.read(photographed(paper, folded)).digits) == 30
    paper, written = pupils_sheet(height=9)
    assert [one.written for one in sheet.read(photographed(paper, folded)).digits] == sorted(row for row, _ in written)


def test_paper_without_folds_and_pictures_of_any_size_are_left_as_they_are():
    chance, paper = random(), sheets.Paper()
    for place, (left, top, height) in enumerate(sheets.places("rows", 30, chance)):
        paper.write(place % 10, sheets.strokes(place % 10, chance), left, top, height)
    level = sheets.photograph(paper, View(turn=5, table=None, size=(900, 1200)), random())[..., 1]
    sizes = [(1, 1), (3, 200), (15, 15), (100, 100), (133, 101), (101, 140)]
    for picture in (level, *(np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8) for size in sizes)):
        share = np.zeros(picture.shape, np.float32) if picture is not level else darkness(picture, 20)[0]
        assert np.array_equal(without_folds(picture, share, np.ones(picture.shape, bool)), picture)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_picture_that_lies_on_its_side_is_turned(quarters, model):
    chance, paper = random(), sheets.Paper()
    for place, (left, top, height) in enumerate(sheets.places("rows", 20, chance)):
        paper.write(place % 10, sheets.strokes(place % 10, chance), left, top, height)
    upright = photographed(paper, View(size=(900, 1200)))
    expected = read_sheet(upright, [model])
    read = read_sheet(np.rot90(upright, quarters), [model])
    assert [one.guess for one in read.digits] == [one.guess for one in expected.digits]
    moved = np.rot90(np.indices(upright.shape[:2]).sum(axis=0), quarters)  # each pixel's x + y when upright
    for one, other in zip(read.digits, expected.digits, strict=True):
        x, y = one.found.corners.mean(axis=0).astype(int)
        assert abs(moved[y, x] - other.found.corners.mean(axis=0).sum()) < 6


def ink_of(*lines: list[tuple[int, int]], width: int = 7) -> np.ndarray:
    from PIL import Image, ImageDraw

    image = Image.new("L", (600, 300))
    for line in lines:
        ImageDraw.Draw(image).line(line, fill=255, width=width)
    return np.asarray(image)


def test_the_parts_of_a_digit_stay_together_neighbours_do_not_and_specks_are_dropped():
    open_four = [[(100, 80), (80, 150), (135, 150)], [(142, 100), (140, 190)]]
    five = [[(205, 95), (200, 130), (240, 140), (235, 185), (195, 180)], [(212, 82), (250, 80)]]
    seven_and_one = [[(300, 80), (350, 80), (320, 190)], [(380, 80), (375, 190)]]
    speck, line = [(450, 120), (453, 123)], [(0, 260), (599, 250)]
    found = sheet.apart(sheet.ink(255 - ink_of(*open_four, *five, *seven_and_one, speck, line)))
    assert [one.corners[:, 0].min() for one in found] == pytest.approx([78, 193, 298, 372], abs=6)


def test_two_digits_that_touch_are_separated_where_the_model_reads_both_halves(model):
    paper, chance = sheets.Paper(), random()
    for row, (one, other) in enumerate([(3, 2), (6, 5), (0, 3)]):
        top = 40 + 40 * row
        paper.write(one, sheets.strokes(one, chance), 40, top, 16)
        right = paper.ends[-1][1][1, 0]
        paper.write(other, sheets.strokes(other, chance), right - 0.3, top, 16)
        paper.write(8, sheets.strokes(8, chance), 100, top, 16)
    read = read_sheet(photographed(paper, View(table=None)), [model])
    assert [one.guess for one in read.digits] == [3, 2, 8, 6, 5, 8, 0, 3, 8]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_to_print_has_all_marks_boxes_and_labels_and_needs_nothing_beside_it(language):
    html = printed_sheet.page(language)
    assert html.count("<rect") == len(list(printed_sheet.black())) + 100 + 1
    assert re.findall(r'text-anchor="middle">(\d)</text>', html) == [str(row) for row in range(10)]
    assert words.text(language, "sheet.print.nickname") in html
    between_marks = printed_sheet.WIDTH - 2 * printed_sheet.MARK - 10
    for key in ("how", "empty", "photograph"):
        assert 3 * 0.65 * len(words.text(language, f"sheet.print.{key}")) < between_marks, "in the widest of fonts"
    assert not re.search(r"<script|<link|<img|@import|url\(", html)
    assert printed_sheet.WIDTH <= 210 - 20 <= 215.9 - 20
    assert printed_sheet.HEIGHT <= 279.4 - 20


def test_the_command_tells_boxes_answers_and_doubts_and_what_it_could_not_read(tmp_path, trained, capsys):
    paper, written = pupils_sheet()
    (tmp_path / "good.jpg").write_bytes(sheets.encoded(photographed(paper, View())[..., :3]))
    (tmp_path / "empty.jpg").write_bytes(sheets.encoded(photographed(sheets.Paper(), View())[..., :3]))
    files = [str(tmp_path / "good.jpg"), str(tmp_path / "empty.jpg")]
    assert main(["predict", trained.name, *files, "--sheet", "--json"]) == 1
    good, empty = map(json.loads, capsys.readouterr().out.splitlines())
    assert good["printed"]
    assert [one["row"] for one in good["digits"]] == sorted(row for row, _ in written)
    assert all(len(one["corners"]) == 4 and 0 <= one["probability"] <= 1 for one in good["digits"])
    assert empty["error"].startswith(files[1])
    assert main(["predict", trained.name, files[0], "--sheet"]) == 0
    assert len(capsys.readouterr().out.splitlines()) >= 1 + len(written)
    assert main(["sheet", str(tmp_path / "sheet.html")]) == 0
    assert main(["sheet", str(tmp_path / "sheet.html")]) == 1
