"""What is computed from a confusion matrix is what the published reports and scikit-learn compute from it."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics

from core.evaluate import (
    Confusion,
    confusion_matrix,
    measures,
    most_confused,
    proportion,
    wilson,
)


def matrix(text):
    return np.array([[int(count) for count in row.split()] for row in text.split("|")])


BLOOD_MLP = matrix(
    "177 3 0 43 4 17 0 0 | 1 613 0 3 1 0 6 0 | 4 1 264 16 6 3 11 6 | 34 26 3 447 5 32 32 0 |"
    "13 0 11 31 182 0 6 0 | 10 2 1 48 3 215 5 0 | 0 22 5 22 2 2 611 2 | 0 0 1 0 0 0 0 469"
)
BLOOD_CNN = matrix(
    "193 2 1 34 4 10 0 0 | 2 610 0 4 1 1 6 0 | 3 2 286 9 2 3 4 2 | 23 12 14 478 13 21 18 0 |"
    "9 0 6 12 214 1 1 0 | 4 0 4 50 6 219 1 0 | 1 7 2 14 2 0 640 0 | 0 0 0 0 0 0 1 469"
)
FASHION_CNN = matrix(
    "861 0 24 19 7 2 79 0 8 0 | 3 974 4 13 4 0 2 0 0 0 | 19 0 820 17 82 0 62 0 0 0 | 31 12 18 875 37 0 27 0 0 0 |"
    "2 1 43 23 876 0 54 0 1 0 | 2 0 0 0 0 976 0 14 1 7 | 136 1 72 33 127 0 625 0 6 0 | 0 0 0 0 0 10 0 974 0 16 |"
    "7 0 5 3 11 5 9 1 958 1 | 1 0 0 0 1 10 0 51 0 937"
)
FASHION_ENCODER = matrix(
    "843 1 25 10 7 1 110 0 3 0 | 0 984 2 7 3 0 2 0 2 0 | 19 0 850 10 64 2 55 0 0 0 | 21 8 7 891 36 2 33 0 2 0 |"
    "2 0 35 21 886 0 54 0 1 1 | 0 0 0 0 0 981 0 13 0 6 | 88 1 67 27 64 1 745 0 7 0 | 0 1 0 0 0 14 0 959 0 26 |"
    "6 0 5 3 4 2 2 2 975 1 | 0 0 1 0 0 6 0 30 0 963"
)
SHIRT = 6


@pytest.mark.parametrize(
    ("counts", "n", "correct", "accuracy", "balanced", "macro_f1", "kappa"),
    [
        (BLOOD_MLP, 3_421, 2_978, 0.8705, 0.8437, 0.8523, 0.8483),
        (BLOOD_CNN, 3_421, 3_109, 0.9088, 0.8905, 0.8941, 0.8933),
        (FASHION_CNN, 10_000, 8_876, 0.8876, 0.8876, 0.8869, None),
        (FASHION_ENCODER, 10_000, 9_077, 0.9077, 0.9077, 0.9078, None),
    ],
    ids=["002 table 1", "002 table 3", "004-a", "004-b"],
)
def test_published_matrices_give_their_published_figures(counts, n, correct, accuracy, balanced, macro_f1, kappa):
    result = measures(counts)
    assert (result.accuracy.n, result.errors) == (n, n - correct)
    assert round(result.accuracy.value, 4) == accuracy
    assert round(result.balanced_accuracy, 4) == balanced
    assert round(result.macro_f1, 4) == macro_f1
    assert kappa is None or round(result.kappa, 4) == kappa


def test_rows_are_true_classes_and_columns_predicted_ones():
    classes = measures(BLOOD_MLP).classes
    recalls = [0.7254, 0.9824, 0.8489, 0.7720, 0.7490, 0.7570, 0.9174, 0.9979]
    precisions = [0.7406, 0.9190, 0.9263, 0.7328, 0.8966, 0.7993, 0.9106, 0.9832]
    assert [round(one.recall.value, 4) for one in classes] == recalls
    assert [round(one.precision.value, 4) for one in classes] == precisions
    assert [one.support for one in classes] == [244, 624, 311, 579, 243, 284, 666, 470]


@pytest.mark.parametrize(
    ("counts", "recall", "precision", "f1"),
    [(FASHION_CNN, 0.625, 0.728, 0.673), (FASHION_ENCODER, 0.745, 0.744, 0.745)],
)
def test_the_shirts_of_004_are_found_as_rarely_as_reported(counts, recall, precision, f1):
    shirt = measures(counts).classes[SHIRT]
    assert (round(shirt.recall.value, 3), round(shirt.precision.value, 3), round(shirt.f1, 3)) == (
        recall,
        precision,
        f1,
    )


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"), [(9_790, 10_000, 0.9760, 0.9816), (2_978, 3_421, 0.8588, 0.8813)]
)
def test_wilsons_interval_is_the_published_one(correct, n, low, high):
    assert tuple(round(end, 4) for end in wilson(correct, n)) == (low, high)


@given(st.integers(1, 10_000), st.data())
def test_wilsons_interval_holds_the_proportion_and_stays_between_0_and_1(n, data):
    correct = data.draw(st.integers(0, n))
    low, high = wilson(correct, n)
    assert 0 <= low <= correct / n + 1e-12
    assert correct / n - 1e-12 <= high <= 1
    assert low < high


def test_of_no_images_there_is_no_proportion():
    none = proportion(0, 0)
    assert none.n == 0
    assert all(map(math.isnan, (none.value, none.low, none.high)))


small_matrices = arrays.arrays(
    np.int64, st.integers(2, 5).map(lambda k: (k, k)), elements=st.sampled_from([0, 0, 0, 1, 2, 9])
).filter(lambda counts: counts.sum() > 0)


@settings(max_examples=150, deadline=None)
@given(small_matrices)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")  # scikit-learn's, on the odd matrices
def test_all_measures_are_scikit_learns_on_any_matrix(counts):
    k = len(counts)
    true = np.repeat(np.arange(k), counts.sum(axis=1))
    predicted = np.concatenate([np.repeat(np.arange(k), row) for row in counts])
    assert np.array_equal(confusion_matrix(true, predicted, k), counts)
    result = measures(counts)
    assert result.accuracy.value == pytest.approx(metrics.accuracy_score(true, predicted))
    assert result.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(true, predicted))
    zero: Any = {"zero_division": 0}
    assert result.macro_f1 == pytest.approx(metrics.f1_score(true, predicted, average="macro", **zero))
    assert result.weighted_f1 == pytest.approx(metrics.f1_score(true, predicted, average="weighted", **zero))
    assert result.kappa == pytest.approx(metrics.cohen_kappa_score(true, predicted), nan_ok=True)
    open_ended: Any = {"labels": range(k), "zero_division": np.nan}
    every: Any = metrics.precision_recall_fscore_support(true, predicted, **open_ended)
    for one, precision, recall, _, support in zip(result.classes, *every, strict=True):
        assert one.precision.value == pytest.approx(precision, nan_ok=True)
        assert one.recall.value == pytest.approx(recall, nan_ok=True)
        assert one.support == support


def test_an_empty_class_and_one_never_predicted_are_left_open_without_a_warning():
    result = measures([[5, 0, 1], [2, 0, 0], [0, 0, 0]])
    assert math.isnan(result.classes[1].precision.value)  # never predicted
    assert result.classes[1].recall.value == 0
    assert math.isnan(result.classes[2].recall.value)  # no image
    assert result.classes[2].precision.value == 0
    assert [one.f1 for one in result.classes] == [pytest.approx(10 / 13), 0, 0]
    assert result.balanced_accuracy == pytest.approx((5 / 6 + 0) / 2)


def test_a_matrix_of_a_single_class_has_all_but_kappa():
    result = measures([[7, 0], [0, 0]])
    assert (result.accuracy.value, result.balanced_accuracy, result.macro_f1, result.weighted_f1) == (1, 1, 1, 1)
    assert math.isnan(result.kappa)


def test_what_a_class_is_most_often_taken_for_is_said_most_first_with_ties():
    found = most_confused(BLOOD_MLP)
    assert [(one.true, one.predicted, one.count) for one in found[:3]] == [(5, (3,), 48), (0, (3,), 43), (3, (0,), 34)]
    assert most_confused([[5, 2, 2], [0, 3, 0], [1, 0, 4]]) == [Confusion(0, (1, 2), 2), Confusion(2, (0,), 1)]
    assert most_confused(np.diag([3, 4])) == []


def test_a_matrix_of_no_images_is_an_error():
    with pytest.raises(ValueError, match="no images"):
        measures([[0, 0], [0, 0]])


def test_a_confusion_matrix_counts_true_against_predicted():
    counts = confusion_matrix(np.array([0, 0, 2, 2, 2]), np.array([0, 1, 2, 2, 0]), 4)
    assert counts.tolist() == [[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]
