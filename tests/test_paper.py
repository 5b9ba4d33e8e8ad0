"""Digits on paper: what lies about them is told from ink, in each of the scenes that people photograph."""

import numpy as np
import pytest

from benchmarks.scenes import SCENES, UNTRIED
from core import store
from core.drawing.picture import open_picture
from core.images import paper
from core.images.paper import cleaned, prepared
from core.models.model import Answer, open_model
from tests.browser import ROOT

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
