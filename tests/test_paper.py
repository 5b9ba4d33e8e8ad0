"""Digits on paper: what lies about them is told from ink, in each of the scenes that people photograph."""

import numpy as np
import pytest

from benchmarks.scenes import SCENES, UNTRIED
from core import store
from core.drawing import SHEET
from core.drawing.picture import open_picture, with_margin
from core.drawing.strokes import inked
from core.images import paper
from core.images.paper import cleaned, prepared
from core.models.model import Answer, open_model
from tests import sheets
from tests.browser import ROOT
from tests.test_draw import DIGITS

SEVEN = [np.array([(0.2, 0.2), (0.8, 0.2), (0.4, 0.9)], np.float32)]
TROUBLES = [name for name in SCENES if name not in ("12 MP", "even light", "ballpoint", "poor JPEG")]


@pytest.fixture(scope="module")
def model():
    return open_model(next(run for run in store.runs(ROOT / "models_store") if "mnist-and-drawings" in run.name))


def answer(model, scene: str, seed: int) -> Answer | None:
    content = SCENES[scene](SEVEN, np.random.default_rng([7, seed]))
    return model.answer(prepared(open_picture(content)))


@pytest.mark.parametrize("scene", TROUBLES)
def test_a_seven_on_paper_is_read_whatever_lies_about_it(model, scene):
    found = [answer(model, scene, seed) for seed in range(2)]
    assert [one and one.best for one in found] == [7, 7]


def test_every_step_shows_its_picture_also_if_nothing_is_found_and_each_can_be_switched_off():
    blank = np.full((90, 120, 4), 255, np.uint8)
    blank[..., :3] -= np.linspace(0, 60, 120).astype(np.uint8)[:, None]
    drawing = prepared(blank)
    assert drawing.image is None
    assert list(drawing.pictures) == list(paper.STEPS)
    for name, scene in (("light", "light"), ("lines", "squared"), ("threshold", "specks"), ("strokes", "specks")):
        picture = open_picture(SCENES[scene](SEVEN, np.random.default_rng(1)))
        everything = cleaned(picture).ink
        assert everything.dtype == np.uint8
        assert everything.shape == picture.shape[:2]
        assert not np.array_equal(cleaned(picture, without=[name]).ink, everything), name


def test_a_straight_one_alone_is_no_printed_line():
    picture = np.full((200, 300, 4), 255, np.uint8)
    picture[20:180, 139:161, :3] = 0
    assert cleaned(picture).ink.any()
    picture[::40, :, :3] = 0  # as on ruled paper, where other ink stands beside the lines
    assert not cleaned(picture).ink[:, :100].any()


def test_a_small_paper_on_a_table_is_not_taken_for_bright_ink():
    for seed in range(4):
        picture = open_picture(UNTRIED["sheet on a table"](SEVEN, np.random.default_rng(seed)))
        assert 0.001 < (cleaned(picture).ink > 128).mean() < 0.04


def test_what_is_only_along_the_sides_is_no_one_but_a_one_in_a_picture_cut_to_it_is():
    picture = np.full((300, 240, 4), 255, np.uint8)
    picture[80:200, :8, :3] = 0
    picture[:120, 228:234, :3] = 0  # along the side, from the top
    assert not cleaned(picture).ink.any()
    assert cleaned(picture[60:220, :10]).ink.any()
    picture[60:220, 100:110, :3] = 0
    assert cleaned(picture).ink[60:220, 100:110].all()


def test_specks_alone_are_nothing_drawn_and_a_small_digit_is():
    picture = np.full((800, 800, 4), 255, np.uint8)
    for row in range(100, 700, 90):  # what is left where ruled lines cross a margin's line
        picture[row : row + 5, 60:66, :3] = 0
    assert prepared(picture).image is None
    picture[400:420, 300:303, :3] = 0
    assert prepared(picture).image is not None


def cut(strokes: list[np.ndarray], width: float, colours: tuple[int, int]) -> np.ndarray:
    """A picture uint8 (H, W, 4) in two grey levels, of ground and ink, that is cut to the strokes."""
    ink = inked(strokes, width, 336)
    rows, columns = (np.flatnonzero((ink > 100).any(axis=axis)) for axis in (1, 0))
    share = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, None] / 255
    grey = colours[0] + share * (colours[1] - colours[0])
    return np.dstack([*[grey] * 3, np.full_like(grey, 255)]).astype(np.uint8)


@pytest.mark.parametrize("colours", [(250, 30), (20, 240)], ids=["dark on light", "light on dark"])
@pytest.mark.parametrize("digit", range(10))
def test_a_digit_in_a_picture_that_is_cut_to_its_strokes_is_read(model, digit, colours):
    straight = [np.array([(0.5, 0.1), (0.5, 0.9)], np.float32)]  # its ink is nearly all of the rim
    drawn = sheets.strokes(digit, np.random.default_rng(digit))
    strokes = straight if digit == 1 else [(line / 8 + 0.2).astype(np.float32) for line in drawn]
    found = model.answer(prepared(cut(strokes, 24, colours)))
    assert found
    assert int(found.values.argmax()) == digit
    thin = model.answer(prepared(cut(strokes, 12, colours)))
    assert thin
    assert int(thin.values.argmax()) == digit


def test_a_small_digit_near_a_side_is_read_and_what_is_left_along_a_side_is_not(model):
    picture = np.full((600, 800, 4), 250, np.uint8)
    drawn = (inked([(SEVEN[0] * 0.9).astype(np.float32)], 6, 60)[:, :, None] / 255 * 220).astype(np.uint8)
    for top, left in ((6, 300), (534, 300), (250, 8), (250, 732)):
        near = picture.copy()
        near[top : top + 60, left : left + 60, :3] -= drawn
        found = model.answer(prepared(near))
        assert found, (top, left)
        assert found.best == 7, (top, left)
    picture[590:597, 100:300, :3] = 20
    assert prepared(picture).image is None


def test_a_picture_whose_sides_only_fingers_touch_is_not_cut_to_its_ink():
    sheet = np.full((240, 240, 3), 230, np.uint8)
    ink = inked([np.array(stroke) for stroke in DIGITS[4]], 8)
    sheet[30 : 30 + SHEET, 60 : 60 + SHEET][ink > 127] = 30
    rows, columns = np.mgrid[:240, :240]
    for row, column in ((10, 10), (230, 230)):
        sheet[np.hypot(rows - row, columns - column) < 30] = 60
    picture = np.dstack([sheet, np.full((240, 240), 255, np.uint8)])
    assert with_margin(picture, 0.4) is picture
    digit = sheet[np.ix_(*(np.flatnonzero((sheet[:, :, 0] == 30).any(axis)) for axis in (1, 0)))]
    assert with_margin(digit, 0.4).shape[0] > digit.shape[0], "that is cut to it"
