"""The page Data: each view of a data set, the split that the form holds, what is known to be wrong."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core import words
from core.datasets import DATASETS, dataset
from tests.browser import ROOT
from tests.conftest import wait_for
from tests.page import LANGUAGES, button, captions, control, texts
from tests.real_data import REAL_DATA, with_mnist


def explore(app: AppTest, view: str) -> AppTest:
    """The Data page with another of its views."""
    control(app, "explore").set_value(view).run()
    assert not app.exception
    return app


def pictures(app: AppTest) -> list[str]:
    return [source for block in app.main.get("html") for source in re.findall(r'src="(data:[^"]+)"', block.proto.body)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_data_page_shows_each_view_in_the_language(frame, language):
    app = frame("data", language)
    names = DATASETS["mnist-5k"].class_names[language]
    sheet = next(block.proto.body for block in app.main.get("html") if "picture-rows" in block.proto.body)
    assert all(f"<span>{name}</span>" in sheet for name in names)
    assert len(pictures(explore(app, "minibatch"))) == 64
    explore(app, "balance")
    said = {"name": names[0], "n": 1000, "classes": 10, "accuracy": words.percent(0.1, 2, language=language)}
    said["balanced_accuracy"] = said["accuracy"]
    assert words.text(language, "explore.baseline", **said) in texts(app)
    totals = app.dataframe[0].value.iloc[:, 1:].sum().tolist()
    assert totals == [4000, 1000, 3600, 400], "train and test of the authors, train and val to be used"
    assert captions(explore(app, "means"))[0].split("\n")[0] == names[0]
    assert len(captions(explore(app, "image"))) == 2, "as in the file, scaled"
    assert words.text(language, "explore.no_answer") in texts(app)


@pytest.mark.parametrize("split", ["stratified", "first_last", "test"])
def test_a_picture_is_followed_into_the_network_by_its_number_in_the_authors_split(frame, split):
    app = frame("data", split=split)
    sheet = "".join(block.proto.body for block in app.main.get("html"))
    found = re.findall(r'data-number="(\d+)" alt="(\w+) \d+" src="(data:[^"]+)"', sheet)
    for number, name, picture in (found[0], found[-1]):
        app.session_state["explore"], app.session_state["image-split"] = "image", "train"
        app.session_state["image-mnist-5k-train"] = int(number)
        app.run()
        assert not app.exception
        assert app.subheader[0].value == words.text("en", "explore.image_title", index=int(number), label=name)
        assert pictures(app)[0] == picture, "the picture that was clicked"


def test_an_image_is_followed_through_resizing_and_augmentation_to_the_answer_of_a_finished_run(trained, frame):
    app = explore(frame("data", image_size="20", normalisation="half", rotation="30"), "image")
    steps = [caption.split("\n") for caption in captions(app)][:4]
    names = ("raw", "resized", "scaled", "normalised")
    assert [step[0] for step in steps] == [
        f"{i}. " + words.text("en", f"stage.{name}") for i, name in enumerate(names, 1)
    ]
    assert len(set(pictures(app)[-6:])) == 6, "each augmented in another way"
    assert trained.name[-4:] in app.selectbox(key="answering-mnist-5k").value
    assert len(app.get("vega_lite_chart")) == 1
    assert words.text("en", "explore.may_know") not in texts(app), "a test image"
    app.selectbox(key="image-split").select("Training").run()
    assert words.text("en", "explore.may_know") in texts(app)


def test_train_on_this_opens_train_with_what_was_chosen(frame):
    app = frame("data", data="mnist", val_fraction="0.2", rotation="15")
    button(app, words.text("en", "explore.train_on_this")).click().run()
    assert not app.exception
    assert app.query_params["data"] == "mnist"
    assert (app.text_input(key="val_fraction").value, app.text_input(key="rotation").value) == ("0.2", "15")


@pytest.mark.parametrize("view", ["samples", "minibatch"])
def test_another_seed_shows_other_samples_and_the_same_seed_the_same(frame, view):
    app = explore(frame("data"), view)
    first = pictures(app)
    next(button for button in app.button if button.label == words.text("en", "explore.another")).click().run()
    assert app.session_state["sample-seed"] == 1
    assert pictures(app) != first
    app.text_input(key="sample-seed.written").set_value("0").run()
    assert pictures(app) == first


def test_the_data_page_shows_the_split_that_the_train_form_holds(frame):
    app = frame()
    app.text_input(key="val_fraction").input("0.25").run()
    app.switch_page(str(ROOT / "pages" / "data.py")).run()
    explore(app.run(), "balance")
    assert app.dataframe[0].value.iloc[:, 1:].sum().tolist() == [4000, 1000, 3000, 1000]
    app.text_input(key="val_fraction").input("0.2").run()
    assert app.dataframe[0].value.iloc[:, 1:].sum().tolist() == [4000, 1000, 3200, 800]
    assert app.query_params["val_fraction"] == "0.2"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_split_that_the_authors_do_not_give_is_told_on_the_data_page(frame, language):
    app = frame("data", language, split="official")
    assert words.text(language, "error.no_official_val", data="mnist-5k") in texts(app)


def test_data_that_are_not_here_are_offered_with_what_is_known_of_them(frame):
    app = frame("data", data="mnist")
    assert words.text("en", "data.fetch", name="MNIST") in [button.label for button in app.button]
    assert "15 test images" in texts(app)
    assert "https://github.com/cleanlab/label-errors" in texts(app)


def test_images_that_were_replaced_are_seen_without_a_new_start(frame, tmp_path):
    (tmp_path / "data").mkdir()

    def write(grey: int) -> None:
        images, labels = np.full((40, 8, 8), grey, np.uint8), np.arange(40) % 2
        arrays = {f"{part}_images": images for part in ("train", "val", "test")}
        arrays |= {f"{part}_labels": labels for part in ("train", "val", "test")}
        np.savez(tmp_path / "data" / "own-grey.npz", **arrays)

    write(10)
    app = explore(frame("data", data="own-grey"), "means")
    first = pictures(app)
    write(200)
    assert pictures(app.run()) != first


@with_mnist
@pytest.mark.parametrize(("language", "label"), [("en", "Eight"), ("pt_BR", "Oito")])
def test_any_image_is_opened_by_split_and_index_with_its_true_label(frame, monkeypatch, language, label):
    monkeypatch.setenv("BANCADA_DATA", REAL_DATA)
    app = explore(frame("data", language, data="mnist", normalisation="half"), "image")
    app.text_input(key="image-mnist-test.written").set_value("4419").run()
    assert app.subheader[0].value == words.text(language, "explore.image_title", index=4419, label=label)
    assert words.text(language, "stage.range", side=28, low=-1.0, high=1.0) in "\n".join(captions(app)).replace(
        "\\n", "\n"
    )
    next(button for button in app.button if button.label == words.text(language, "explore.random")).click().run()
    index = app.session_state["image-mnist-test"]
    assert index != 4419, "one chance in ten thousand"
    assert app.subheader[0].value.startswith(words.text(language, "explore.image_title", index=index, label=""))
    app.text_input(key="image-mnist-test.written").set_value("947").run()
    nine = DATASETS["mnist"].class_names[language][9]
    assert app.warning[0].value == words.text(language, "pitfall.people_say", label=nine)
    assert len(captions(explore(app, "label_errors"))) == 15


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", DATASETS)
def test_data_are_named_and_described_in_the_language(frame, name, language):
    app, one = frame("data", language, data=name), DATASETS[name]
    titles = [words.text(language, f"dataset.{known}") for known in DATASETS]
    assert len(set(titles)) == len(titles)
    assert app.selectbox(key="data").options == titles
    licence = one.licence.replace("{not_stated}", words.text(language, "data.not_stated"))
    facts = next(caption.value for caption in app.caption if one.source in caption.value)
    assert licence in facts
    assert "{" not in facts


def found_by(app: AppTest) -> AppTest:
    """The page once an import in progress has answered."""
    if "import.job" in app.session_state:  # else the page has heard it already
        app.session_state["import.job"].importer.wait(60)
    return app.run()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_file_that_cannot_be_used_as_it_is_is_imported_with_one_click_and_one_to_write(frame, tmp_path, language):
    (tmp_path / "data").mkdir()
    labels = np.repeat(np.arange(10), 6)
    images = np.full((60, 12, 12), 255, np.uint8)
    images[np.arange(60), 3:6, labels] = 0
    np.savez(tmp_path / "data" / "mine.npz", images=images / 255.0, labels=labels)
    app = frame("data", language, data="mine")
    assert app.error[0].value == words.text(language, "data.npz_arrays", name="mine")
    button(app, words.text(language, "import.this", file="mine.npz")).click().run()
    found_by(app)
    assert not app.exception
    table = "\n".join(map(str, app.table[0].value.to_numpy().ravel()))
    for key, slots in (("import.values.unit", {}), ("import.split.none", {"count": 60}), ("import.order.hw", {})):
        assert words.text(language, key, **slots) in table
    assert "mine-2" in app.text_input(key="import-name").value
    assert len(pictures(app)) == 50, "five train images of each class are left"
    app.toggle(key="import-digits").set_value(True).run()
    found_by(app)
    assert words.text(language, "import.ink.turned") in str(app.table[0].value.to_numpy())
    app.text_input(key="import-name").set_value("a/b").run()
    app.button(key="import-do").click().run()
    assert words.text(language, "import.bad_name", name="a/b", most=100) in texts(app)
    app.text_input(key="import-name").set_value("ours").run()
    app.button(key="import-do").click().run()
    found_by(app)
    assert not app.exception
    assert app.success[0].value == words.text(language, "import.written", name="ours")
    assert app.query_params["data"] == "ours"
    assert len(pictures(app)) == 40, "the new data set's samples"
    one = dataset("ours")
    assert one.digits
    assert one.load().train.images[0, 0, 0, 11] == 0


def test_only_what_lies_in_the_data_folder_can_be_chosen_of_the_servers_files(frame, tmp_path, monkeypatch):
    monkeypatch.setenv("BANCADA_DATA", str(tmp_path / "here"))
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "x.csv").write_text("1")
    app = frame("data")
    app.button(key="import-open").click().run()
    assert not [one.key for one in app.text_input if str(one.key).startswith("import")]
    assert app.button(key="import-look").disabled
    app.selectbox(key="import-place").set_value(str(tmp_path / "here" / "x.csv")).run()
    app.button(key="import-look").click().run()
    found_by(app)
    assert "x.csv" in app.error[0].value
    app.button(key="import-again").click().run()
    app.button(key="import-back").click().run()
    assert control(app, "explore")


def test_uploaded_files_lie_on_the_disk_only_as_long_as_the_import_lasts(frame, tmp_path):
    app = frame("data")
    app.button(key="import-open").click().run()
    labels = np.repeat(np.arange(3), 4)
    for name, array in (("../X.npy", np.zeros((12, 9, 9))), ("y.npy", labels)):
        file = io.BytesIO()
        np.save(file, array)
        app.file_uploader(key="import-files").upload(name, file.getvalue(), "application/octet-stream")
    app.run()
    app.button(key="import-look").click().run()
    found_by(app)
    assert not app.exception
    assert app.text_input(key="import-name").value == "X"
    uploads = tmp_path / "cache" / "uploads"
    assert len(list(uploads.rglob("*"))) == 3, "a folder with two files, by numbers"
    app.button(key="import-back").click().run()
    wait_for(lambda: not list(uploads.iterdir()))
