"""Two models on the same images: what is fixed, what is broken, and whether that is a difference."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.measures.answers import Answers, confusion_matrix
from core.measures.compare import compare, mcnemar
from core.refusal import Refusal


def answers(*classes):
    return np.eye(3)[list(classes)]


LABELS = np.array([0, 1, 2, 2, 1])


def test_what_b_fixes_and_breaks_is_listed_by_its_place():
    a, b = answers(0, 0, 2, 1, 1), answers(0, 1, 1, 2, 1)
    found = compare(Answers(LABELS, a), Answers(LABELS, b))
    assert found.fixed.tolist() == [1, 3]
    assert found.broken.tolist() == [2]
    assert np.array_equal(
        found.matrix, confusion_matrix(LABELS, b.argmax(1), 3) - confusion_matrix(LABELS, a.argmax(1), 3)
    )
    assert found.matrix.trace() == len(found.fixed) - len(found.broken)
    assert not found.is_difference


def test_other_images_are_refused():
    with pytest.raises(Refusal, match=r"error\.other_images"):
        compare(Answers(LABELS, answers(*LABELS)), Answers(LABELS[::-1], answers(*LABELS)))
    with pytest.raises(Refusal, match=r"error\.other_images"):
        compare(Answers(LABELS, answers(*LABELS)), Answers(LABELS[:4], answers(*LABELS[:4])))
    with pytest.raises(Refusal, match=r"error\.other_images"):
        compare(Answers(LABELS, answers(*LABELS), "one"), Answers(LABELS, answers(*LABELS), "other"))
    assert compare(Answers(LABELS, answers(*LABELS), "one"), Answers(LABELS, answers(*LABELS))).p == 1


def test_mcnemars_probability_is_the_published_one():
    assert round(mcnemar(5, 15), 4) == 0.0414


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemars_probability_is_that_of_a_fair_coin(fixed, broken):
    n, fewer = fixed + broken, min(fixed, broken)
    wanted = min(1.0, 2 * sum(math.comb(n, heads) for heads in range(fewer + 1)) / 2**n)
    assert mcnemar(fixed, broken) == pytest.approx(wanted)
    assert mcnemar(fixed, broken) == mcnemar(broken, fixed)


def test_a_hundred_to_one_is_a_difference_and_two_equal_models_are_none():
    a, labels = answers(*[0] * 200), np.array([0] * 99 + [1] * 101)
    found = compare(Answers(labels, a), Answers(labels, answers(*labels)))
    assert (len(found.fixed), len(found.broken), found.is_difference) == (101, 0, True)
    same = compare(Answers(labels, a), Answers(labels, a))
    assert (same.p, same.is_difference) == (1.0, False)
