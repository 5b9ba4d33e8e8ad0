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
    doubt_loss_at_accuracy_1,
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


@pytest.mark.parametrize(
    ("ratio", "larger", "smaller", "is_right"),
    [
        ("2", "19", "10", True),
        ("2", "25", "10", True),
        ("1.9", "19", "10", True),
        ("2.0", "19", "10", True),  # 19.4 / 9.6
        ("2.00", "1.9", "1.0", True),  # 1.94 / 0.96
        ("2.0", "1900", "1000", False),
        ("2", "30", "10", False),
        ("3", "19", "10", False),
        ("1", "17", "10", False),
        ("80", "9670664", "115976", False),
        ("0.5", "10", "19", True),
        ("83.4", "9670664", "115976", True),
        ("83.3", "9670664", "115976", False),
    ],
)
def test_a_ratio_is_right_if_its_three_figures_may_have_been_rounded_to_it(ratio, larger, smaller, is_right):
    assert (doubt_ratio(said(ratio), said(larger), said(smaller)) is None) == is_right


@given(st.floats(1, 1000), st.floats(1, 1000), st.tuples(*[st.integers(0, 3)] * 3))
def test_no_ratio_of_two_numbers_is_doubted_however_the_three_are_rounded(larger, smaller, decimals):
    words = (f"{value:.{places}f}" for value, places in zip((larger / smaller, larger, smaller), decimals, strict=True))
    assert doubt_ratio(*map(said, words)) is None


@pytest.mark.parametrize(
    ("loss", "accuracy", "classes", "n", "is_possible"),
    [
        ("2.31", "1", 10, None, False),
        ("2.30", "1.0000", 10, None, True),
        ("2.3", "1", 10, None, True),  # ln 10 = 2.3026 and 2.26 are written so
        ("2.5", "100%", 10, 10_000, True),  # 9,999 of 10,000 are 100 % without decimals
        ("2.5", "100.00%", 10, 10_000, False),
        ("2.5", "100.00%", 10, 20_000, True),
        ("2.5", "1.0000", 10, 1_000, False),
        ("0.70", "1", 2, 100, True),  # ln 2 = 0.693 and 0.695
        ("0.71", "1", 2, None, False),
        ("9", "0.9999", 10, None, True),
    ],
)
def test_who_makes_no_error_pays_at_most_ln_k_an_image(loss, accuracy, classes, n, is_possible):
    assert (doubt_loss_at_accuracy_1(said(loss), said(accuracy), classes, n) is None) == is_possible


@given(st.integers(2, 10), st.integers(0, 2**32 - 1))
def test_no_right_answers_are_doubted_for_their_loss(classes, seed):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(classes, 50.0), size=40)  # hardly sure of anything
    loss = float(-np.log(probabilities.max(axis=1)).mean())
    assert doubt_loss_at_accuracy_1(said(f"{loss:.4f}"), said("1.0000"), classes, 40) is None


def test_the_number_of_classes_is_stated_or_that_of_the_columns():
    one, loss, column = Figure(1, 4), Figure(2.5, 2), (Figure(1, 2),) * 8
    assert doubts(Claim(accuracy=one, loss=loss)) == []
    for more in (Claim(one, loss=loss, classes=Figure(8, 0)), Claim(one, loss=loss, recall=column)):
        assert [doubt.slots["classes"] for doubt in doubts(more) or ()] == [8]
    assert doubts(Claim(one, loss=loss, classes=Figure(20, 0), recall=column)) == [], "ln 20 = 3.0"


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
        (Claim(accuracy=Figure(0.9, 1), n=Figure(0.5, 1)), "no_whole"),
        (Claim(accuracy=Figure(1, 1), loss=Figure(0.9, 1), classes=Figure(2.5, 1)), "no_whole"),
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
