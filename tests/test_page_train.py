"""The page Train: the form, its recipes and its link, the network's table, the start, the curves."""

from __future__ import annotations

import html
import json
import math
import shutil

import pytest
from streamlit.testing.v1 import AppTest

from core import store, words
from core.events import Checkpoint, Epoch, Failure, Step
from core.recipes import PUBLISHED, RECIPES
from core.spec import RunSpec, checked
from core.store import Label
from core.work import work
from tests.browser import ROOT
from tests.conftest import wait_for
from tests.disk import CannotMountError, full, read_only, small_disk
from tests.page import LANGUAGES, button, control, texts
from ui import server
from ui.status import status_of


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [name for name in RECIPES if name not in PUBLISHED])
def test_a_recipe_fills_the_whole_form_and_the_link_and_leaves_it_to_the_visitor(frame, name, language):
    app = frame(language=language)
    app.text_input(key="patience").set_value("7").run()  # a field that the recipe leaves alone is set back
    app.selectbox(key="recipe").select(name).run()
    assert not app.exception
    assert words.text(language, f"recipe.{name}.help") in texts(app)
    spec = RECIPES[name].spec()
    query = {key: value for key, value in app.query_params.items() if key in RunSpec.model_fields}
    assert checked(query) == spec
    app.text_input(key="seed").set_value("3").run()
    assert app.selectbox(key="recipe").value == name, "the seed is the visitor's in any case"
    app.text_input(key="epochs").set_value("2").run()
    assert app.query_params["epochs"] == "2"
    assert app.selectbox(key="architecture").value == spec.architecture
    assert app.selectbox(key="recipe").value == "", "the form is no longer the recipe"
    assert words.text(language, f"recipe.{name}.help") not in texts(app)


def form_alone() -> None:
    """The form without the rest of its page; first filled with the spec `given`, if there is one."""
    import streamlit as st

    from core.spec import RunSpec, checked
    from ui import form

    if given := st.session_state.pop("given", None):
        form.fill(RunSpec.model_validate(given))
    values = form.other_fields(form.first_fields())
    form.write_link(values)
    st.session_state["got"] = checked(values)


CUSTOM = checked(
    {
        **{"data": "mine", "split": "first_last", "val_fraction": 0.123456789, "image_size": 20, "defaults": "keras"},
        **{"layers": "conv(3, 3, padding=same), flatten, dense(classes)", "first_layers": "frozen"},
        **{"weights_from": "20261121-1924-mnist-lenet-4d06", "layers_taken": 1, "optimizer": "sgd", "momentum": 0.9},
        **{"learning_rate": 1.2345678901234e-7, "batch_size": 8192, "epochs": 10_000, "seed": 2**31 - 1, "shift": 1.5},
        **{"patience": 1000, "best_by": "val_loss", "time_limit": 1_234_567.5, "target_accuracy": 0.9901},
    }
)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_form_and_its_link_restore_every_recipe_and_a_spec_of_ones_own(frame, language):
    specs = {one.spec(variant) for one in RECIPES.values() for variant in one.variants} | {CUSTOM}
    assert {spec.seed for spec in specs} >= {0, 42, 2**31 - 1}
    filled = AppTest.from_function(form_alone)
    for spec in specs if language == "pt_BR" else [CUSTOM]:
        filled.query_params["lang"] = language
        filled.session_state["given"] = spec.model_dump()
        filled.run()
        assert not filled.exception
        assert filled.session_state["got"] == spec
        linked = AppTest.from_function(form_alone)
        for name, value in filled.query_params.items():
            linked.query_params[name] = value
        linked.run()
        assert not linked.exception
        assert linked.session_state["got"] == spec


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
    assert not app.exception
    assert (app.selectbox(key="recipe").value, app.selectbox(key="architecture").value) == ("", "custom")


def test_a_spec_in_the_link_fills_the_form(frame):
    app = frame(architecture="cnn", epochs="9", optimizer="sgd", learning_rate="0.25", momentum="0.5", batch_size="0")
    shown = {widget.key: widget.value for widget in (*app.selectbox, *app.text_input)}
    assert (shown["architecture"], shown["epochs"], shown["optimizer"]) == ("cnn", "9", "sgd")
    assert (shown["learning_rate"], shown["momentum"]) == ("0.25", "0.5")
    assert shown["batch_size"] == "64", "what the spec does not take is not taken from the link"
    assert app.query_params["epochs"] == "9"
    assert "batch_size" not in app.query_params


@pytest.mark.parametrize(
    ("language", "name", "written", "meant"),
    [
        ("en", "epochs", "1,000", "1000"),
        ("en", "learning_rate", "1,000", "1000"),
        ("en", "learning_rate", "0,002", "0.002"),
        ("en", "time_limit", "1,200.5", "1200.5"),
        ("pt_BR", "epochs", "1.000", "1000"),
        ("pt_BR", "time_limit", "1.200,5", "1200.5"),
        ("pt_BR", "seed", "2.147.483.647", "2147483647"),
        ("pt_BR", "batch_size", "128", "128"),
        ("pt_BR", "learning_rate", "0,0012345678901234", "0.0012345678901234"),
    ],
)
def test_a_number_in_the_form_is_what_the_language_means_by_it(frame, language, name, written, meant):
    app = frame(language=language)
    app.text_input(key=name).set_value(written).run()
    assert not app.exception
    assert not app.error
    assert app.query_params[name] == meant


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("written", ["12,5", "1.5", "many", "0", "1e9", "1e999", "1e-999", "", "1,00,0"])
def test_what_is_no_number_of_epochs_is_said_and_starts_nothing(frame, language, written):
    app = frame(language=language)
    app.text_input(key="epochs").set_value(written).run()
    assert not app.exception
    (error,) = app.error
    assert error.value.startswith(words.text(language, "spec.epochs.label"))
    assert error.value.endswith(
        words.text(language, "allowed.whole", low=1, high=words.number(10_000, language=language))
    )
    assert button(app, words.text(language, "train.start")).disabled


def test_a_change_of_language_writes_the_forms_numbers_anew_and_changes_none(frame):
    app = frame()
    for name, written in {"epochs": "1,000", "time_limit": "1.125", "learning_rate": "0.25"}.items():
        app.text_input(key=name).set_value(written).run()
    before = dict(app.query_params)
    control(app, "lang").set_value("pt_BR").run()
    assert not app.exception
    shown = {name: app.text_input(key=name).value for name in ("epochs", "time_limit", "learning_rate")}
    assert shown == {"epochs": "1000", "time_limit": "1,125", "learning_rate": "0,25"}
    after = dict(app.query_params)
    assert {name: after[name] for name in shown} == {name: before[name] for name in shown}


def test_a_decimal_comma_is_a_decimal_comma(frame):
    app = frame(language="pt_BR", learning_rate="0.002")
    field = app.text_input(key="learning_rate")
    assert field.value == "0,002"
    app = field.set_value("0,003").run()
    assert app.query_params["learning_rate"] == "0.003"
    app = app.text_input(key="learning_rate").set_value("meio").run()
    said = "Taxa de aprendizado: “meio” não é possível. Digite um número acima de 0 e no máximo 10.000.000."
    assert app.error[0].value == said


def test_layers_with_a_fault_in_the_link_stay_as_they_were_written(frame):
    app = frame(architecture="custom", layers="flatten, dense(8, activation=rleu), dense(classes)")
    assert app.text_area(key="layers").value == "flatten, dense(8, activation=rleu), dense(classes)"
    assert "activation" in app.error[0].value


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
    assert "Layer 4 (Convolution, 8 filters 5 x 5) does not fit" in app.error[0].value
    assert not app.exception


def test_a_data_set_that_is_not_here_can_be_fetched_and_not_trained_on(frame):
    app = frame(data="mnist")
    labels = [button.label for button in app.button]
    assert "Download MNIST" in labels
    assert "Start training" not in labels


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_run_keeps_the_weights_of_past_epochs_unless_the_form_says_otherwise(frame, language):
    app = frame(language=language, epochs="1", architecture="mlp")
    switch = next(one for one in app.toggle if one.key == "form.snapshots")
    assert switch.value
    for said, key in ((switch.label, "snapshots"), (switch.help, "snapshots_help")):
        assert said == words.text(language, f"form.{key}")
    switch.set_value(False).run()
    button(app, words.text(language, "train.start")).click().run()
    assert not app.exception
    (run,) = store.runs()
    assert not run.control().snapshots
    assert "snapshots" not in "".join(app.query_params)
    run.ask("stop")


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
def test_several_seeds_are_queued_but_none_that_is_done_or_at_work(frame, language):
    fields = {"architecture": "mlp", "epochs": 1, "batch_size": 512}
    done = store.create(checked(fields | {"seed": 4}))
    assert work(str(done.folder)) == "done"
    app = frame(language=language, seed="3", **{name: str(value) for name, value in fields.items()})
    link = dict(app.query_params)
    app.number_input(key="train.seeds").set_value(3).run()
    assert dict(app.query_params) == link, "the number is no part of the spec"
    start = words.text(language, "train.start_seeds", count=3)
    button(app, start).click().run()
    assert not app.exception
    runs = {run.spec.seed: run for run in store.runs()}
    assert (set(runs), len(store.runs()), runs[4]) == ({3, 4, 5}, 3, done)
    assert app.selectbox(key="run").value == runs[3].name
    assert words.text(language, "train.not_again", count=1, seeds="4") in texts(app)
    app.session_state["started"] = -math.inf  # as a second later
    button(app, start).click().run()
    assert len(store.runs()) == 3
    assert words.text(language, "train.not_again", count=3, seeds="3, 4, 5") in texts(app)
    app.button(key="to-runs").click().run()
    assert not app.exception
    assert app.session_state["runs"] == [runs[seed].name for seed in (3, 4, 5)]
    assert len(app.dataframe[0].value) == 1, "one line"
    for run in runs.values():
        server.workers().stop(run)


def test_seeds_that_a_spec_does_not_take_are_refused_and_none_is_queued(frame):
    app = frame(seed=str(2**31 - 1))
    app.number_input(key="train.seeds").set_value(2).run()
    button(app, words.text("en", "train.start_seeds", count=2)).click().run()
    assert "2147483648" in app.error[0].value
    assert not store.runs()


def test_one_run_is_trained_again_as_often_as_it_is_started(frame, trained):
    spec = trained.spec
    app = frame(**{name: str(getattr(spec, name)) for name in ("architecture", "epochs", "batch_size")})
    button(app, words.text("en", "train.start")).click().run()
    assert [run.spec for run in store.runs()] == [spec, spec]
    assert "train.not_again" not in app.session_state
    assert not [one for one in app.button if one.key == "to-runs"]
    server.workers().stop(store.runs()[0])


@pytest.mark.parametrize("page", ["train", "evaluate", "inside"])
def test_the_choice_of_a_run_has_a_link_to_the_table_of_all(frame, trained, page):
    links = {link.proto.label: link.proto.page for link in frame(page, run=trained.name).get("page_link")}
    assert links[words.text("en", "train.all_runs")] == "runs"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("spoilt", [full, read_only])
def test_a_click_that_cannot_be_stored_is_refused_in_a_sentence_that_stays_and_changes_nothing(
    frame, tmp_path, monkeypatch, language, spoilt
):
    app = frame(language=language)
    try:
        with small_disk(tmp_path / "small") as disk:
            monkeypatch.setenv("BANCADA_STORE", str(disk))
            run = store.create(checked({"architecture": "mlp", "epochs": 2}))
            work(str(run.folder), leaving=lambda: True)
            sentence = words.text(language, "error.store_write", folder=run.folder, reason="…").partition(":")[0]

            def click(key: str) -> None:
                before, control = run.status(), run.control()
                app.button(key=f"ask-{key}").click().run()
                for _ in range(2):  # and at the next look at the run, half a second later
                    assert not app.exception
                    assert [one.value.startswith(sentence) for one in app.error] == [True], key
                    app.run()
                assert (run.status(), run.control()) == (before, control), key

            app.query_params["run"] = run.name
            app.run()
            with spoilt(disk):
                click("resume")
                next(one for one in app.button if one.label == words.text(language, "train.start")).click().run()
                assert [run.name for run in store.runs()] == [run.name]
                assert len(app.error) == 2
            with run.hold():  # as a worker would
                app.run()
                with spoilt(disk):
                    for key in ("pause", "stop"):
                        click(key)
                run.ask("pause")
                app.run()
                with spoilt(disk):
                    for key in ("go_on", "batch", "epoch", "stop"):
                        click(key)
                app.button(key="ask-epoch").click().run()
                assert not app.error, "there is room again"
                assert run.control().wanted == "epoch"
    except CannotMountError as error:
        pytest.skip(str(error))


def test_a_run_that_waits_is_stopped_at_once_and_put_back_by_resume(frame):
    first, second = (store.create(checked({"architecture": "mlp", "epochs": 10_000, "seed": seed})) for seed in (0, 1))
    for run in (first, second):
        server.workers().submit(run)
    app = frame(run=second.name)
    assert words.text("en", "train.place", place=1) in app.get("progress")[0].proto.text
    app.button(key="ask-stop").click().run()
    assert not app.exception
    assert (status_of(second), server.workers().place(second)) == ("stopped", None)
    app.button(key="ask-resume").click().run()
    assert (status_of(second), server.workers().place(second)) == ("queued", 1)
    for run in (second, first):
        server.workers().stop(run)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_run_shows_all_its_hyperparameters_beside_a_form_that_has_others_and_fills_it(frame, language):
    fields = {"optimizer": "sgd", "momentum": 0.5, "seed": 42, "defaults": "keras", "time_limit": 7.25}
    run = store.create(checked(fields | {"layers": "flatten, batch_norm, dense(classes)"}))
    run.ask("stop")
    app = frame(language=language, run=run.name, epochs="9")
    labels = {name: words.text(language, f"spec.{name}.label") for name in RunSpec.model_fields}
    differ = ["architecture", "layers", "defaults", "optimizer", "momentum", "epochs", "seed", "time_limit"]
    assert words.text(language, "hyper.form", count=len(differ)) in texts(app)
    assert words.text(language, "hyper.form_differs", names=", ".join(labels[name] for name in differ)) in texts(app)
    app.session_state["hyper"] = True
    app.run()
    changed, constants, rest = (table.value for table in app.table)
    assert list(changed.iloc[:, 0]) == [labels[name] for name in differ if name != "epochs"]
    shown = dict(zip(changed.iloc[:, 0], changed.iloc[:, 1:].values.tolist(), strict=True))
    assert shown[labels["seed"]] == ["42", "0"]
    assert shown[labels["layers"]] == ["flatten, batch_norm, dense(classes)", "–"]
    assert shown[labels["time_limit"]][0] == ("7.25 s" if language == "en" else "7,25 s")
    numbers = [words.number(value, language=language) for value in (0.001, 0.01)]
    glorot = words.text(language, "constant.glorot_uniform")
    assert list(constants.iloc[:, 1]) == [glorot, "0", *numbers], "SGD has no epsilon"
    assert set(rest.iloc[:, 0]) == set(labels.values()) - {
        labels[name] for name in ("layers_taken", "weights_from", *differ) if name != "epochs"
    }
    button(app, words.text(language, "train.use_settings")).click().run()
    assert not app.exception
    query = {name: value for name, value in app.query_params.items() if name in RunSpec.model_fields}
    assert checked(query) == run.spec
    assert words.text(language, "hyper.form", count=0) in texts(app)
    assert app.selectbox(key="run").value == run.name, "the run that is looked at stays"


@pytest.mark.parametrize(("error", "slots"), [("diverged", {"loss": 33.0}), ("lost", {"accuracy": 0.1, "steps": 262})])
def test_a_run_that_was_stopped_as_diverged_by_this_version_or_an_earlier_one_can_be_resumed(frame, error, slots):
    run, told = store.create(checked({"architecture": "mlp", "epochs": 2})), []
    work(str(run.folder), leaving=lambda: len(told) > 2, tell=told.append)
    slots = {"step": 20, "epoch": 1, "loss": 33.0, "start": 2.3, "factor": 4} | slots
    run.append(Failure(step=20, error=f"error.{error}", slots=slots, trace=""))
    app = frame(run=run.name)
    assert words.text("en", f"error.{error}", **slots) in texts(app)
    assert words.text("en", "train.resume") in texts(app)
    assert not app.button(key="ask-resume").disabled


def test_a_run_whose_worker_was_killed_says_so_and_where_it_went_on(frame):
    run, told = store.create(checked({"architecture": "mlp", "epochs": 3, "batch_size": 128})), []
    work(str(run.folder), leaving=lambda: len(told) > 8, tell=told.append)
    log = (run.folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    assert isinstance(run.latest(), Checkpoint)
    (run.folder / "events.jsonl").write_bytes(b"".join(log[:-1]))  # as if it had been killed instead
    last, before = run.latest(), run.checkpoints()[-1]
    assert isinstance(last, Step)
    assert words.text("en", "train.died", step=last.step) in [one.value for one in frame(run=run.name).warning]
    looks = iter(range(100))
    work(str(run.folder), leaving=lambda: next(looks) == 1)
    assert words.text("en", "train.restarted", start=before.step, step=last.step) in texts(frame(run=run.name))


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


@pytest.mark.parametrize("language", LANGUAGES)
def test_anothers_run_is_not_opened_unasked_and_has_no_buttons_until_they_are_asked_for(frame, language):
    run = store.create(checked({"architecture": "mlp", "epochs": 3}), label=Label(owner="0123456789abcdef"))
    with run.hold():  # as a worker would
        app = frame(language=language)
        assert "run" not in [one.key for one in app.selectbox], "the visitor has none"
        app.toggle(key="others-runs").set_value(True).run()
        app.selectbox(key="run").select(run.name).run()
        keys = [one.key for one in app.button]
        assert "control-anyway" in keys
        assert not [key for key in keys if key and key.startswith("ask-")]
        app.button(key="control-anyway").click().run()
        assert not app.exception
        assert not app.button(key="ask-stop").disabled
        mine = AppTest.from_file(str(ROOT / "ui" / "frame.py"), default_timeout=30)
        mine.session_state["visitor"] = "0123456789abcdef"
        assert mine.run().selectbox(key="run").value == run.name, "its owner sees it at once"
        assert not mine.button(key="ask-stop").disabled


def test_an_interrupted_run_of_ones_own_is_opened_unasked(frame, trained):
    run = store.create(trained.spec, label=Label(owner="0123456789abcdef"))
    events = (trained.folder / "events.jsonl").read_text().splitlines(keepends=True)
    (run.folder / "events.jsonl").write_text("".join(events[:3]))
    assert run.status() == "interrupted"
    app = AppTest.from_file(str(ROOT / "ui" / "frame.py"), default_timeout=30)
    app.session_state["visitor"] = "0123456789abcdef"
    assert app.run().selectbox(key="run").value == run.name
    assert not app.button(key="ask-resume").disabled


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_result_says_its_images_and_interval_and_whether_it_is_better_than_no_answer_at_all(frame, trained, language):
    def said(run: store.Run) -> str:
        app = frame(language=language, run=run.name)
        return "\n".join(html.unescape(block.proto.body) for block in app.main.get("html"))

    report = trained.report()
    assert report
    text = said(trained)
    assert words.percent(report.accuracy, 2, language=language) in text
    assert words.interval(*report.accuracy_interval, 2, language=language) in text
    sentence = words.text(language, "train.no_better", share="…").partition("(")[0]
    assert sentence not in text
    layers = f"flatten, {3 * 'dense(8, activation=sigmoid), '}dense(classes)"  # untrained, it says one class of all
    untrained = store.create(checked({"layers": layers, "epochs": 1, "learning_rate": 1e-12}))
    assert work(str(untrained.folder)) == "done"
    assert sentence in said(untrained)


def test_a_stopped_run_can_be_finished_and_says_that_it_was(frame):
    run, told = store.create(checked({"architecture": "mlp", "epochs": 3, "batch_size": 256})), []
    work(str(run.folder), leaving=lambda: isinstance(told[-1] if told else None, Step), tell=told.append)
    assert "ask-finish" not in [one.key for one in frame(run=run.name).button], "it has no epoch"
    work(str(run.folder), leaving=lambda: isinstance(told[-1], Epoch), tell=told.append)
    run.ask("stop")
    app = frame(run=run.name)
    app.button(key="ask-finish").click().run()
    assert not app.exception
    wait_for(lambda: run.report())
    app.run()
    ended = words.text("en", "train.by_hand", epoch=1, epochs=3)
    assert ended in texts(app)


def test_the_panels_under_a_run_are_the_runs_and_not_the_forms(frame, trained):
    app = frame(run=trained.name, architecture="lenet")
    labels = [one.label for one in app.main.expander]
    parameters = trained.started().parameters
    assert words.text("en", "network.title", parameters=parameters, frozen=0) in labels
    assert not any("61,706" in label for label in labels), "the form's LeNet"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_finished_run_says_its_processor_time_if_its_log_has_it(frame, trained, language):
    def said(run: store.Run) -> str:
        return texts(frame(language=language, run=run.name))

    last = trained.last(Epoch)
    assert last
    assert last.processor_seconds
    seconds = words.duration(last.processor_seconds, language=language)
    assert words.text(language, "train.processor", seconds=seconds) in said(trained)
    old = rewritten(trained, "of-an-earlier-version", exclude={"processor_seconds"})
    assert old.report()
    assert words.text(language, "train.processor", seconds="") not in said(old)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("because", ["", "compiling", "numba"])
def test_a_run_says_by_what_it_was_computed_and_why_that_was_slower_if_it_was(frame, trained, language, because):
    run = rewritten(trained, "first-run", started={"slower_because": because})
    said = ", ".join(words.text(language, f"option.{how}") for how in ("float32", "torch"))
    if because:
        said = words.text(language, f"train.slower.{because}", where=said)
    caption = next(one.value for one in frame(language=language, run=run.name).caption if "float32" in one.value)
    assert caption.endswith(said)


def rewritten(run: store.Run, name: str, *, exclude: set[str] | None = None, started: dict | None = None) -> store.Run:
    """A copy of the run with other events."""
    events = [event.model_dump(exclude=exclude) for event in run.events()]
    copy = store.Run(shutil.copytree(run.folder, run.folder.with_name(name)))
    lines = (json.dumps(event | (started or {} if event["event"] == "started" else {})) for event in events)
    (copy.folder / "events.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return copy
