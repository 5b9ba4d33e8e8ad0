"""The page Inside: the strip of a run's layers, one channel enlarged with its sum, and where its image comes from."""

from __future__ import annotations

import base64
import os
import re
import shutil
import sys
import threading
import time
from urllib.parse import parse_qsl

import numpy as np
import psutil
import pytest

from core import settings, store, words
from core.events import Checkpoint, Event
from core.inside.network import Network, feature_maps, most_exciting, reach
from core.inside.plane import neighbour_accuracy, pca, penultimate, tsne_aside
from core.inside.reasons import REASONS, similarity
from core.inside.step import Practice
from core.inside.sums import explained
from core.models.model import open_model
from core.models.snapshots import open_at, snapshots
from core.refusal import Refusal
from core.spec import checked, link
from core.store import Run
from core.training.transfer import fits
from core.work import work
from tests.page import LANGUAGES, button, captions, component, control, texts
from tests.small_data import write_blood
from tests.test_page_draw import drawn
from ui import server
from ui.inside import message
from ui.inside.epochs import LASTS
from ui.inside.opened import Visitor, Work, _begin, asked, dead, exciting, opened
from ui.text import literal

NET = "conv(5, 3, padding=same, activation=relu), batch_norm, max_pool(2), flatten, dropout(0.2), dense(classes)"


@pytest.fixture(scope="module")
def convolving(tmp_path_factory, read_digits) -> Run:
    """A finished run of a network with a layer of each kind that is explained in another way."""
    folder = tmp_path_factory.mktemp("convolving")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BANCADA_CACHE", str(read_digits))
        patch.setenv("BANCADA_STORE", str(folder))
        run = store.create(checked({"layers": NET, "epochs": 1, "batch_size": 128}))
        assert work(str(run.folder)) == "done"
    return run


@pytest.fixture
def run(convolving, frame) -> Run:
    target = settings.store_folder() / convolving.name
    shutil.copytree(convolving.folder, target, copy_function=os.link)
    return Run(target)


def stopped_after_a_batch(fields: dict) -> Run:
    """A run that was stopped while it was paused after its first batch."""
    run = store.create(checked(fields))
    run.ask("batch")

    def stop(event: Event) -> None:
        if isinstance(event, Checkpoint):
            run.ask("stop")

    assert work(str(run.folder), tell=stop) == "stopped"
    return run


@pytest.fixture
def unfinished(frame, monkeypatch) -> Run:
    """A run that was stopped within its first epoch."""
    monkeypatch.setenv("BANCADA_DEVICE", "cpu")
    return stopped_after_a_batch({"layers": NET, "epochs": 3, "batch_size": 128})


def taken_apart(run: Run) -> Network:
    model = open_model(run)
    return Network.of(model.module, run.spec, model.shape, run.started().class_count)


def values_of(app, number: int, shape: tuple[int, ...]) -> np.ndarray:
    """What the browser draws of a layer, -127 to 127."""
    told = component(app, "bancada.strip")["messages"][str(number)]
    return np.frombuffer(base64.b64decode(told["values"]), np.int8).reshape(shape)


def choose(app, number: int, channel: int, *place: int):
    app.session_state["inside.chosen"] = (number, channel, *place)
    app.run()
    assert not app.exception
    return app


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_strip_has_each_layers_output_on_one_scale_symmetric_around_0(frame, run, language):
    app = frame("inside", language, run=run.name, image="val:3")
    network, image = taken_apart(run), server.splits(run.spec).parts()["val"].images[3]
    told = component(app, "bancada.strip")
    assert [one["number"] for one in told["layers"]] == [1, 2, 3, 4, 5, 6, 0]
    for row, output in zip(network.rows, feature_maps(network, image), strict=True):
        some = output[: message.MOST_MAPS if output.ndim == 3 else message.MOST_VALUES]
        assert np.abs(values_of(app, row.number, some.shape) - some * 127 / reach(output)).max() <= 0.5
        layer = told["layers"][row.number - 1]
        assert (layer["shape"], layer["count"]) == (list(row.shape[1:]), len(some))
        assert str(row.shape[0]) in layer["facts"][0]
    names = list(run.class_names(language))
    assert (told["layers"][5]["names"], told["layers"][6]["names"], told["layers"][0]["names"]) == (names, names, [])
    assert sum(values_of(app, 0, (10,)).tolist()) == pytest.approx(127, abs=5)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("number", range(1, 7))
def test_every_kind_of_layer_is_enlarged_and_its_value_is_explained(frame, run, language, number):
    app = frame("inside", language, run=run.name, image="val:3")
    network, image = taken_apart(run), server.splits(run.spec).parts()["val"].images[3]
    shape = network.row(number).shape
    place = (2, 5, 6) if len(shape) == 3 else (2,)
    choose(app, number, *place)
    one = explained(network, image, number, place)
    said = texts(app) + component(app, "bancada.place")["said"]
    assert words.text(language, f"inside.sum_{one.kind}") in said
    assert words.number(one.value, 4, language=language) in said
    assert one.value == pytest.approx(float(feature_maps(network, image)[number - 1][place]), abs=1e-5)
    if one.kind == "sum":
        assert words.number(one.before, 4, language=language) in said
        products = next(
            table for table in app.expander if "inside" in str(table.proto.id) and "products" in str(table.proto.id)
        )
        assert not products.dataframe, "it is made once it is unfolded"


def test_the_table_is_made_once_it_is_unfolded(frame, run):
    app = frame("inside", run=run.name, image="val:3")
    assert not app.dataframe
    app.session_state["inside-table"] = True
    app.run()
    table = app.dataframe[0].value
    assert len(table) == 6
    assert table["Parameters"].tolist()[0] == "50"


def test_channels_that_are_0_on_all_validation_images_have_a_sign(frame, run, tmp_path):
    own = Run(shutil.copytree(run.folder, run.folder.with_name(f"{run.name[:-4]}0000")))
    report = own.report()
    assert report
    weights, _ = own.load(report.model, report.model_sha256)
    name = next(name for name in weights if name.endswith("conv.bias"))
    weights[name][3] = -1000.0
    own.append(report.model_copy(update={"model_sha256": own.save(report.model, weights)}))
    app = frame("inside", run=own.name, image="val:0")
    end = time.monotonic() + 30
    while "inside-stop" in [one.key for one in app.button] and time.monotonic() < end:
        time.sleep(0.1)
        app.run()
    told = component(app, "bancada.strip")
    assert told["layers"][0]["dead"] == [3]
    assert told["dead"]
    assert "✗" in texts(app)


def test_what_is_computed_beside_the_page_can_be_stopped():
    one = Work()
    one.progress(1, 4)
    assert one.done == 0.25
    one.stopped.set()
    with pytest.raises(InterruptedError):
        one.progress(2, 4)


def test_it_is_stopped_once_nobody_waits_for_it():
    one, here, there = Work(), Visitor(), Visitor()
    one.waiting |= {here, there}
    one.stop(here)
    assert (here in one.left, one.stopped.is_set()) == (True, False)
    one.leave(there)
    assert (there in one.left, one.stopped.is_set()) == (False, True)


@pytest.mark.parametrize("error", [OSError("no space"), np.linalg.LinAlgError("singular"), MemoryError(), KeyError(1)])
def test_whatever_goes_wrong_ends_the_waiting(error):
    def fail(progress):
        raise error

    assert _begin(fail).found.exception(timeout=10) is error


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_says_what_went_wrong_and_begins_again(frame, run, language, monkeypatch):
    def fail(*_, **__):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("ui.inside.opened.dead_channels", fail)
        app = finished(frame("inside", language, run=run.name, image="val:3"))
    assert words.text(language, "inside.failed", error="OSError: no space left") in texts(app)
    app.button(key="inside-again").click().run()
    app = finished(app)
    assert "OSError" not in texts(app)


def test_what_is_known_of_an_epochs_weights_stays_while_the_run_goes_on(run):
    from core.events import Epoch

    own = Run(shutil.copytree(run.folder, run.folder.with_name(f"{run.name[:-4]}0000")))
    work_ = dead(opened(own, 0))
    own.append(own.events(Epoch)[-1].model_copy(update={"sha256": "0" * 64}))  # as of a later checkpoint
    assert dead(opened(own, 0)) is work_
    assert dead(opened(own, 1)) is not work_


def test_a_visitor_who_asks_for_something_else_stops_what_nobody_waits_for(run, monkeypatch):
    one, held = opened(run), threading.Event()

    def slow(*_, progress):
        held.wait(10)
        progress(0, 1)

    monkeypatch.setattr("ui.inside.opened.most_exciting", slow)
    exciting.clear()
    first = asked(exciting, one, 1, 0)
    second = asked(exciting, one, 1, 1)
    assert (first.stopped.is_set(), second.stopped.is_set()) == (True, False)
    again = asked(exciting, one, 1, 0)
    assert again is not first, "it begins again"
    held.set()
    again.found.result(timeout=10)
    assert isinstance(first.found.exception(timeout=10), InterruptedError)
    exciting.clear()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_drawing_on_the_sheet_goes_through_the_network(frame, run, language):
    app = frame("inside", language, run=run.name)
    assert words.text(language, "inside.empty_maps") in texts(app)
    before = component(app, "bancada.strip")["messages"]["1"]["values"]
    drawn(app)
    assert words.text(language, "inside.empty_maps") not in texts(app)
    assert component(app, "bancada.strip")["messages"]["1"]["values"] != before
    live = component(app, "bancada.pad")["live"]
    assert re.search(r"layer=1\b", live)
    assert run.name in live


def test_the_image_stands_in_the_link_and_a_link_is_followed_once(frame, run):
    app = frame("inside", run=run.name, image="test:17")
    assert control(app, "inside-source").value == "test"
    assert app.query_params["image"] == "test:17"
    app.text_input(key="inside-number.written").set_value("18").run()
    assert app.query_params["image"] == "test:18"
    control(app, "inside-source").set_value("pad").run()
    assert "image" not in app.query_params
    app.query_params["image"] = "test:17"
    app.run()
    assert (control(app, "inside-source").value, app.session_state["inside-number"]) == ("test", 17)


@pytest.mark.parametrize("image", ["nonsense", "val:x", "train:3"])
def test_a_link_to_an_image_that_is_not_offered_says_so(frame, run, image):
    app = frame("inside", run=run.name, image=image)
    assert words.text("en", "inside.no_link", value=literal(image)) == app.warning[0].value
    assert "image" not in app.query_params


def test_nobody_sees_what_a_run_makes_of_test_images_before_it_is_done(frame, unfinished):
    app = frame("inside", run=unfinished.name, image="test:3")
    assert words.text("en", "inside.no_link", value=literal("test:3")) == app.warning[0].value
    assert control(app, "inside-source").options == ["Drawing", "Val"]
    assert component(app, "bancada.strip")
    assert "inside-dead" in [one.key for one in app.button], "its dead channels are looked for only when it is asked"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("view", ["layers", "why", "plane"])
def test_of_a_run_that_validates_on_the_test_images_none_is_shown_before_it_is_done(frame, language, view):
    run = stopped_after_a_batch({"layers": NET, "epochs": 3, "batch_size": 128, "split": "test"})
    app = frame("inside", language, run=run.name, image="val:3", view=view)
    assert words.text(language, "inside.no_link", value=literal("val:3")) == app.warning[0].value
    assert control(app, "inside-source").options == [words.text(language, "inside.pad")]
    said = words.text(language, "error.test_not_shown", run=run.name, next=words.text(language, "next.stopped"))
    if view == "plane":
        assert app.info[0].value == said
    if view == "layers":
        app.session_state["inside.dead"] = (run.name, 0)
        control(app, "inside-beside").set_value("exciting").run()
        assert app.warning[0].value == said
        assert "inside-stop" not in [one.key for one in app.button]
    assert not app.exception
    with pytest.raises(Refusal, match="test_not_shown"):
        dead(opened(run))


def test_other_images_in_place_of_those_that_the_run_was_tested_on_are_not_shown(frame, run, monkeypatch):
    report = run.report()
    assert report
    own = Run(shutil.copytree(run.folder, run.folder.with_name(f"{run.name[:-4]}0000")))
    own.append(report.model_copy(update={"images": "0" * 64}))
    server.answers.clear()
    app = frame("inside", run=own.name, view="plane")
    assert "test images" in app.warning[0].value
    app = frame("inside", run=own.name, image="val:3")
    assert "test images" in app.warning[0].value


def test_data_without_digits_are_looked_into_by_their_images(frame, tmp_path, monkeypatch):
    monkeypatch.setenv("BANCADA_DEVICE", "cpu")
    (tmp_path / "data").mkdir(exist_ok=True)
    write_blood(tmp_path / "data")
    run = store.create(checked({"data": "blood", "layers": NET, "epochs": 1, "split": "official"}))
    assert work(str(run.folder)) == "done"
    app = frame("inside", run=run.name)
    assert control(app, "inside-source").options == ["Val", "Test"]
    (tmp_path / "data" / "blood.npz").unlink()
    server.splits.clear()
    server.official.clear()
    app.run()
    assert not app.exception
    assert app.warning


def test_evaluate_train_and_draw_lead_inside(frame, run):
    app = frame("evaluate", run=run.name)
    app.session_state["view"] = "image"
    app.run()
    links = [one.proto.query_string for one in app.get("page_link") if one.proto.page == "inside"]
    assert any("image=test" in one for one in links)
    for page in ("train", "draw"):
        app = frame(page, run=run.name)
        (there,) = [
            one.proto.label
            for one in app.main.get("page_link")
            if "inside" in one.proto.page and run.name in one.proto.query_string
        ]
        assert there.startswith("Look inside ")
        assert run.name[-4:] in there, "of several models on Draw it leads into one"


def test_a_client_can_send_anything_for_a_place(frame, run):
    app = frame("inside", run=run.name, image="val:3")
    for sent in ([99, 0], [1, -1], "x", [1], [1, 10_000], [None, 2]):
        app.session_state["strip"] = {"place": sent}
        app.run()
        assert not app.exception
    assert component(app, "bancada.strip")["chosen"] == [1, 0]


def test_the_page_is_told_what_is_wrong_with_a_run_and_another_is_shown(frame, run):
    broken = Run(shutil.copytree(run.folder, run.folder.with_name(f"{run.name[:-4]}0000")))
    report = broken.report()
    assert report
    (broken.folder / report.model).write_bytes(b"nothing")
    app = frame("inside", run=broken.name)
    assert app.error[0].value
    assert not component(app, "bancada.strip")
    assert component(frame("inside", run=run.name), "bancada.strip")


# --- epochs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_at_each_epoch_the_matrix_fits_the_accuracy_and_the_layers_are_those_of_its_weights(frame, run, language):
    image = server.splits(run.spec).parts()["val"].images[3]
    for snapshot in snapshots(run):
        app = frame("inside", language, run=run.name, image="val:3", epoch=str(snapshot.epoch))
        control(app, "inside-beside").set_value("epoch").run()
        counts = np.array(component(app, "bancada.matrix")["counts"])
        assert counts.trace() / counts.sum() == snapshot.val_accuracy
        assert words.percent(snapshot.val_accuracy, 2, language=language) in texts(app)
        model = open_at(run, snapshot.epoch)
        maps = feature_maps(Network.of(model.module, run.spec, model.shape, 10), image)
        assert np.abs(values_of(app, 1, (5, 28, 28)) - maps[0] * 127 / reach(maps[0])).max() <= 1  # kept in float16
        assert app.query_params["epoch"] == str(snapshot.epoch)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_run_that_was_paused_within_an_epoch_shows_these_weights_apart_from_those_of_its_epochs(
    frame, unfinished, language
):
    model, image = open_model(unfinished), server.splits(unfinished.spec).parts()["val"].images[3]
    assert model.epoch == 0 < model.step
    for number, query, wanted in (("now", {}, model), (0, {"epoch": "0"}, open_at(unfinished, 0))):
        app = frame("inside", language, run=unfinished.name, image="val:3", **query)
        maps = feature_maps(Network.of(wanted.module, unfinished.spec, wanted.shape, 10), image)
        assert np.abs(values_of(app, 1, (5, 28, 28)) - maps[0] * 127 / reach(maps[0])).max() <= 0.5
        said = words.text(language, "inside.epoch_now", epoch=1, step=model.step)
        assert (said in texts(app)) == (number == "now")
        if number == 0:
            control(app, "inside-beside").set_value("epoch").run()
            assert component(app, "bancada.matrix")


@pytest.mark.parametrize("asked", ["9" * 4301, "-1", "\u0661", "x", "1.0"])
def test_a_link_to_an_epoch_that_is_none_shows_the_model(frame, run, asked):
    app = frame("inside", run=run.name, image="val:3", epoch=asked)
    assert not app.exception
    assert app.session_state["inside-epoch"] == 1


@pytest.mark.slow
def test_the_film_goes_from_the_first_epoch_to_the_last_and_ends(frame, run):
    app = frame("inside", run=run.name)
    seen = [app.session_state["inside-epoch"]]
    button(app, "Play").click().run()
    for _ in range(4):
        assert not app.exception
        seen.append(app.session_state["inside-epoch"])
        time.sleep(LASTS)
        app.run()
    assert seen == [1, 0, 1, 1, 1]
    assert button(app, "Play"), "it has ended"


def test_the_film_waits_for_what_is_computed_and_no_other_rerun_moves_it(frame, run):
    app = frame("inside", run=run.name)
    button(app, "Play").click().run()
    app.run()
    assert app.session_state["inside-epoch"] == 0, "less than an epoch's time has passed"
    time.sleep(LASTS)
    app.session_state["inside.waits"] = True
    app.run()
    assert app.session_state["inside-epoch"] == 0, "the page was waiting for something that belongs to it"
    time.sleep(LASTS)
    app.run()
    assert app.session_state["inside-epoch"] == 1


def test_a_run_without_snapshots_says_so_and_shows_its_model(frame, trained, run):
    plain = Run(shutil.copytree(run.folder, run.folder.with_name(f"{run.name[:-4]}0000")))
    log = plain.folder / "events.jsonl"
    log.write_text("".join(line for line in log.read_text().splitlines(keepends=True) if '"snapshot"' not in line))
    app = frame("inside", run=plain.name)
    assert words.text("en", "inside.no_epochs") in texts(app)
    assert component(app, "bancada.strip")


def test_a_damaged_snapshot_is_told_and_the_other_epochs_are_shown(frame, run):
    own = Run(shutil.copytree(run.folder, run.folder.with_name(f"{run.name[:-4]}0000")))
    (own.folder / snapshots(own)[0].file).write_bytes(b"nothing")
    app = frame("inside", run=own.name, epoch="0")
    assert "damaged" in app.error[0].value
    app.session_state["inside-epoch"] = 1
    app.run()
    assert not app.error
    assert component(app, "bancada.strip")


# --- why, filters and exciting images ---------------------------------------------------------------------------------


def finished(app):
    """The page once what is computed beside it is there."""
    end = time.monotonic() + 60
    while "inside-stop" in [one.key for one in app.button]:
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
        app.run()
    assert not app.exception
    return app


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_map_that_says_why_has_its_words_and_that_of_the_untrained_network_beside_it(frame, run, language):
    app = finished(frame("inside", language, run=run.name, image="val:3", view="why"))
    said = texts(app)
    for name in REASONS:
        assert words.text(language, f"inside.{name}.says") in said
    own = [words.text(language, f"inside.{key}") for key in ("this_network", "untrained")]
    assert [one for one in captions(app) if one in own] == own * len(REASONS)
    network, image = taken_apart(run), server.splits(run.spec).parts()["val"].images[3]
    alike = similarity(*(REASONS["saliency"](one, image, 5).map for one in (network, network.untrained(run.spec))))
    app.selectbox(key="inside-class").set_value(5).run()
    app = finished(app)
    assert words.text(language, "inside.similarity", similarity=words.number(alike, 2, language=language)) in texts(app)


@pytest.mark.parametrize("language", LANGUAGES)
def test_of_an_empty_sheet_there_is_no_answer_to_explain(frame, run, language):
    app = frame("inside", language, run=run.name, view="why")
    assert app.info[0].value == words.text(language, "inside.empty_why")
    assert "inside-class" not in [one.key for one in app.selectbox]


def test_for_an_mlp_grad_cam_is_refused_in_words_and_its_units_stand_beside_the_class_means(frame, trained):
    app = finished(frame("inside", run=trained.name, image="val:3", view="why"))
    assert app.info[0].value == words.text("en", "inside.no_convolution")
    app = frame("inside", run=trained.name, view="filters")
    assert captions(app) == [*map(str, range(1, 129)), *trained.class_names("en")]


def test_the_filters_of_the_first_layer_are_shown(frame, run):
    app = frame("inside", run=run.name, view="filters")
    assert captions(app) == ["1", "2", "3", "4", "5"]


def test_the_val_images_that_excite_a_channel_most_are_shown(frame, run):
    app = choose(frame("inside", run=run.name, image="val:3"), 3, 2)
    control(app, "inside-beside").set_value("exciting").run()
    app = finished(app)
    found = most_exciting(taken_apart(run), server.splits(run.spec).parts()["val"].images, 3, 2)
    shown = [one for one in captions(app) if "\n" in one and re.match(r"no\. \d+:", one)]
    assert [int(re.findall(r"\d+", one)[0]) for one in shown] == [one.image for one in found]
    assert [one.partition("\n")[2] for one in shown] == [words.number(one.value, 2, language="en") for one in found]


# --- the map of the data ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_map_has_every_image_as_a_point_and_says_how_well_neighbours_fit(frame, run, language):
    app = finished(frame("inside", language, run=run.name, image="test:8", view="plane"))
    test, network = server.splits(run.spec).test, taken_apart(run)
    values = penultimate(network, test.images)
    near = app.table[0].value
    wanted = [neighbour_accuracy(each, test.labels) for each in (pca(values).place(values), values, test.images)]
    shares = [words.percent(each.value, language=language) for each in wanted]
    assert near[words.text(language, "chart.accuracy")].tolist() == shares
    app.session_state["inside-plane-table"] = True
    app.run()
    assert len(app.dataframe[0].value) == len(test.labels) == 1000
    app.text_input(key="inside-point.written").set_value("7").run()
    assert any(re.match(r"\D+7\b", one) for one in captions(app)), "the image of the chosen point"


@pytest.mark.slow
def test_t_sne_comes_from_a_process_and_is_kept(run, monkeypatch):
    values = penultimate(taken_apart(run), server.splits(run.spec).test.images[:60])
    told = []
    points = tsne_aside(values, lambda done, total: told.append(done / total))
    assert points.shape == (60, 2)
    assert told == sorted(told)
    assert told[-1] == 1
    monkeypatch.setattr(sys, "executable", "nothing")  # no process can begin
    assert np.array_equal(tsne_aside(values, lambda *_: None), points)


@pytest.mark.slow
def test_t_sne_ends_when_it_is_stopped(run):
    def stop(done: int, total: int) -> None:
        raise InterruptedError

    before = {one.pid for one in psutil.Process().children()}
    with pytest.raises(InterruptedError):
        tsne_aside(np.random.default_rng(1).normal(size=(80, 5)).astype(np.float32), stop)
    assert {one.pid for one in psutil.Process().children()} <= before


# --- one step ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_step_is_walked_through_with_the_numbers_of_the_runs_own_network(frame, run, language):
    app = frame("inside", language, run=run.name, view="step", epoch="0")
    spec, train = run.spec, server.splits(run.spec).train
    practice = Practice(spec, open_at(run, 0).module)
    order = np.random.default_rng(spec.seed).permutation(len(train.labels))
    first = None
    for places in (order[:8], order[8:16]):
        found = practice.step(train.images[places], train.labels[places], spec.learning_rate)
        losses = [words.number(loss, 4, language=language) for loss in (found.loss, found.loss_after)]
        first = first or losses
        assert all(f"**{loss}**" in texts(app) for loss in losses)
        control(app, "inside-step-stage").set_value("loss").run()
        shown = app.dataframe[0].value.iloc[:, 3].tolist()
        assert shown == [words.number(float(loss), 4, language=language) for loss in found.losses]
        control(app, "inside-step-stage").set_value("backward").run()
        assert app.dataframe[0].value.iloc[:, 2].tolist() == list(filter(None, found.gradient_norms))
        control(app, "inside-step-stage").set_value("update").run()
        by_hand, largest = (table.value for table in app.dataframe)
        after = words.number(found.followed.after, language=language, significant=6)
        assert by_hand.iloc[-1, 2] == after
        assert by_hand.iloc[-1, 1].count(words.number_marks(language)["decimal"]) >= 2
        written = [words.number(each.change, language=language, significant=6) for each in found.largest]
        assert [one.removeprefix("+") for one in largest.iloc[:, 4]] == written
        app.selectbox(key=f"inside-step-weight-{found.number}").set_value(3).run()
        third = words.number(found.largest[3].after, language=language, significant=6)
        assert app.dataframe[0].value.iloc[-1, 2] == third
        app.button(key="inside-step-next").click().run()
        assert not app.exception
    app.button(key="inside-step-again").click().run()
    assert all(f"**{loss}**" in texts(app) for loss in first)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_form_leads_to_the_first_step_of_its_training_without_a_run(frame, run, language):
    fields = dict(parse_qsl(link(run.spec)))
    form = frame("train", language, **fields)
    (there,) = (one.proto for one in form.get("page_link") if one.proto.label == words.text(language, "inside.to_step"))
    query = dict(parse_qsl(there.query_string))
    assert (there.page, query) == ("inside", {"untrained": "1", **fields})
    app = frame("inside", language, **query)
    train = server.splits(run.spec).train
    places = np.random.default_rng(run.spec.seed).permutation(len(train.labels))[:8]
    found = Practice(run.spec, open_at(run, 0).module).step(
        train.images[places], train.labels[places], run.spec.learning_rate
    )
    losses = (words.number(loss, 4, language=language) for loss in (found.loss, found.loss_after))
    slots = dict(zip(("before", "after"), losses, strict=True), number=1, count=8)
    assert words.text(language, "inside.step_said_untrained", **slots) in texts(app), "as the run's own first step"
    for stage in ("loss", "backward", "update"):
        control(app, "inside-step-stage").set_value(stage).run()
        assert app.dataframe
        assert not app.exception
    app.button(key="inside-step-next").click().run()
    assert words.text(language, "inside.step_said_untrained", **slots) not in texts(app)
    assert [one.name for one in store.runs()] == [run.name]
    (back,) = (one.proto for one in app.get("page_link") if one.proto.label == words.text(language, "inside.to_form"))
    assert checked(dict(parse_qsl(back.query_string))) == run.spec


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"epochs": "no number"}, "error.field_value"),
        ({"data": "no-such-data"}, "error.data_unknown"),
        ({"architecture": "custom", "layers": "conv(6,90),flatten,dense(classes)"}, "error."),
        ({"first_layers": "frozen", "layers_taken": "1", "weights_from": "gone"}, "error.weights_from_unknown"),
    ],
)
def test_a_link_to_an_untrained_network_that_cannot_be_is_refused_with_the_reason(frame, wrong, key):
    with pytest.raises(Refusal) as refusal:
        fits(checked(wrong))
    assert refusal.value.key.startswith(key)
    app = frame("inside")
    for name, value in {"untrained": "1", **wrong}.items():
        app.query_params[name] = value
    app.run()
    assert app.error
    assert not app.exception
    assert [one for one in app.get("page_link") if one.proto.label == words.text("en", "inside.to_form")]


def test_a_step_of_an_untrained_network_needs_its_data_on_this_machine(frame):
    app = frame("inside", untrained="1", data="mnist")
    assert not app.exception
    assert button(app, words.text("en", "data.fetch", name="MNIST"))
