"""The starter model for drawings: it reads strokes of every pen, and holds back what is no digit."""

import numpy as np
import pytest

from benchmarks.no_digits import KINDS
from core import store
from core.drawing import SHEET
from core.drawing.prepare import prepare, stands_apart
from core.drawing.strokes import PENS, inked
from core.models.model import Model, open_model
from tests.browser import ROOT
from tests.test_draw import DIGITS

FEW = 40  # drawings of each kind; `benchmarks/drawing.py` counts a thousand


@pytest.fixture(scope="module")
def model() -> Model:
    (run,) = (run for run in store.runs(ROOT / "models_store") if run.spec.data == "mnist-and-drawings")
    return open_model(run)


@pytest.mark.parametrize("pen", [PENS[0], 8, PENS[-1]])
def test_it_reads_all_ten_digits_with_the_pads_thinnest_usual_and_thickest_pen(model, pen):
    answers = [model.answer(prepare(inked([np.array(stroke) for stroke in DIGITS[k]], pen))) for k in range(10)]
    assert [answer and answer.best for answer in answers] == list(range(10))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "like a digit" not in kind])
def test_it_holds_back_what_is_no_digit_of_kinds_that_it_has_not_learned(model, kind):
    random = np.random.default_rng(1)
    digits = [(k, tuple(np.array(stroke) for stroke in strokes)) for k, strokes in DIGITS.items()]
    drawings = [prepare(inked(KINDS[kind](random, digits), 8)) for _ in range(FEW)]
    doubts = [answer.doubt for drawing in drawings if (answer := model.answer(drawing))]
    assert len(doubts) == FEW
    assert sum(doubt is not None for doubt in doubts) >= 0.9 * FEW
    assert "doubt.no_digit" in doubts


def test_an_open_four_is_one_digit_and_two_digits_as_near_to_each_other_are_two(model):
    hook, pen = np.array([(0.4, 0.15), (0.2, 0.5), (0.45, 0.5)]), 8 / SHEET
    for gap in (0.02, 0.04, 0.06):
        right = hook[:, 0].max() + pen + gap
        drawing = prepare(inked([hook, np.array([(right, 0.15), (right, 0.85)])], 8))
        assert stands_apart(drawing.pictures["ink"])
        assert (answer := model.answer(drawing))
        assert answer.best == 4
        for k in DIGITS:
            one, other = np.array(DIGITS[k][0]), np.array(DIGITS[(k + 1) % 10][0])
            shift = one[:, 0].max() - other[:, 0].min() + pen + gap
            two = (one, other + np.array([shift, 0]))
            assert (answer := model.answer(prepare(inked([stroke - (0.2, 0) for stroke in two], 8))))
            assert answer.doubt
