"""The page Evaluate: its measures, the images behind them, how sure the model is, two runs side by side."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from core import store, words
from core.datasets import DATASETS
from core.measures.answers import Measure, loss_change, stored_answers
from core.measures.calibration import calibration, temperature, tempered
from core.measures.measures import measures, most_confused
from core.spec import checked
from core.work import work
from tests.browser import ROOT
from tests.page import LANGUAGES, captions, control, texts
from tests.real_data import REAL_DATA, with_mnist
from ui.evaluate.errors import PICTURES


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


def look_at(app: AppTest, view: str) -> AppTest:
    """The Evaluate page with another of its views."""
    return control(app, "view").set_value(view).run()


@pytest.mark.parametrize("language", LANGUAGES)
def test_any_test_image_is_shown_beside_typical_ones_with_all_probabilities(frame, trained, language):
    answers = stored_answers(trained)
    assert answers
    names, wrong = trained.class_names(language), answers.errors("index")
    app = look_at(frame("evaluate", language, run=trained.name), "image")
    assert app.session_state["image-index"] == wrong[0]
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
    assert app.session_state["image-index"] == wrong[1]
    app.button(key="image-previous").click().run()
    right = int(np.flatnonzero(answers.is_right)[-1])
    app.text_input(key="image-index.written").set_value(str(right)).run()
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
    assert 0 <= app.session_state["image-index"] < 1_000
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

    def of_gap(gap: Measure) -> dict[str, str]:
        values = {"gap": 100 * gap.value, "chance": 100 * (gap.high - gap.value)}
        return {name: words.number(value, 2, language=language) for name, value in values.items()}

    for spoilt, (verdict, outcome) in wanted.items():
        now = [tempered(answers, by) for answers, by in zip(honest, spoilt, strict=True)]
        arrays = {"probabilities": now[0].probabilities, "labels": test.labels}
        arrays |= {"val_probabilities": now[1].probabilities, "val_labels": val.labels}
        sha256 = trained.save(report.predictions, {name: torch.from_numpy(array) for name, array in arrays.items()})
        trained.append(report.model_copy(update={"predictions_sha256": sha256}))
        app = look_at(frame("evaluate", language, run=trained.name), "sure")
        said, gap = texts(app), now[0].gap()
        assert words.words(language)[f"certainty.{verdict}"].split("**")[1] in said
        assert of_gap(gap)["gap"] in said
        assert of_gap(gap)["chance"] in said
        assert (verdict == "fair") == (gap.low <= 0 <= gap.high)
        mended = tempered(now[0], temperature(now[1]) or 1)
        change, gap = loss_change(now[0], mended), mended.gap()
        slots = {"by_loss": words.text(language, f"certainty.{outcome}")}
        low, high, slots["change"] = (
            words.number(value, 4, language=language) for value in (change.low, change.high, change.value)
        )
        slots |= {"interval": words.text(language, "number.interval", low=low, high=high), **of_gap(gap)}
        assert words.text(language, "certainty.effect", **slots) in said
        assert (outcome == "same") == (change.low <= 0 <= change.high)


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
def test_where_people_drew_the_test_images_the_page_says_what_its_intervals_assume(frame, monkeypatch, language):
    monkeypatch.setenv("BANCADA_STORE", str(ROOT / "models_store"))
    said = {
        run.spec.data: words.text(language, "evaluate.people") in texts(frame("evaluate", language, run=run.name))
        for run in store.runs()
        if run.is_done()
    }
    assert said == {"mnist": False, "mnist-and-drawings": True}
