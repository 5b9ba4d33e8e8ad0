"""Seeds of one spec and of two, and the best of many runs, in cases that were computed by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from core import words
from core.events import Epoch
from core.measures.answers import Answers, packed, unpacked
from core.measures.compare import compare, difference, level_among, mcnemar, of_images, sentence
from core.measures.groups import by_setting
from core.measures.measures import wilson
from core.measures.repeats import SEEDS, Repeats, compare_seeds
from core.measures.selection import lift, lift_sentence, lift_with_epochs, most_lift, noise_band, simplest
from core.measures.summary import Listed, Summary
from core.measures.verdict import judged
from core.refusal import Refusal
from core.spec import checked


def answers(right, images="") -> Answers:
    """Answers about two classes, right where `right` is."""
    right = np.asarray(right, dtype=bool)
    return Answers(np.zeros(len(right), np.int64), np.where(right[:, None], [0.9, 0.1], [0.1, 0.9]), images)


def shares(n, *counts):
    """Answers to n images by seed, of which the first so many are right."""
    return {seed: answers(np.arange(n) < count) for seed, count in enumerate(counts)}


def test_seeds_have_a_mean_and_from_three_on_a_spread():
    found = Repeats((0.5, 0.6, 0.7), 1_000)
    assert (found.mean, found.spread) == (pytest.approx(0.6), pytest.approx(0.1))
    assert Repeats((0.5,), 1_000).spread is None


@pytest.mark.parametrize("accuracies", [(0.8,), (0.8, 0.9), (0.8, 0.9, 0.7)])
def test_a_line_of_runs_and_a_verdict_say_the_same_of_the_same_seeds(accuracies):
    of_line = line(*((seed, accuracy, False) for seed, accuracy in enumerate(accuracies))).repeats
    verdict = judged(0.5, 1_000, accuracies, 1_000)
    assert of_line
    assert (verdict.measured, verdict.interval, verdict.spread) == (of_line.mean, of_line.interval, of_line.spread)
    assert (of_line.spread is None) == (len(accuracies) < SEEDS), "two do not tell a standard deviation"
    if of_line.spread is None:
        assert of_line.interval == pytest.approx(wilson(1_000 * of_line.mean, 1_000)), "the test images alone"


def line(*runs):
    """A line of runs, each with its seed, its accuracy and how it ended; the oldest first."""
    listed = []
    for place, (seed, accuracy, by_hand) in enumerate(runs):
        spec = checked({"architecture": "mlp", "seed": seed})
        ends = None if accuracy is None else (accuracy - 0.01, accuracy + 0.01)
        facts = {"accuracy": accuracy, "interval": ends, "n": 1_000, "by_hand": by_hand, "parameters": 101_770}
        listed.append(Listed(Summary(f"run-{place}", spec, seconds=float(place), **facts), "done"))
    (found,) = by_setting(listed)
    return found


def test_a_line_of_runs_has_the_mean_of_each_seeds_newest_run_that_was_trained_to_its_end():
    found = line((0, 0.1, False), (0, 0.8, False), (1, 0.9, False), (2, None, False), (3, 0.2, True))
    assert found.repeats == Repeats((0.8, 0.9), 1_000)
    assert found.interval == pytest.approx(wilson(850, 1_000))
    assert found.values["accuracy"] == pytest.approx(0.85)
    assert (found.values["seconds"], found.values["parameters"], found.values["seed"]) == (2.0, 101_770, 3)
    alone = line((3, 0.2, True))
    assert (alone.repeats, alone.interval) == (Repeats((0.2,), 1_000), pytest.approx(wilson(200, 1_000)))
    assert (line((0, None, False)).repeats, line((0, None, False)).interval) == (None, None)


def test_damaged_runs_and_other_specs_are_lines_of_their_own():
    runs = [Listed(Summary(name), "damaged") for name in ("a", "b")]
    runs += [Listed(Summary(f"c{k}", checked({"epochs": 1 + k % 2, "seed": k})), "done") for k in range(4)]
    assert [[one.summary.run for one in found.runs] for found in by_setting(runs)] == [
        ["a"],
        ["b"],
        ["c2", "c0"],
        ["c3", "c1"],
    ]


def test_seeds_in_pairs_are_compared_by_the_differences_of_the_pairs():
    a, b = shares(10_000, 9_000, 9_100, 9_200), shares(10_000, 9_030, 9_140, 9_250)
    paired, apart = compare_seeds(a, b, share_splits=True), compare_seeds(a, b, share_splits=False)
    # Differences 30, 40, 50 of 10,000: s = 0.001, t = 4.3027, so 0.002484; images: 120 / 3 of them, see below.
    of_seeds = 4.302653 * 0.001 / math.sqrt(3)
    mean = np.mean([one.is_right for one in b.values()], axis=0) - np.mean([one.is_right for one in a.values()], axis=0)
    images = of_images(mean)
    assert paired.value == pytest.approx(0.004)
    assert paired.low == pytest.approx(0.004 - math.hypot(of_seeds, 0.004 - images.low))
    assert paired.high == pytest.approx(0.004 + math.hypot(of_seeds, images.high - 0.004))
    assert (paired.seeds, paired.is_paired, paired.is_real) == (3, True, True)
    assert not apart.is_paired
    assert not apart.is_real, "the seeds alone differ by 100 of 10,000"
    less = compare_seeds(a, {**shares(10_000, 9_030, 9_140), 7: b[2]}, share_splits=True)
    assert not less.is_paired, "not the same seeds"


def test_seeds_on_other_images_are_not_compared():
    a, b = shares(100, 90, 91), {0: answers(np.ones(100), "one"), 1: answers(np.ones(100), "other")}
    with pytest.raises(Refusal, match=r"error\.other_images"):
        compare_seeds(a, b, share_splits=True)


@pytest.mark.slow
def test_the_interval_of_two_networks_agrees_with_mcnemars_test_whatever_the_counts():
    n = 400
    for fixed in range(60):
        for broken in range(60):
            a = answers(np.arange(n) >= fixed)
            b = answers((np.arange(n) < fixed) | (np.arange(n) >= fixed + broken))
            found = difference(a, b)
            assert found.is_real == (mcnemar(fixed, broken) < 0.05), (fixed, broken)
            assert found.low <= found.value <= found.high
    assert compare(a, b).is_difference == found.is_real


@pytest.mark.parametrize("count", [3, 10])
def test_the_best_of_equal_networks_is_seldom_called_better_than_any_other(count):
    random, wrong, level, times = np.random.default_rng(3), 0, level_among(count), 200
    for _ in range(times):
        hard = random.random(1_000) < 0.1
        right = [random.random(1_000) < np.where(hard, 0.5, 0.95) for _ in range(count)]
        best = max(range(count), key=lambda place: right[place].sum())
        others = (answers(one) for place, one in enumerate(right) if place != best)
        wrong += any(difference(one, answers(right[best]), level).is_real for one in others)
    assert wrong <= 0.075 * times  # 0.05 and more than one and a half standard errors


def test_a_stricter_level_makes_the_interval_wider_and_the_sentence_says_so():
    a, b = answers(np.arange(1000) < 900), answers(np.arange(1000) < 950)
    wide, plain = difference(a, b, level_among(10)), difference(a, b)
    assert (wide.low < plain.low, wide.high > plain.high) == (True, True)
    key, slots = sentence(wide, "A", "B", "en")
    assert "99.89% interval" in words.text("en", key, **slots)
    key, slots = sentence(plain, "A", "B", "en")
    assert "95% interval" in words.text("en", key, **slots)
    seeds = shares(50, 40, 41), shares(50, 41, 40)
    wide, plain = (compare_seeds(*seeds, share_splits=True, level=level) for level in (0.01, 0.05))
    assert (wide.low < plain.low, wide.high > plain.high, wide.level) == (True, True, 0.01)
    assert level_among(2) == plain.level


def test_a_difference_of_paired_shares_has_the_published_interval():
    # b = 5, c = 15 of 100: (10 / 102) -+ 1.96 sqrt(21 - 100 / 102) / 102
    found = of_images(np.array([1.0] * 15 + [-1.0] * 5 + [0.0] * 80))
    half = 1.959964 * math.sqrt(21 - 100 / 102) / 102
    assert (found.low, found.high) == (pytest.approx(10 / 102 - half), pytest.approx(10 / 102 + half))


@pytest.mark.parametrize("language", words.languages())
def test_a_difference_is_said_in_words_with_the_better_one_first(language):
    a, b = answers(np.arange(1000) < 900), answers(np.arange(1000) < 950)
    key, slots = sentence(difference(a, b), "A", "B", language)
    again, turned = sentence(difference(b, a), "B", "A", language)
    assert (key, slots) == (again, turned)
    assert words.text(language, key, **slots).startswith("B ")
    assert words.number(5, 2, language=language) in words.text(language, key, **slots)
    key, slots = sentence(compare_seeds(shares(50, 40, 41), shares(50, 41, 40), share_splits=True), "A", "B", language)
    assert key == "difference.equal_paired"
    assert {word in words.text(language, key, **slots) for word in ("A", "B", "2 se")} == {True}


def test_the_simplest_within_one_standard_error_is_picked():
    assert simplest([0.5, 0.5], [3, 3], 10).place == 0
    assert simplest([0.90, 0.905], [10, 20], 1000).place == 0
    assert simplest([0.90, 0.925], [10, 20], 1000).place == 1


def test_the_best_of_equal_runs_is_lifted_by_chance_and_a_clear_best_is_not():
    random = np.random.default_rng(1)
    equal = random.random((20, 1000)) < 0.9
    found = lift(equal)
    assert found.best == equal.mean(axis=1).max()
    assert 0.01 < found.value < 0.03
    assert found == lift(equal), "the same answers give the same result"
    clear = np.concatenate([random.random((5, 1000)) < 0.5, random.random((1, 1000)) < 0.99])
    assert lift(clear).value < 0.001
    assert most_lift(equal.mean(axis=1).tolist(), 1000).value == pytest.approx(found.value, abs=0.005)
    assert most_lift(clear.mean(axis=1).tolist(), 1000).value < 0.001
    for language in words.languages():
        key, slots = lift_sentence(found, 20, language)
        assert words.number(100 * found.value, 2, language=language) in words.text(language, key, **slots)
        assert lift_sentence(most_lift([0.9, 0.91], 100), 2, language)[0] != key


def test_the_choice_of_the_epoch_is_part_of_what_chance_adds():
    random = np.random.default_rng(2)
    searches = random.binomial(1_000, 0.9, (60, 20, 10)) / 1_000  # runs by epochs, of which none is better than another
    expected = [most_lift(one.ravel().tolist(), 1_000).expected for one in searches]
    assert np.mean(expected) == pytest.approx(0.9, abs=0.002)


def epochs_of(right: np.ndarray) -> list[list[Epoch]]:
    """The epochs of k runs that answer bool (k, E, N)."""
    figures = dict.fromkeys(("train_loss", "train_accuracy", "val_loss", "learning_rate", "seconds"), 0.5)
    return [
        [
            Epoch(epoch=place, step=place, val_accuracy=one.mean(), val_right=packed(one), best_epoch=1, **figures)
            for place, one in enumerate(run, 1)
        ]
        for run in right
    ]


def test_what_chance_adds_to_the_best_of_all_epochs_is_the_bootstraps_where_all_answers_are_known():
    random = np.random.default_rng(3)
    right = random.random((8, 6, 500)) < np.linspace(0.3, 0.9, 6)[:, None]
    runs = epochs_of(right)
    found, backwards = lift_with_epochs(runs, 500), right[:, ::-1].reshape(-1, 500)
    assert found == replace(lift(backwards), kind="epochs_lift"), "none of the first epochs is ever picked"
    bound = most_lift(backwards.mean(axis=1).tolist(), 500)
    assert found != bound
    best, last = runs[3], runs[3][-1]
    for changed in ("", packed(~right[3, 5]), packed(right[3, 5, :-8]), "AAAA", packed(np.ones(10**6, bool))):
        runs[3] = [*best[:-1], last.model_copy(update={"val_right": changed})]
        assert lift_with_epochs(runs, 500) == bound, "not known, or not its answers"
    for language in words.languages():
        (key, slots), (other, _) = lift_sentence(found, 8, language), lift_sentence(bound, 8, language)
        assert words.text(language, key, **slots) != words.text(language, other, **slots)


@pytest.mark.parametrize("n", [1, 8, 9, 750])
def test_right_answers_are_packed_and_unpacked(n):
    right = np.random.default_rng(n).random(n) < 0.5
    assert unpacked(packed(right), n).tolist() == right.tolist()
    assert unpacked(packed(right), n + 8) is None
    assert unpacked(packed(right)[:-4], n) is None


def test_accuracies_within_noise_cannot_be_told_from_the_best():
    # Report 002's dropout stage: 0.8838 and 0.8846 of 3,588 images.
    found = noise_band([0.8838, 0.8846], 3588)
    assert found.is_near == (True, True)
    assert found.behind == (3, 0)
    assert noise_band([0.86, 0.8846], 3588).is_near == (False, True)
    right = np.ones((3, 1000), dtype=bool)
    right[1, :7], right[2, :4] = False, False
    assert noise_band(right.mean(axis=1).tolist(), 1000, right).is_near == (True, False, True), "2^-6 < 0.05 / 2"
    assert noise_band(right.mean(axis=1).tolist(), 1000).is_near == (True, False, True)
