"""The encoder of a run by itself: its codes are those that the dense layers get, also in a file and in a comparison."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from core.datasets import Split, Splits, dataset
from core.images.splits import choose
from core.measures.answers import stored_answers
from core.models import encoder as encoders
from core.models.model import open_model
from core.networks.layers import encoder_length, parse, table
from core.refusal import Refusal
from core.spec import checked
from core.store import create
from core.training.train import State
from core.work import work

NET = "conv(6, 5, activation=relu), batch_norm, max_pool(2), flatten, dropout(0.3), dense(8), dense(classes)"
POOLED = "conv(6, 5, activation=tanh), dropout(0.2), global_avg_pool, dense(classes)"
TINY = {"data": "tiny", "split": "official", "batch_size": 16, "epochs": 2}


def done(**fields):
    run = create(checked(TINY | fields))
    assert work(str(run.folder)) == "done"
    return run


def opened(run):
    model = open_model(run)
    return model, encoders.encoder(run, model)


@pytest.mark.parametrize(
    ("layers", "length"),
    [
        ("conv(32, 3), max_pool(2), flatten, dense(64), dense(classes)", 3),
        ("conv(8, 3), batch_norm, activation(relu), global_avg_pool, dropout(0.5), dense(classes)", 4),
        ("dense_block(1), flatten, dense(classes)", 2),
        ("max_pool(2), batch_norm, flatten, dense(64), dense(classes)", None),
        ("flatten, dense(classes)", None),
    ],
)
def test_an_encoder_ends_where_feature_maps_become_a_vector_if_it_convolves(layers, length):
    assert encoder_length(table(parse(layers), (1, 28, 28), 10)) == length


@pytest.mark.parametrize("layers", [NET, POOLED])
def test_the_dense_layers_make_the_stored_answers_from_the_codes(home, layers):
    run = done(layers=layers, normalisation="standard")
    model, one = opened(run)
    images, answers = choose(run.spec, dataset("tiny").load()).test.images, stored_answers(run)
    assert answers
    codes = np.concatenate(list(one.codes(images)))
    assert codes.shape == (30, one.size)
    assert codes.dtype == np.float32
    rest = model.module.get_submodule("layers")[len(encoders.encoder_rows(run)) :]
    with torch.inference_mode():
        again = rest.eval()(torch.from_numpy(codes)).softmax(dim=1).numpy()
    assert np.allclose(again, answers.probabilities, atol=1e-5)
    maps = one.maps(images[3])
    assert maps.shape == one.shape
    wanted = maps.ravel() if layers == NET else maps.mean(axis=(1, 2))
    assert np.allclose(wanted, codes[3], atol=1e-5)


def test_a_network_without_convolutions_has_no_encoder(home):
    run = done(architecture="mlp", epochs=1)
    assert encoders.encoder_rows(run) == []
    with pytest.raises(Refusal, match=r"error\.no_encoder"):
        encoders.encoder(run, open_model(run))
    with pytest.raises(Refusal, match=r"error\.no_encoder"):
        encoders.comparable(run, choose(run.spec, dataset("tiny").load()))


@pytest.mark.parametrize("defaults", ["pytorch", "keras"])
def test_random_weights_are_those_that_the_training_began_with(home, defaults):
    run = done(layers=NET, normalisation="standard", seed=5, defaults=defaults)
    splits, model = choose(run.spec, dataset("tiny").load()), open_model(run)
    began = State.new(run.spec, splits.train, 4, torch.device("cpu")).model.eval()
    wanted = began.get_submodule("layers")[:4](began.get_submodule("scale")(torch.tensor(splits.test.images)))
    before = torch.get_rng_state()

    def codes(_):
        return np.concatenate(list(encoders.random_encoder(run, open_model(run)).codes(splits.test.images)))

    with ThreadPoolExecutor(4) as threads:  # visitors at the same time, who open models too
        found = list(threads.map(codes, range(12)))
    assert all(np.allclose(one, wanted.detach().numpy(), atol=1e-5) for one in found)
    trained = np.concatenate(list(encoders.encoder(run, model).codes(splits.test.images)))
    assert not np.allclose(found[0], trained, atol=1e-3)
    torch.set_rng_state(before)
    encoders.random_encoder(run, model)
    assert torch.equal(torch.get_rng_state(), before), "nobody else's chance is touched"


def test_saved_codes_have_their_labels_and_are_the_same_bytes_again(home):
    run = done(layers=NET)
    model, one = opened(run)
    splits = encoders.tested_splits(run)
    files = {split: io.BytesIO() for split in ("val", "test")}
    for split, file in files.items():
        assert encoders.write_codes(run, model, splits, split, file) == one.size
        again = io.BytesIO()
        encoders.write_codes(run, model, splits, split, again)
        assert again.getvalue() == file.getvalue()
        file.seek(0)
        with np.load(file, allow_pickle=False) as stored:
            assert sorted(stored) == ["class_names", "codes", "labels", "run", "split"]
            part = splits.parts()[split]
            assert np.array_equal(stored["codes"], np.concatenate(list(one.codes(part.images))))
            assert stored["codes"].dtype == np.float32
            assert np.array_equal(stored["labels"], part.labels)
            assert stored["labels"].dtype == np.int64
            assert (str(stored["split"]), str(stored["run"])) == (split, run.name)
            assert stored["class_names"].tolist() == list(run.class_names("en"))


def test_test_images_are_not_saved_as_val_and_other_data_not_as_the_runs(home, tiny_data, tmp_path, monkeypatch):
    run = done(layers=NET, split="test")
    splits = encoders.tested_splits(run)
    with pytest.raises(Refusal, match=r"error\.val_is_test"):
        encoders.write_codes(run, open_model(run), splits, "val", io.BytesIO())
    with np.load(tiny_data / "tiny.npz") as stored:
        arrays = dict(stored)
    arrays["test_images"] = arrays["test_images"][::-1]
    np.savez(tmp_path / "tiny.npz", **arrays)
    monkeypatch.setenv("BANCADA_DATA", str(tmp_path))
    with pytest.raises(Refusal, match=r"error\.other_data"):
        encoders.tested_splits(run)


@pytest.mark.parametrize("split", ["stratified", "test"])
def test_encoders_are_compared_on_images_that_are_neither_tests_nor_remembered(home, split):
    run = create(checked({"data": "mnist-5k", "architecture": "lenet", "epochs": 1, "split": split, "batch_size": 512}))
    assert work(str(run.folder)) == "done"
    splits = encoders.tested_splits(run)
    on, again = encoders.comparable(run, splits), encoders.comparable(run, splits)
    assert np.array_equal(on.known.images, again.known.images)
    assert np.array_equal(on.asked.labels, again.asked.labels)
    assert on.is_val == (split != "test")
    names = {name: {image.tobytes() for image in part.images} for name, part in splits.parts().items()}
    known, asked = ([image.tobytes() for image in part.images] for part in (on.known, on.asked))
    assert set(known) <= names["train"]
    assert set(asked) <= names["val" if on.is_val else "train"]
    assert not set(known) & set(asked)
    assert not (set(known) | set(asked)) & names["test"]
    _, one = opened(run)
    told: list[float] = []
    right = encoders.recognised(one, on, told.append)
    assert np.array_equal(right, encoders.recognised(one, on))
    assert told == sorted(told)
    assert told[-1] == 1
    assert right.mean() > 0.8, "chance is 0.1"
    naive = nearest(one, on, count=20)
    assert np.array_equal(right[:20], naive)
    assert len(right) == len(encoders.recognised(None, on)) == len(on.asked.labels)


def nearest(one, on, count):
    """Whether the first images are recognised, by the definition."""
    known, asked = (np.concatenate(list(one.codes(part.images))) for part in (on.known, on.asked))
    found = []
    for code, label in zip(asked[:count], on.asked.labels, strict=False):
        order = np.argsort(((known - code) ** 2).sum(axis=1), kind="stable")[: encoders.NEIGHBOURS]
        found.append(np.bincount(on.known.labels[order]).argmax() == label)
    return found


def test_too_few_images_or_too_long_codes_are_refused(home, monkeypatch):
    run = done(layers=NET, epochs=1)
    splits = choose(run.spec, dataset("tiny").load())
    with pytest.raises(Refusal, match=r"error\.too_few_codes"):
        encoders.comparable(run, splits)  # 20 in val
    long = Split(np.zeros((100, 1, 28, 28), np.uint8), np.zeros(100, np.int64))
    assert len(encoders.comparable(run, Splits(long, long, long)).asked.labels) == 100
    monkeypatch.setattr(encoders, "MOST_VALUES", 49 * 864)
    with pytest.raises(Refusal, match=r"error\.too_few_codes"):
        encoders.comparable(run, Splits(long, long, long))


def test_a_trained_run_whose_test_split_is_unread_says_so_instead_of_saving_codes(home):
    run = create(checked(TINY | {"layers": NET, "epochs": 1}), test=False)
    assert work(str(run.folder)) == "trained"
    with pytest.raises(Refusal, match=r"error\.test_unread"):
        encoders.tested_splits(run)
