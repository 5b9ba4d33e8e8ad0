"""What is said of a training before it starts: that it cannot make sense, or which classes its splits lack."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core import words
from core.__main__ import main
from core.datasets import Split, Splits, dataset
from core.drawing import collection
from core.images.splits import class_counts, counts_in, counts_of
from core.recipes import RECIPES
from core.refusal import Refusal
from core.spec import checked
from core.training.ready import check, ready, remarks, unusual
from core.training.train import Data, State, train
from tests.page import LANGUAGES, button


def write(folder, name, train_labels, val=(), test=(0, 1, 2), **more):
    """An own data set with these labels and images of nothing."""
    arrays = more
    for part, labels in {"train": train_labels, "val": val, "test": test}.items():
        arrays |= {f"{part}_images": np.zeros((len(labels), 12, 12), np.uint8), f"{part}_labels": np.array(labels, int)}
    folder.mkdir(exist_ok=True)
    np.savez(folder / f"{name}.npz", **arrays)


@pytest.fixture
def own(home, tmp_path, monkeypatch):
    monkeypatch.setenv("BANCADA_DATA", str(tmp_path / "own"))
    return lambda *labels, **more: write(tmp_path / "own", "own", *labels, **more)


SPEC = {"data": "own", "layers": "flatten, dense(classes)", "batch_size": 8}
SORTED = [0] * 10 + [1] * 10 + [2] * 10
MIXED = [0, 1, 2] * 10


@pytest.mark.parametrize(
    ("labels", "fields", "said"),
    [
        ((MIXED,), {}, {}),
        ((MIXED,), {"split": "first_last"}, {}),
        ((SORTED,), {}, {}),
        ((SORTED,), {"split": "first_last"}, {"val": "0, 1"}),
        ((SORTED,), {"split": "first_last", "val_fraction": 0.5}, {"train": "2", "val": "0"}),
        (([1, 2, 3] * 5, (), [1, 2, 3]), {}, {}),
        (([0, 2, 5] * 5, (), [0, 2, 5]), {}, {"nowhere": "1, 3, 4"}),
        (([0, 1] * 5, (), [0, 1, 2]), {}, {"train": "2"}),
        (([0, 1, 2] * 5, (), [0, 2]), {}, {"test": "1"}),
        (([0, 1] * 5 + [2],), {}, {"single": "2"}),
        (([0, 1, 2] * 5, [0, 1, 1]), {"split": "official"}, {"val": "2"}),
        (([0, 1, 2] * 5, [0]), {"split": "official"}, {"val": "1, 2"}),
        (([0, 1, 2] * 5, [0]), {}, {}),
        (([0, 1, 2] * 5, (), [0, 2]), {"split": "test"}, {"test": "1"}),
        (([0, 1] * 5, (), range(9)), {}, {"train": "2, 3, 4, 5, 6, …"}),
    ],
)
def test_the_classes_that_a_split_lacks_are_named(own, labels, fields, said):
    own(*labels)
    found = ready(checked(SPEC | fields), "en")
    assert {key.removeprefix("remark."): slots["names"] for key, slots in found} == said
    for key, slots in found:
        for language in LANGUAGES:
            assert f"({slots['names']})" in words.text(language, key, **slots)


UNUSUAL = {
    "learning_rate": [
        ({"learning_rate": 0.5}, {"learning_rate": 0.1}),
        ({"learning_rate": 1e-07}, {"learning_rate": 1e-06}),
        ({"optimizer": "sgd", "learning_rate": 11}, {"optimizer": "sgd", "learning_rate": 10}),
    ],
    "weight_decay": [({"weight_decay": 2}, {"weight_decay": 1})],
    "batch_size": [({"batch_size": 3601}, {"batch_size": 3600})],
    "patience": [({"patience": 5, "epochs": 5}, {"patience": 4, "epochs": 5})],
    "moved": [({"shift": 7.5}, {"shift": 7}), ({"elastic": 8, "image_size": 16}, {"elastic": 4, "image_size": 16})],
    "zoom": [({"zoom": 0.6}, {"zoom": 0.5})],
    "flip": [({"flip": 0.5}, {"flip": 0}), ({"flip": 0.5}, {"flip": 0.5, "data": "fashion-mnist"})],
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_a_value_that_makes_no_sense_is_remarked_and_its_neighbour_is_not(name):
    def said(fields):
        spec = checked(fields)
        return unusual(spec, 3600, spec.table((1, 28, 28), 10))

    for unlikely, usual in UNUSUAL[name]:
        ((key, slots),) = said(unlikely)
        assert key == f"unusual.{name}"
        assert all(words.text(language, key, **slots) for language in LANGUAGES)
        assert not said(usual)


def test_no_recipe_is_remarked_as_unusual():
    for recipe in RECIPES.values():
        for variant in recipe.variants:
            spec = recipe.spec(variant)
            source = dataset(spec.data)
            train, _ = counts_of(spec, source.counts)
            assert not unusual(spec, train, spec.table(source.shape, source.class_count)), (recipe, variant)


def test_an_unusual_value_is_said_on_the_page_and_the_training_can_start(frame):
    app = frame("train", "pt_BR", learning_rate="0.5")
    assert app.warning[0].value.startswith("Taxa de aprendizado 0,5: com Adam, são usuais valores de 1e-6 a 0,1.")
    assert not button(app, words.text("pt_BR", "train.start")).disabled


def test_a_remark_says_how_many_classes_it_does_not_name(own):
    own([0, 1] * 5, (), range(9))
    ((key, slots),) = ready(checked(SPEC), "en")
    assert words.text("en", key, **slots).startswith("7 of the 9 classes have no training image (2, 3, 4, 5, 6, …),")


@pytest.mark.parametrize(
    ("labels", "fields", "key"),
    [
        (([0], (), [1, 2]), {}, "error.one_train_image"),
        (([0], (), [1, 2]), {"split": "first_last"}, "error.one_train_image"),
        (([0], [1], [1, 2]), {"split": "official"}, "error.one_train_image"),
        (([0, 0], (), [1, 2]), {}, "error.one_train_image"),
        (([0] * 9,), {}, "error.one_class"),
        (([0, 1, 2],), {}, "error.single_images"),
        (([0] * 9 + [1],), {"split": "first_last"}, "error.one_class"),
        (([0, 1] * 9,), {"split": "official"}, "error.no_official_val"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_a_run_is_made(own, home, capsys, labels, fields, key):
    own(*labels)
    with pytest.raises(Refusal) as refused:
        ready(checked(SPEC | fields), "en")
    assert refused.value.key == key
    sentence = words.text("en", key, **refused.value.slots)
    assert main(["train", *(f"--{name}={value}" for name, value in (SPEC | fields).items())]) == 1
    assert capsys.readouterr() == ("", sentence + "\n")
    assert not home.exists()
    if not fields:
        assert main(["data"]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == f"  {sentence}"


NETS = {
    "none": "flatten, dense(classes)",
    "of a vector": "flatten, batch_norm, dense(classes)",
    "of a map": "batch_norm, flatten, dense(classes)",
    "of a map of one pixel": "conv(3, 12), batch_norm, flatten, dense(classes)",
    "in a block": "dense_block(1), flatten, dense(classes)",
}


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 5, 6, 16])
@pytest.mark.parametrize("net", NETS)
def test_a_batch_of_one_is_refused_exactly_where_torch_cannot_normalise_it(net, batch_size):
    spec = checked({"layers": NETS[net], "batch_size": batch_size, "epochs": 1, "learning_rate": 1e-4})
    labels = np.array([0, 1, 0, 1, 0])
    split = Split(np.random.default_rng(0).integers(0, 256, (5, 1, 12, 12), dtype=np.uint8), labels)
    splits = Splits(split, split, split)

    def ours() -> str:
        try:
            check(spec, counts_in(splits, 2), spec.table((1, 12, 12), 2))
        except Refusal as refusal:
            return words.text("en", refusal.key, **refusal.slots)
        return ""

    def theirs() -> str:
        device = torch.device("cpu")
        try:
            list(train(spec, Data.of(splits, device), State.new(spec, split, 2, device)))
        except ValueError as error:
            return str(error)
        return ""

    assert bool(ours()) == ("more than 1 value per channel" in theirs())
    assert not ours() or f"5 training images in batches of {batch_size} leave" in ours()


def test_frozen_batch_norms_do_not_mind_a_batch_of_one():
    layers = "flatten, batch_norm, dense(classes)"
    spec = checked(
        {"layers": layers, "first_layers": "frozen", "weights_from": "x", "layers_taken": 2, "batch_size": 4}
    )
    counts = {name: np.array([3, 2]) for name in ("train", "val", "test")}
    check(spec, counts, spec.table((1, 12, 12), 2))
    with pytest.raises(Refusal, match="batch_of_one"):
        check(spec.model_copy(update={"first_layers": "joint"}), counts, spec.table((1, 12, 12), 2))


def test_what_the_app_saves_of_five_pupils_has_every_digit_in_val_and_in_train(own, home, tmp_path):
    ink = np.zeros((112, 112), np.uint8)
    ink[20:92, 52:60] = 255
    for pupil in range(5):
        for digit in range(10):
            collection.keep(ink, digit, f"pupil {pupil}")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own.npz").write_bytes(collection.export(collection.kept()))
    counts = class_counts(checked(SPEC), dataset("own"))
    assert {name: set(found.tolist()) for name, found in counts.items()} == {"train": {3}, "val": {1}, "test": {1}}
    assert remarks(checked(SPEC), counts, [str(k) for k in range(10)]) == []


def test_the_command_line_says_it_before_it_trains_and_in_the_list_of_data(own, capsys):
    own([0, 2, 3] * 5, (), [0, 2, 3])
    said = "1 of the 4 classes has no image at all (1): are the labels numbered from 0, without gaps?\n"
    assert main(["train", "--data=own", f"--layers={SPEC['layers']}", "--epochs=1", "--batch-size=8"]) == 0
    output, error = capsys.readouterr()
    assert error == said
    assert said not in output
    assert main(["data"]) == 0
    assert capsys.readouterr().out.endswith(f"\n  {said}")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", ["train", "data"])
def test_the_pages_say_it_in_the_same_words(frame, tmp_path, page, language):
    write(tmp_path / "data", "own", SORTED)
    app = frame(
        page, language, data="own", split="first_last", val_fraction="0.5", layers=SPEC["layers"], batch_size="8"
    )
    found = ready(checked(SPEC | {"split": "first_last", "val_fraction": 0.5}), language)
    assert app.warning[0].value.split("\n\n") == [words.text(language, key, **slots) for key, slots in found]
    assert len(found) == 2
    app.selectbox(key="split").select("stratified").run()
    assert not app.warning


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_form_offers_no_start_of_what_cannot_be_trained(frame, tmp_path, language):
    write(tmp_path / "data", "own", MIXED)

    def can_start() -> bool:
        return not button(app, words.text(language, "train.start")).disabled

    layers = NETS["of a vector"]
    app = frame("train", language, data="own", layers=layers, architecture="custom", batch_size="27")
    assert can_start()
    app.text_input(key="batch_size").set_value("13").run()  # 27 images of 30 train: two batches and one image
    assert app.error[0].value == words.text(language, "error.batch_of_one", batch_size=13, count=27)
    assert not can_start()


def test_a_file_whose_name_is_too_long_is_listed_with_the_reason(own, tmp_path, capsys):
    own(MIXED)
    (tmp_path / "own" / "own.npz").rename(tmp_path / "own" / f"{'n' * 101}.npz")
    assert dataset("n" * 101).state() == ("missing", "data.npz_name")
    assert main(["data"]) == 0
    said = words.text("en", "data.npz_name", name="n" * 101)
    assert f" {said}\n" in capsys.readouterr().out
    assert main(["train", f"--data={'n' * 101}"]) == 1
    assert capsys.readouterr().err.endswith("n… has 101 characters, and at most 100 are allowed: rename its file.\n")
    (tmp_path / "own" / f"{'n' * 101}.npz").rename(tmp_path / "own" / f"{'n' * 100}.npz")
    assert dataset("n" * 100).state() == ("ready", None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_data_set_whose_name_is_too_long_is_a_sentence_on_the_pages(frame, tmp_path, language):
    write(tmp_path / "data", "n" * 101, MIXED)
    for page in ("train", "data"):
        app = frame(page, language)
        app.selectbox(key="data").select("n" * 101).run()
        assert not app.exception
        said = words.text(language, "error.data_name_long", data="n" * 60, count=101)
        assert app.error[0].value == said
