"""Who changes a field and clicks before the page has answered: the click does what the fields say then.

Streamlit fixes what a button calls, and with what, when it draws it. Where something is lost for good, such a click
does nothing to what is no longer chosen, nor to what the page has not asked about.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core import store, words
from core.classroom import quiz
from core.classroom import race as races
from core.classroom.classroom import Classroom
from core.classroom.race import Race
from core.datasets import dataset
from core.drawing import collection
from core.lessons.lesson import lesson
from core.measures.answers import stored_answers
from core.networks.architectures import ARCHITECTURES
from core.networks.layers import parse
from core.recipes import RECIPES
from core.search.studies import Studies
from core.search.study import named
from core.spec import checked
from core.store import Run
from core.workers import Workers
from tests.page import control, views
from tests.real_data import REAL_DATA, with_mnist
from tests.small_data import write_blood, write_small_data
from tests.test_classroom import Clock, opened_by_teacher, reads_one
from tests.test_classroom_quiz import asked, give
from tests.test_network import Editor
from tests.test_race import Idle, offered
from ui import server
from ui.classroom import opened

FIELDS = {"data": "tiny", "split": "official", "architecture": "custom", "layers": "flatten, dense(classes)"}


@pytest.fixture
def queue(tmp_path, frame, monkeypatch) -> Iterator[Workers]:
    """The server's queue, whose runs never begin; the small data sets are there."""
    (tmp_path / "data").mkdir()
    write_small_data(tmp_path / "data")
    write_blood(tmp_path / "data")
    workers = Workers(Idle())
    monkeypatch.setattr(server, "workers", lambda: workers)
    yield workers
    workers.close()


def field(app: AppTest, key: str) -> Any:
    return next(one for one in app if getattr(one, "key", None) == key)


def at_once(app: AppTest, changed: Mapping[str, Any], clicked: str) -> None:
    """Change fields, by key, and click a button before the page has answered."""
    for key, value in changed.items():
        field(app, key).set_value(value)
    app.button(key=clicked).click()
    app.run()
    assert not app.exception


# --- Classroom --------------------------------------------------------------------------------------------------------


def test_a_class_is_opened_with_the_model_that_is_chosen(frame, trained, monkeypatch):
    other = trained.folder.with_name(trained.name[:-4] + "ffff")
    shutil.copytree(trained.folder, other)
    monkeypatch.setenv("BANCADA_CLASS_PORT", "0")
    app = frame("classroom", run=trained.name)
    try:
        at_once(app, {"class-address": "127.0.0.1", "run": other.name}, "class-open")
        now = opened.current()
        assert now
        assert [one.run for one in now.models] == [other.name]
    finally:
        opened.close_class()


def test_a_pupil_gets_the_name_that_is_written_and_only_who_is_chosen_is_sent_out(frame, trained, monkeypatch):
    app, now = opened_by_teacher(frame, monkeypatch, "en")
    try:
        ana, rui = (now.classroom.join(now.classroom.door.code, name, name) for name in ("Ana", "Rui"))
        app.run()
        app.selectbox(key="class-pupil").set_value(ana.number).run()
        at_once(app, {f"class-name-{ana.number}": "Bea"}, "class-rename")
        assert (ana.name, rui.name) == ("Bea", "Rui")
        app.text_input(key=f"class-name-{ana.number}").set_value("Eva")
        at_once(app, {"class-pupil": rui.number}, "class-rename")
        assert (ana.name, rui.name) == ("Bea", "Rui")
        at_once(app, {"class-pupil": ana.number}, "class-remove")
        assert now.classroom.pupil(ana.token)
        assert now.classroom.pupil(rui.token)
        app.button(key="class-remove").click().run()
        assert not now.classroom.pupil(ana.token)
    finally:
        opened.close_class()


def test_a_race_is_that_of_the_form_and_only_the_chosen_attempt_is_taken_off(frame, trained, queue, monkeypatch):
    app, now = opened_by_teacher(frame, monkeypatch, "en")
    try:
        views(app).set_value("race").run()
        at_once(app, {"race-architecture": "mlp", "race-seconds": 5}, "race-start")
        race = now.classroom.race
        assert race
        assert (race.record.rules.spec.architecture, race.record.rules.seconds) == ("mlp", 5)
        for pupil in (1, 2):
            race.send(pupil, f"pupil {pupil}", "x", [0, pupil, 0])
        app.run()
        app.selectbox(key="race-attempt").set_value(1).run()
        at_once(app, {"race-attempt": 2}, "race-take-off")
        assert [one.number for one in race.record.attempts] == [1, 2]
        app.button(key="race-take-off").click().run()
        assert [one.number for one in race.record.attempts] == [1]
    finally:
        opened.close_class()


def test_of_earlier_lessons_only_what_is_chosen_is_deleted(frame, queue, monkeypatch):
    lessons = ["20261129-130500-000000", "20261129-140500-000000"]
    monkeypatch.setattr(quiz, "LOOK", 0.0)
    for name in lessons:
        Race(offered(), name, queue).end()
        assert give(Classroom(reads_one, Clock()).begin_quiz(asked(lesson=name), None), 1, 0, 0)
    app = frame("classroom")
    at_once(app, {"race-old": f"{lessons[0]}-1", "class-lesson": lessons[0]}, "race-delete")
    assert [one.lesson for one in races.records()] == lessons
    at_once(app, {"class-lesson": lessons[1]}, "class-quiz-delete")
    assert list(quiz.lessons()) == lessons
    app.button(key="race-delete").click()
    app.button(key="class-quiz-delete").click().run()
    assert [one.lesson for one in races.records()] == lessons[1:]
    assert list(quiz.lessons()) == lessons[:1]


# --- runs and drawings ------------------------------------------------------------------------------------------------


@pytest.fixture
def two(queue) -> list[Run]:
    """Two runs that nobody has begun."""
    del queue
    return [store.create(checked(FIELDS | {"epochs": epochs})) for epochs in (2, 3)]


def test_of_the_runs_that_the_page_asks_about_those_still_chosen_are_deleted(frame, two):
    first, second = two
    app = frame("runs", runs=f"{first.name},{second.name}")
    app.session_state["runs"] = [second.name]
    at_once(app, {}, "runs-delete")
    assert store.runs() == [first]
    app = frame("runs", runs=first.name)
    app.session_state["runs"] = []
    at_once(app, {}, "runs-delete")
    assert store.runs() == [first]


def test_a_run_is_stopped_by_its_own_button_and_the_form_gets_the_settings_of_the_one_that_is_chosen(frame, two):
    first, second = two
    app = frame(run=first.name)
    at_once(app, {"run": second.name}, "ask-stop")
    assert [run.control().wanted for run in two] == ["run", "run"]
    app.session_state["hyper"] = True
    app.run()
    at_once(app, {"run": first.name}, "to-train")
    assert app.text_input(key="epochs").value == str(first.spec.epochs)


def test_of_the_drawings_that_the_page_asks_about_those_that_still_fit_are_deleted(frame):
    for label in (1, 2):
        collection.keep(np.full((112, 112), 255, np.uint8), label, "")
    app = frame("drawings")
    at_once(app, {"drawings-digit": 2}, "drawings-yes")
    assert [one.label for one in collection.kept()] == [1]


# --- what is trained --------------------------------------------------------------------------------------------------


def clicked_twice() -> None:
    """A page that a second click has begun, and that a third one begins again."""
    import streamlit as st

    from core.spec import checked
    from ui import status

    st.session_state[status.STARTED] = 99.5
    for st.session_state[status.CLICKED] in (100.0, 101.0):
        status.start(checked({"data": "tiny"}))


def test_two_clicks_on_start_begin_one_run_however_long_the_page_takes_until_it_begins_it(queue):
    del queue
    app = AppTest.from_function(clicked_twice, default_timeout=30).run()
    assert not app.exception
    assert len(store.runs()) == 1


def test_a_search_tries_what_is_written_and_the_chosen_one_is_stopped_and_repeated(frame, queue):
    app = frame("search", **{**FIELDS, "epochs": "1"})
    at_once(app, {"study-list-learning_rate-en": "0.5"}, "study-start")
    studies = list(server.studies().values())
    assert [one.varied["learning_rate"] for one in studies] == [(0.5,)]
    other = named(checked(FIELDS | {"epochs": 9}), "grid", {"batch_size": (8, 16)})
    for run in Studies().needed(other):
        server.workers().submit(run)
    runs = store.runs()
    at_once(app.run(), {"study": other.name}, "study-stop")
    assert {run.label().study for run in runs if run.control().wanted == "stop"} == {other.name}
    app.selectbox(key="study").set_value(studies[0].name).run()
    at_once(app, {"study": other.name}, "study-again")
    assert app.text_input(key="epochs").value == "9"


def test_the_trainings_of_a_published_search_are_those_on_the_chosen_data(frame, queue):
    app = frame("recipes", view="searches", search="002-c", data="tiny")
    at_once(app, {"search-data": "blood", "search-seed": 7}, "search-run-002-c")
    assert {(run.spec.data, run.spec.seed) for run in store.runs()} == {("blood", 7)}
    at_once(app, {"search-data": "tiny"}, "search-stop-002-c")
    assert "stop" not in {run.control().wanted for run in store.runs()}


@with_mnist
def test_a_recipe_is_run_and_opened_in_the_chosen_variant(frame, queue, monkeypatch):
    monkeypatch.setenv("BANCADA_DATA", REAL_DATA)
    app = frame("recipes", recipe="000-a")
    control(app, "variant").set_value("short")
    at_once(app, {}, "recipes-run")
    assert [run.spec for run in store.runs()] == [RECIPES["000-a"].spec("short", seed=store.runs()[0].spec.seed)]
    control(app, "variant").set_value("honest")
    at_once(app, {}, "to-train")
    query = {key: value for key, value in app.query_params.items() if key in type(store.runs()[0].spec).model_fields}
    assert checked(query) == RECIPES["000-a"].spec("honest")


def test_the_form_gets_the_training_of_the_step_to_which_the_lesson_has_gone_on(frame):
    app = frame("lessons", lesson="sigmoid", step="2")
    app.button(key="lesson-next").click()
    at_once(app, {}, "lesson-open")
    assert lesson("sigmoid").step(3).seed == 1
    assert app.session_state["seed"] == "1"


# --- networks, images, files ------------------------------------------------------------------------------------------


def test_an_edit_is_of_the_layer_that_was_in_sight_and_of_the_network_that_is_chosen(frame):
    editor = Editor(frame, architecture="lenet")
    app = editor.app
    at_once(app, {"editor.layer": 2, "editor.kind": "dropout"}, "editor.add")
    app.selectbox(key="architecture").set_value("lenet").run()
    editor.choose(1)
    app.text_input(key="editor.filters.written").set_value("9")
    app.radio(key="editor.layer").set_value(2).run()
    assert not app.exception
    layers = parse(editor.in_force)
    assert str(layers[0]).startswith("conv(9,")
    assert layers[1:] == ARCHITECTURES["lenet"][1:]
    assert app.radio(key="editor.layer").value == 2, "which was chosen meanwhile"
    at_once(app, {"editor.layer": 0}, "editor.up")
    assert parse(editor.in_force) == layers, "the first layer cannot go up"
    at_once(app, {"architecture": "mlp"}, "editor.add")
    assert app.selectbox(key="architecture").value == "mlp"


def test_the_next_image_is_that_after_the_chosen_one(frame, trained):
    answers = stored_answers(trained)
    assert answers
    places = answers.errors("confidence").tolist()
    app = frame("evaluate", run=trained.name)
    control(app, "view").set_value("image").run()
    at_once(app, {"image-index.written": str(places[3])}, "image-next")
    assert app.session_state["image-index"] == places[4]


def test_an_image_is_drawn_at_random_from_the_chosen_split(frame):
    app = frame("data")
    control(app, "explore").set_value("image").run()
    app.session_state["image-mnist-5k-train"] = -1
    at_once(app, {"image-split": "train"}, "explore-random")
    assert app.session_state["image-mnist-5k-train"] > 0


def test_an_example_is_written_in_the_chosen_language(frame):
    app = frame("check")
    control(app, "lang").set_value("pt_BR")
    at_once(app, {}, "try-figures")
    assert app.text_input(key="check-accuracy").value == words.number(0.099, 4, language="pt_BR")


def test_files_are_imported_as_is_chosen(frame, tmp_path):
    (tmp_path / "data").mkdir()
    labels = np.repeat(np.arange(10), 6)
    images = np.full((60, 12, 12), 255, np.uint8)
    images[np.arange(60), 3:6, labels] = 0
    np.savez(tmp_path / "data" / "mine.npz", images=images / 255.0, labels=labels)
    app = frame("data", data="mine")
    next(one for one in app.button if str(one.key).startswith("import-this")).click().run()
    importer = app.session_state["import.job"].importer
    importer.wait(60)
    app.run()
    at_once(app, {"import-digits": True, "import-name": "ours"}, "import-do")
    importer.wait(60)
    app.run()
    assert not app.exception
    assert dataset("ours").digits
