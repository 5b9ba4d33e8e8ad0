"""The page Recipes: reported beside measured, a click to run, and the searches."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.testing.v1 import AppTest

from core import store, words
from core.__main__ import main
from core.recipes import PUBLISHED, RECIPES, VARIANTS, Variant
from core.recipes.compared import trainings_of
from core.recipes.results import Result, Row, of_run, rows, stored
from core.recipes.searches import SEARCHES, choices_of
from core.search import Driver
from core.spec import RunSpec, checked
from core.work import work
from tests.page import LANGUAGES, button, control, texts
from tests.real_data import REAL_DATA, with_mnist
from tests.small_data import write_blood
from tests.test_recipes import result
from ui import server
from ui.status import status_of


def shown_in(table: Any) -> pd.DataFrame:
    """The words of a table that sorts by the numbers behind them."""
    return convert_arrow_bytes_to_pandas_df(table.proto.arrow_data.styler.display_values)


def all_recipes() -> None:
    """The page of all recipes over the rows that it is given, without the searches, which take most of its time."""
    import streamlit as st

    from ui.recipes import experiments

    rows, variant = st.session_state["rows"], st.session_state["variant"]
    shown = [row for row in rows if row.variant == variant]
    experiments.panel(experiments.table(shown), variant, rows)
    experiments.epochs_table(shown)


@pytest.mark.slow
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
    app.query_params["lang"] = language
    app.session_state["rows"], app.session_state["variant"] = rows(results), variant
    for place, name in enumerate(PUBLISHED):
        app.session_state["recipes-table-all"] = {"selection": {"rows": [place]}}
        app.run()
        assert not app.exception, name
        figures, row = RECIPES[name].figures, next(row for row in found if row.recipe == name and row.is_own)
        table, epochs = shown_in(app.dataframe[0]), shown_in(app.dataframe[1])
        of_one: Any = app.table[0].value
        doubted = RECIPES[name].warning or (row.results and row.results[0].test_use == "selected")
        assert ("⚠" in table.iloc[place, 6]) == bool(doubted), "a sign, and why, only where something is to be told"
        verdict = words.text(language, f"verdict.{row.verdict.word}")
        assert verdict in table.iloc[place, 4]
        assert any(verdict in one.value for one in app.markdown)
        if row.verdict.tolerance is not None:
            tolerance = words.number(100 * row.verdict.tolerance, 2, language=language)
            assert f"{verdict} (" in table.iloc[place, 4]
            assert f" ± {tolerance})" in table.iloc[place, 4]
            assert words.text(language, "recipes.tolerance", tolerance=tolerance, most=3) in texts(app)
        mean = words.percent(sum(accuracies) / len(accuracies), 2, language=language) if accuracies else ""
        assert table.iloc[place, 3].startswith(mean)
        assert of_one.iloc[0, 2].startswith(table.iloc[place, 3])
        if row.verdict.interval:
            low, high = (words.number(100 * end, 2, language=language) for end in row.verdict.interval)
            assert f"({low}–{high})" in table.iloc[place, 3]
        stated, computed = figures or ["accuracy"], RECIPES[name].computed
        assert of_one.iloc[:, 0].tolist() == [words.text(language, f"figure.{one}") for one in (*stated, *computed)]
        assert of_one.iloc[:, 2].astype(bool).tolist() == len(stated) * [bool(accuracies)] + len(computed) * [True]
        said = [words.text(language, f"origin.{one.origin}") for one in RECIPES[name].stated.values()] or ["–"]
        assert of_one.iloc[:, 3].tolist() == said + len(computed) * [words.text(language, "origin.computed")]
        assert of_one.iloc[len(stated) :, 1].tolist() == len(computed) * ["–"], "never as reported"
        assert (epochs.iloc[:, 0] == name).sum() == 2 * len(accuracies) + len(trainings_of(name))
        of_others = epochs.iloc[:, 1].str.endswith(", other-data")
        assert of_others.sum() == len(PUBLISHED) * len(accuracies), "it says which data they are"
        measured = epochs[~epochs.iloc[:, 1].str.startswith(words.text(language, "recipes.in_report"))]
        assert set(measured[measured.iloc[:, 4].str.endswith("⚠")].iloc[:, 0]) == looked, "and where it is best on test"
        assert words.text(language, "recipes.best_on_test") in texts(app)


@pytest.mark.parametrize(("honest", "verdict"), [(0.979, "by_chance"), (0.97, "beyond_chance")])
def test_what_selecting_on_test_is_worth_is_said_with_its_interval(honest, verdict):
    accuracies: dict[Variant, float] = {"faithful": 0.98, "honest": honest}
    results = [
        result("001-a", seed, accuracy + seed / 10_000, variant=variant, data="mnist", test_use=use)
        for variant, accuracy in accuracies.items()
        for seed in range(3)
        for use in [RECIPES["001-a"].spec(variant).test_use]
    ]
    app = AppTest.from_function(all_recipes)
    app.query_params["recipe"] = "001-a"
    app.session_state["rows"], app.session_state["variant"] = rows(results), "faithful"
    said = texts(app.run()).replace("\\", "")  # the escapes of what is no markup
    delta = words.number(100 * (0.98 - honest), 2, language="en")
    assert f"Difference: +{delta} ± " in said
    assert words.text("en", f"recipes.{verdict}") in said
    assert words.text("en", "recipes.selected") in said


def test_the_variant_is_part_of_the_link(frame):
    app = frame("recipes", variant="honest")
    assert control(app, "variant").value == "honest"
    control(app, "variant").set_value("short").run()
    assert app.query_params["variant"] == "short"


def stored_row(name: str, variant: str, *more: Result) -> Row:
    """The row of a recipe's variant on its own data by the results that are kept, and by `more`."""
    found = rows([*stored(), *more])
    return next(row for row in found if (row.recipe, row.variant) == (name, variant) and row.is_own)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["000-e", "001-c", "002-f", "003-b", "004-a"])
def test_a_recipe_shows_what_its_report_says_and_each_erratum_with_its_figure(frame, name, language):
    app, one = frame("recipes", language, recipe=name), RECIPES[name]
    said = texts(app)
    assert words.text(language, f"report.{name[:3]}") in said, "what the report is about"
    table = shown_in(app.dataframe[0])
    assert list(table.iloc[:, 0]) == [other for other in PUBLISHED if other[:3] == name[:3]]
    assert words.text(language, f"recipe.{name}.help") in said
    accuracy = words.percent(one.figures["accuracy"], 2, language=language)
    assert any(cell.startswith(accuracy) for cell in table.iloc[:, 2])
    assert all(words.text(language, key) in said for key in one.notes)
    for field, key in one.assumed.items():
        assert f"{words.text(language, f'spec.{field}.label')}: " in said
        assert f"({words.text(language, key)})" in said
    for source in one.sources:
        assert f"]({source.address}), " in said if source.address else f" {source.report}, " in said
    for figure, key in one.errata:
        line = next(line for line in said.splitlines() if words.text(language, key) in line)
        assert not figure or words.text(language, f"figure.{figure}") in line
    word = stored_row(name, "faithful").verdict.word
    assert words.text(language, f"verdict.{word}") in table.set_index(table.columns[0]).loc[name].iloc[3]
    notice = f"test_use.notice_{one.spec().test_use}"
    for use in ("watched", "selected"):
        shown = words.text(language, f"test_use.notice_{use}") in said
        assert shown == (notice == f"test_use.notice_{use}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_figures_of_all_recipes_sort_as_numbers_and_are_written_in_the_language(frame, language):
    table = frame("recipes", language, report="all").dataframe[0]
    for place in (2, 3):
        numbers, said = table.value.iloc[:, place], shown_in(table).iloc[:, place]
        assert numbers.dtype.kind == "f"
        for number, words_of_it in zip(numbers, said, strict=True):
            if words_of_it:
                assert words.number(100 * number, 2, language=language).lstrip("-") in words_of_it
            else:
                assert np.isnan(number)
    reported = [RECIPES[name].figures.get("accuracy", np.nan) for name in PUBLISHED]
    np.testing.assert_array_equal(table.value.iloc[:, 2], reported)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("name", "language"), [("000-a", "en"), ("001-a", "pt_BR"), ("002-d", "en"), ("003-e", "en")])
def test_a_recipe_opens_in_train_with_the_whole_form_filled_in(frame, name, language, variant):
    app = frame("recipes", language, recipe=name)
    control(app, "variant").set_value(variant).run()
    start = words.text(language, "recipes.run", name=name, seed=0).partition("(")[0]
    assert next(one for one in app.button if one.label.startswith(start)).disabled, "the data are not here"
    button(app, words.text(language, "recipes.open_in_train")).click().run()
    assert not app.exception
    assert app.title[0].value == words.text(language, "page.train")
    query = {key: value for key, value in app.query_params.items() if key in RunSpec.model_fields}
    assert checked(query) == RECIPES[name].spec(variant), "the seed of report 001 too"


def cells_of(app: AppTest, name: str, column: str) -> str:
    """A cell of the table of all recipes."""
    table = shown_in(app.dataframe[0]).set_index(words.text("en", "recipes.recipe"))
    return table.loc[name, words.text("en", f"recipes.{column}")]


@pytest.mark.parametrize("name", ["002-d", "001-c"])
def test_data_of_a_recipe_that_are_not_here_can_be_fetched(frame, name):
    app = frame("recipes", recipe=name)
    title = words.text("en", f"dataset.{RECIPES[name].values['data']}")
    assert button(app, f"Download {title}")
    word = stored_row(name, "faithful").verdict.word
    assert words.text("en", f"verdict.{word}") in cells_of(app, name, "verdict")


@pytest.mark.slow
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
    assert words.text("en", "recipes.seeds", count=len(found.results)) in app.table[0].value.iloc[0, 2]
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


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_search_lists_all_its_trainings_and_queues_each_once(frame, tmp_path, language):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bloodmnist.npz").write_text("taken for the data until it is read")
    write_blood(tmp_path / "data")
    app = frame("recipes", language, view="searches", search="002-c", variant="faithful", data="bloodmnist")
    assert len(app.get("vega_lite_chart")) == 1, "the reported grid, before its curves are asked for"
    app.session_state["search-curves-open"] = True
    app.run()
    grid, table = app.get("vega_lite_chart"), app.dataframe[-1]
    assert len(table.value) == 20, "a line for each training of the report"
    assert words.percent(0.9047, 2, language=language) + " (93)" in set(shown_in(table).iloc[:, 1])
    assert len(grid) == 3, "the reported grid, and the reported curves of accuracy and loss"
    said = texts(app)
    assert "◆" in said
    assert words.number(57_992, language=language) in said, "the simplest cell within one standard error"
    assert words.text(language, "search.not_measured") in said
    app.button(key="search-run-002-c").click().run()
    assert "bloodmnist.npz" in app.error[0].value
    assert not store.runs(), "nothing is queued that cannot be trained"
    app.selectbox(key="search-data").select("blood").run()
    left_over = store.create(SEARCHES["002-c"].spec({"convolution": (8, 3)}, "faithful", data="blood"))
    left_over.ask("stop")
    app.button(key="search-run-002-c").click().run()
    assert not app.exception
    assert len({run.spec for run in store.runs()}) == len(store.runs()) == 20, "what is there goes on"
    assert left_over.control().wanted == "run"
    assert [run for run in store.runs() if run.control().test] == [left_over], "which somebody has started alone"
    app.button(key="search-stop-002-c").click().run()
    assert not app.exception
    assert len([run for run in store.runs() if server.workers().place(run) is not None]) <= 1, "the first one's worker"
    assert {status_of(run) for run in store.runs()} <= {"stopped", "failed"}
    app.selectbox(key="search-data").select(words.text(language, "dataset.bloodmnist"))
    control(app, "search").set_value("002-a").run()
    assert app.button(key="search-run-002-a").label.endswith("(9)"), "four stages"
    assert len(app.dataframe[-1].value) == 12
    for stage in range(4):  # figures 4 to 11
        control(app, "search-stage").set_value(stage).run()
        assert not app.exception
        assert len(app.get("vega_lite_chart")) == 2


def searched(frame, tmp_path, search: str) -> dict[str, str]:
    """Carry out a search in its short variant on the small images of blood cells; returns the link to it."""
    (tmp_path / "data").mkdir()
    write_blood(tmp_path / "data")
    frame()  # its environment
    assert main(["recipes", "run", search, "--variant", "short", "--data", "blood", "--seed", "5"]) == 0
    return {"view": "searches", "search": search, "variant": "short", "data": "blood", "seed": "5"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_finished_search_opens_its_runs_and_only_the_chosen_one_has_read_its_test_images(frame, tmp_path, language):
    link = searched(frame, tmp_path, "pooling")
    (best,), (other,) = ([run for run in store.runs() if run.is_done() == done] for done in (True, False))
    report = best.report()
    assert report
    app = frame("recipes", language, view="searches", search="pooling")
    assert "★" not in texts(app), "nothing is measured on the data that come with the app"
    app.number_input(key="search-seed").set_value(5)
    app.selectbox(key="search-data").select("blood").run()
    assert not app.exception
    assert link.items() <= app.query_params.items()
    app = frame("recipes", language, **link)
    option = words.text(language, "search.option_" + choices_of(best.spec)[0][1])
    accuracy = words.percent(report.accuracy, 2, language=language)
    assert option in app.success[0].value
    assert accuracy in app.success[0].value
    assert not [one for one in app.button if (one.key or "").startswith("search-")], "nothing to start or to stop"
    table = shown_in(app.dataframe[-1])
    assert sorted(table.iloc[:, -1]) == sorted([accuracy, words.text(language, "search.unread")])
    assert words.text(language, "search.reported") not in table.columns, "no report has this search"
    app.session_state["search-curves-open"] = True
    assert len(app.run().get("vega_lite_chart")) == 2
    for run, page in ((best, "evaluate"), (other, "")):  # the page Train is the first
        row = ["max", "avg"].index(choices_of(run.spec)[0][1])
        app.session_state["search-table-pooling"] = {"selection": {"rows": [row]}}
        app.run()
        (link,) = (one.proto for one in app.get("page_link") if run.name in one.proto.query_string)
        assert link.page == page


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_search_of_many_trainings_says_what_chance_adds_to_the_best(frame, tmp_path, language):
    link = searched(frame, tmp_path, "002-a")
    count = len(store.runs())
    assert count > 5
    slots = dict.fromkeys(("best", "n", "points", "expected"), "#") | {"count": count}
    (_, *parts) = words.text(language, "selection.epochs_lift", **slots).split("#")
    shown = texts(frame("recipes", language, **link))
    assert all(part in shown for part in parts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_search_says_how_many_of_its_trainings_failed_why_and_what_to_do(frame, tmp_path, capsys, language):
    data = tmp_path / "data" / "blood.npz"
    data.parent.mkdir()
    write_blood(data.parent)
    frame()  # its environment
    begun, _ = Driver(SEARCHES).runs("pooling", "short", data="blood")
    assert work(str(begun.folder), leaving=lambda: True) == "interrupted"
    with np.load(data) as arrays:
        fewer = {name: array[: len(array) // 2] for name, array in arrays.items()}
    np.savez(data, **fewer)
    assert main(["recipes", "run", "pooling", "--variant", "short", "--data", "blood", "--json"]) == 1
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["of"], [one["run"] for one in told["failed"]]) == (2, [begun.name])
    assert [run.status() for run in store.runs() if run != begun] == ["trained"], "the other one has been trained"
    app = frame("recipes", language, view="searches", search="pooling", data="blood")
    assert app.error[0].value == words.text(language, "search.failed", count=1, all=2)
    reason = words.text(language, "error.other_splits", data="blood", run=begun.name)
    assert f"**{words.text(language, 'search.option_max')}:** {reason}" in texts(app)
    assert any(begun.name in one.proto.query_string for one in app.get("page_link"))
    assert words.text(language, "search.done", done=1, count=2) in app.get("progress")[0].proto.text
    assert button(app, words.text(language, "search.run", count=1)), "and it can be tried again"


def test_a_run_of_a_search_says_that_its_test_images_are_unread_and_reads_them_at_a_click(frame, tmp_path):
    (tmp_path / "data").mkdir()
    write_blood(tmp_path / "data")
    frame()  # its environment
    for page in ("train", "evaluate"):
        spec = SEARCHES["pooling"].spec({"pooling": "avg"}, "short", data="blood", seed=len(page))
        run = store.create(spec, test=False)
        assert work(str(run.folder)) == "trained"
        app = frame("evaluate", run=run.name)
        assert "have not been read" in app.warning[0].value
        assert button(app, "Read the test images now")
        app = frame(page, run=run.name)
        if page == "train":
            label = app.selectbox(key="run").options[0]
            assert "· pooling (short) · average pooling · trained, test unread ·" in label
            assert "have not been read" in app.info[0].value
        button(app, "Read the test images now").click().run()
        assert not app.exception
        assert app.title[0].value == words.text("en", "page.train"), "where its progress is shown"
        assert (run.control().wanted, run.control().test) == ("run", True)
        run.ask("stop")
