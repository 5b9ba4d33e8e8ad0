"""The page Evaluate: its measures, the images behind them, how sure the model is, two runs side by side."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from core import store, words
from core.datasets import DATASETS
from core.events import Epoch
from core.exports import EXPORTS, packed
from core.measures.answers import Measure, confusion_matrix, loss_change, stored_answers
from core.measures.calibration import calibration, temperature, tempered
from core.measures.instability import instability
from core.measures.measures import measures, most_confused, wilson
from core.models import encoder as encoders
from core.models.model import open_model
from core.spec import RunSpec, checked, differing, value_text
from core.store import Run
from core.work import work
from tests.browser import ROOT
from tests.page import LANGUAGES, button, captions, component, control, texts
from tests.real_data import REAL_DATA, with_mnist
from tests.test_exports import EACH_HERE, HERE
from ui.evaluate import exports
from ui.evaluate.errors import PICTURES

NET = "conv(5, 3, padding=same, activation=relu), max_pool(2), flatten, dense(classes)"


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


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_class_without_errors_or_without_images_is_said_to_have_none(frame, trained, language):
    report, answers = trained.report(), stored_answers(trained)
    assert report
    assert answers
    there = answers.labels != 7
    labels, probabilities = answers.labels[there], answers.probabilities[there]
    probabilities[labels == 3] = np.eye(10, dtype=np.float32)[3]
    tensors = {"labels": torch.from_numpy(labels), "probabilities": torch.from_numpy(probabilities)}
    matrix = confusion_matrix(labels, probabilities.argmax(axis=1), 10)
    facts = {
        "n": len(labels),
        "accuracy": matrix.trace() / len(labels),
        "confusion_matrix": tuple(map(tuple, matrix.tolist())),
    }
    facts["predictions_sha256"] = trained.save(report.predictions, tensors)
    trained.append(report.model_copy(update=facts))
    names, said = trained.class_names(language), texts(frame("evaluate", language, run=trained.name))
    assert words.text(language, "evaluate.never_confused", true=f"**{names[3]}**", count=100) in said
    assert words.text(language, "evaluate.no_images", true=f"**{names[7]}**") in said
    sentences = said[said.index(words.text(language, "evaluate.confusions")) :]
    assert [f"**{name}**: " in sentences for name in names] == [True] * 10, "each class is told of"


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
def test_a_cell_is_chosen_once_for_matrix_gallery_and_the_next_image_and_stays_chosen(frame, trained, language):
    answers = stored_answers(trained)
    assert answers
    matrix = np.array(trained.report().confusion_matrix)
    true, predicted = map(int, np.unravel_index((matrix - np.diag(np.diag(matrix))).argmax(), matrix.shape))
    names = trained.class_names(language)
    app = frame("evaluate", language, run=trained.name)
    app.selectbox(key="cell-true_class").select(names[true]).run()
    wrong = (answers.labels == true) & ~answers.is_right
    slots = {"true": names[true], "count": int(wrong.sum())}
    assert words.text(language, "evaluate.errors_of_true", **slots) in texts(app)
    app.selectbox(key="cell-predicted_class").select(names[predicted]).run()
    slots |= {"predicted": names[predicted], "count": int(matrix[true, predicted])}
    assert words.text(language, "evaluate.cell", **slots) in texts(app)
    assert component(app, "bancada.matrix")["chosen"] == [true, predicted]
    pictures = next(html.proto.body for html in app.get("html") if "<figure" in html.proto.body)
    assert pictures.count("<img") == min(PICTURES, matrix[true, predicted])
    assert f"{names[true]} → {names[predicted]}" in pictures

    look_at(app, "image")
    places = answers.errors("confidence", true, predicted)
    seen = []
    while not app.button(key="image-next").disabled:
        app.button(key="image-next").click().run()
        seen.append(app.session_state["image-index"])
    assert seen == places[1:].tolist(), "the first is shown at once"
    look_at(app, "fails")
    assert component(app, "bancada.matrix")["chosen"] == [true, predicted]
    app.switch_page(str(ROOT / "pages" / "check.py")).run()
    app.switch_page(str(ROOT / "pages" / "evaluate.py")).run()
    assert component(app, "bancada.matrix")["chosen"] == [true, predicted]


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
def test_a_run_whose_own_data_are_gone_shows_its_numbers_and_says_why_there_are_no_images(frame, tmp_path, language):
    file = tmp_path / "data" / "own.npz"
    file.parent.mkdir()
    labels = np.arange(30) % 3
    arrays = {f"{split}_labels": labels for split in ("train", "val", "test")}
    arrays |= {
        f"{split}_images": np.arange(30 * 64, dtype=np.uint8).reshape(30, 8, 8) for split in ("train", "val", "test")
    }
    np.savez(file, **arrays)
    run = store.create(checked({"data": "own", "architecture": "mlp", "epochs": 1}))
    assert work(str(run.folder)) == "done"
    file.unlink()
    app = frame("evaluate", language)
    assert component(app, "bancada.matrix")["names"] == ["0", "1", "2"]
    assert words.text(language, "evaluate.classes") in texts(app), "what comes after the images"
    known = ", ".join(DATASETS)
    assert words.text(language, "error.data_unknown", name="own", known=known) in [one.value for one in app.warning]
    assert not captions(app)


def look_at(app: AppTest, view: str) -> AppTest:
    """The Evaluate page with another of its views."""
    return control(app, "view").set_value(view).run()


@pytest.mark.parametrize("language", LANGUAGES)
def test_any_test_image_is_shown_beside_typical_ones_with_all_probabilities(frame, trained, language):
    answers = stored_answers(trained)
    assert answers
    names, wrong = trained.class_names(language), answers.errors("confidence")
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


@pytest.mark.parametrize("data", ["mnist-5k", "colours"])
def test_a_random_test_image_is_another_one_with_its_answer_whatever_the_data(frame, tmp_path, data):
    if data == "colours":
        write_colours(tmp_path / "data")
    run = store.create(checked({"data": data, "architecture": "mlp", "epochs": 1, "batch_size": 512}))
    assert work(str(run.folder)) == "done"
    answers = stored_answers(run)
    assert answers
    names, n, seen = run.class_names("en"), len(answers.labels), []
    app = look_at(frame("evaluate", run=run.name), "image")
    for _ in range(5):
        before = app.session_state["image-index"]
        app.button(key="image-random").click().run()
        assert not app.exception
        index = app.session_state["image-index"]
        assert 0 <= index < n
        assert index != before
        assert app.text_input(key="image-index.written").value == str(index)
        assert words.percent(float(answers.confidence[index]), language="en") in texts(app)
        assert captions(app)[0] == words.text("en", "image.this", index=index, label=names[answers.labels[index]])
        assert len(app.dataframe[0].value) == len(names), "all probabilities"
        seen.append(index)
    assert len(set(seen)) > 1


def write_colours(folder):
    """A data set of three classes in colour, 16 x 16: 40 train images, 12 test images."""
    folder.mkdir()
    generator, arrays = np.random.default_rng(0), {}
    for part, count in (("train", 40), ("test", 12)):
        labels = np.arange(count) % 3
        images = generator.integers(0, 120, (count, 16, 16, 3), dtype=np.uint8)
        images[np.arange(count), :, :, labels] += 100
        arrays |= {f"{part}_images": images, f"{part}_labels": labels.astype(np.uint8)}
    np.savez(folder / "colours.npz", **arrays)


def test_a_number_from_nowhere_shows_an_image_that_there_is(frame, trained):
    app = look_at(frame("evaluate", run=trained.name), "image")
    app.session_state["image-index"] = 1_000
    app.run()
    assert not app.exception
    assert 0 <= app.session_state["image-index"] < 1_000
    assert len(captions(app)) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_encoder_is_shown_and_compared_by_its_codes_with_random_weights(frame, trained, language):
    app = look_at(frame("evaluate", language, run=trained.name), "encoder")
    assert words.text(language, "encoder.none") in texts(app), "an MLP"
    common = {"epochs": 1, "batch_size": 256, "layers": NET, "seed": 3}
    run = store.create(checked(common))
    taken = common | {"first_layers": "frozen", "weights_from": run.name, "layers_taken": 3}
    other, of_other_val = (store.create(checked(taken | {"seed": seed})) for seed in (3, 4))
    drawn = store.create(checked(common | {"first_layers": "random", "layers_taken": 3}))
    assert [work(str(one.folder)) for one in (run, other, of_other_val, drawn)] == ["done"] * 4
    assert words.text(language, "encoder.other_val") in texts(
        look_at(frame("evaluate", language, run=of_other_val.name), "encoder")
    )
    app = look_at(frame("evaluate", language, run=run.name), "encoder")
    assert words.words(language)["encoder.widens"] in texts(app)
    slots = {"layers": 3, "last": words.text(language, "layer.flatten.label"), "before": "1 x 28 x 28"}
    slots |= {"image": 784, "after": 5 * 14 * 14}
    assert words.text(language, "encoder.of_image", **slots) in texts(app)
    assert captions(app)[1:] == ["1", "2", "3", "4", "5"]
    assert words.text(language, "encoder.other_val") not in texts(app)
    before = len(app.table)
    found = {label[-4:] for label in app.selectbox(key="encoder-other").options}
    assert found == {other.name[-4:], drawn.name[-4:]}, "a run with other val images is left out"
    app.selectbox(key="encoder-other").select(drawn.name).run()
    app.button(key="encoder-compare").click().run()
    assert len(app.table) == before + 1, "nothing is compared until asked"
    assert words.text(language, "encoder.random", count=3) in app.table[0].value.iloc[1, 0]
    app.selectbox(key="encoder-other").select(other.name).run()
    app.button(key="encoder-compare").click().run()
    assert not app.exception
    table, splits = app.table[0].value, encoders.tested_splits(run)
    on, model = encoders.comparable(run, splits), open_model(run)
    kinds = encoders.encoder(run, model), encoders.encoder(other, open_model(other))
    for row, kind in enumerate((*kinds, encoders.random_encoder(run, model), None)):
        right = encoders.recognised(kind, on)
        low, high = wilson(right.sum(), 400)
        slots = {"accuracy": words.percent(right.mean(), 2, language=language), "n": 400}
        slots["interval"] = words.interval(low, high, 2, language=language)
        if kind is kinds[1]:
            assert words.text(language, "encoder.frozen", count=3) in table.iloc[row, 0]
        assert table.iloc[row, 1] == words.text(language, "compare.accuracy", **slots)
    app.selectbox(key="encoder-other").select(None).run()
    assert len(app.table) == before, "what was compared before is not shown as if it were this"
    assert words.text(language, "encoder.file") in [one.label for one in app.get("download_button")]


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
    spec = checked({"architecture": "mlp", "epochs": 4, "batch_size": 512, "learning_rate": 0.0001, "seed": 1})
    other = store.create(spec)
    assert work(str(other.folder)) == "done"
    app = frame("evaluate", language, run=trained.name)
    look_at(app, "beside").selectbox(key="other").select(other.name).run()
    assert not app.exception
    assert words.words(language)["compare.better"].split("**")[1] in texts(app)
    trainings_are_beside_each_other(app, language, trained, other)
    app = frame("evaluate", language, run=other.name)
    look_at(app, "beside").selectbox(key="other").select(trained.name).run()
    assert words.words(language)["compare.worse"].split("**")[1] in texts(app)


def trainings_are_beside_each_other(app: AppTest, language: str, *runs: Run) -> None:
    """What two runs cost, their curves epoch by epoch, their instability, and their first epoch at any accuracy."""
    epochs = [run.events(Epoch) for run in runs]
    costs = app.table[0].value.astype(str)
    for column, run, told in zip((1, 2), runs, epochs, strict=True):
        report, started = run.report(), run.started()
        assert report
        cells = "\n".join(costs.iloc[:, column])
        kept = told[report.best_epoch - 1]
        for share in (report.accuracy, *report.accuracy_interval, kept.train_accuracy):
            assert words.number(100 * share, 2, language=language) in cells
        for said in (started.parameters, report.n, report.epochs, report.best_epoch, started.threads):
            assert words.number(said, language=language) in cells
        for seconds in (report.seconds, report.processor_seconds):
            assert words.duration(seconds, language=language) in cells
        assert started.device in cells
    differences = app.table[1].value.astype(str)
    differ = differing(*(run.spec for run in runs))
    assert list(differences.iloc[:, 0]) == [words.text(language, f"spec.{name}.label") for name, *_ in differ]
    for place, (name, *values) in enumerate(differ):
        assert list(differences.iloc[place, 1:]) == [value_text(name, value, language) for value in values]
    curves = [one.value for one in app.dataframe if words.text(language, "compare.val_other") in one.value]
    assert len(curves) == 2
    for table, what in zip(curves, ("accuracy", "loss"), strict=True):
        for side, told in zip(("this", "other"), epochs, strict=True):
            for part in ("train", "val"):
                column = table[words.text(language, f"compare.{part}_{side}")].dropna()
                assert column.tolist() == [getattr(event, f"{part}_{what}") for event in told]
    slow = [event.val_accuracy for event in epochs[1]]
    app.number_input(key="compare-target").set_value(100 * slow[2] - 0.001).run()
    found = app.table[2].value.astype(str)
    points = words.number(100 * instability(slow), 2, language=language)
    assert [words.text(language, "compare.points", points=points)] == list(found.iloc[:1, 2])
    assert found.iloc[0, 1] == "–", "two epochs do not show whether a curve swings"
    assert found.iloc[1, 2] == words.number(instability([event.val_loss for event in epochs[1]]), 4, language=language)
    assert found.iloc[2, 2] == str(1 + next(place for place, value in enumerate(slow) if value >= slow[2] - 1e-9))
    app.number_input(key="compare-target").set_value(100.0).run()
    not_reached = words.text(language, "recipes.not_reached", best=words.percent(max(slow), 2, language=language))
    assert app.table[2].value.iloc[2, 2] == not_reached
    assert words.text(language, "compare.other_val") in texts(app), "their seeds differ, so their val images do"


@pytest.mark.parametrize("language", LANGUAGES)
def test_training_figures_of_the_kept_and_the_last_epoch_are_told_apart_from_tests(frame, trained, language):
    report, told = trained.report(), trained.events(Epoch)
    assert report
    trained.append(report.model_copy(update={"best_epoch": 1}))
    kept, last = told
    app = frame("evaluate", language, run=trained.name)
    slots = {
        "accuracy": words.percent(kept.train_accuracy, 2, language=language),
        "loss": words.number(kept.train_loss, 4, language=language),
        "last_accuracy": words.percent(last.train_accuracy, 2, language=language),
        "last_loss": words.number(last.train_loss, 4, language=language),
    }
    assert words.text(language, "evaluate.trained_on", **slots, epoch=1, last=2) in texts(app)
    table = look_at(app, "numbers").dataframe[1].value
    for row, event in zip(table.itertuples(index=False), (kept, last), strict=True):
        assert row[1] == words.percent(event.train_accuracy, 2, language=language)
        assert row[2] == words.number(event.train_loss, 4, language=language)
        assert row[3] == words.percent(event.val_accuracy, 2, language=language)
        assert row[4] == words.number(event.val_loss, 4, language=language)


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


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_people_drew_the_test_images_the_page_says_what_its_intervals_assume(frame, monkeypatch, language):
    monkeypatch.setenv("BANCADA_STORE", str(ROOT / "models_store"))
    said = {
        run.spec.data: words.text(language, "evaluate.people") in texts(frame("evaluate", language, run=run.name))
        for run in store.runs()
        if run.is_done()
    }
    assert said == {"mnist": False, "mnist-and-drawings": True}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_hyperparameters_of_a_run_are_shown_and_put_into_the_form_of_train(frame, trained, language):
    app = frame("evaluate", language, run=trained.name)
    labels = [words.text(language, f"spec.{name}.label") for name in ("architecture", "batch_size", "epochs")]
    assert len(app.table) == 0, "not made until asked for"
    app.session_state["hyper"] = True
    app.run()
    assert labels in [list(table.value.iloc[:, 0]) for table in app.table]
    button(app, words.text(language, "recipes.open_in_train")).click().run()
    assert not app.exception
    assert app.title[0].value == words.text(language, "page.train")
    query = {name: value for name, value in app.query_params.items() if name in RunSpec.model_fields}
    assert checked(query) == trained.spec


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", EACH_HERE)
def test_each_export_is_made_at_a_click_and_says_how_it_compares(frame, trained, language, name):
    app = look_at(frame("evaluate", language, run=trained.name), "export")
    assert not app.get("download_button")
    app.selectbox(key="export-format").set_value(name).run()
    button(app, words.text(language, "export.make")).click().run(timeout=60)
    assert not app.exception
    assert not app.error
    (offered,) = app.get("download_button")
    assert trained.name in offered.label
    if EXPORTS[name].answers:
        assert "256" in app.success[0].value
    app.selectbox(key="export-format").set_value(next(one for one in EXPORTS if one != name)).run()
    assert not app.get("download_button"), "that of another format"


@pytest.mark.skipif("report" not in HERE, reason="no charts here: pip install vl-convert-python")
def test_a_report_compares_with_the_run_that_is_chosen(frame, trained):
    other = store.create(trained.spec.model_copy(update={"seed": 1}))
    for file in trained.folder.iterdir():
        if file.suffix in (".safetensors", ".jsonl"):
            shutil.copy(file, other.folder / file.name)
    app = look_at(frame("evaluate", run=trained.name), "export")
    app.selectbox(key="export-format").set_value("report").run()
    app.selectbox(key="export-other").set_value(other.name).run()
    button(app, words.text("en", "export.make")).click().run(timeout=60)
    assert not app.exception
    made = app.session_state[exports.MADE][1].content.decode()
    assert words.text("en", "export.report.compared", run=other.name) in made
    app.selectbox(key="export-other").set_value(None).run()
    assert not app.get("download_button"), "that of another comparison"


def test_a_model_that_is_too_large_for_the_servers_memory_is_not_offered(frame, trained, monkeypatch):
    monkeypatch.setattr(exports, "MOST_PACKED", 1000)
    app = look_at(frame("evaluate", run=trained.name), "export")
    assert f"core export {trained.name} --as html" in app.info[0].value
    app.selectbox(key="export-format").set_value("tensorboard").run()
    assert not app.info


def test_an_export_whose_packages_are_not_here_says_how_to_install_them(frame, trained, monkeypatch):
    monkeypatch.setattr("core.exports.find_spec", {}.get)
    app = look_at(frame("evaluate", run=trained.name), "export")
    app.selectbox(key="export-format").set_value("onnx").run()
    assert "pip install onnx onnxruntime" in app.info[0].value
    assert words.text("en", "export.make") not in [one.label for one in app.button]
    app.selectbox(key="export-format").set_value("card").run()
    assert not app.info


def test_an_export_that_differs_is_not_offered(frame, trained, monkeypatch):
    monkeypatch.setitem(EXPORTS, "html", replace(EXPORTS["html"], most=-1.0))
    app = look_at(frame("evaluate", run=trained.name), "export")
    button(app, words.text("en", "export.make")).click().run(timeout=60)
    assert "differs from the run itself" in app.error[0].value
    assert not app.get("download_button")


def test_a_run_is_imported_on_the_page_and_shown(frame, trained, tmp_path):
    content, folder = packed(trained, "run"), trained.folder
    other = store.create(trained.spec)
    shutil.copytree(folder, other.folder, dirs_exist_ok=True)
    shutil.rmtree(folder)
    app = look_at(frame("evaluate", run=other.name), "export")
    app.file_uploader(key="export-file").upload(content.file, content.content, "application/zip").run()
    button(app, words.text("en", "export.import_now")).click().run(timeout=60)
    assert not app.exception
    assert trained.name in app.success[0].value
    assert trained.is_done()
    button(app, words.text("en", "export.import_now")).click().run(timeout=60)
    assert "already a run" in app.error[0].value
