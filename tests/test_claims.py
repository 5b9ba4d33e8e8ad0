"""Impossible figures of the published reports are found, and possible ones are left alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.measures.claims import (
    Claim,
    Figure,
    doubt_accuracy_at_loss,
    doubt_columns,
    doubt_count,
    doubt_parameters,
    doubt_ratio,
    doubts,
    figure,
    figures,
    read_matrix,
)
from core.measures.measures import measures
from core.refusal import Refusal
from tests.test_measures import BLOOD_CNN, BLOOD_MLP


def said(word):
    return figure(word, "en")


def test_the_loss_of_003_b_does_not_go_with_its_accuracy():
    doubt = doubt_accuracy_at_loss(said("0.0836"), said("0.0990"))
    assert doubt
    assert doubt.slots["least"] == pytest.approx(0.879, abs=0.0005)
    assert doubt_accuracy_at_loss(said("0.0836"), said("0.9745")) is None
    assert doubt_accuracy_at_loss(said("0.08"), said("0.88")) is None, "0.085 and 0.8849 are written so"


@given(st.integers(2, 10), st.integers(0, 2**32 - 1))
def test_no_answers_that_can_be_given_are_doubted(classes, seed):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(classes, 0.5), size=40)
    labels = random.integers(0, classes, 40)
    loss = float(-np.log(np.maximum(probabilities[np.arange(40), labels], 1e-300)).mean())
    accuracy = float((probabilities.argmax(axis=1) == labels).mean())
    assert doubt_accuracy_at_loss(said(f"{loss:.4f}"), said(f"{accuracy:.4f}")) is None


@pytest.mark.parametrize("decimals", [2, 3, 4])
@pytest.mark.parametrize("counts", [BLOOD_MLP, BLOOD_CNN], ids=["table 2", "table 4"])
def test_the_swapped_columns_of_002_are_found_and_the_right_ones_are_not(counts, decimals):
    result = measures(counts)
    precision = [said(f"{one.precision.value:.{decimals}f}") for one in result.classes]
    recall = [said(f"{one.recall.value:.{decimals}f}") for one in result.classes]
    balanced = said(f"{result.balanced_accuracy.value:.4f}")
    doubt = doubt_columns(recall, precision, balanced)
    assert doubt
    assert doubt.key == "claim.columns_swapped"
    assert doubt_columns(precision, recall, balanced) is None


def test_a_balanced_accuracy_that_is_not_the_mean_of_the_recalls_is_doubted():
    doubt = doubt_columns([said("0.5"), said("0.7")], [said("0.6"), said("0.6")], said("0.9"))
    assert doubt
    assert doubt.key == "claim.balanced_accuracy"


def test_842_times_fewer_parameters_are_83_times():
    doubt = doubt_ratio(said("842"), said("9670664"), said("115976"))
    assert doubt
    assert round(doubt.slots["ratio"], 1) == 83.4
    assert doubt_ratio(said("83"), said("9670664"), said("115976")) is None


def test_stated_parameters_that_a_network_has_not_are_doubted():
    more, fewer = doubt_parameters(said("109,826"), 61_706), doubt_parameters(said("61000"), 61_706)
    assert more
    assert fewer
    assert (more.key, more.slots["difference"]) == ("claim.parameters_more", 48_120)
    assert (fewer.key, fewer.slots["difference"]) == ("claim.parameters_fewer", 706)
    assert doubt_parameters(said("61,706"), 61_706) is None


@pytest.mark.parametrize(
    ("accuracy", "n"), [("0.8705", 3_421), ("0.8838", 3_588), ("1.0000", 7), ("0.13", 8), ("0.063", 16), ("90.63%", 32)]
)
def test_an_accuracy_that_a_count_gives_is_not_doubted_however_it_was_rounded(accuracy, n):
    assert doubt_count(said(accuracy), n) is None


def test_an_accuracy_that_no_count_gives_is_doubted():
    assert doubt_count(said("0.85"), 3)


@given(st.integers(1, 5_000), st.data())
def test_no_accuracy_that_a_count_gives_is_doubted(n, data):
    count = data.draw(st.integers(0, n))
    assert doubt_count(said(f"{count / n:.4f}"), n) is None


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
        ("0.990", "pt_BR", Figure(0.99, 3)),
        ("0,875", "en", Figure(0.875, 3)),
    ],
)
def test_a_figure_is_read_as_people_of_the_language_write_it(word, language, wanted):
    found = figure(word, language)
    assert (found.value, found.decimals) == (pytest.approx(wanted.value), wanted.decimals)


@pytest.mark.parametrize("word", ["high", "0.87.05", "-1", "1e3", "nan", "%", "", "9" * 400])
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


@pytest.mark.parametrize(
    ("claim", "error"),
    [
        (Claim(accuracy=Figure(98.5, 1), loss=Figure(0.05, 2)), "no_share"),
        (Claim(accuracy=Figure(0.9, 1), n=Figure(0, 0)), "no_size"),
        (Claim(larger=Figure(0, 0), smaller=Figure(1, 0), ratio=Figure(2, 0)), "no_size"),
        (Claim(precision=(Figure(0.5, 1),), recall=(Figure(0.5, 1),) * 2), "columns_differ"),
    ],
)
def test_figures_that_are_none_of_their_kind_are_refused(claim, error):
    with pytest.raises(Refusal, match=rf"error\.{error}"):
        doubts(claim)


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
