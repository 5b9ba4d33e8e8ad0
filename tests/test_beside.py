"""A published training beside measured ones: in figures, and on the pages Recipes and Evaluate."""

from __future__ import annotations

import itertools
import statistics
from typing import Any

import numpy as np
import pytest
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.testing.v1 import AppTest

from core import store, words
from core.charts import matrices
from core.datasets import dataset
from core.events import Epoch
from core.measures.answers import stored_answers
from core.measures.measures import wilson
from core.measures.verdict import class_differences
from core.recipes import PUBLISHED, RECIPES
from core.recipes.compared import (
    images_of_classes,
    matrix_difference,
    of_events,
    reported_classes,
    reported_matrix,
    summary,
    trainings_of,
)
from core.recipes.reported import Example, Part, Reported, Unknown, all_reported, first_epoch_at, reported
from core.recipes.results import stored
from core.spec import RunSpec
from core.work import work
from tests.page import LANGUAGES, control, texts
from tests.real_data import REAL_DATA, with_mnist

WITH_MATRIX = [name for name, one in all_reported().items() if one.confusion_matrix]


def known(name: str) -> Reported:
    one = reported(name)
    assert one
    return one


# ---- figures


def test_each_recipe_has_its_published_trainings_and_no_other():
    found = {name: [one.name for one in trainings_of(name)] for name in PUBLISHED}
    assert found["002-d"] == ["002-d", "002-d-second"]
    assert found["002-f"] == ["002-f", "002-f-second", "002-f-variant"]
    assert sorted(itertools.chain(*found.values())) == sorted(name for name in all_reported() if "/" not in name)


@pytest.mark.parametrize("name", WITH_MATRIX)
def test_the_reported_accuracy_follows_from_the_recalls_of_the_classes(name):
    one, found, images = known(name), reported_classes(known(name)), images_of_classes(known(name))
    assert images is not None
    assert images.sum() == one.test["n"]
    right = sum(each.recall.value * n for each, n in zip(found, images, strict=True))
    assert right / images.sum() == pytest.approx(one.test["accuracy"], abs=0.00006)
    if one.classes:
        assert [each.precision for each in found] == [precision for precision, _ in one.classes]
        for each, (_, recall) in zip(found, one.classes, strict=True):
            assert each.recall.value == pytest.approx(recall, abs=0.006), "the columns are the right way round"


def test_lost_cells_are_neither_in_the_difference_nor_in_a_precision_or_a_summary():
    one = known("000-c").model_copy(
        update={
            "confusion_matrix": ((5, None, None), (1, 7, 2), (0, 0, 10)),
            "unknown": (Unknown(row=0, columns=(1, 2), sum=5, each_at_most=4),),
        }
    )
    matrix = reported_matrix(one)
    assert matrix is not None
    assert np.isnan(matrix).tolist() == [[False, True, True], [False] * 3, [False] * 3]
    assert images_of_classes(one).tolist() == [10, 10, 10]  # pyright: ignore[reportOptionalMemberAccess]
    found = matrix_difference(one, np.array([[8, 1, 1], [0, 10, 0], [1, 0, 9]]))
    assert found
    difference, scaled = found
    assert not scaled
    np.testing.assert_array_equal(difference, [[3, np.nan, np.nan], [-1, 3, -2], [1, 0, -1]])
    assert [each.precision for each in reported_classes(one)] == [5 / 6, None, None]
    assert [each.recall.value for each in reported_classes(one)] == [0.5, 0.7, 1.0]
    assert summary(matrix) is None
    assert matrix_difference(one, np.eye(2)) is None


def test_rows_of_other_sizes_are_scaled_to_the_reported_number_of_images():
    one = known("000-a").model_copy(update={"confusion_matrix": ((8, 2), (5, 15)), "unknown": ()})
    found = matrix_difference(one, np.array([[40, 60], [0, 5]]))
    assert found
    assert found[1]
    np.testing.assert_allclose(found[0], [[-4, 4], [-5, 5]])


def test_the_first_epoch_at_an_accuracy_is_that_of_the_reported_curve():
    points = known("001-a").points("val_accuracy")
    assert first_epoch_at(points[4][1], points) == next(e for e, value in points if value >= points[4][1])
    assert first_epoch_at(0.99, points) is None
    assert first_epoch_at(0.5, known("000-a").points("val_accuracy")) is None


@pytest.mark.parametrize(("seeds", "most"), [(1, 0.06), (3, 0.08)])
def test_chance_alone_makes_few_classes_differ_and_a_real_difference_is_found(seeds, most):
    random, classes, n, rounds = np.random.default_rng(0), 10, 1_000, 300
    false = 0
    for _ in range(rounds):
        truth = random.uniform(0.85, 0.99, classes)
        spread = random.normal(0, 0.01 if seeds > 1 else 0, (seeds + 1, classes))  # between seeds
        recalls = random.binomial(n, np.clip(truth + spread, 0, 1)) / n
        found = class_differences(recalls[0], [n] * classes, recalls[1:].tolist(), [n] * classes)
        false += any(one.is_real for one in found)
    assert false / rounds <= most
    found = class_differences([0.9] * classes, [n] * classes, [[0.8] + [0.9] * 9] * seeds, [n] * classes)
    assert [one.is_real for one in found] == [True] + [False] * 9


def test_the_interval_of_one_class_and_one_seed_is_newcombes():
    (found,) = class_differences([56 / 70], [70], [[48 / 80]], [80])  # Newcombe 1998, table II (a), method 10
    assert (-found.high, -found.low) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))
    low, high = wilson(48, 80)
    assert low < 48 / 80 < high


@pytest.mark.parametrize("chart", ["confusion", "difference"])
def test_a_lost_cell_is_drawn_as_a_question_mark_in_a_hollow_frame(chart):
    counts, said = (
        np.array([[3.0, np.nan], [0.0, 4.0]]),
        {key: key for key in ("true_class", "predicted_class", "images", "difference")},
    )
    draw = matrices.confusion_matrix if chart == "confusion" else matrices.difference_matrix
    spec = draw(counts, ["a", "b"], words=said, language="en").to_dict()
    (rows,) = spec["datasets"].values()
    plus = "+" if chart == "difference" else ""
    assert [row["label"] for row in rows] == [f"{plus}3", "?", "0", f"{plus}4"]
    filters = [layer.get("transform", [{}])[0].get("filter") for layer in spec["layer"]]
    assert filters == [None, "isValid(datum.value)", "!isValid(datum.value)", "!isValid(datum.value)"]
    assert spec["layer"][2]["mark"]["fillOpacity"] == 0
    whole = draw(np.nan_to_num(counts), ["a", "b"], words=said, language="en").to_dict()
    assert len(whole["layer"]) == 2


# ---- on the pages


def beside_alone() -> None:
    """The panel of one recipe, open, without the page around it."""
    import streamlit as st

    from core.recipes.results import stored
    from ui import beside

    beside.panel(st.session_state["name"], st.session_state["variant"], stored())


def opened(name: str, language: str = "en", **chosen: object) -> AppTest:
    app = AppTest.from_function(beside_alone, default_timeout=30)
    app.query_params["lang"] = language
    app.session_state["name"], app.session_state["variant"], app.session_state["beside"] = name, "faithful", True
    for key, value in chosen.items():
        app.session_state[f"beside-{key}"] = value
    app.run()
    assert not app.exception, (name, chosen)
    return app


def drawn(app: AppTest, place: int) -> list[dict[str, Any]]:
    """The rows of the data of a chart, by its place on the page."""
    data = [one.data.data for one in app.get("vega_lite_chart")[place].proto.datasets]
    return [row for one in data for row in convert_arrow_bytes_to_pandas_df(one).to_dict("records")]


def lines(app: AppTest, place: int) -> dict[str, list[tuple[float, float]]]:
    """The points of each line of a chart of curves."""
    found: dict[str, dict[float, float]] = {}
    for row in drawn(app, place):
        if "series" in row:
            found.setdefault(row["series"], {})[row["x"]] = row["y"]
    return {name: sorted(points.items()) for name, points in found.items()}


@pytest.mark.parametrize("place", range(len(PUBLISHED)))
def test_every_part_of_every_reported_training_is_shown_with_its_source(frame, place):
    name, language = PUBLISHED[place], LANGUAGES[place % len(LANGUAGES)]
    for one in trainings_of(name):
        kind = one.name.removeprefix(name).removeprefix("-") or "first"
        told: dict[str, Part] = {
            "curves": "curves",
            "matrix": "confusion_matrix",
            "seconds": "seconds",
            "examples": "examples",
        }
        for part, of in told.items():
            if of not in one.origin:
                continue
            said = texts(opened(name, language, part=part, training=kind))
            assert words.text(language, f"beside.from_{one.origin[of]}", places="§").partition("§")[0] in said
            if one.origin[of] == "notebook":
                addresses = {source.address for source in one.sources if source.address}
                assert any(f"({address})" in said for address in addresses)


def test_nothing_is_made_until_the_panel_is_opened(frame):
    app = opened("002-b")
    assert app.get("vega_lite_chart")
    app.session_state["beside"] = False
    assert not app.run().get("vega_lite_chart")


def test_the_reported_curves_are_drawn_with_the_epoch_kept_and_the_best_one(frame):
    one, app = known("002-b"), opened("002-b", part="curves")
    for place, what in enumerate(("accuracy", "loss")):
        assert lines(app, place) == {"reported": one.points(f"val_{what}")}  # pyright: ignore
        marks = {(row["x"], row["name"]) for row in drawn(app, place) if "name" in row}
        assert marks == {(200, "kept 200"), (366, "maximum 366")}
    assert app.table[0].value.iloc[0].tolist() == ["reported", "200 (87.43%)", "366 (88.27%)"]
    assert words.text("en", "beside.not_measured") in texts(app)


def test_a_train_curve_of_running_means_is_marked_and_stands_beside_no_measured_one(frame):
    for name in ("002-d", "002-f"):
        app = opened(name, part="curves", split="train")
        assert words.text("en", "beside.lags") in texts(app)
        assert set(lines(app, 0)) == {"reported"}
        assert words.text("en", "beside.lags") not in texts(opened(name, part="curves"))


def test_stored_results_are_drawn_beside_the_reported_accuracy(frame):
    app = opened("001-a", part="curves")
    found = lines(app, 0)
    results = {f"seed {one.seed}": one for one in stored() if (one.recipe, one.variant) == ("001-a", "faithful")}
    assert len(results) >= 3
    assert set(found) == {"reported", *results}
    assert found["reported"] == known("001-a").points("val_accuracy")
    for seed, one in results.items():
        assert [value for _, value in found[seed]] == pytest.approx(one.val_accuracy)


def test_what_003_b_calls_accuracy_is_shown_as_what_it_is(frame):
    app = opened("003-b", part="curves")
    assert words.text("en", "beside.share_of_class_0") in texts(app)
    assert lines(app, 0) == {"reported": known("003-b").points("train_share_of_class_0")}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_classes_are_compared_and_lost_cells_make_no_precision(frame, language):
    table = opened("000-c", language, part="classes").dataframe[0].value
    found = reported_classes(known("000-c"))
    for column, each in ((f"recall_{who}", who) for who in ("reported", "measured")):
        assert words.text(language, f"beside.{column}") in table, each
    recalls, precisions = (table[words.text(language, f"beside.{what}_reported")] for what in ("recall", "precision"))
    for recall, precision, one in zip(recalls, precisions, found, strict=True):
        assert recall.startswith(words.percent(one.recall.value, 2, language=language))
        assert precision == ("–" if one.precision is None else words.percent(one.precision, 2, language=language))
    assert "–" in set(precisions)


def test_swapped_columns_are_said_to_be(frame):
    for name, swapped in (("002-b", True), ("004-a", False)):
        assert (words.text("en", "beside.swapped") in texts(opened(name, part="classes"))) == swapped


def test_the_seconds_of_then_stand_beside_those_of_now_with_both_devices(frame):
    table = opened("001-b", part="seconds").table[0].value
    measured = [one for one in stored() if (one.recipe, one.variant) == ("001-b", "faithful")]
    seconds = [value for value in known("001-b").seconds if value is not None]
    assert table.iloc[:, 1].tolist() == ["cuda", *(one.machine for one in measured)]
    means = [statistics.mean(seconds), *(one.seconds / len(one.val_accuracy) for one in measured)]
    assert table.iloc[:, 2].tolist() == [words.number(mean, 2, language="en") for mean in means]
    assert opened("002-b", part="seconds").table[0].value.iloc[0, 1] == words.text("en", "beside.no_device")


def test_an_example_of_a_report_shows_its_probabilities(frame):
    one = known("002-f").examples[1]
    app = opened("002-f", part="examples", examples=str(one.index))
    rows = [row["value"] for row in drawn(app, 0)]
    assert rows[:8] == pytest.approx(one.probabilities)
    names = dataset("bloodmnist").class_names["en"]
    assert f"**{names[one.true]}**" in texts(app)
    assert f"**{names[one.predicted]}**" in texts(app)


def examples_alone() -> None:
    """The examples of a report beside a run, which need not be one that repeats it."""
    import streamlit as st

    from core.recipes.compared import of_events
    from core.recipes.reported import reported
    from ui import beside, server

    run, one = st.session_state["run"], reported("001-b")
    measured = of_events(run, server.events(run))
    assert one
    assert measured
    one = one.model_copy(update={"examples": st.session_state["examples"]})
    beside.show(beside.Training(one, [measured], run.class_names("en"), "faithful"))


def test_the_probabilities_of_another_network_in_a_figure_of_the_report_are_named(frame):
    said = texts(opened("002-b", "pt_BR", part="examples", examples="62"))
    assert words.text("pt_BR", "beside.other_network", shares="§").partition("§")[0] in said
    assert words.percent(0.885186, language="pt_BR") in said
    assert "outra rede" not in texts(opened("002-b", "pt_BR", part="examples", examples="88"))


@with_mnist
def test_a_run_is_shown_beside_its_report_on_both_pages(frame, monkeypatch):
    monkeypatch.setenv("BANCADA_DATA", REAL_DATA)
    run = store.create(RECIPES["000-c"].spec("short", seed=7))
    assert work(str(run.folder)) == "done"
    report, epochs = run.report(), run.events(Epoch)
    assert report
    measured = of_events(run, run.events())
    assert measured
    assert sum(measured.seconds) == pytest.approx(epochs[-1].seconds)
    assert list(measured.curves["val_loss"]) == [(one.epoch, one.val_loss) for one in epochs]

    difference = np.array(report.confusion_matrix) - reported_matrix(known("000-c"))  # pyright: ignore
    wanted = ["?" if np.isnan(cell) else f"{'+' if cell > 0 else ''}{int(cell):,}" for cell in difference.flat]
    app = frame("recipes", recipe="000-c")
    control(app, "variant").set_value("short")
    app.session_state["beside"] = True
    app.run()
    control(app, "beside-part").set_value("matrix").run()
    assert [row["label"] for row in drawn(app, 2)] == wanted
    for lost in known("000-c").unknown:
        assert f"leaves {lost.sum} images" in texts(app)

    app = frame("evaluate", run=run.name)
    control(app, "view").set_value("report").run()
    assert app.table[0].value.iloc[0, 1].startswith("97.41%")
    assert app.table[0].value.iloc[0, 2].startswith(words.percent(report.accuracy, 2, language="en"))
    control(app, "beside-part").set_value("matrix").run()
    assert [row["label"] for row in drawn(app, 2)] == wanted
    control(app, "beside-part").set_value("classes").run()
    assert not app.exception
    assert words.text("en", "beside.classes_seeds", most=3) in texts(app)

    other = store.create(RunSpec(architecture="mlp", epochs=1, batch_size=512))
    assert work(str(other.folder)) == "done"
    app.query_params["run"] = other.name
    app.run()
    assert not app.exception, "a run that repeats no report has no such view"
    assert "report" not in control(app, "view").options
    assert control(app, "view").value == "fails"

    answers = stored_answers(run, "test")
    assert answers
    true = int(answers.labels[4419])
    app = AppTest.from_function(examples_alone, default_timeout=30)
    app.session_state["run"], app.session_state["beside-part"] = run, "examples"
    app.session_state["examples"] = [Example(index=4419, true=true, predicted=true, confidence=0.5)]
    shown = [row["value"] for row in drawn(app.run(), 0)]
    assert shown[:10] == pytest.approx(answers.probabilities[4419].tolist())
    app.session_state["examples"] = [Example(index=4419, true=(true + 1) % 10, predicted=true, confidence=0.5)]
    assert words.text("en", "beside.other_image", index=4419) in texts(app.run())
