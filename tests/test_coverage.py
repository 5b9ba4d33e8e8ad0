"""Intervals hold the truth, and verdicts accuse the innocent, as often as they say; `benchmarks/intervals.py`: more."""

import math

import numpy as np
import pytest

from core.measures.answers import stored_answers
from core.store import runs
from tests.driver import ROOT
from tests.simulation import (
    CONFIDENCES,
    OVERALL,
    SUPPORTS,
    accused,
    equal_specs_told_apart,
    false_alarms,
    loss_coverage,
    matrix_coverage,
    mean_coverage,
    picked_best,
    picked_epoch,
    synthetic,
)


@pytest.mark.parametrize("support", SUPPORTS.values(), ids=SUPPORTS)
def test_the_intervals_of_a_matrix_hold_the_truth_even_where_errors_are_few(support):
    cases = [(0.6, "even"), (0.95, "hard"), (0.99, "even"), (0.999, "hard")]
    found = [
        matrix_coverage(support, accuracy, errors, fixed=bool(place % 2), times=250, seed=place)
        for place, (accuracy, errors) in enumerate(cases)
    ]
    for name in OVERALL:
        assert np.mean([one[name] for one in found]) >= 0.93, name
        assert min(one[name] for one in found) >= 0.89, name  # 0.93 less three standard errors of 250


@pytest.mark.parametrize("n", [100, 1_000, 10_000])
def test_a_calibrated_model_is_seldom_accused(n):
    times = 400 if n < 10_000 else 150
    shares = [
        accused(n, accuracy, confidence, times=times, seed=3)
        for accuracy in (0.8, 0.95, 0.98, 0.99)
        for confidence in CONFIDENCES
    ]
    assert 0.03 <= np.mean(shares) <= 0.065
    assert max(shares) <= 0.11  # 8 % where one error is expected and all confidences are equal, and chance


@pytest.mark.parametrize(("n", "given"), [(100, 0), (1_000, None), (3_000, None), (10_000, 1)])
def test_the_interval_of_a_loss_holds_it_or_there_is_none(n, given):
    held, every = 0.0, 0.0
    for run in runs(ROOT / "models_store"):
        answers = stored_answers(run)
        assert answers
        share, coverage = loss_coverage(answers, n, times=100, seed=2)
        held, every = held + (share * coverage if share else 0), every + share
        assert given is None or share == given
    assert every == 0 or held / every >= 0.93


def test_the_interval_of_a_change_of_the_loss_holds_it_or_there_is_none():
    for answers, n in ((synthetic(3, 1), 200), (synthetic(8, 2.5), 400)):
        share, coverage = loss_coverage(answers, n, temperature=1.25, times=300, seed=2)
        assert share > 0.5
        assert coverage >= 0.93
    lenet = next(run for run in runs(ROOT / "models_store") if "lenet" in run.name)
    answers = stored_answers(lenet)
    assert answers
    assert math.isnan(loss_coverage(answers, 300, temperature=1.1, times=50, seed=2)[1]), "too few errors"
    assert loss_coverage(answers, 3_000, temperature=1.1, times=150, seed=2)[1] >= 0.93


@pytest.mark.parametrize("seeds", [3, 5])
def test_a_correct_figure_is_seldom_called_better_or_worse(seeds):
    images, both, spread = (false_alarms(seeds, ratio, times=3_000, seed=4) for ratio in (0, 1, 1_000))
    assert images == pytest.approx(0.05, abs=0.012)
    assert spread == pytest.approx(0.05, abs=0.012)
    assert 0.01 <= both <= 0.05


def test_the_interval_of_a_mean_over_seeds_holds_the_truth():
    for ratio in (0.0, 1.0, 4.0):
        assert 0.935 <= mean_coverage(0.99, 10_000, 3, ratio, times=3_000, seed=5) <= 0.99


@pytest.mark.parametrize("paired", [True, False])
def test_equally_good_specs_are_seldom_told_apart_and_neither_are_two_networks(paired):
    cases = [(1, 0.0), (2, 0.5), (3, 0.1), (3, 0.5), (5, 0.5)]
    shares = [equal_specs_told_apart(*case, paired=paired, times=400, seed=6) for case in cases]
    assert max(shares) <= 0.075  # 0.05 and more than two standard errors of 400
    assert shares[0] >= 0.015, "the interval of two networks is not too wide"


@pytest.mark.slow
def test_the_part_of_chance_in_the_best_of_many_is_told_and_the_truly_best_is_in_the_noise_band():
    for count, apart in ((6, 0.0), (20, 0.0), (20, 0.4)):
        found = picked_best(count, apart, times=40, seed=7)
        lifted = found["best"] - found["truth"]
        assert lifted > 0.002
        assert found["best"] - found["lift"] == pytest.approx(lifted, abs=0.0025)
        assert found["best"] - found["most_lift"] >= found["best"] - found["lift"] - 0.0005, "at most"
        assert min(found["near"], found["near_alone"]) >= 0.9
    assert found["told"] > 0.3, "the answers tell runs apart"


@pytest.mark.slow
def test_the_part_of_chance_in_the_best_epoch_of_many_runs_is_told_from_the_answers_of_all_epochs():
    for count, apart in ((6, 0.0), (20, 0.4)):
        found = {name: mean for name, (mean, _) in picked_epoch(count, apart, times=30, seed=8).items()}
        assert found["of_epochs"] == pytest.approx(found["lift"], abs=0.0025)
        assert found["of_best"] < found["of_epochs"] - 0.0005, "the choice of the epoch is not seen in the best alone"
        assert found["most_lift"] > found["of_epochs"] + 0.0015, "which is at most"
