"""The page Our drawings: how often models are right on them, the drawings looked through and deleted."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from core import words
from core.datasets import dataset
from core.drawing import collection
from core.measures.measures import by_writer, proportion
from core.models.model import open_model
from tests.page import LANGUAGES, captions, texts, told


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_nothing_is_kept_an_example_that_is_not_counted_and_a_button_lead_to_the_pad(frame, trained, language):
    app = frame("drawings", language)
    assert app.info[0].value == words.text(language, "drawings.none_yet")
    test, model = dataset("mnist-5k").load().test, open_model(trained)
    images = np.stack([test.images[test.labels == digit][0] for digit in range(10)])
    answers = model.probabilities(images).argmax(axis=1)
    assert captions(app) == [f"{digit} → {answer}" for digit, answer in enumerate(answers)]
    right = proportion(int((answers == np.arange(10)).sum()), 10)
    assert words.interval(right.low, right.high, language=language) in app.markdown[0].value
    assert not collection.kept()
    app.button(key="drawings-begin").click().run()
    assert told(app)


def test_an_example_is_shown_without_a_model_too(frame):
    app = frame("drawings")
    assert captions(app) == [str(digit) for digit in range(10)]


@pytest.fixture
def six_drawings(trained):
    """Kept drawings: six ones, of which one is called a 4 by Ana, the others by <b>Rui</b>."""
    ink = np.zeros((112, 112), np.uint8)
    ink[20:92, 52:60] = 255
    for label in (4, 1, 1, 1, 1, 1):
        collection.keep(ink, label, "Ana" if label == 4 else "<b>Rui</b>")
    answered = open_model(trained)
    image = answered.image(ink)
    assert image is not None
    return int(answered.probabilities(image[None])[0].argmax())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_accuracy_on_drawings_stands_beside_the_runs_own_test_accuracy(frame, trained, six_drawings, language):
    app = frame("drawings", language, run=trained.name)
    labels = np.array([4, 1, 1, 1, 1, 1])
    found = by_writer(labels == six_drawings, ["Ana", *["Rui"] * 5])
    report = trained.report()
    assert report
    said = app.markdown[0].value
    assert words.percent(found.value, language=language) in said
    assert words.interval(found.low, found.high, language=language) in said
    assert words.percent(report.accuracy, 2, language=language) in said
    models, digits = app.dataframe[0].value, app.dataframe[1].value
    assert models.iloc[:, 2].tolist() == pytest.approx([found.value, report.accuracy])
    assert models.iloc[:, 5].tolist() == [6, report.n]
    assert len(digits) == 20
    of_drawings = digits.iloc[::2]
    assert of_drawings.iloc[:, 5].tolist() == [0, 5, 0, 0, 1, 0, 0, 0, 0, 0]
    assert of_drawings.iloc[:, 3].isna().all(), "each digit is by one person alone"
    assert words.text(language, "drawings.by_writer") in texts(app)

    app.segmented_control(key="drawn").set_value("fails").run()
    errors = 6 - round(6 * found.value)
    assert words.text(language, "drawings.errors", count=errors, n=6) in texts(app)
    for view in ("numbers", "all"):
        app.segmented_control(key="drawn").set_value(view).run()
        assert not app.exception
        assert (words.text(language, "drawings.independent") in texts(app)) == (view == "numbers")
        if view == "numbers":
            first = app.dataframe[0].value.iloc[0].tolist()
            assert first[0] == words.text(language, "drawings.accuracy"), "which is no test accuracy"
            assert first[3] == "6"


def test_of_one_persons_drawings_the_interval_says_that_it_holds_for_that_person(frame, trained, six_drawings):
    collection.delete(one.name for one in collection.kept() if one.nickname == "Ana")
    app = frame("drawings", run=trained.name)
    found = proportion(5 if six_drawings == 1 else 0, 5)
    assert words.interval(found.low, found.high, language="en") in app.markdown[0].value
    assert words.text("en", "drawings.one_writer") in texts(app)
    assert words.text("en", "drawings.by_writer") not in texts(app)


@pytest.mark.parametrize("language", LANGUAGES)
def test_drawings_are_narrowed_down_and_deleted_after_a_second_question(frame, trained, six_drawings, language):
    app = frame("drawings", language, run=trained.name)
    app.segmented_control(key="drawn").set_value("all").run()
    pictures = next(html.proto.body for html in app.get("html") if "<figure" in html.proto.body)
    assert "&lt;b&gt;Rui&lt;/b&gt;" in pictures
    assert "<b>" not in pictures
    app.selectbox(key="drawings-nickname").set_value("<b>Rui</b>").run()
    assert words.text(language, "drawings.really", count=5) in texts(app)
    assert len(collection.kept()) == 6
    app.button(key="drawings-yes").click().run()
    assert [one.nickname for one in collection.kept()] == ["Ana"]
    assert not app.exception
    app.selectbox(key="drawings-nickname").set_value(None).run()
    app.button(key="drawings-yes").click().run()
    assert app.info[0].value == words.text(language, "drawings.none_yet")


def test_drawings_are_shown_and_can_be_deleted_where_there_is_no_model(frame, trained, six_drawings):
    shutil.rmtree(trained.folder)
    app = frame("drawings")
    assert "<figure" in next(html.proto.body for html in app.get("html") if "picture" in html.proto.body)
    assert app.button(key="drawings-yes")
