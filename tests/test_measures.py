"""What is computed from a confusion matrix is what the published reports and scikit-learn compute from it."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics

from core.measures.answers import Answers, confusion_matrix, loss_change
from core.measures.calibration import calibration, temperature, tempered
from core.measures.instability import instability
from core.measures.measures import Confusion, by_writer, measures, most_confused, proportion, wilson


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
    assert round(result.balanced_accuracy.value, 4) == balanced
    assert round(result.macro_f1.value, 4) == macro_f1
    assert kappa is None or round(result.kappa.value, 4) == kappa


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
    assert (round(shirt.recall.value, 3), round(shirt.precision.value, 3), round(shirt.f1.value, 3)) == (
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
    assert 0 <= low <= correct / n <= high <= 1
    assert low < high


def test_wilsons_interval_of_no_or_only_correct_answers_ends_at_their_proportion():
    for n in range(1, 2_000):
        assert (wilson(0, n)[0], wilson(n, n)[1]) == (0, 1)


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
    assert result.balanced_accuracy.value == pytest.approx(metrics.balanced_accuracy_score(true, predicted))
    zero: Any = {"zero_division": 0}
    assert result.macro_f1.value == pytest.approx(metrics.f1_score(true, predicted, average="macro", **zero))
    assert result.weighted_f1.value == pytest.approx(metrics.f1_score(true, predicted, average="weighted", **zero))
    assert result.kappa.value == pytest.approx(metrics.cohen_kappa_score(true, predicted), nan_ok=True)
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
    assert [one.f1.value for one in result.classes] == [pytest.approx(10 / 13), 0, 0]
    assert result.balanced_accuracy.value == pytest.approx((5 / 6 + 0) / 2)


def test_a_matrix_of_a_single_class_has_all_but_kappa():
    result = measures([[7, 0], [0, 0]])
    assert (result.accuracy.value, result.balanced_accuracy.value, result.macro_f1.value, result.weighted_f1.value) == (
        1,
        1,
        1,
        1,
    )
    assert math.isnan(result.kappa.value)


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


def test_intervals_of_many_images_are_those_of_the_large_sample_formulas():
    """Balanced accuracy: independent recalls. Kappa: Fleiss, Cohen, Everitt 1969, Psychological Bulletin 72, 323."""
    result, n = measures(BLOOD_CNN), BLOOD_CNN.sum()
    recalls, support = np.diag(BLOOD_CNN) / BLOOD_CNN.sum(axis=1), BLOOD_CNN.sum(axis=1)
    error = math.sqrt((recalls * (1 - recalls) / support).sum()) / len(support)
    assert result.balanced_accuracy.low == pytest.approx(result.balanced_accuracy.value - 1.96 * error, abs=0.1 * error)
    assert result.balanced_accuracy.high == pytest.approx(
        result.balanced_accuracy.value + 1.96 * error, abs=0.1 * error
    )

    shares, kappa = BLOOD_CNN / n, result.kappa.value
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    agreed, by_chance = np.diag(shares).sum(), rows @ columns
    on = (np.diag(shares) * (1 - (rows + columns) * (1 - kappa)) ** 2).sum()
    off = ((shares - np.diag(np.diag(shares))) * (columns[:, None] + rows[None, :]) ** 2).sum() * (1 - kappa) ** 2
    variance = (on + off - (kappa - by_chance * (1 - kappa)) ** 2) / ((1 - by_chance) ** 2 * n)
    assert agreed < 1
    assert result.kappa.high - result.kappa.low == pytest.approx(2 * 1.96 * math.sqrt(variance), rel=0.07)


def test_the_interval_of_f1_is_that_of_resampled_images():
    one = measures(BLOOD_MLP).classes[0]
    tables = np.random.default_rng(1).multinomial(3_421, BLOOD_MLP.ravel() / 3_421, 20_000).reshape(-1, 8, 8)
    f1 = 2 * tables[:, 0, 0] / (tables[:, 0].sum(axis=1) + tables[:, :, 0].sum(axis=1))
    assert (one.f1.low, one.f1.high) == pytest.approx(tuple(np.quantile(f1, [0.025, 0.975])), abs=0.004)
    assert one.f1.n == 244 + 239 - 177


def test_a_class_without_errors_is_not_taken_as_certain():
    result = measures([[180, 10], [0, 10]])  # its recall is 0.722 to 1, and the balanced accuracy half of that
    assert result.balanced_accuracy.low == pytest.approx(0.849, abs=0.001)  # by hand, with an image more in each cell
    assert result.balanced_accuracy.high == 1
    result = measures(np.diag([5, 3]))
    for one in (result.balanced_accuracy, result.macro_f1, result.weighted_f1, result.kappa, result.classes[0].f1):
        assert one.low < 0.75
        assert one.high == one.value == 1


@settings(max_examples=150, deadline=None)
@given(small_matrices)
def test_every_interval_holds_its_measure_and_stays_in_its_range(counts):
    result = measures(counts)
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "kappa"):
        one = getattr(result, name)
        if name == "kappa" and (counts.sum(axis=1) > 0).sum() < 2:  # of one true class kappa is 0 or nothing
            assert math.isnan(one.low)
            assert math.isnan(one.high)
        else:
            assert (-1 if name == "kappa" else 0) <= one.low <= one.value + 1e-9
            assert one.value - 1e-9 <= one.high <= 1
            assert one.low < one.high


def test_classes_that_do_not_occur_change_no_measure_and_no_interval():
    small, large = measures([[9, 1], [2, 8]]), measures([[9, 1, 0, 0], [2, 8, 0, 0], [0] * 4, [0] * 4])
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "kappa"):
        one, other = getattr(small, name), getattr(large, name)
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


def answered(confidence, right):
    """Answers of two classes, each given with `confidence`, of which the first `right` of 100 are right."""
    labels = np.array([0] * right + [1] * (100 - right))
    return Answers(labels, np.tile(np.float32([confidence, 1 - confidence]), (100, 1)))


def test_a_model_that_says_90_percent_and_is_right_that_often_is_calibrated():
    assert calibration(answered(0.9, 90)).error == pytest.approx(0, abs=1e-6)
    found = calibration(answered(0.9, 60))
    assert found.error == pytest.approx(0.3, abs=1e-6)
    assert found.counts.tolist() == [0] * 8 + [0, 100] or found.counts.tolist() == [0] * 8 + [100, 0]
    assert np.isfinite(found.accuracy).sum() == 1


def test_calibration_is_the_mean_gap_of_the_bins():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.full(4, 0.4), 2_000).astype(np.float32)
    answers = Answers(random.integers(0, 4, 2_000), probabilities)
    wanted = 0.0
    for low, high in itertools.pairwise(np.linspace(0, 1, 11)):
        inside = (answers.confidence > low) & (answers.confidence <= high)
        if inside.any():
            gap = answers.is_right[inside].mean() - answers.confidence[inside].mean()
            wanted += inside.mean() * abs(gap)
    assert calibration(answers).error == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 2.5])
def test_the_temperature_found_is_the_one_that_spoiled_the_probabilities(true_temperature):
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (20_000, 5))
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (honest.cumsum(axis=1) > random.random((20_000, 1))).argmax(axis=1)
    said = np.exp(logits * true_temperature)
    val = Answers(labels, (said / said.sum(axis=1, keepdims=True)).astype(np.float32))
    found = temperature(val)
    assert found
    assert found == pytest.approx(true_temperature, rel=0.05)
    mended = tempered(val, found)
    assert np.array_equal(mended.predicted, val.predicted)
    assert mended.loss().value <= val.loss().value + 1e-9
    assert calibration(mended).error < 0.02


def test_an_image_has_a_rank_of_its_truth_and_a_class_a_typical_image():
    probabilities = np.float32([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.0, 0.9, 0.1], [0.6, 0.3, 0.1]])
    answers = Answers(np.array([2, 1, 1, 1]), probabilities)
    assert [answers.rank_of_truth(i) for i in range(4)] == [3, 1, 1, 2]
    assert (answers.representative(1), answers.representative(2), answers.representative(0)) == (2, None, None)
    assert answers.errors("index").tolist() == [0, 3]
    assert answers.errors("loss").tolist() == [0, 3]
    assert answers.errors("confidence").tolist() == [3, 0]
    assert answers.errors("index", 1, 1).tolist() == [1, 2]
    assert answers.confusion_matrix.tolist() == [[0, 0, 0], [1, 2, 0], [1, 0, 0]]


def test_the_loss_comes_with_its_interval():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), 5_000).astype(np.float32)
    labels = random.integers(0, 3, 5_000)
    found = Answers(labels, probabilities).loss()
    assert found.value == pytest.approx(metrics.log_loss(labels, probabilities), rel=1e-5)
    means = [-np.log(probabilities[i, labels[i]]).mean() for i in random.integers(0, 5_000, (1_000, 5_000))]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.01)
    assert math.isfinite(Answers(np.array([0, 0]), np.float32([[0, 1], [1, 0]])).loss().value), (
        "a truth of probability 0"
    )


def test_a_gap_is_told_that_the_interval_of_the_accuracy_alone_would_hide():
    sure = np.float32([1.0] * 2_000 + [0.55] * 2_000)
    answers = Answers(np.array([0] * 3_052 + [1] * 948), np.stack([sure, 1 - sure], axis=1))
    gap, accuracy = answers.gap(), proportion(3_052, 4_000)
    assert gap.value == pytest.approx(0.775 - 0.763)
    assert accuracy.low < answers.confidence.mean() < accuracy.high
    assert 0 < gap.low < gap.high
    half = 1.96 * math.sqrt(2_000 * 0.55 * 0.45) / 4_000  # of those that are told with probability 1, none may be wrong
    assert (gap.low, gap.high) == pytest.approx((gap.value - half, gap.value + half), abs=1e-5)


def test_who_says_90_percent_is_not_accused_by_a_hundred_images_without_an_error_too_many():
    assert [answered(0.9, right).gap().low > 0 for right in (95, 90, 85, 84, 83)] == [False] * 3 + [True] * 2
    assert [answered(0.9, right).gap().high < 0 for right in (95, 96)] == [False, True]
    assert answered(0.99, 100).gap().high > 0, "no error of one to be expected"
    one = Answers(np.array([0]), np.float32([[0.9, 0.1]])).gap()
    assert one.low < 0 < one.high


def test_a_temperature_changes_the_loss_image_by_image():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), 5_000).astype(np.float32)
    before = Answers(random.integers(0, 3, 5_000), probabilities)  # knows nothing, so the less sure the better
    better, worse = tempered(before, 2.0), tempered(before, 0.9)
    found = loss_change(before, better)
    assert found.value == pytest.approx(better.loss().value - before.loss().value)
    assert found.high < 0 < loss_change(before, worse).low
    changes = better.losses - before.losses
    means = [changes[random.integers(0, 5_000, 5_000)].mean() for _ in range(1_000)]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.005)


def test_a_matrix_of_a_hundred_classes_takes_no_seconds():
    matrix = np.random.default_rng(0).integers(0, 20, (100, 100))
    assert math.isfinite(measures(matrix).kappa.low)


def test_who_makes_no_error_on_val_gets_no_temperature_and_no_truth_of_probability_0_an_interval():
    assert temperature(answered(0.9, 100)) is None
    assert math.isnan(Answers(np.array([0, 0]), np.float32([[0, 1], [1, 0]])).loss().high)


def test_a_loss_that_a_few_errors_decide_has_no_interval():
    for expected, is_given in ((9, False), (11, True)):
        answers = Answers(np.zeros(100, int), np.tile(np.float32([1 - expected / 100, expected / 100]), (100, 1)))
        assert answers.expected_errors == pytest.approx(expected, rel=1e-5)
        assert math.isfinite(answers.loss().low) == math.isfinite(loss_change(answers, answers).high) == is_given
        assert answers.loss().value == pytest.approx(-math.log(1 - expected / 100))


def test_the_interval_of_a_skewed_loss_reaches_further_up_than_down():
    says = np.float32([0.98] * 900 + [0.5] * 100)
    found = Answers(np.array([0] * 870 + [1] * 30 + [0] * 100), np.stack([says, 1 - says], axis=1)).loss()
    assert found.high - found.value > 1.2 * (found.value - found.low) > 0


def test_an_interval_by_writer_holds_for_other_writers_where_wilsons_does_not():
    chance, share, spread, held = np.random.default_rng(0), 0.965, 0.03, {"by writer": 0, "wilson": 0}
    for _ in range(300):
        of_writers = chance.beta(share * (1 / spread - 1), (1 - share) * (1 / spread - 1), 10)
        writers = np.repeat(np.arange(10), 250)
        right = chance.random(2500) < of_writers[writers]
        for name, found in (
            ("by writer", by_writer(right, writers.tolist())),
            ("wilson", proportion(right.sum(), 2500)),
        ):
            assert found.value == right.mean()
            held[name] += found.low <= share <= found.high
    assert held["by writer"] / 300 > 0.9
    assert held["wilson"] / 300 < 0.6


def test_an_interval_by_writer_is_wilsons_for_as_many_drawings_as_are_independent():
    right = np.arange(900) % 10 > 0
    alone, wilsons = by_writer(right, list(range(900))), proportion(810, 900)
    assert (alone.low, alone.high) == pytest.approx((wilsons.low, wilsons.high), abs=2e-4), (
        "each by a writer of its own"
    )
    twice = by_writer(np.repeat(right, 2), np.repeat(np.arange(900), 2).tolist())
    assert (twice.low, twice.high) == pytest.approx((alone.low, alone.high), abs=1e-9), "the same drawing twice"
    same = by_writer(right, (np.arange(900) // 90).tolist())  # ten writers, 90 % of each: chance varies more than they
    assert same.high - same.low == pytest.approx(wilsons.high - wilsons.low, rel=0.2)
    assert by_writer(np.ones(20, bool), list("ab") * 10).high == 1
    assert by_writer(np.ones(20, bool), list("ab") * 10).low < 0.2, "two people say little of others"
    for writers in ([], ["a"], ["a", "a"]):
        one = by_writer(np.ones(len(writers), bool), writers)
        assert math.isnan(one.low)
        assert math.isnan(one.high)
        assert one.n == len(writers)


def test_instability_is_how_far_an_epoch_lies_outside_its_neighbours():
    assert instability([0.9, 0.94, 0.92, 0.95]) == pytest.approx(0.02)  # 0.94 by 0.02 above, 0.92 by 0.02 below
    assert instability([2.0, 1.0, 3.0]) == pytest.approx(1.0)
    assert instability([0.5, 0.6]) is None


@given(st.lists(st.floats(0, 1), min_size=3, max_size=40))
def test_a_curve_without_a_turn_is_stable_and_a_curve_read_backwards_or_upside_down_as_unstable(values):
    assert instability(sorted(values)) == instability(sorted(values, reverse=True)) == 0
    found = instability(values)
    assert found == pytest.approx(instability(values[::-1]), abs=1e-12)
    assert found == pytest.approx(instability([-value for value in values]), abs=1e-12)
    assert 0 <= found <= max(values) - min(values)
    triples = zip(values, values[1:], values[2:], strict=False)
    assert (found == 0) == all(min(a, c) <= b <= max(a, c) for a, b, c in triples)
