"""What a data set is like: its balance and its baseline, samples, mean images, known label errors."""

import numpy as np
import pytest

from core.datasets import DATASETS, Split, dataset
from core.images.exploration import class_counts, majority_baseline, mean_images, minibatch, samples_per_class
from core.words import languages, words
from tests.real_data import REAL_DATA, with_mnist

BLOOD_TEST = (244, 624, 311, 579, 243, 284, 666, 470)  # MedMNIST v2's test labels of BloodMNIST


def test_the_baseline_of_bloodmnists_test_labels_is_its_largest_class_and_chance_is_an_eighth():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(8), BLOOD_TEST))
    counts = class_counts(labels, 8)
    assert tuple(counts) == BLOOD_TEST
    baseline = majority_baseline(counts)
    assert round(baseline.accuracy.value, 4) == 0.1947
    assert baseline.accuracy.n == DATASETS["bloodmnist"].counts["test"]
    assert baseline.balanced_accuracy.value == 0.125


def test_nine_of_ten_in_one_class_give_an_accuracy_of_90_percent_to_who_has_learned_nothing():
    baseline = majority_baseline(class_counts(np.repeat([0, 1], [90, 10]), 2))
    assert (baseline.accuracy.value, baseline.balanced_accuracy.value, baseline.kappa.value) == (0.9, 0.5, 0.0)


def test_a_class_without_images_is_counted_as_none_and_is_no_part_of_chance():
    counts = class_counts(np.array([0, 0, 2]), 4)
    assert counts.tolist() == [2, 0, 1, 0]
    assert majority_baseline(counts).balanced_accuracy.value == 0.5


def test_samples_are_of_their_class_none_twice_and_repeat_with_their_seed_only():
    labels = np.random.default_rng(1).integers(0, 4, 400)
    drawn = samples_per_class(labels, 5, 11, seed=3)
    for k, places in enumerate(drawn):
        assert (labels[places] == k).all()
        assert len(set(places)) == len(places) == (11 if k < 4 else 0)
    again, other = (samples_per_class(labels, 5, 11, seed=seed) for seed in (3, 4))
    assert all(map(np.array_equal, drawn, again))
    assert not any(map(np.array_equal, drawn[:4], other[:4]))


def test_a_minibatch_repeats_with_its_seed_only_and_is_never_larger_than_the_data():
    assert np.array_equal(minibatch(1000, 64, seed=0), minibatch(1000, 64, seed=0))
    assert set(minibatch(1000, 64, seed=0)) != set(minibatch(1000, 64, seed=1))
    assert sorted(minibatch(10, 64, seed=0)) == list(range(10))


def test_a_mean_image_is_the_rounded_mean_of_its_class():
    images = np.zeros((3, 1, 2, 2), np.uint8)
    images[0], images[1], images[2] = 10, 13, 200
    means = mean_images(Split(images, np.array([0, 0, 2])), 3)
    assert means[:, 0, 0, 0].tolist() == [12, 0, 200]
    assert means.dtype == np.uint8


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("source", [one for one in DATASETS.values() if one.pitfalls], ids=lambda one: one.name)
def test_every_pitfall_has_words_a_source_and_a_link(source, language):
    for one in source.pitfalls:
        assert one.text in words(language)
        assert one.source[-4:].isdigit()
        assert one.link.startswith("https://")


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BANCADA_DATA", REAL_DATA)
        patch.setenv("BANCADA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield dataset("mnist").load()


@with_mnist
def test_the_known_label_errors_of_mnist_are_fifteen_and_contradict_its_labels(mnist):
    # The labels that the people were asked about, in the order of the places.
    given = {947: 8, 1621: 0, 1901: 9, 2130: 4, 2462: 2, 2597: 5, 2654: 6, 3520: 6}
    given |= {3558: 5, 5937: 5, 6651: 0, 6783: 1, 8527: 4, 9679: 6, 9729: 5}
    errors = DATASETS["mnist"].label_errors
    assert {place: int(mnist.test.labels[place]) for place in errors} == given
    assert all(seen != given[place] for place, seen in errors.items())


@with_mnist
def test_a_digits_mean_image_is_closer_to_its_own_class_than_to_any_other(mnist):
    means = mean_images(mnist.train, 10).reshape(10, -1).astype(float)
    images = mnist.test.images[:500].reshape(500, -1).astype(float)
    nearest = ((images[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == mnist.test.labels[:500]).mean() > 0.7  # of ten classes; the wrong means would give 0.1
