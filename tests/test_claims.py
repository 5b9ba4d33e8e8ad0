"""Impossible figures of the published reports are found, and possible ones are left alone."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.claims import (
    Claim,
    Figure,
    doubt_accuracy_at_loss,
    doubt_columns,
    doubt_count,
    doubt_ratio,
    doubts,
    figure,
    figures,
    read_matrix,
)
from core.evaluate import measures
from core.refusal import Refusal
from tests.test_evaluate import BLOOD_CNN, BLOOD_MLP


def test_the_loss_of_003_b_does_not_go_with_its_accuracy():
    doubt = doubt_accuracy_at_loss(0.0836, 0.0990)
    assert doubt
    assert doubt.slots["least"] == pytest.approx(0.879, abs=0.0005)
    assert doubt_accuracy_at_loss(0.0836, 0.9745) is None


@given(st.integers(2, 10), st.integers(0, 2**32 - 1))
def test_no_answers_that_can_be_given_are_doubted(classes, seed):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(classes, 0.5), size=40)
    labels = random.integers(0, classes, 40)
    loss = float(-np.log(np.maximum(probabilities[np.arange(40), labels], 1e-300)).mean())
    assert doubt_accuracy_at_loss(loss, float((probabilities.argmax(axis=1) == labels).mean())) is None


@pytest.mark.parametrize("counts", [BLOOD_MLP, BLOOD_CNN], ids=["table 2", "table 4"])
def test_the_swapped_columns_of_002_are_found_and_the_right_ones_are_not(counts):
    result = measures(counts)
    precision = [round(one.precision.value, 4) for one in result.classes]
    recall = [round(one.recall.value, 4) for one in result.classes]
    assert doubt_columns(recall, precision, round(result.balanced_accuracy.value, 4))
    assert doubt_columns(precision, recall, round(result.balanced_accuracy.value, 4)) is None


def test_columns_that_give_no_reason_are_left_alone():
    assert doubt_columns([0.5, 0.7], [0.6, 0.6], 0.9) is None


def test_842_times_fewer_parameters_are_83_times():
    doubt = doubt_ratio(842, 9_670_664, 115_976)
    assert doubt
    assert round(doubt.slots["ratio"], 1) == 83.4
    assert doubt_ratio(83, 9_670_664, 115_976) is None


def test_an_accuracy_that_no_count_gives_is_doubted():
    assert doubt_count(0.8705, 4, 3_421) is None
    assert doubt_count(0.8838, 4, 3_588) is None
    assert doubt_count(0.85, 2, 3)
    assert doubt_count(1.0, 4, 7) is None


@given(st.integers(1, 5_000), st.data())
def test_no_accuracy_that_a_count_gives_is_doubted(n, data):
    count = data.draw(st.integers(0, n))
    assert doubt_count(round(count / n, 4), 4, n) is None
    assert math.isfinite(count / n)


@pytest.mark.parametrize(
    ("word", "language", "wanted"),
    [
        ("0.8705", "en", Figure(0.8705, 4)),
        ("0,8705", "pt_BR", Figure(0.8705, 4)),
        ("0.8705", "pt_BR", Figure(0.8705, 4)),
        ("87.05%", "en", Figure(0.8705, 4)),
        ("9,670,664", "en", Figure(9_670_664, 0)),
        ("9.670.664", "pt_BR", Figure(9_670_664, 0)),
        ("842", "pt_BR", Figure(842, 0)),
    ],
)
def test_a_figure_is_read_as_people_of_the_language_write_it(word, language, wanted):
    found = figure(word, language)
    assert (found.value, found.decimals) == (pytest.approx(wanted.value), wanted.decimals)


@pytest.mark.parametrize("word", ["high", "0.87.05", "-1", "1e3", "nan", "%", ""])
def test_what_is_no_figure_is_refused_with_the_word(word):
    with pytest.raises(Refusal, match=r"error\.no_number"):
        figure(word, "en")


def test_a_claim_is_checked_as_far_as_its_figures_go():
    assert doubts(Claim()) is None
    assert doubts(Claim(accuracy=Figure(0.9, 1))) is None
    loss, wrong, right = Figure(0.0836, 4), Figure(0.099, 4), Figure(0.9745, 4)
    assert [doubt.key for doubt in doubts(Claim(accuracy=wrong, loss=loss)) or ()] == ["claim.accuracy_at_loss"]
    assert doubts(Claim(accuracy=right, loss=loss, n=Figure(10_000, 0))) == []
    found = doubts(Claim(larger=Figure(9_670_664, 0), smaller=Figure(115_976, 0), ratio=Figure(842, 0)))
    assert [doubt.key for doubt in found or ()] == ["claim.ratio"]
    column = figures("0,5 0,7; 0,9", "pt_BR")
    assert doubts(Claim(precision=column, recall=figures("0.6 0.6 0.6", "en"), balanced_accuracy=Figure(0.7, 2)))


@pytest.mark.parametrize("text", ["3 1\n0 2", "3 1 | 0 2", "3, 1\r\n0, 2\n\n", " 3;1 |0;2| "])
def test_a_confusion_matrix_is_read_however_its_rows_are_parted(text):
    assert read_matrix(text).tolist() == [[3, 1], [0, 2]]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "no_square"),
        ("3 1", "no_square"),
        ("3 1 | 0", "no_square"),
        ("3 x | 0 2", "no_count"),
        ("3 -1 | 0 2", "no_count"),
        ("0.5 0.5 | 0 1", "no_count"),
        ("0 0 | 0 0", "no_images"),
        ("|".join([" ".join(["1"] * 101)] * 101), "no_square"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(text, error):
    with pytest.raises(Refusal, match=rf"error\.{error}"):
        read_matrix(text)
