"""The verdict on a published figure, in cases that were computed by hand."""

import pytest

from core.measures.measures import wilson
from core.measures.repeats import Repeats
from core.measures.verdict import judged, mean_difference


def test_a_difference_within_both_intervals_is_reproduced():
    # p (1 - p) = 0.0772 and 0.0819: 1.96 * sqrt(7.72e-6 + 8.19e-6) = 0.0078
    found = judged(0.9157, 10_000, [0.9100], 10_000)
    assert (found.word, found.seeds, found.spread) == ("reproduced", 1, None)
    assert found.delta == pytest.approx(-0.0057)
    assert not found.is_open
    assert found.tolerance == pytest.approx(0.0078, abs=0.00005)


@pytest.mark.parametrize(("measured", "word"), [(0.9060, "worse"), (0.9250, "better")])
def test_a_larger_difference_is_better_or_worse_and_open_while_the_spread_is_not_known(measured, word):
    for accuracies in ([measured], [measured, measured]):
        found = judged(0.9157, 10_000, accuracies, 10_000)
        assert (found.word, found.is_open) == (word, True)
    found = judged(0.9157, 10_000, 3 * [measured], 10_000)
    assert (found.word, found.spread, found.is_open) == (word, 0, False)


def test_a_spread_over_three_seeds_widens_what_counts_as_reproduced():
    # s = 0.01, t = 4.303: sqrt(1.96^2 (0.2496 + 0.2499) / 10,000 + 4.303^2 * 0.0001 * (1 + 1/3)) = 0.0516
    assert judged(0.459, 10_000, [0.50, 0.51, 0.52], 10_000).word == "reproduced"  # delta 0.051
    assert judged(0.458, 10_000, [0.50, 0.51, 0.52], 10_000).word == "better"  # delta 0.052
    # five seeds, s = 0.01, t = 2.776: sqrt(0.0139^2 + 2.776^2 * 0.0001 * (1 + 1/5)) = 0.0334
    five = judged(0.48, 10_000, [0.51 + step * 0.01 / 2.5**0.5 for step in (-2, -1, 0, 1, 2)], 10_000)
    assert (five.spread, five.tolerance) == (pytest.approx(0.01), pytest.approx(0.0334, abs=0.0001))
    assert judged(0.48, 10_000, [0.51, 0.51, 0.51], 10_000).word == "better"  # s = 0: 0.0139
    found = judged(0.48, 10_000, [0.50, 0.51, 0.52], 10_000)
    assert (found.measured, found.spread) == (pytest.approx(0.51), pytest.approx(0.01))


def test_fewer_test_images_widen_it_too():
    # p (1 - p) = 0.1127 and 0.1218: 1.96 * sqrt(0.2345 / 3,421) = 0.0162, of 10,000 images 0.0095
    assert judged(0.8705, 3_421, [0.8580], 3_421).word == "reproduced"
    assert judged(0.8705, 10_000, [0.8580], 10_000).word == "worse"

    # p (1 - p) = 0.25 and 0.24: 1.96 * sqrt(0.49 / 100) = 0.1372
    assert judged(0.5, 100, [0.6], 100).word == "reproduced"
    assert judged(0.5, 196, [0.6], 100).word == "reproduced"  # 1.96 * sqrt(0.25 / 196 + 0.24 / 100) = 0.1188
    assert judged(0.5, 10_000, [0.6], 100).word == "better"  # 1.96 * sqrt(0.000025 + 0.0024) = 0.0965


def test_the_interval_of_a_mean_adds_what_comes_from_images_and_from_seeds():
    assert Repeats((0.979,), 10_000).interval == pytest.approx(wilson(9_790, 10_000))
    # Wilson of 5,100 of 10,000: 0.5002 to 0.5198; s = 0.01, t = 4.303: 4.303 * 0.01 / sqrt(3) = 0.0248
    low, high = Repeats((0.50, 0.51, 0.52), 10_000).interval
    assert (low, high) == (pytest.approx(0.51 - 0.0267, abs=0.0001), pytest.approx(0.51 + 0.0267, abs=0.0001))
    # 1.96^2 (0.2500 + 0.2499) / 10,000 + 2 * 0.0248^2: 0.0378
    delta, half = mean_difference([0.50, 0.51, 0.52], [0.49, 0.50, 0.51], 10_000)
    assert (delta, half) == (pytest.approx(-0.01), pytest.approx(0.0378, abs=0.0001))
