"""A spec's rule says which images train and which choose; the test split is handed through untouched."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.datasets import Split, Splits, dataset
from core.images.splits import choose, class_counts, resized, val_indices
from core.refusal import Refusal
from core.spec import checked


def authors(counts=(100, 60, 40), val=True, shape=(1, 8, 8)):
    """Splits whose images tell which one they are: the first two pixels hold the place in the train split."""
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    images = np.random.default_rng(2).integers(0, 256, (len(labels), *shape), dtype=np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.divmod(np.arange(len(labels)), 256)
    others = [Split(images[:n].copy(), labels[:n].copy()) for n in (20, 30)]
    return Splits(train=Split(images, labels), val=others[0] if val else None, test=others[1])


def places(split):
    return split.images[:, 0, 0, 0].astype(int) * 256 + split.images[:, 0, 0, 1]


@pytest.mark.parametrize("rule", ["stratified", "first_last"])
@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.3, 0.5])
def test_each_train_image_either_trains_or_chooses_under_its_own_label(rule, fraction):
    source = authors()
    chosen = choose(checked({"split": rule, "val_fraction": fraction}), source)
    assert chosen.val is not None
    train, val = places(chosen.train), places(chosen.val)
    assert len(train)
    assert len(val)
    assert sorted([*train, *val]) == list(range(200))
    assert list(train) == sorted(train)
    assert np.array_equal(chosen.train.labels, source.train.labels[train])
    assert np.array_equal(chosen.val.labels, source.train.labels[val])


def test_a_stratified_split_keeps_each_classs_share():
    chosen = choose(checked({"val_fraction": 0.2}), authors())
    assert chosen.val is not None
    assert np.bincount(chosen.val.labels).tolist() == [20, 12, 8]
    assert np.bincount(chosen.train.labels).tolist() == [80, 48, 32]


def test_a_stratified_split_is_a_function_of_the_seed():
    labels = authors().train.labels
    zero, again, one = (val_indices(checked({"seed": seed}), labels) for seed in (0, 0, 1))
    assert np.array_equal(zero, again)
    assert not np.array_equal(zero, one)
    assert zero.tolist() == sorted(set(zero.tolist()))


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.34, 0.5])
@pytest.mark.parametrize("counts", [(90, 5, 5), (148, *[4] * 9), (2, 2), (2, 3, 4, 5), (1, 7, 1), (9_000, 2)], ids=str)
def test_every_class_of_two_or_more_is_in_val_and_in_train_and_a_class_of_one_stays_in_train(counts, fraction):
    chosen = choose(checked({"val_fraction": fraction}), authors(counts=counts, shape=(1, 1, 2)))
    assert chosen.val is not None
    val = np.bincount(chosen.val.labels, minlength=len(counts))
    for n, in_val in zip(counts, val.tolist(), strict=True):
        assert in_val == (0 if n == 1 else max(1, round(n * fraction)))
        assert in_val < n


# The first 16 digits of the sha256 of the indices before small classes had a share; stored results depend on them.
SPLIT_BEFORE = [
    ("mnist-5k", {}, "fcd32bac3b45ab88"),
    ("mnist-5k", {"seed": 1}, "1cc386adea0ea315"),
    ("mnist-5k", {"val_fraction": 0.37}, "a3f3c479d804bb88"),
    ("mnist-5k", {"val_fraction": 0.01}, "5a325578f32f9f5e"),
    ("mnist-5k", {"split": "first_last"}, "a2981f2a1df8f7b4"),
    ("tiny", {}, "9c9df313d7325f6c"),
    ("tiny", {"val_fraction": 0.2, "seed": 3}, "b52f99b271df8e94"),
    ("60,000", {}, "bf0c06c7dcdda3d0"),
]


@pytest.mark.parametrize(("data", "fields", "digest"), SPLIT_BEFORE)
def test_a_split_in_which_every_class_has_its_share_is_that_of_all_versions(home, data, fields, digest):
    labels = np.random.default_rng(0).integers(0, 10, 60_000) if data == "60,000" else dataset(data).labels()["train"]
    indices = val_indices(checked(fields), labels)
    assert hashlib.sha256(indices.astype("<i8").tobytes()).hexdigest()[:16] == digest


def test_a_small_class_changes_no_other_classs_share():
    labels = authors(counts=(40, 5, 60)).train.labels
    val = val_indices(checked({}), labels)
    generator = np.random.default_rng(0)
    before = [generator.permutation(np.flatnonzero(labels == k))[: (4, 0, 6)[k]] for k in range(3)]
    assert set(np.concatenate(before)) <= set(val.tolist())
    assert len(val) == 11


@pytest.mark.parametrize(
    ("counts", "rule", "key"),
    [
        ((1,), "stratified", "error.one_train_image"),
        ((1,), "first_last", "error.one_train_image"),
        ((1, 1, 1), "stratified", "error.single_images"),
    ],
)
def test_data_of_which_nothing_can_be_set_aside_are_refused(counts, rule, key):
    with pytest.raises(Refusal) as refused:
        choose(checked({"split": rule}), authors(counts=counts))
    assert (refused.value.key, refused.value.slots) == (key, {"data": "mnist-5k"})


@pytest.mark.parametrize("rule", ["stratified", "first_last", "official", "test"])
def test_the_images_of_each_class_are_counted_without_reading_them(home, rule):
    spec, source = checked({"data": "tiny", "split": rule}), dataset("tiny")
    counts = class_counts(spec, source)
    chosen = choose(spec, source.load())
    for name, split in chosen.parts().items():
        assert counts[name].tolist() == np.bincount(split.labels, minlength=4).tolist()

    def refuse(folder):
        raise AssertionError(f"the images in {folder} are read")

    assert class_counts(spec, replace(source, read=refuse)).keys() == counts.keys()


def test_first_and_last_part_bloodmnist_as_keras_does():
    last = val_indices(checked({"split": "first_last", "val_fraction": 0.3}), np.zeros(11_959, dtype=np.int64))
    assert (last[0], last[-1], len(last)) == (8_371, 11_958, 3_588)


def test_the_authors_own_val_split_is_taken_as_it_is():
    source = authors()
    chosen = choose(checked({"split": "official"}), source)
    assert chosen.train is source.train
    assert chosen.val is source.val


def test_an_official_val_split_that_is_not_there_is_refused():
    with pytest.raises(Refusal) as refused:
        choose(checked({"split": "official", "data": "mnist"}), authors(val=False))
    assert (refused.value.key, refused.value.slots) == ("error.no_official_val", {"data": "mnist"})


def test_the_test_split_validates_where_the_spec_says_so_and_all_train_images_train():
    source = authors()
    chosen = choose(checked({"split": "test"}), source)
    assert chosen.train is source.train
    assert chosen.val is chosen.test is source.test


@pytest.mark.parametrize("rule", ["stratified", "first_last", "official", "test"])
def test_the_test_split_is_handed_through_untouched(rule):
    source = authors()
    assert choose(checked({"split": rule}), source).test is source.test


@pytest.mark.parametrize("size", [None, 12])
@pytest.mark.parametrize("rule", ["stratified", "first_last", "official", "test"])
def test_no_array_can_be_written_to(rule, size):
    chosen = choose(checked({"split": rule, "image_size": size}), authors())
    for split in chosen.parts().values():
        assert split.images.shape[1:] == ((1, 12, 12) if size else (1, 8, 8))
        with pytest.raises(ValueError, match="read-only"):
            split.images[0] = 0
        with pytest.raises(ValueError, match="read-only"):
            split.labels[0] = 0


@pytest.mark.parametrize("side", [28, 64, 9])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 20, 31)], ids=str)
def test_images_are_resized_as_torchvision_resizes_them(shape, side):
    from torchvision.transforms import v2  # not above: it takes seconds to import

    random = np.random.default_rng(0)
    ramp = np.linspace(0, 255, shape[1] * shape[2]).reshape(1, 1, *shape[1:])
    images = np.concatenate([random.integers(0, 256, (3, *shape)), np.broadcast_to(ramp, (1, *shape))]).astype(np.uint8)
    wanted = v2.Resize((side, side), antialias=True)(torch.from_numpy(images.copy())).numpy()
    ours = resized(images, side)
    assert ours.dtype == np.uint8
    assert np.abs(ours.astype(int) - wanted.astype(int)).max() <= 1
    split = Split(images, np.arange(4))
    chosen = choose(checked({"split": "official", "image_size": side}), Splits(split, split, split))
    assert all(np.array_equal(part.images, ours) for part in chosen.parts().values())
    assert chosen.test.labels.tolist() == [0, 1, 2, 3]


def test_many_images_are_resized_in_their_order():
    images = np.arange(2_500, dtype=np.int64).reshape(-1, 1, 1, 1) % 251 * np.ones((1, 1, 4, 4), dtype=np.int64)
    larger = resized(images.astype(np.uint8), 8)
    assert np.array_equal(larger[:, 0, 3, 3], np.arange(2_500) % 251)
