"""What holds for all pages: they show in every language, and say what is wrong with a run wherever it is asked for."""

from __future__ import annotations

import contextlib
import shutil
import time
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core import settings, store, words
from core.drawing import collection
from core.recipes import RECIPES
from core.recipes.searches import SEARCHES
from core.spec import RunSpec, checked
from core.store import Run
from core.work import work
from tests.browser import ROOT
from tests.page import LANGUAGES, component, sentence, texts
from ui import text

PAGES = ["train", "lessons", "data", "recipes", "runs", "evaluate", "inside", "draw", "drawings", "check", "classroom"]
OVER_RUNS = ["runs", "evaluate", "inside", "draw", "drawings"]
PAGES_OF_RUNS = ["train", "evaluate", "inside", "draw", "drawings"]


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
        shown = [block.proto.body for block in app.main.get("html")]
        assert any(words.percent(report.accuracy, 2, language=language) in one for one in shown)
    if page == "evaluate":
        shown = " ".join(block.proto.body for block in app.main.get("html"))
        assert f"<b>{words.percent(report.accuracy, 2, language=language)}</b>" in shown
        assert words.interval(*report.accuracy_interval, 2, language=language) in shown
        assert words.interval(*report.accuracy_interval, 2, language=language) in texts(app)
    if page == "draw":
        assert sentence(app) == words.text(language, "draw.empty")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_run_whose_log_begins_in_a_way_that_cannot_be_read_says_so_wherever_it_is_asked(frame, trained, language):
    log = trained.folder / "events.jsonl"
    log.write_text(log.read_text().replace('"parameters":', '"weights":'))
    said = words.text(language, "error.run_unreadable", run=trained.name)
    assert frame("evaluate", language, run=trained.name).warning[0].value == said
    app = frame("draw", language, run=trained.name)  # offered for its checkpoints
    assert app.error[0].value == said
    next(one for one in app.get("button_group") if one.key == "mode").set_value("image").run()
    assert not app.exception
    assert app.error[0].value == said


def test_a_damaged_run_is_told_and_the_others_are_shown(frame, trained):
    damaged = store.create(checked({"architecture": "mlp"}))
    (damaged.folder / "spec.json").write_bytes(b"{")
    assert "damaged" in frame("train", run=damaged.name).error[0].value
    assert component(frame("evaluate", run=trained.name), "bancada.matrix")
    assert not frame("draw").exception


@pytest.fixture
def unfit(trained, tiny_data):
    """Runs that a page cannot show, by name: the text key of the reason and the damaged file."""
    shutil.copytree(tiny_data, settings.data_folders()[0], dirs_exist_ok=True)
    damaged, no_log, waiting = (store.create(checked({"architecture": "mlp"})) for _ in range(3))
    (damaged.folder / "spec.json").write_bytes(b"{")
    (no_log.folder / "events.jsonl").mkdir()
    other = store.create(checked({"data": "tiny", "architecture": "mlp"}))
    return {
        "20000101-000000-mnist-5k-mlp-0000": ("error.run_unknown", ""),
        "../" + trained.name: ("error.run_unknown", ""),
        damaged.name: ("error.run_damaged", "spec.json"),
        no_log.name: ("error.run_damaged", "events.jsonl"),
        waiting.name: ("error.no_model_yet", ""),
        other.name: ("draw.not_offered", ""),
    }


@pytest.mark.parametrize(("page", "language"), [(page, "en") for page in PAGES_OF_RUNS] + [("evaluate", "pt_BR")])
def test_a_run_that_a_link_asks_for_is_not_replaced_by_another(frame, trained, unfit, page, language):
    ink = np.zeros((112, 112), np.uint8)
    ink[20:92, 52:60] = 255
    collection.keep(ink, 1)
    for name, (reason, file) in unfit.items():
        key = "error.no_report" if page == "evaluate" and not reason.startswith("error.run") else reason
        if page == "inside" and reason == "draw.not_offered":  # it shows runs on any data
            key = "error.no_model_yet"
        next_step = words.text(language, "next.queued")
        said = words.text(language, key, run=name, file=file, next=next_step)
        app = frame(page, language, run=name)
        if page == "train" and key != "error.run_unknown":  # it shows every run, or why it cannot
            assert app.selectbox(key="run").value == name
            assert [one.value for one in app.error] == ([said] if key == "error.run_damaged" else [])
            continue
        for _ in range(2):  # until the reader chooses
            assert app.warning[0].value == said
            assert app.selectbox(key="run").value is None
            assert "run" not in app.query_params, "the address names no run but the one that is shown"
            assert not [*app.metric, *app.subheader, *app.success], "of another run"
            app.run()
        app.selectbox(key="run").select(trained.name).run()
        assert not app.exception
        assert said not in [one.value for one in app.warning]
        assert (app.selectbox(key="run").value, app.query_params["run"]) == (trained.name, trained.name)


@pytest.mark.parametrize("page", PAGES_OF_RUNS[:3])
def test_a_link_to_a_run_says_what_is_wrong_where_there_are_no_runs_too(frame, page):
    for name in ("../../etc", "nothing", "<script>alert(1)</script>"):
        app = frame(page, run=name)
        assert app.warning[0].value == words.text("en", "error.run_unknown", run=text.literal(name))
        assert "run" not in app.query_params


def test_a_run_at_work_is_not_shown_in_place_of_the_one_that_a_link_asks_for(frame, trained):
    store.create(checked({"architecture": "mlp"}))  # queued
    assert frame("train").selectbox(key="run").value
    assert frame("train", run="nothing").selectbox(key="run").value is None


def test_a_run_that_another_page_chose_and_this_one_cannot_show_is_not_replaced(frame, trained):
    run = store.create(checked({"architecture": "mlp"}))
    app = frame("train", run=run.name)
    app.switch_page(str(ROOT / "pages" / "evaluate.py")).run()
    next_step = words.text("en", "next.queued")
    assert app.warning[0].value == words.text("en", "error.no_report", run=run.name, next=next_step)
    assert (app.selectbox(key="run").value, "run" in app.query_params) == (None, False)
    app.switch_page(str(ROOT / "pages" / "train.py")).run()
    assert app.selectbox(key="run").value == run.name


def test_a_link_to_the_run_shown_before_is_followed_after_another_was_started(frame, trained):
    app = frame("evaluate", run=trained.name)
    app.switch_page(str(ROOT / "pages" / "recipes.py")).run()
    del app.query_params["run"]  # a page is opened without those of the page before
    app.run()
    started = store.create(checked({"architecture": "mlp"}))
    app.session_state["run.chosen"] = started.name  # as `look_at` does
    app.switch_page(str(ROOT / "pages" / "evaluate.py"))
    app.query_params["run"] = trained.name
    app.run()
    assert (app.selectbox(key="run").value, app.query_params["run"]) == (trained.name, trained.name)
    assert not app.warning


@pytest.mark.parametrize(
    ("status", "wanted"), [("queued", None), ("stopped", "stop"), ("running", None), ("paused", "pause")]
)
def test_a_run_without_an_epoch_is_said_to_be_without_one_and_what_to_do(frame, trained, status, wanted):
    run = store.create(checked({"architecture": "mlp"}))
    if wanted:
        run.ask(wanted)
    with run.hold() if status in ("running", "paused") else contextlib.nullcontext():
        assert run.status() == status
        for page, key in (("draw", "error.no_model_yet"), ("evaluate", "error.no_report")):
            app = frame(page, "pt_BR", run=run.name)
            next_step = words.text("pt_BR", f"next.{status}")
            assert app.warning[0].value == words.text("pt_BR", key, run=run.name, next=next_step)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_link_with_values_that_do_not_exist_says_so_and_the_address_names_what_is_shown(frame, language):
    app = frame("recipes", language, variant="best", recipe="009-z")
    said = [one.value for one in app.warning]
    assert len(said) == 2
    assert "“best”" in said[0]
    assert "“009-z”" in said[1]
    assert (app.query_params["variant"], app.query_params["recipe"]) == ("faithful", "000-a")
    app = frame("train", language, epochs="0", optimizer="rmsprop", batch_size="32")
    (said,) = [one.value for one in app.warning]
    assert words.text(language, "spec.epochs.label") in said
    assert words.text(language, "spec.optimizer.label") in said
    query = {name: value for name, value in app.query_params.items() if name in RunSpec.model_fields}
    assert query == {"batch_size": "32"}
    app.text_input(key="epochs").set_value("3").run()
    assert not app.warning


def test_the_models_beside_are_kept_while_the_first_cannot_be_shown_and_one_that_is_gone_is_named(frame, trained):
    twin = Run(shutil.copytree(trained.folder, trained.folder.with_name("20261122-0000-twin")))
    app = frame("draw", run="nothing")
    app.multiselect(key="others").set_value([twin.name]).run()
    app.selectbox(key="run").select(trained.name).run()
    assert app.multiselect(key="others").value == [twin.name]
    twin.delete()
    app.run()
    assert app.multiselect(key="others").value == []
    assert app.warning[0].value == words.text("en", "error.run_unknown", run=twin.name)


def test_a_run_that_is_shown_for_want_of_another_is_not_the_readers_choice(frame, trained):
    app = frame("evaluate")
    assert app.selectbox(key="run").value == trained.name
    assert "run" not in app.query_params
    app.switch_page(str(ROOT / "pages" / "train.py")).run()
    assert app.selectbox(key="run").value is None


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


def test_what_was_selected_on_test_is_said_wherever_its_figure_is_shown(frame):
    run = store.create(checked({"architecture": "mlp", "split": "test", "epochs": 1}))
    assert work(str(run.folder)) == "done"
    assert "selected on test" in texts(frame("evaluate", run=run.name))
    app = frame(run=run.name)
    assert "Selected on test" in app.warning[0].value
    assert "selected on test" in app.selectbox(key="run").options[0]
    assert "Selected on test" not in texts(frame("train"))


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


def test_a_run_stays_chosen_whose_label_changes_while_the_browser_shows_the_old_one(frame, trained):
    lasting = store.create(checked({"architecture": "mlp", "epochs": 2, "batch_size": 128, "seed": 1}))
    app = frame("train", run=trained.name)
    before = next(label for label in app.selectbox(key="run").options if label.endswith(lasting.name[-4:]))
    assert work(str(lasting.folder)) == "done"  # its label has an accuracy from now on
    app.run()
    box = app.selectbox(key="run")
    assert before not in box.options
    box.options.append(before)  # as a browser does that has not been told yet
    box.set_value(before)
    box.run()
    assert not app.exception
    assert not app.warning
    assert app.selectbox(key="run").value == lasting.name
    assert app.query_params["run"] == lasting.name


def test_a_page_finds_the_language_once_and_looks_at_its_file_no_more_than_once_a_second(frame, monkeypatch):
    now = [time.monotonic()]
    monkeypatch.setattr(words, "time", SimpleNamespace(monotonic=lambda: now[0]))
    asked, closest = [], words.closest
    frame()
    monkeypatch.setattr(words, "closest", lambda tag: asked.append(tag) or closest(tag))
    looks = words._changed.cache_info().misses
    frame()
    assert words._changed.cache_info().misses == looks, "within the same second"
    assert len(asked) <= 80, "for each text of the frame, but not of the page"
    now[0] += words.LOOKS
    frame()
    assert looks < words._changed.cache_info().misses <= looks + len(LANGUAGES), "once a file"
