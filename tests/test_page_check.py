"""The page Check: published figures, a typed confusion matrix, stored parameters."""

from __future__ import annotations

import math

import pytest

from core import words
from tests.page import LANGUAGES, texts
from tests.test_measures import BLOOD_MLP


@pytest.mark.parametrize("language", LANGUAGES)
def test_impossible_figures_are_doubted_and_possible_ones_are_not(frame, language):
    app = frame("check", language)
    assert words.text(language, "check.too_few") in texts(app)
    for key, value in (("loss", "0.0836"), ("accuracy", "0.0990")):
        app.text_input(key=f"check-{key}").set_value(value).run()
    assert words.number(0.8793, language=language) in app.warning[0].value
    app.text_input(key="check-accuracy").set_value("97,45 %" if language == "pt_BR" else "97.45 %").run()
    assert not app.warning
    assert app.success[0].value == words.text(language, "check.no_doubt")
    for key, value in (("loss", "2.5"), ("accuracy", "1"), ("classes", "10")):
        app.text_input(key=f"check-{key}").set_value(value).run()
    slots = {"loss": 2.5, "classes": 10, "most": math.log(10)}
    assert app.warning[0].value == words.text(language, "claim.loss_at_accuracy_1", **slots)
    app.text_input(key="check-loss").set_value("low").run()
    assert "low" in app.error[0].value
    assert not app.exception


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_tab_is_filled_with_a_published_example_by_one_click(frame, language):
    app = frame("check", language)
    app.text_input(key="check-ratio").set_value("12").run()
    app.button(key="try-figures").click().run()
    assert words.number(0.8793, language=language) in app.warning[0].value, "003-b: accuracy 0.0990 at a loss of 0.0836"
    assert app.text_input(key="check-ratio").value == "", "the figures of one report are not mixed with others"
    assert words.text(language, "check.figures_example") in texts(app)
    app.text_input(key="check-loss").set_value("2").run()
    assert words.text(language, "check.figures_example") not in texts(app)
    app.button(key="try-matrix").click().run()
    table = app.dataframe[0].value
    assert table.iloc[0].tolist()[:2] == [
        words.text(language, "chart.accuracy"),
        words.number(0.8705, 4, language=language),
    ]
    app.button(key="try-parameters").click().run()
    said = words.text(language, "check.never_used", count=48_120, stored=109_826, names="conv3")
    assert said in [one.value for one in app.warning]
    assert not app.exception


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_typed_confusion_matrix_says_all_that_a_report_does(frame, language):
    app = frame("check", language)
    app.text_area(key="check-matrix").set_value("\n".join(" ".join(map(str, row)) for row in BLOOD_MLP)).run()
    assert not app.exception
    table = app.dataframe[0].value
    assert table.iloc[0, 1] == words.number(0.8705, 4, language=language)
    assert table.iloc[1, 1] == words.number(0.8437, 4, language=language)
    slots = {"true": "**5**", "predicted": "**3**", "count": 48}
    assert words.text(language, "evaluate.confused", **slots) in texts(app)
    app.text_area(key="check-matrix").set_value("1 2 | 3").run()
    assert "2" in app.error[0].value


@pytest.mark.parametrize("language", LANGUAGES)
def test_stored_parameters_that_a_network_never_uses_are_named(frame, language):
    app = frame("check", language, architecture="lenet")
    stored = ["conv1.weight 6 1 5 5", "conv1.bias 6", "conv2.weight 16 6 5 5", "conv2.bias 16"]
    stored += ["conv3.weight 120 16 5 5", "conv3.bias 120", "fc1.weight 120 400", "fc1.bias 120"]
    stored += ["fc2.weight 84 120", "fc2.bias 84", "fc3.weight 10 84", "fc3.bias 10"]
    app.text_area(key="check-parameters").set_value("\n".join(stored)).run()
    said = words.text(language, "check.never_used", count=48_120, stored=109_826, names="conv3")
    assert [one.value for one in app.warning] == [said]
    assert app.dataframe[0].value.iloc[4:7, 3].tolist() == [words.text(language, "check.never")] * 2 + ["6 dense"]
    app.text_area(key="check-parameters").set_value(words.number(61_706, language=language)).run()
    assert app.success[0].value == words.text(language, "check.all_used", count=61_706)
    app.selectbox(key="architecture").set_value("mlp").run()
    assert words.number(101_770 - 61_706, language=language) in app.warning[0].value
    app.text_area(key="check-parameters").set_value("\n".join(stored)).run()
    assert len(app.warning) == 2
    app.text_area(key="check-parameters").set_value("conv1.weight").run()
    assert "conv1.weight" in app.error[0].value
    assert not app.exception
