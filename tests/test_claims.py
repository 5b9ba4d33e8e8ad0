"""Impossible figures of the published reports are found, and possible ones are left alone."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.claims import doubt_accuracy_at_loss, doubt_columns, doubt_count, doubt_ratio
from core.evaluate import measures
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
    assert doubt_columns(recall, precision, round(result.balanced_accuracy, 4))
    assert doubt_columns(precision, recall, round(result.balanced_accuracy, 4)) is None


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
