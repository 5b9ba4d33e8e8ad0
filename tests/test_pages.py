"""Every page in every language, run by Streamlit without a browser."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.testing.v1 import AppTest

from core import store, words
from core.datasets import DATASETS, dataset
from core.drawing import collection
from core.drawing.prepare import STEPS
from core.measures.answers import Measure, loss_change, stored_answers
from core.measures.calibration import calibration, temperature, tempered
from core.measures.measures import measures, most_confused, proportion
from core.models.model import open_model
from core.recipes import PUBLISHED, RECIPES, VARIANTS
from core.recipes.results import Result, Row, of_run, rows, stored
from core.recipes.searches import SEARCHES
from core.spec import RunSpec, checked
from core.store import Run
from core.work import work
from tests.browser import ROOT
from tests.real_data import REAL_DATA, with_mnist
from tests.test_measures import BLOOD_MLP
from tests.test_recipes import result
from ui import text
from ui.draw.answer import Answer, agreement
from ui.evaluate.errors import PICTURES

LANGUAGES = sorted(words.languages())
PAGES = ["train", "data", "recipes", "evaluate", "draw", "drawings", "check"]
OVER_RUNS = ["evaluate", "draw", "drawings"]


@pytest.fixture
def trained(frame):
    """A finished run of the embedded data."""
    run = store.create(checked({"architecture": "mlp", "epochs": 2, "batch_size": 128}))
    assert work(str(run.folder)) == "done"
    return run


def texts(app: AppTest) -> str:
    kinds = ("title", "subheader", "markdown", "caption", "info", "success", "warning", "error", "metric")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(app.main, kind))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_in_every_language_over_an_empty_store(frame, page, language):
    app = frame(page, language)
    assert app.title[0].value == words.text(language, f"page.{page}")
    if page in OVER_RUNS:
        assert app.info[0].value == words.text(language, f"{page}.none_yet")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_a_finished_run_in_every_language(frame, trained, page, language):
    app = frame(page, language, run=trained.name)
    report = trained.report()
    assert report
    if page == "train":
        assert words.percent(report.accuracy, 2, language=language) in app.success[0].value
    if page == "evaluate":
        assert app.metric[0].value == words.percent(report.accuracy, 2, language=language)
        assert words.interval(*report.accuracy_interval, 2, language=language) in texts(app)
    if page == "draw":
        assert app.info[0].value == words.text(language, "draw.empty")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_class_is_most_often_taken_for_is_said_in_the_language(frame, trained, language):
    app = frame("evaluate", language, run=trained.name)
    report = trained.report()
    assert report
    names = trained.class_names(language)
    said = texts(app)
    for one in most_confused(report.confusion_matrix):
        key = "evaluate.confused_tie" if len(one.predicted) > 1 else "evaluate.confused"
        others = words.text(language, "evaluate.and").join(f"**{names[k]}**" for k in one.predicted)
        slots = {"true": f"**{names[one.true]}**", "predicted": others, "count": one.count}
        assert words.text(language, key, **slots) in said


def look_at(app: AppTest, view: str) -> AppTest:
    """The Evaluate page with another of its views."""
    return control(app, "view").set_value(view).run()


def control(app: AppTest, key: str) -> Any:
    """The row of options of that key."""
    return next(one for one in app.get("button_group") if one.key == key)


def captions(app: AppTest) -> list[str]:
    """The words below the pictures of the page."""
    pieces = [block.proto.body for block in app.main.get("html")]
    found = [words for piece in pieces for words in re.findall(r"<figcaption>(.*?)</figcaption>", piece, re.DOTALL)]
    return [html.unescape(words) for words in found]


def test_errors_come_by_index_by_loss_and_by_confidence(frame, trained):
    report = trained.report()
    assert report
    stored, _ = trained.load(report.predictions, report.predictions_sha256)
    probabilities, labels = stored["probabilities"].numpy(), stored["labels"].numpy()
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    wanted = {
        "index": wrong,
        "loss": sorted(wrong, key=lambda i: probabilities[i, labels[i]]),
        "confidence": sorted(wrong, key=lambda i: -probabilities[i].max()),
    }
    app = frame("evaluate", run=trained.name)
    for order, places in wanted.items():
        app.selectbox(key="order").select(order).run()
        assert not app.exception
        first = re.findall(r"no\. ([0-9]+)", "".join(captions(app)))[:5]
        assert first == [str(i) for i in places[:5]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_two_runs_are_compared_with_a_verdict_in_words(frame, trained, language):
    spec = checked({"architecture": "mlp", "epochs": 1, "batch_size": 512, "learning_rate": 0.0001})
    other = store.create(spec)
    assert work(str(other.folder)) == "done"
    app = frame("evaluate", language, run=trained.name)
    look_at(app, "beside").selectbox(key="other").select(other.name).run()
    assert not app.exception
    assert words.words(language)["compare.better"].split("**")[1] in texts(app)
    app = frame("evaluate", language, run=other.name)
    look_at(app, "beside").selectbox(key="other").select(trained.name).run()
    assert words.words(language)["compare.worse"].split("**")[1] in texts(app)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_measure_comes_with_its_interval_n_and_method(frame, trained, language):
    app = look_at(frame("evaluate", language, run=trained.name), "numbers")
    table, found = app.dataframe[0].value, measures(trained.report().confusion_matrix)
    assert len(table) == 6
    for row, measure in zip(table.itertuples(index=False), (found.accuracy, found.balanced_accuracy), strict=False):
        value, low, high = (
            words.number(one, 4, language=language) for one in (measure.value, measure.low, measure.high)
        )
        assert row[1:4] == (value, f"{low} – {high}", words.number(1_000, language=language))
    assert words.text(language, "evaluate.log") in [one.label for one in app.get("download_button")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_any_test_image_is_shown_beside_typical_ones_with_all_probabilities(frame, trained, language):
    answers = stored_answers(trained)
    assert answers
    names, wrong = trained.class_names(language), answers.errors("index")
    app = look_at(frame("evaluate", language, run=trained.name), "image")
    assert app.number_input(key="image-index").value == wrong[0]
    true, predicted = answers.labels[wrong[0]], answers.predicted[wrong[0]]
    assert len(captions(app)) == 3
    assert [
        name in caption
        for name, caption in zip((names[true], names[true], names[predicted]), captions(app), strict=True)
    ]
    rank = words.number(answers.rank_of_truth(wrong[0]), language=language)
    slots = {"true": names[true], "predicted": names[predicted], "rank": rank, "classes": 10}
    slots["probability"] = words.percent(float(answers.confidence[wrong[0]]), language=language)
    slots["of_truth"] = words.percent(float(answers.of_truth[wrong[0]]), language=language)
    assert words.text(language, "image.wrong", **slots) in texts(app)
    assert app.dataframe[0].value.iloc[:, 1].sum() == pytest.approx(1, abs=1e-5)
    marks = {true: "true", predicted: "predicted"}
    marked = [words.text(language, f"mark.{marks[k]}", label=names[k]) if k in marks else names[k] for k in range(10)]
    assert app.dataframe[0].value.iloc[:, 0].tolist() == marked

    app.button(key="image-next").click().run()
    assert app.number_input(key="image-index").value == wrong[1]
    app.button(key="image-previous").click().run()
    right = int(np.flatnonzero(answers.is_right)[-1])
    app.number_input(key="image-index").set_value(right).run()
    assert not app.exception
    assert len(captions(app)) == 2, "the predicted class is the true one"
    assert words.words(language)["image.right"].split("**")[1] in texts(app)
    label = answers.labels[right]
    assert app.dataframe[0].value.iloc[label, 0] == words.text(language, "mark.right", label=names[label])


def test_a_number_from_nowhere_shows_an_image_that_there_is(frame, trained):
    app = look_at(frame("evaluate", run=trained.name), "image")
    app.session_state["image-index"] = 1_000
    app.run()
    assert not app.exception
    assert 0 <= app.number_input(key="image-index").value < 1_000
    assert len(captions(app)) >= 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_how_sure_the_model_is_is_said_and_a_temperature_chosen_on_val(frame, trained, language):
    app = look_at(frame("evaluate", language, run=trained.name), "sure")
    test, val = stored_answers(trained), stored_answers(trained, "val")
    assert test
    assert val
    assert len(val.labels) == 400
    by = temperature(val)
    assert by
    slots = {"temperature": words.number(by, 2, language=language)}
    slots["error"] = words.percent(calibration(tempered(test, by)).error, 2, language=language)
    slots["loss"] = words.number(tempered(test, by).loss().value, 4, language=language)
    assert words.text(language, "certainty.after", **slots) in texts(app)
    assert [table.value.iloc[:, 2].sum() for table in app.dataframe] == [1_000, 1_000]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_said_of_its_certainty_agrees_with_the_figures_beside_it(frame, trained, language):
    report, test, val = trained.report(), stored_answers(trained), stored_answers(trained, "val")
    assert report
    assert test
    assert val
    honest = tempered(test, temperature(test) or 1), tempered(val, temperature(val) or 1)
    wanted = {(0.5, 0.5): ("too_sure", "helps"), (2, 2): ("too_shy", "helps")}  # what spoils test and val
    wanted |= {(1, 1): ("fair", "same"), (1, 0.5): ("fair", "worse")}

    def ends(measure: Measure, times: int, digits: int) -> str:
        low, high = (words.number(times * end, digits, language=language) for end in (measure.low, measure.high))
        return words.text(language, "number.interval", low=low, high=high)

    for spoilt, (verdict, outcome) in wanted.items():
        now = [tempered(answers, by) for answers, by in zip(honest, spoilt, strict=True)]
        arrays = {"probabilities": now[0].probabilities, "labels": test.labels}
        arrays |= {"val_probabilities": now[1].probabilities, "val_labels": val.labels}
        sha256 = trained.save(report.predictions, {name: torch.from_numpy(array) for name, array in arrays.items()})
        trained.append(report.model_copy(update={"predictions_sha256": sha256}))
        app = look_at(frame("evaluate", language, run=trained.name), "sure")
        said, gap = texts(app), now[0].gap()
        assert words.words(language)[f"certainty.{verdict}"].split("**")[1] in said
        assert ends(gap, 100, 2) in said
        assert (verdict == "fair") == (gap.low <= 0 <= gap.high)
        mended = tempered(now[0], temperature(now[1]) or 1)
        change, gap = loss_change(now[0], mended), mended.gap()
        slots = {"by_loss": words.text(language, f"certainty.{outcome}")}
        slots |= {"interval": ends(change, 1, 4), "gap_interval": ends(gap, 100, 2)}
        slots["change"] = words.number(change.value, 4, language=language)
        slots["gap"] = words.number(100 * gap.value, 2, language=language)
        assert words.text(language, "certainty.effect", **slots) in said
        assert (outcome == "same") == (change.low <= 0 <= change.high)


def test_two_select_boxes_name_a_cell_whose_images_are_shown(frame, trained):
    matrix, names = np.array(trained.report().confusion_matrix), trained.class_names("en")
    np.fill_diagonal(matrix, 0)
    true, predicted = np.unravel_index(matrix.argmax(), matrix.shape)
    app = frame("evaluate", run=trained.name)
    app.selectbox(key="cell-true_class").select(names[true]).run()
    app.selectbox(key="cell-predicted_class").select(names[predicted]).run()
    assert len(captions(app)) == min(PICTURES, matrix[true, predicted])
    assert all(f"{names[true]} → {names[predicted]}" in caption for caption in captions(app))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_run_of_the_first_versions_has_no_temperature_and_says_so(frame, monkeypatch, trained, language):
    report = trained.report()
    stored, _ = trained.load(report.predictions, report.predictions_sha256)
    only_test = {name: stored[name] for name in ("probabilities", "labels")}
    sha256 = trained.save(report.predictions, only_test)
    trained.append(report.model_copy(update={"predictions_sha256": sha256, "images": ""}))
    app = look_at(frame("evaluate", language, run=trained.name), "sure")
    assert words.text(language, "certainty.no_val") in texts(app)


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
    app.text_input(key="check-loss").set_value("low").run()
    assert "low" in app.error[0].value
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


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [name for name in RECIPES if name not in PUBLISHED])
def test_a_recipe_fills_the_whole_form_and_the_link_and_leaves_it_to_the_visitor(frame, name, language):
    app = frame(language=language)
    app.number_input(key="patience").set_value(7).run()  # a field that the recipe leaves alone is set back
    app.selectbox(key="recipe").select(name).run()
    assert not app.exception
    assert words.text(language, f"recipe.{name}.help") in texts(app)
    spec = RECIPES[name].spec()
    query = {key: value for key, value in app.query_params.items() if key in RunSpec.model_fields}
    assert checked(query) == spec
    app.number_input(key="seed").set_value(3).run()
    assert app.selectbox(key="recipe").value == name, "the seed is the visitor's in any case"
    app.number_input(key="epochs").set_value(2).run()
    assert app.query_params["epochs"] == "2"
    assert app.selectbox(key="architecture").value == spec.architecture
    assert app.selectbox(key="recipe").value == "", "the form is no longer the recipe"
    assert words.text(language, f"recipe.{name}.help") not in texts(app)


def test_a_form_that_is_changed_on_another_page_or_by_its_layers_bears_no_recipes_name(frame):
    app = frame()
    app.selectbox(key="recipe").select("mnist-best").run()
    app.switch_page(str(ROOT / "pages" / "data.py")).run()
    app.selectbox(key="normalisation").select("unit").run()
    app.switch_page(str(ROOT / "pages" / "train.py")).run()
    assert (app.selectbox(key="recipe").value, app.query_params["schedule"]) == ("", "one_cycle")
    app.selectbox(key="recipe").select("mnist-best").run()
    control(app, "network.view").set_value("edit").run()
    button(app, words.text("en", "editor.remove")).click().run()
    button(app, words.text("en", "editor.apply")).click().run()
    assert not app.exception
    assert (app.selectbox(key="recipe").value, app.selectbox(key="architecture").value) == ("", "custom")


def test_a_spec_in_the_link_fills_the_form(frame):
    app = frame(architecture="cnn", epochs="9", optimizer="sgd", learning_rate="0.25", momentum="0.5", batch_size="0")
    shown = {widget.key: widget.value for widget in (*app.selectbox, *app.number_input, *app.text_input)}
    assert (shown["architecture"], shown["epochs"], shown["optimizer"]) == ("cnn", 9, "sgd")
    assert (shown["learning_rate"], shown["momentum"]) == ("0.25", "0.5")
    assert shown["batch_size"] == 64, "what the spec does not take is not taken from the link"
    assert app.query_params["epochs"] == "9"
    assert "batch_size" not in app.query_params


def test_a_decimal_comma_is_a_decimal_comma(frame):
    app = frame(language="pt_BR", learning_rate="0.002")
    field = app.text_input(key="learning_rate")
    assert field.value == "0,002"
    app = field.set_value("0,003").run()
    assert app.query_params["learning_rate"] == "0.003"
    app = app.text_input(key="learning_rate").set_value("meio").run()
    assert "learning_rate não pode ser “meio”" in app.error[0].value


def test_layers_with_a_fault_in_the_link_stay_as_they_were_written(frame):
    app = frame(architecture="custom", layers="flatten, dense(8, activation=rleu), dense(classes)")
    assert app.text_area(key="layers").value == "flatten, dense(8, activation=rleu), dense(classes)"
    assert "activation" in app.error[0].value


def test_a_run_that_is_shown_for_want_of_another_is_not_the_readers_choice(frame, trained):
    app = frame("evaluate")
    assert app.selectbox(key="run").value == trained.name
    assert "run" not in app.query_params
    app.switch_page(str(ROOT / "pages" / "train.py")).run()
    assert app.selectbox(key="run").value is None


def test_the_network_table_follows_the_form_before_anything_is_trained(frame):
    app = frame()
    assert "61,706" in app.expander[-1].label
    app.selectbox(key="architecture").select("custom").run()
    app.text_area(key="layers").set_value(
        "flatten, dense(256, activation=relu), dense(256, activation=relu), dense(classes)"
    ).run()
    assert "269,322" in app.expander[-1].label
    app.text_area(key="layers").set_value(
        "max_pool(2), max_pool(2), max_pool(2), conv(8, 5), flatten, dense(classes)"
    ).run()
    assert "Layer 4, conv(8, 5), does not fit" in app.error[0].value
    assert not app.exception


def test_a_data_set_that_is_not_here_can_be_fetched_and_not_trained_on(frame):
    app = frame(data="mnist")
    labels = [button.label for button in app.button]
    assert "Download MNIST" in labels
    assert "Start training" not in labels


def test_start_makes_one_run_even_if_it_is_clicked_twice(frame):
    app = frame(epochs="1", architecture="mlp")
    start = next(button for button in app.button if button.label == "Start training")
    start.click().run()
    assert not app.exception
    start = next(button for button in app.button if button.label == "Start training")
    start.click().run()
    runs = store.runs()
    assert [run.spec.epochs for run in runs] == [1]
    assert app.selectbox(key="run").value == runs[0].name
    runs[0].ask("stop")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_click_on_a_cell_of_the_matrix_shows_exactly_its_images(frame, trained, language):
    report = trained.report()
    assert report
    matrix = np.array(report.confusion_matrix)
    true, predicted = np.unravel_index((matrix - np.diag(np.diag(matrix))).argmax(), matrix.shape)
    names = trained.class_names(language)
    app = frame("evaluate", language, run=trained.name)
    app.session_state["matrix"] = {"selection": {"cell": [{"true": names[true], "predicted": names[predicted]}]}}
    app.run()
    assert not app.exception
    said = words.text(
        language, "evaluate.cell", true=names[true], predicted=names[predicted], count=int(matrix[true, predicted])
    )
    assert said in texts(app)
    pictures = next(html.proto.body for html in app.get("html") if "<figure" in html.proto.body)
    assert pictures.count("<img") == min(PICTURES, matrix[true, predicted])
    assert f"{names[true]} → {names[predicted]}" in pictures


def drawn(app: AppTest, ink: int = 255, sequence: int = 1, *, blot: bool = False) -> AppTest:
    """The page after a one was drawn on the pad, or with no ink nothing, or a blot."""
    sheet = np.zeros((112, 112), np.uint8)
    sheet[20:92, 52:60] = ink
    if blot:
        sheet[20:92, 20:92] = ink
    message = {"seq": sequence, "side": 112, "pixels": base64.b64encode(sheet.tobytes()).decode(), "strokes": "[]"}
    app.session_state["pad"] = {"drawing": message}
    app.run()
    assert not app.exception
    return app


def test_a_drawing_is_answered_in_the_readers_language(frame, trained):
    app = drawn(frame("draw", "pt_BR", run=trained.name))
    assert "1 · Um (" in app.subheader[0].value
    assert "%" in app.subheader[0].value
    assert "," in app.subheader[0].value


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_step_of_the_preparation_is_shown_and_can_be_left_out(frame, trained, language):
    app = drawn(frame("draw", language, run=trained.name))
    assert captions(app) == [words.text(language, f"step.{name}.on") for name in STEPS]
    answer = app.subheader[0].value
    for name in STEPS:
        app.checkbox(key=f"step.{name}").set_value(False).run()
        assert not app.exception
    assert captions(app) == [words.text(language, f"step.{name}.off") for name in STEPS]
    assert app.subheader[0].value != answer


def test_a_step_that_was_left_out_stays_left_out_for_the_next_drawing(frame, trained):
    app = drawn(frame("draw", run=trained.name))
    app.checkbox(key="step.centre").set_value(False).run()
    assert "Draw a digit" in drawn(app, ink=0).info[0].value
    assert app.checkbox(key="step.centre").value is False


@pytest.fixture
def twin(trained):
    """Another run of the same model."""
    return Run(shutil.copytree(trained.folder, trained.folder.with_name("20261122-0000-twin")))


@pytest.fixture
def damaged(trained):
    """A run whose weights cannot be read."""
    run = Run(shutil.copytree(trained.folder, trained.folder.with_name("20261122-0000-damaged")))
    (run.folder / "model.safetensors").write_bytes(b"nothing")
    return run


@pytest.mark.parametrize("language", LANGUAGES)
def test_several_models_answer_one_drawing_and_their_votes_are_counted(frame, trained, twin, damaged, language):
    app = frame("train", language, run=trained.name)
    app.session_state["others"] = [twin.name, damaged.name]
    app.switch_page(str(ROOT / "pages" / "draw.py"))
    drawn(app)
    said = words.text(language, "draw.class", digit=1, label=trained.class_names(language)[1])
    assert words.text(language, "draw.most", said=said, votes=2, models=2) in app.subheader[0].value
    assert damaged.name in app.error[0].value
    answers = next(html.proto.body for html in app.get("html") if "<section" in html.proto.body)
    assert answers.count("<section>") == 2
    assert answers.count("<tr") == 2 * 3, "the three highest of each"
    drawn(app, sequence=2, blot=True)
    answers = next(html.proto.body for html in app.get("html") if "<section" in html.proto.body)
    assert answers.count(words.text(language, "draw.doubts")) == 2, "whose vote does not count"
    assert "class=best" not in answers
    assert not app.dataframe, "who does not look at the table does not wait for it"
    app.session_state["answers-table"] = True
    app.run()
    assert app.dataframe[0].value.shape == (10, 3), "the classes, and a column for each model"


def test_the_other_models_are_kept_until_they_are_gone_or_the_first_themselves(frame, trained, twin, damaged):
    app = frame("draw", run=trained.name)
    assert sorted(option[-4:] for option in app.multiselect(key="others").options) == ["aged", "twin"]
    app.multiselect(key="others").set_value([twin.name, damaged.name]).run()
    app.switch_page(str(ROOT / "pages" / "train.py")).run()
    app.switch_page(str(ROOT / "pages" / "draw.py")).run()
    assert app.multiselect(key="others").value == [twin.name, damaged.name]
    damaged.delete()
    app.run()
    assert app.multiselect(key="others").value == [twin.name]
    app.selectbox(key="run").select(twin.name).run()
    assert app.multiselect(key="others").value == []


@pytest.mark.parametrize(
    ("votes", "sentence"),
    [
        ([7], "7 · Seven (60.0%)"),
        ([7, 7], "2 of 2 models say 7 · Seven"),
        ([7, 1, 7, 7], "3 of 4 models say 7 · Seven"),
        ([1, 7, 2, 7], "2 of 4 models say 7 · Seven"),
        ([7, 1], "The models disagree: 7 · Seven (1), 1 · One (1)"),
        ([7, 1, 1, 7, 2], "The models disagree: 7 · Seven (2), 1 · One (2), 2 · Two (1)"),
    ],
)
def test_votes_are_told_in_a_sentence(trained, votes, sentence):
    model = open_model(trained)
    image = np.zeros((1, 28, 28), np.uint8)
    answers = [Answer(model, image, np.where(np.arange(10) == vote, 0.6, 0.4 / 9)) for vote in votes]
    assert agreement(answers) == sentence


def test_models_that_are_not_sure_have_no_vote_and_one_alone_only_guesses(trained):
    model, image = open_model(trained), np.zeros((1, 28, 28), np.uint8)

    def say(vote, doubt=None):
        return Answer(model, image, np.where(np.arange(10) == vote, 0.6, 0.4 / 9), doubt)

    unsure, several = "doubt.unsure", "doubt.several"
    assert agreement([say(7, unsure)]) == "Not sure: 7 · Seven (60.0%)"
    assert agreement([say(7, several)]) == words.text("en", several)
    assert agreement([say(7), say(1, unsure), say(1, unsure)]) == "1 of 3 models say 7 · Seven"
    assert agreement([say(7, unsure), say(7, unsure)]) == "Not sure: 2 of 2 models say 7 · Seven"


@pytest.mark.parametrize("language", LANGUAGES)
def test_two_digits_side_by_side_are_not_taken_for_one(frame, trained, language):
    app = frame("draw", language, run=trained.name)
    sheet = np.zeros((112, 112), np.uint8)
    sheet[20:92, 20:26] = sheet[20:92, 80:86] = 255
    message = {"seq": 1, "side": 112, "pixels": base64.b64encode(sheet.tobytes()).decode(), "strokes": "[]"}
    app.session_state["pad"] = {"drawing": message}
    app.run()
    assert app.subheader[0].value == words.text(language, "doubt.several")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_test_image_is_chosen_by_its_number_or_by_chance(frame, trained, language):
    app = frame("draw", language, run=trained.name)
    mode = next(one for one in app.get("button_group") if one.key == "mode")
    mode.set_value("image").run()
    test = dataset("mnist-5k").load().test
    for index in (0, 999):
        app.number_input(key="image").set_value(index).run()
        assert not app.exception
        label = int(test.labels[index])
        said = words.text(language, "draw.class", digit=label, label=trained.class_names(language)[label])
        assert words.text(language, "draw.true", said=said) in captions(app)
        assert app.subheader[0].value
    seen = set()
    for _ in range(4):
        next(button for button in app.button if button.label == words.text(language, "draw.random")).click().run()
        seen.add(app.number_input(key="image").value)
    assert len(seen) > 1


def test_a_run_that_is_not_done_can_be_drawn_for_and_says_so(frame):
    run = store.create(checked({"architecture": "mlp", "epochs": 3, "batch_size": 128}))
    seen = []
    work(
        str(run.folder), leaving=lambda: len(seen) > 0, tell=lambda event: event.event == "epoch" and seen.append(event)
    )
    assert run.status() == "interrupted"
    app = frame("draw", run=run.name)
    assert "Epoch 1, not finished" in app.warning[0].value
    assert run.name[-4:] in app.warning[0].value
    assert work(str(run.folder)) == "done"
    app.run()
    assert not app.warning, "the newest weights are asked, and the run is done"


def test_a_model_of_other_data_is_not_offered_for_a_drawing(frame, trained, tmp_path):
    images, labels = np.zeros((40, 28, 28), np.uint8), np.arange(40) % 2
    (tmp_path / "data").mkdir()
    arrays = {
        f"{part}_{what}": v for part in ("train", "val", "test") for what, v in (("images", images), ("labels", labels))
    }
    np.savez(tmp_path / "data" / "mine.npz", **arrays)
    other = store.create(checked({"data": "mine", "architecture": "mlp", "epochs": 1}))
    assert work(str(other.folder)) == "done"
    app = frame("draw", run=other.name)
    assert [option.endswith(trained.name[-4:]) for option in app.selectbox(key="run").options] == [True]
    assert "not trained on handwritten digits" in app.info[0].value
    assert not any(link.proto.page == "draw" for link in frame("train", run=other.name).get("page_link"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_run_whose_log_begins_in_a_way_that_cannot_be_read_says_so_wherever_it_is_asked(frame, trained, language):
    log = trained.folder / "events.jsonl"
    log.write_text(log.read_text().replace('"parameters":', '"weights":'))
    said = words.text(language, "error.run_unreadable", run=trained.name)
    for page in ("evaluate", "draw"):
        assert frame(page, language, run=trained.name).error[0].value == said
    app = frame("draw", language, run=trained.name)
    next(one for one in app.get("button_group") if one.key == "mode").set_value("image").run()
    assert not app.exception
    assert app.error[0].value == said


def test_a_damaged_run_is_told_and_the_others_are_shown(frame, trained):
    damaged = store.create(checked({"architecture": "mlp"}))
    (damaged.folder / "spec.json").write_bytes(b"{")
    assert "damaged" in frame("train", run=damaged.name).error[0].value
    assert frame("evaluate", run=trained.name).metric
    assert not frame("draw").exception


def test_a_link_to_a_run_that_is_not_there_is_harmless(frame):
    for name in ("../../etc", "nothing", "<script>alert(1)</script>"):
        assert not frame("train", run=name).exception
        assert not frame("evaluate", run=name).exception


# ---- data


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
    assert len(pictures(app)) == 10, "one row a class"
    sheet = next(block.proto.body for block in app.main.get("html") if "picture-rows" in block.proto.body)
    assert all(f"<span>{name}</span>" in sheet for name in names)
    assert len(pictures(explore(app, "minibatch"))) == 1
    explore(app, "balance")
    said = {"name": names[0], "n": 1000, "classes": 10, "accuracy": words.percent(0.1, 2, language=language)}
    said["balanced_accuracy"] = said["accuracy"]
    assert words.text(language, "explore.baseline", **said) in texts(app)
    totals = app.dataframe[0].value.iloc[:, 1:].sum().tolist()
    assert totals == [4000, 1000, 3600, 400], "train and test of the authors, train and val to be used"
    assert captions(explore(app, "means"))[0].split("\n")[0] == names[0]
    assert len(captions(explore(app, "image"))) == 1 + 2, "large, as in the file, scaled"


@pytest.mark.parametrize("view", ["samples", "minibatch"])
def test_another_seed_shows_other_samples_and_the_same_seed_the_same(frame, view):
    app = explore(frame("data"), view)
    first = pictures(app)
    next(button for button in app.button if button.label == words.text("en", "explore.another")).click().run()
    assert app.number_input(key="sample-seed").value == 1
    assert pictures(app) != first
    app.number_input(key="sample-seed").set_value(0).run()
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
    app.number_input(key="image-mnist-test").set_value(4419).run()
    assert app.subheader[0].value == words.text(language, "explore.image_title", index=4419, label=label)
    assert words.text(language, "stage.range", side=28, low=-1.0, high=1.0) in "\n".join(captions(app)).replace(
        "\\n", "\n"
    )
    next(button for button in app.button if button.label == words.text(language, "explore.random")).click().run()
    index = app.number_input(key="image-mnist-test").value
    assert index != 4419, "one chance in ten thousand"
    assert app.subheader[0].value.startswith(words.text(language, "explore.image_title", index=index, label=""))
    app.number_input(key="image-mnist-test").set_value(947).run()
    nine = DATASETS["mnist"].class_names[language][9]
    assert app.warning[0].value == words.text(language, "pitfall.people_say", label=nine)
    assert len(captions(explore(app, "label_errors"))) == 15


@with_mnist
@pytest.mark.parametrize("language", LANGUAGES)
def test_errors_that_are_known_label_errors_say_what_people_see(frame, monkeypatch, language):
    monkeypatch.setenv("BANCADA_DATA", REAL_DATA)
    monkeypatch.setenv("BANCADA_STORE", str(ROOT / "models_store"))
    run = next(run for run in store.runs() if run.is_done() and run.spec.data == "mnist")
    said = captions(frame("evaluate", language, run=run.name))
    names, errors = DATASETS["mnist"].class_names[language], DATASETS["mnist"].label_errors
    marked = 0
    for caption in said:
        index = int(re.findall(r"[0-9]+", caption)[0])
        seen = errors.get(index)
        wanted = words.text(language, "pitfall.people_say", label="" if seen is None else names[seen])
        assert (wanted in caption) == (seen is not None)
        marked += index in errors
    assert marked, "the shipped model errs at some of them"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("best_by", "marks"), [("val_accuracy", {"best", "last"}), ("last", {"last"})])
def test_the_curves_of_a_finished_run_mark_the_epoch_that_was_best_and_the_last(frame, language, best_by, marks):
    run = store.create(checked({"architecture": "mlp", "batch_size": 512, "epochs": 2, "best_by": best_by}))
    assert work(str(run.folder)) == "done"
    for chart in frame(language=language, run=run.name).get("vega_lite_chart"):
        layers = json.loads(chart.proto.spec)["layer"]
        assert sum(layer["mark"]["type"] == "rule" for layer in layers) == len(marks)
        datasets = b"".join(one.data.data for one in chart.proto.datasets)
        for mark in ("best", "last"):
            assert (words.text(language, f"chart.{mark}").encode() in datasets) == (mark in marks)


# --- recipes ----------------------------------------------------------------------------------------------------------


def button(app: AppTest, label: str) -> Any:
    return next(one for one in app.button if one.label == label)


def stored_row(name: str, variant: str, *more: Result) -> Row:
    """The row of a recipe's variant on its own data by the results that are kept, and by `more`."""
    found = rows([*stored(), *more])
    return next(row for row in found if (row.recipe, row.variant) == (name, variant) and row.is_own)


def shown_in(table: Any) -> pd.DataFrame:
    """The words of a table that sorts by the numbers behind them."""
    return convert_arrow_bytes_to_pandas_df(table.proto.arrow_data.styler.display_values)


def cells_of(app: AppTest, name: str, column: str) -> str:
    """A cell of the table of all recipes."""
    table = shown_in(app.dataframe[0]).set_index(words.text("en", "recipes.recipe"))
    return table.loc[name, words.text("en", f"recipes.{column}")]


def all_recipes() -> None:
    """The page of all recipes over the rows that it is given, without the searches, which take most of its time."""
    import streamlit as st

    from ui.recipes import experiments

    experiments.panel(experiments.table(st.session_state["rows"]), st.session_state["rows"])
    experiments.epochs_table(st.session_state["rows"])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("language", "accuracies"), [("en", ()), ("pt_BR", (0.6,)), ("en", (0.6, 0.985, 0.97))])
def test_every_recipe_is_shown_with_no_result_with_one_and_with_three(frame, variant, language, accuracies):
    results = [
        result(name, seed, accuracy, variant=variant, val_accuracy=(0.5, accuracy), data=data, test_use=use)
        for name in PUBLISHED
        for seed, accuracy in enumerate(accuracies)
        for data in (RECIPES[name].values["data"], "other-data")
        for use in [RECIPES[name].spec(variant).test_use]
    ]
    found = [row for row in rows(results) if row.variant == variant]
    looked = {row.recipe for row in found for one in row.results if one.test_use != "once"}
    app = AppTest.from_function(all_recipes)
    app.query_params["lang"], app.session_state["rows"] = language, found
    for place, name in enumerate(PUBLISHED):
        app.session_state["recipes-table"] = {"selection": {"rows": [place]}}
        app.run()
        assert not app.exception, name
        figures, row = RECIPES[name].figures, next(row for row in found if row.recipe == name and row.is_own)
        table, epochs = shown_in(app.dataframe[0]), shown_in(app.dataframe[1])
        of_one = app.table[0].value
        verdict = words.text(language, f"verdict.{row.verdict.word}")
        assert verdict in table.iloc[place, 5]
        assert verdict in app.markdown[1].value
        mean = words.percent(sum(accuracies) / len(accuracies), 2, language=language) if accuracies else ""
        assert table.iloc[place, 3].startswith(mean)
        assert of_one.iloc[0, 2] == table.iloc[place, 3]
        assert of_one.iloc[:, 0].tolist() == [words.text(language, f"figure.{figure}") for figure in figures]
        assert of_one.iloc[:, 2].astype(bool).tolist() == [bool(accuracies)] * len(figures)
        assert (epochs.iloc[:, 0] == name).sum() == 2 * len(accuracies) + ("best_epoch" in figures)
        of_others = epochs.iloc[:, 1].str.endswith(", other-data")
        assert of_others.sum() == len(PUBLISHED) * len(accuracies), "it says which data they are"
        measured = epochs[epochs.iloc[:, 1] != words.text(language, "recipes.in_report")]
        assert set(measured[measured.iloc[:, 4].str.endswith("⚠")].iloc[:, 0]) == looked, "and where it is best on test"
        assert words.text(language, "recipes.best_on_test") in texts(app)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["000-e", "001-c", "002-f", "003-b", "004-a"])
def test_a_recipe_shows_what_its_report_says_and_each_erratum_with_its_figure(frame, name, language):
    app, one = frame("recipes", language, recipe=name), RECIPES[name]
    said = texts(app)
    assert words.text(language, f"recipe.{name}.help") in said
    accuracy = words.percent(one.figures["accuracy"], 2, language=language)
    assert any(cell.startswith(accuracy) for cell in shown_in(app.dataframe[0]).iloc[:, 2])
    for figure, key in one.errata:
        line = next(line for line in said.splitlines() if words.text(language, key) in line)
        assert not figure or words.text(language, f"figure.{figure}") in line
    word = stored_row(name, "faithful").verdict.word
    assert words.text(language, f"verdict.{word}") in shown_in(app.dataframe[0]).iloc[PUBLISHED.index(name), 5]
    notice = f"test_use.notice_{one.spec().test_use}"
    for use in ("watched", "selected"):
        shown = words.text(language, f"test_use.notice_{use}") in said
        assert shown == (notice == f"test_use.notice_{use}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_figures_of_all_recipes_sort_as_numbers_and_are_written_in_the_language(frame, language):
    table = frame("recipes", language).dataframe[0]
    for place in (2, 3, 4):
        numbers, said = table.value.iloc[:, place], shown_in(table).iloc[:, place]
        assert numbers.dtype.kind == "f"
        for number, words_of_it in zip(numbers, said, strict=True):
            if words_of_it:
                assert words.number(100 * number, 2, language=language).lstrip("-") in words_of_it
            else:
                assert np.isnan(number)
    assert table.value.iloc[:, 2].tolist() == [RECIPES[name].figures["accuracy"] for name in PUBLISHED]


@pytest.mark.parametrize(("language", "short"), [("en", "short"), ("pt_BR", "curta")])
def test_a_run_bears_its_recipes_name_wherever_it_was_started(frame, language, short):
    recipes = RECIPES["000-a"].spec(seed=9), RECIPES["003-f"].spec("short")
    search = SEARCHES["002-c"].spec({"convolution": (8, 3)}, "short")
    changed, damaged = RECIPES["000-a"].spec(epochs=3), RECIPES["000-b"].spec()
    *_, broken = (store.create(spec) for spec in (*recipes, search, changed, damaged))
    (broken.folder / "spec.json").write_text("{")
    options = frame("train", language).selectbox(key="run").options
    for words_of_it in ("· 000-a ·", f"· 003-f ({short}) ·", f"· 002-c ({short}) ·", broken.name):
        assert len([option for option in options if words_of_it in option]) == 1, words_of_it
    assert len([option for option in options if words.text(language, "architecture.custom") in option]) == 1


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["000-a", "001-a", "002-d", "003-e"])
def test_a_recipe_opens_in_train_with_the_whole_form_filled_in(frame, name, variant):
    app = frame("recipes", recipe=name)
    control(app, "variant").set_value(variant).run()
    assert next(one for one in app.button if one.label.startswith(f"Run {name} (")).disabled, "the data are not here"
    button(app, "Open in Train").click().run()
    assert not app.exception
    assert app.title[0].value == "Train"
    query = {key: value for key, value in app.query_params.items() if key in RunSpec.model_fields}
    assert checked(query | {"seed": 0}) == RECIPES[name].spec(variant, seed=0)


@pytest.mark.parametrize("name", ["002-d", "001-c"])
def test_data_of_a_recipe_that_are_not_here_can_be_fetched(frame, name):
    app = frame("recipes", recipe=name)
    title = words.text("en", f"dataset.{RECIPES[name].values['data']}")
    assert button(app, f"Download {title}")
    word = stored_row(name, "faithful").verdict.word
    assert words.text("en", f"verdict.{word}") in cells_of(app, name, "verdict")


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


@with_mnist
def test_runs_of_a_recipe_are_found_by_their_spec_and_measured_with_a_verdict(frame, monkeypatch):
    monkeypatch.setenv("BANCADA_DATA", REAL_DATA)
    first, second = (store.create(RECIPES["000-c"].spec("honest", seed=seed)) for seed in (900, 901))
    assert work(str(first.folder)) == "done"
    result = of_run(first)
    assert result
    found = stored_row("000-c", "honest", result)
    assert result in found.results
    app = frame("recipes", recipe="000-c")
    control(app, "variant").set_value("honest").run()
    assert found.verdict.measured
    measured = words.percent(found.verdict.measured, 2, language="en")
    assert cells_of(app, "000-c", "measured").startswith(measured)
    assert cells_of(app, "000-c", "measured").endswith(f"({len(found.results)})")
    assert words.text("en", f"verdict.{found.verdict.word}") in cells_of(app, "000-c", "verdict")
    assert ("(?)" in cells_of(app, "000-c", "verdict")) == found.verdict.is_open
    assert [badge.value for badge in app.main.markdown if "waiting" in badge.value]
    assert f"seed 900 · {words.percent(result.accuracy, 2, language='en')}" in texts(app)
    assert "seed 901" in texts(app)

    next(one for one in app.button if one.label.startswith("Run 000-c (")).click().run()
    assert not app.exception
    new = store.runs()[0]
    assert new.spec == RECIPES["000-c"].spec("honest", seed=new.spec.seed)
    assert new.spec.seed not in {second.spec.seed, *(one.seed for one in found.results)}, "a seed that is not taken"
    new.ask("stop")


def test_what_was_selected_on_test_is_said_wherever_its_figure_is_shown(frame):
    run = store.create(checked({"architecture": "mlp", "split": "test", "epochs": 1}))
    assert work(str(run.folder)) == "done"
    assert "selected on test" in texts(frame("evaluate", run=run.name))
    app = frame(run=run.name)
    assert "Selected on test" in app.warning[0].value
    assert "selected on test" in app.selectbox(key="run").options[0]
    assert "Selected on test" not in texts(frame("train"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_search_lists_all_its_trainings_and_queues_each_once(frame, tmp_path, language):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bloodmnist.npz").write_text("taken for the data until a worker reads it")
    app = frame("recipes", language)
    tables = {len(table.value): table for table in app.dataframe}
    assert {12, 20} <= set(tables), "a line for each training of the report"
    assert words.percent(0.9047, 2, language=language) in set(shown_in(tables[20]).iloc[:, 2])
    left_over = store.create(SEARCHES["002-c"].spec({"convolution": (8, 3)}, "faithful"))
    left_over.ask("stop")
    app.button(key="search-run-002-c").click().run()
    assert not app.exception
    assert len({run.spec for run in store.runs()}) == len(store.runs()) == 20, "what is there goes on"
    assert left_over.control().wanted == "run"
    assert app.button(key="search-run-002-a").label.endswith("(9)"), "four stages"
    app.button(key="search-stop-002-c").click().run()
    assert not app.exception
    for run in store.runs():
        run.ask("stop")


# --- the class's own test set -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_drawing_is_kept_by_one_tap_only_once_and_can_be_taken_back(frame, trained, language):
    app = drawn(frame("draw", language, run=trained.name))
    app.text_input(key="nickname").set_value("Ana").run()
    app.button(key="keep-4").click().run()
    (kept,) = collection.kept()
    assert (kept.label, kept.nickname) == (4, "Ana")
    assert kept.pixels[20:92, 52:60].all()
    assert words.text(language, "draw.empty") in app.info[0].value, "the sheet is to be cleared"
    assert app.button(key="keep-4").disabled
    drawn(app)  # the browser has not cleared it yet
    assert app.button(key="keep-4").disabled
    drawn(app, sequence=2)
    app.button(key="keep-1").click().run()
    assert [one.label for one in collection.kept()] == [4, 1]
    app.button(key="take-back").click().run()
    assert [one.label for one in collection.kept()] == [4]
    assert not app.exception


def test_a_drawing_that_cannot_be_kept_stays_on_the_sheet_and_a_sentence_says_why(frame, trained):
    app = drawn(frame("draw", run=trained.name))
    (trained.folder.parent / collection.FOLDER).write_text("in the way")
    app.button(key="keep-1").click().run()
    assert "Nothing can be written" in app.error[0].value
    assert not app.button(key="keep-1").disabled


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_round_asks_for_ten_digits_and_ends_with_a_score_for_each_model(frame, trained, twin, language):
    app = frame("train", language, run=trained.name)
    app.session_state["others"] = [twin.name]
    app.switch_page(str(ROOT / "pages" / "draw.py")).run()
    drawn(app, sequence=1)
    app.button(key="round-start").click().run()
    asked = []
    for place in range(1, 11):
        assert app.button(key="keep-next").disabled, "what was drawn before is nobody's answer"
        drawn(app, sequence=place + 1)
        said = app.subheader[0].value
        asked += [k for k in range(10) if said == words.text(language, "keep.asked", digit=k, place=place, count=10)]
        app.button(key="keep-next").click().run()
    assert sorted(asked) == list(range(10))
    kept = collection.kept()
    assert sorted(one.label for one in kept) == sorted(asked)
    score = app.table[0].value
    # Each drawing is the same, so whatever the model takes it for, it is right once.
    said = words.text(language, "keep.of", right=1, n=10)
    assert [cell.replace("\N{NO-BREAK SPACE}", " ") for cell in score.iloc[:, 1]] == [said] * 2
    app.button(key="round-done").click().run()
    assert app.info[0].value == words.text(language, "draw.empty")
    assert not app.exception


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
    found = proportion({1: 5, 4: 1}.get(six_drawings, 0), 6)
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

    app.segmented_control(key="drawn").set_value("fails").run()
    errors = 6 - round(6 * found.value)
    assert words.text(language, "drawings.errors", count=errors, n=6) in texts(app)
    for view in ("numbers", "all"):
        app.segmented_control(key="drawn").set_value(view).run()
        assert not app.exception


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


def a_key_without_a_text() -> None:
    import streamlit as st

    from ui.text import t

    st.write(t("no.such.key"))


def test_a_key_without_a_text_is_shown_as_itself_and_noted():
    app = AppTest.from_function(a_key_without_a_text).run()
    assert not app.exception
    assert app.markdown[0].value == "no.such.key"
    assert text.missing == {"no.such.key"}
    text.missing.clear()
