"""The page Search: its form, what a search has found, and parallel coordinates, also on the page Runs."""

from __future__ import annotations

import contextlib
import io
import json

import pytest

from core import store, words
from core.__main__ import main
from core.charts import study as charts
from core.events import Epoch
from core.measures.selection import decision, decision_sentence, lift_sentence, lift_with_epochs, noise_band
from core.recipes.searches import SEARCHES
from core.search import Driver, parameters
from core.search.offer import first_values, options, read_list, variable
from core.search.studies import Studies
from core.search.study import named, study
from core.search.trainings import trainings
from core.spec import bounds, checked, is_number
from core.work import work
from tests.conftest import wait_for
from tests.page import LANGUAGES, texts
from tests.small_data import write_blood, write_small_data
from tests.test_page_recipes import shown_in
from ui import server

LAYERS = "flatten, dense(classes)"
BASE = {"data": "tiny", "split": "official", "layers": LAYERS, "architecture": "custom", "epochs": "1"}
FLAGS = ("--data", "tiny", "--split", "official", "--layers", LAYERS, "--epochs")


@pytest.fixture(scope="module", autouse=True)
def new_workers():
    """Workers that find the small data sets: a spare process may have been started by a test with others."""
    server.workers().close()
    server.workers.clear()


@pytest.fixture
def small(frame, tmp_path):
    """A function that opens a page; the small data sets are there, and two searches at most run one training."""
    (tmp_path / "data").mkdir()
    write_small_data(tmp_path / "data")
    yield frame
    for run in store.runs():
        server.workers().stop(run)


def searched(*arguments: str) -> str:
    """Carry out a search by the command line; returns its name."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert main(["search", *FLAGS, *arguments, "--json"]) == 0
    return json.loads(output.getvalue().splitlines()[0])["study"]


def shown(app) -> list[list]:
    """The rows of the table of trainings; its first column is the number."""
    return next(one for one in app.dataframe if one.key.startswith("study-table")).value.to_numpy().tolist()


def seen(name: str):
    found = study(name, store.runs())
    return found, trainings(found, store.runs())


# --- the form ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_form_offers_values_and_says_the_plan_before_anything_is_trained(small, language):
    app = small("search", language, **BASE)
    mark, key = words.number_marks(language)["decimal"], f"study-list-learning_rate-{language}"
    assert app.text_input(key=key).value.replace(mark, ".") == "0.0001; 0.0003; 0.001; 0.003; 0.01"
    app.text_input(key=key).set_value("0.1; 0.01".replace(".", mark)).run()
    assert words.text(language, "study.plan", count=6) in texts(app), "two rates, three batch sizes"
    app.session_state["study-way"] = "staged"
    assert words.text(language, "study.plan", count=4) in texts(app.run())
    app.session_state["study-way"] = "random"
    app.run().number_input(key="study-runs").set_value(5).run()
    assert words.text(language, "study.plan", count=5) in texts(app)
    assert not app.error
    assert not store.runs()


def test_what_cannot_be_searched_is_refused_in_a_sentence_and_nothing_typed_is_lost(small):
    app = small("search", **BASE)
    for written, said in (("0.1; much", "much"), ("", "Learning rate"), ("0.1; -1", "-1")):
        app.text_input(key="study-list-learning_rate-en").set_value(written).run()
        assert said in app.error[0].value
        assert not [one for one in app.button if one.key == "study-start"]
        assert app.text_input(key="study-list-batch_size-en").value == "32; 64; 128"
    app.text_input(key="study-list-learning_rate-en").set_value("0.1; 0.01").run()
    app.session_state["study-kind-batch_size"] = "range"
    app.run().text_input(key="study-high-batch_size-en").set_value("8").run()
    assert app.error[0].value == words.text("en", "error.range_order", field="Batch size", low=32, high=8)
    app.text_input(key="study-high-batch_size-en").set_value("no").run()
    assert "“no”" in app.error[0].value
    app.text_input(key="study-high-batch_size-en").set_value("512").run()
    assert not app.error
    assert "32 images, 64 images, 128 images" in texts(app), "five values of the range, by factors"
    app.session_state["study-kind-batch_size"] = "list"
    assert app.run().text_input(key="study-list-batch_size-en").value == "32; 64; 128"
    app.multiselect(key="study-fields").set_value([]).run()
    assert app.error[0].value.startswith("There is nothing to try")
    app = small("search", **BASE | {"epochs": "none"})
    assert app.error or app.warning, "the base itself"


def test_a_change_of_language_rewrites_the_lists(small):
    app = small("search", **BASE)
    app.text_input(key="study-list-learning_rate-en").set_value("0.5; 0.25").run()
    app.session_state["lang"] = "pt-BR"
    assert app.run().text_input(key="study-list-learning_rate-pt_BR").value == "0,5; 0,25"


def test_start_shows_the_search_which_a_click_stops_and_the_budget_can_be_changed(small):
    app = small("search", **BASE | {"epochs": "3"})
    app.session_state["study-way"] = "random"
    app.run().button(key="study-start").click().run()
    assert not app.exception
    name = app.session_state["study"]
    run = store.runs()[0]
    assert run.label().study == name
    assert "epochs" not in app.query_params, "of the form"
    keys = [one.key for one in app.button]
    assert "study-start" not in keys
    assert keys.index("study-stop") > keys.index("study-again"), "what comes and goes moves no other button"
    app.button(key="study-stop").click().run()
    found = [(one.is_trained(), one.status(), one.control().wanted, one.latest()) for one in store.runs()]
    assert all(is_trained or wanted == "stop" for is_trained, _, wanted, _ in found), found
    changed = server.searches().change(study(name, store.runs()), runs=7)
    assert changed.runs == 7
    assert server.studies()[name].runs == 7
    app = small("search", study=name)
    assert app.selectbox(key="study").value == name, "a link to it"
    app.button(key="study-again").click().run()
    assert app.text_input(key="epochs").value == "3", "its base in the form"
    app = small("search", study="none-of-this-name")
    assert "none-of-this-name" in app.warning[0].value
    assert [one for one in app.button if one.key == "study-start"]


def test_a_click_on_stop_that_comes_when_nothing_is_at_work_halts_the_search_too(small):
    app = small("search", **BASE)
    app.session_state["study-way"], app.session_state["study-runs"] = "random", 1
    app.run().button(key="study-start").click().run()
    name, (run,) = app.session_state["study"], store.runs()
    wait_for(lambda: run.is_trained() and server.workers().place(run) is None)
    app.button(key="study-stop").click().run()  # the page has not been drawn since then
    assert not app.exception
    more = server.searches().change(study(name, store.runs()), runs=7)
    assert server.searches().follow(run) == [], "as between two of its runs"
    assert server.searches().needed(more), "until somebody has it go on"


def test_stop_reaches_a_run_that_is_created_and_not_yet_in_the_queue(small):
    small()  # its environment
    long = checked({**BASE, "layers": LAYERS, "epochs": 10_000})
    asked = named(long, "grid", {"batch_size": (8, 16)})
    first, second = Studies(at_once=2).needed(asked)
    server.workers().submit(first)
    app = small("search", study=asked.name)
    app.button(key="study-stop").click().run()
    assert not app.exception
    assert [run.control().wanted for run in (first, second)] == ["stop", "stop"]


# --- what was found ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_finished_grid_shows_its_winner_the_noise_band_and_its_cells(small, language):
    small()  # its environment
    name = searched("2", "--vary", "learning_rate=0.001,0.01,0.1", "--vary", "batch_size=8,32")
    found, tried = seen(name)
    app = small("search", language, study=name)
    accuracies = [one.accuracy for one in tried]
    said = decision(accuracies, [parameters(one.spec) for one in tried], 20)
    key, slots = decision_sentence(said)
    assert words.text(language, key, **slots) in texts(app)
    lifted = lift_with_epochs([one.run.events(Epoch) for one in tried], 20)
    key, slots = lift_sentence(lifted, 6, language)
    assert key == "selection.epochs_lift"
    assert words.text(language, key, **slots) in texts(app)
    best = tried[said.best]
    assert best.run.report()
    assert words.percent(best.run.report().accuracy, 2, language=language) in app.success[0].value
    rows = shown(app)
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row[3] for row in rows] == pytest.approx(accuracies)
    charted = app.get("vega_lite_chart")
    assert len(charted) == 3, "a heat map and two slices"
    assert words.text(language, "study.progress", done=6, running=0, left=0) in app.get("progress")[0].proto.text
    app.session_state["study-heat-table"] = True
    (cells,) = [one.value for one in app.run().dataframe if not (one.key or "").startswith("study-table")]
    signs = "".join(cells.iloc[:, 1:].to_numpy().ravel().tolist())
    assert signs.count("★") == 1
    assert signs.count("≈") == len(said.near) - 1
    app.session_state["study-heat"] = {"selection": {"cell": [{"row": cells.iloc[1, 0], "column": cells.columns[2]}]}}
    (link,) = [one for one in app.run().get("page_link") if "run=" in one.proto.query_string]
    assert link.proto.query_string.endswith(tried[3].run.name), "the second rate, the second batch size"
    assert found.way == "grid"


def test_pruned_runs_are_shown_and_not_compared(small):
    small()  # its environment
    rates = "0.1,0.03,0.01,0.0001,0.00001,0.000001"
    name = searched("9", "--vary", f"learning_rate={rates}", "--prune")
    _, tried = seen(name)
    pruned = [one for one in tried if one.state == "pruned"]
    assert pruned
    app = small("search", study=name)
    assert words.text("en", "study.progress_pruned", count=len(pruned)) in app.get("progress")[0].proto.text
    done = len(tried) - len(pruned)
    assert f"of the {done} runs may be just as good" in texts(app) or "hardly explains that" in texts(app) or done == 1
    app.session_state["study-courses-open"] = True
    app.session_state["study-courses-table"] = True
    table = app.run().dataframe[-1].value
    ends = {one.number: one.epochs for one in tried}
    assert {int(name): (table[name] != "–").sum() for name in table.columns[1:]} == ends, "each up to where it ended"
    assert all(ends[one.number] < 9 for one in pruned)


def test_stages_are_shown_one_by_one_with_what_decided_them(small):
    small()  # its environment
    name = searched("1", "--vary", "learning_rate=0.001,0.1", "--vary", "optimizer=adam,sgd", "--way", "staged")
    app = small("search", study=name)
    said = texts(app)
    assert "**1. Learning rate** 2 of 2" in said
    assert "**2. Optimizer** 2 of 2" in said
    assert said.count(" validation images ") == 3, "each stage, and all runs"


def test_importance_is_told_from_ten_finished_runs_on(small):
    small()  # its environment
    vary = ("--vary", "learning_rate=0.000001..1", "--vary", "batch_size=8,32", "--way", "random")
    few = small("search", study=searched("1", *vary, "--runs", "9"))
    assert "Which field matters" not in [one.label for one in few.expander]
    app = small("search", study=searched("1", *vary, "--runs", "10"))
    app.session_state["study-importance-open"] = True
    assert words.text("en", "study.importance_help", count=10) in texts(app.run())
    assert not app.exception


# --- parallel coordinates ---------------------------------------------------------------------------------------------


def test_ranges_of_parallel_coordinates_leave_runs_out_here_and_on_the_page_runs(small):
    small()  # its environment
    name = searched("1", "--vary", "learning_rate=0.001,0.01,0.1", "--vary", "batch_size=8,32")
    for page, key in (("search", "study"), ("runs", "runs")):
        app = small(page, study=name)
        app.session_state[f"{key}-parallel-open"] = True
        sliders = app.run().select_slider
        assert [one.label for one in sliders][:2] == ["Learning rate", "Batch size"]
        sliders[0].set_value((1, 2)).run()
        sliders = app.select_slider
        sliders[1].set_value((0, 0)).run()
        assert words.text("en", "parallel.within", count=2, all=6) in texts(app)
        rows = shown(app) if page == "search" else app.dataframe[0].value.to_numpy().tolist()
        assert len(rows) == 2
        app.button(key=next(one.key for one in app.button if one.key.endswith("-reset"))).click().run()
        assert len(shown(app) if page == "search" else app.dataframe[0].value) == 6
        (links,) = [[one.proto.query_string for one in app.get("page_link") if "study=" in one.proto.query_string]]
        assert links == [f"study={name}"], "the two pages lead to each other"


def test_the_name_of_a_search_does_not_get_into_a_style_sheet(small):
    small()  # its environment
    name = searched("1", "--study", "São 2.1 x{}*{display:none}", "--vary", "learning_rate=0.001,0.1")
    app = small("search", study=name)
    app.session_state["study-parallel-open"] = True
    app.run()
    assert app.select_slider
    assert app.get("vega_lite_chart")
    styles = [one.proto.body for one in app.get("html") if "<style>" in one.proto.body]
    assert [one for one in styles if ".st-key-study-ranges " in one]
    assert [one for one in styles if ".st-key-study-sideways " in one]
    assert not [one for one in styles if "São" in one]


def test_a_box_over_an_axis_is_its_lowest_and_its_highest_value():
    rates = charts.axis("rate", [0.1, 0.001, 0.01, None], {None: "–", 0.1: "0.1", 0.01: "0.01", 0.001: "0.001"})
    assert list(rates.places) == [None, 0.001, 0.01, 0.1]
    assert rates.places[0.01] - rates.places[0.001] == pytest.approx(rates.places[0.1] - rates.places[0.01]), "factors"
    names = charts.axis("name", ["b", "a"], {"a": "a", "b": "b"})
    assert list(names.places) == ["b", "a"]
    assert charts.brushed([rates, names], {"x": [0.2, -0.2], "y": [0.1, 0.7]}) == {0: (1, 2)}
    assert charts.brushed([rates, names], {"x": [-1, 2], "y": [0.9, 2]}) == {0: (3, 3), 1: (1, 1)}
    assert charts.brushed([rates, names], {}) == {}


# --- what is offered --------------------------------------------------------------------------------------------------


def test_every_field_that_can_vary_offers_values_that_it_accepts():
    base = dict(checked({"optimizer": "sgd"}))
    assert "momentum" in variable(base)
    assert "momentum" not in variable(base | {"optimizer": "adam"})
    assert "momentum" in variable(base | {"optimizer": "adam"}, ["optimizer"])
    for name in variable(base):
        values = first_values(name, base[name])
        assert len(values) > 1 or name == "architecture"
        assert is_number(name) == (not options(name))
        for value in values:
            spec = checked({key: one for key, one in base.items() if key != "layers"} | {name: value})
            assert getattr(spec, name) == value
    assert bounds("momentum") == (0, 1)
    assert bounds("patience")[0] == 1
    assert first_values("batch_size", 8192) == (4096, 8192), "within its bounds"


def test_a_list_is_read_as_people_of_the_language_write_it():
    assert read_list("learning_rate", "0,1; 0,01;0,1", "pt_BR") == (0.1, 0.01)
    assert read_list("learning_rate", "0.1, 0.01 0.001", "en") == (0.1, 0.01, 0.001)
    assert read_list("batch_size", "1,024; 64", "en") == (1024, 64)
    assert read_list("batch_size", "1.024 64", "pt_BR") == (1024, 64)
    assert read_list("batch_size", "64; many", "en") == (64, "many")
    assert read_list("batch_size", " ; ", "en") == ()


# --- the charts -------------------------------------------------------------------------------------------------------

KINDS = {kind: kind for kind in charts.KINDS}


def test_a_slice_has_a_logarithmic_axis_where_its_values_are_factors_and_shapes_tell_the_kinds_apart():
    tried = [charts.Tried(str(rate), rate, 0.5 + rate, kind) for rate, kind in ((0.001, "near"), (0.1, "best"))]
    common = {"x_title": "rate", "y_title": "accuracy", "kinds": KINDS, "language": "pt_BR"}
    chart = charts.slices(tried, [0.001, 0.1], is_log=True, **common).to_dict()
    points = chart["layer"][0]["encoding"]
    assert points["x"]["scale"]["type"] == "log"
    assert points["x"]["axis"]["values"] == [0.001, 0.1]
    assert points["shape"]["legend"]["values"] == ["best", "near"]
    assert len(set(points["shape"]["scale"]["range"])) == 4
    names = [charts.Tried("1", "Adam", 0.5, "best"), charts.Tried("2", "SGD", 0.4, "pruned")]
    chart = charts.slices(names, ["SGD", "Adam"], is_log=False, **common).to_dict()
    assert chart["layer"][0]["encoding"]["x"]["scale"]["domain"] == ["SGD", "Adam"]
    assert "50,00%" in json.dumps(chart, ensure_ascii=False)


def test_pruned_courses_are_dashed_and_end_where_they_were_pruned():
    lines = [
        charts.Course("1", "best", "", [(1, 0.5), (2, 0.9), (3, 0.95)]),
        charts.Course("2", "pruned", "", [(1, 0.3)]),
    ]
    chart = charts.courses(lines, x_title="epoch", y_title="accuracy", kinds=KINDS, language="en").to_dict()
    strokes, points = (layer["encoding"] for layer in chart["layer"])
    dashes = dict(zip(strokes["strokeDash"]["scale"]["domain"], strokes["strokeDash"]["scale"]["range"], strict=True))
    assert dashes["pruned"] != dashes["best"]
    ends = {row["run"]: row["x"] for row in chart["datasets"][chart["layer"][1]["data"]["name"]]}
    assert ends == {"1": 3, "2": 1}
    assert points["shape"]["legend"]["values"] == ["best", "pruned"]


def test_the_bars_of_importance_begin_with_the_most_important():
    chart = charts.importance({"a": 0.2, "b": 0.8}, x_title="share", y_title="field", language="en").to_dict()
    assert chart["layer"][0]["encoding"]["y"]["scale"]["domain"] == ["b", "a"]


def test_lines_outside_of_the_ranges_are_grey():
    axes = [charts.axis("rate", [1, 2], {1: "1", 2: "2"}), charts.axis("accuracy", [0.5, 0.6], {0.5: "50", 0.6: "60"})]
    chart = charts.parallel(axes, {"one": [1, 0.5], "two": [2, 0.6]}, ["two"], language="en").to_dict()
    rows = next(rows for rows in chart["datasets"].values() if "passes" in rows[0])
    assert {row["run"]: row["passes"] for row in rows} == {"one": False, "two": True}
    assert [param["name"] for param in chart["params"]] == [charts.BRUSH]


def test_labels_of_parallel_coordinates_do_not_cover_each_other():
    accuracies = [0.2, 0.9, 0.91, 0.92, 0.99]
    axes = [
        charts.axis("kind", ["a", "b"], {"a": "a" * 60, "b": "b"}),
        charts.axis("Share for validation", accuracies, {value: f"{value:.2f}" for value in accuracies}),
    ]
    lines = {str(value): ["a", value] for value in accuracies}
    chart = charts.parallel(axes, lines, list(lines), language="en").to_dict()
    texts = [layer for layer in chart["layer"] if layer["mark"]["type"] == "text"]
    said = [row["said"] for layer in texts for row in chart["datasets"][layer["data"]["name"]]]
    assert {"0.20", "0.99", "0.90"} <= set(said), "the ends, and what is far enough from them"
    assert not {"0.91", "0.92"} & set(said), "0.90 leaves no room for them"
    assert "Share for\nvalidation" in said
    left, right = texts[0]["encoding"]["x"]["scale"]["domain"]
    limits = [layer["mark"]["limit"]["expr"] for layer in texts]
    assert all(limit.startswith(f"width / {right - left} - ") for limit in limits), "less than from axis to axis"


# --- the searches of report 002 ---------------------------------------------------------------------------------------


def test_the_searches_of_report_002_say_what_cannot_be_told_from_the_best_of_its_stage(frame, tmp_path):
    (tmp_path / "data").mkdir()
    write_blood(tmp_path / "data")
    frame()  # its environment
    driver = Driver(SEARCHES)
    for run in driver.runs("pooling", "short", data="blood"):
        assert work(str(run.folder)) == "trained"
    app = frame("recipes", view="searches", search="pooling", data="blood")
    cells = shown_in(app.dataframe[-1])[words.text("en", "search.measured")]
    accuracies = [max(epoch.val_accuracy for epoch in run.events(Epoch)) for run in reversed(store.runs())]
    near = noise_band(accuracies, 24).is_near
    assert ["★" in cell for cell in cells].count(True) == 1
    assert ["≈" in cell or "★" in cell for cell in cells] == list(near)
