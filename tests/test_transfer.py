"""Layers taken over from another run: who can give them, that the frozen ones stay as they were, to the last bit."""

from __future__ import annotations

import copy
import hashlib
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from core import store, words
from core.__main__ import main
from core.datasets import DATASETS, Splits, dataset
from core.datasets.files import md5_of
from core.events import Epoch, Report, Started
from core.recipes import RECIPES
from core.recipes.results import Result, of_run
from core.refusal import Refusal
from core.spec import RunSpec, checked
from core.store import Run, create, digest
from core.training.estimate import estimate
from core.training.train import Data, State, train, update
from core.training.transfer import fits
from core.work import work
from tests.driver import KILLED, Driver, outcome
from tests.page import control, texts
from tests.test_train import CLASSES, CPU, images_of_bands

COUNTS = {"train": 40, "val": 16, "test": 24}
ENCODER = "conv(4, 3, padding=same), batch_norm, activation(relu), dropout(0.3), max_pool(2), flatten"
LAYERS = f"{ENCODER}, dense(classes)"


def write_blood(path, side: int) -> None:
    """A file of MedMNIST's layout: eight classes of colour images, each with a bright band where its label says."""
    random, arrays = np.random.default_rng(side), {}
    for part, count in COUNTS.items():
        labels = np.arange(count) % 8
        images = random.integers(0, 120, (count, side, side, 3), dtype=np.uint8)
        for label in range(8):
            band = slice(label * side // 8, (label + 1) * side // 8)
            images[labels == label, band] += 100
        arrays |= {f"{part}_images": images, f"{part}_labels": labels.astype(np.uint8)[:, None]}
    np.savez(path, **arrays)


@pytest.fixture
def blood(home, tmp_path, monkeypatch):
    """BloodMNIST at 28 and 64 pixels made up, read as the real files are; `small` and `large` are the same images."""
    for name, side, own in (("bloodmnist", 28, "small"), ("bloodmnist-64", 64, "large")):
        official = DATASETS[name]
        path = tmp_path / official.files[0]
        write_blood(path, side)
        os.link(path, tmp_path / f"{own}.npz")
        md5 = {path.name: md5_of(path)}
        monkeypatch.setitem(DATASETS, name, replace(official, counts=COUNTS, md5=lambda md5=md5: md5))
    monkeypatch.setenv("BANCADA_DATA", str(tmp_path))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():  # the command line has its own
        signal.signal(number, handler)


def new(**fields) -> Run:
    values = {"data": "small", "split": "official", "layers": LAYERS, "batch_size": 16, "epochs": 2}
    return create(checked(values | {"optimizer": "adamw", "weight_decay": 0.1, "learning_rate": 0.01} | fields))


def taking(giver: Run, how: str = "frozen", **fields) -> Run:
    """A run at 64 pixels that takes the encoder of another one, but its flatten; none if its own is to be random."""
    taken = {} if how == "random" else {"weights_from": giver.name}
    return new(**{"data": "large", "first_layers": how, "layers_taken": 5} | taken | fields)


@pytest.fixture
def giver(blood) -> Run:
    """A finished run of 28 pixels."""
    run = new()
    assert work(str(run.folder)) == "done"
    return run


def report_of(run: Run) -> Report:
    report = run.report()
    assert report
    return report


def started_of(run: Run) -> list[Started]:
    return [event for event in run.events() if isinstance(event, Started)]


def model_of(run: Run) -> dict[str, torch.Tensor]:
    return run.load(report_of(run).model, report_of(run).model_sha256)[0]


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.contiguous().numpy().tobytes() == other.contiguous().numpy().tobytes()


# --- recipe 002-e -----------------------------------------------------------------------------------------------------


def test_002_e_meant_trains_a_new_head_on_the_frozen_convolution_of_a_trained_002_d(blood, capsys):
    recipe = ["recipes", "run", "002-e-meant", "--variant", "short"]
    assert main(recipe) == 1
    said = capsys.readouterr()
    assert not said.out
    assert "-m core recipes run 002-d --variant short" in said.err
    assert not store.runs(), "a run was made for nothing"

    for seed in ("0", "1"):
        assert main(["recipes", "run", "002-d", "--variant", "short", "--seed", seed]) == 0
    newest, older = store.runs()
    capsys.readouterr()
    assert main(recipe) == 0
    said = capsys.readouterr().out
    run = next(run for run in store.runs() if run.spec.taken)
    assert "539,912 parameters, 15,616 of them frozen" in said
    assert f"frozen weights unchanged: sha256 {report_of(run).frozen_before} before" in said
    assert run.spec.weights_from == newest.name

    started, report = started_of(run)[0], report_of(run)
    assert (started.shape, started.parameters, started.frozen) == ((3, 64, 64), 15_616 + 524_296, 15_616)
    assert report.frozen_unchanged
    assert report.frozen_before == hashlib.sha256((run.folder / started.start).read_bytes()).hexdigest()
    given, trained = model_of(store.find(run.spec.weights_from)), model_of(run)
    convolution = [name for name in trained if name.startswith("layers.1_conv.")]
    assert report.frozen_after == digest({name: given[name] for name in convolution})
    assert trained["layers.4_dense.dense.weight"].shape == (8, 64 * 32 * 32)
    state = State.new(run.spec, dataset("bloodmnist-64").load().train, 8, CPU)
    assert not torch.equal(
        trained["layers.4_dense.dense.weight"], state.model.state_dict()["layers.4_dense.dense.weight"]
    )

    result = of_run(run)
    assert result
    assert (result.recipe, result.variant) == ("002-e-meant", "short"), "known by its spec, whatever run it takes"
    assert (result.figure("frozen_parameters"), result.figure("trainable_parameters")) == (15_616, 524_296)
    assert Result.model_validate_json(result.model_dump_json(exclude_defaults=True)) == result

    assert main([*recipe, "--seed", "5", "--weights-from", older.name.rpartition("-")[2]]) == 0
    named = next(one for one in store.runs() if one.spec.seed == 5)
    assert named.spec.weights_from == older.name
    assert report_of(named).frozen_after != report.frozen_after


def test_the_four_of_002_e_are_002_d_at_64_pixels_but_for_their_first_layer():
    d = RECIPES["002-d"].spec()
    for name, first in {"-meant": "frozen", "": "random", "-tuned": "joint", "-scratch": "new"}.items():
        new_values = {"data": "bloodmnist-64", "first_layers": first, "layers_taken": 1}
        assert d.model_copy(update=new_values) == RECIPES[f"002-e{name}"].spec()


def test_002_e_freezes_a_convolution_that_nothing_has_trained(blood, capsys):
    assert main(["recipes", "run", "002-e", "--variant", "short"]) == 0
    (run,) = store.runs()
    said = capsys.readouterr().out
    assert "539,912 parameters, 15,616 of them frozen" in said
    assert f"frozen weights unchanged: sha256 {report_of(run).frozen_after} before" in said
    kernel, bias = (model_of(run)[f"layers.1_conv.conv.{name}"] for name in ("weight", "bias"))
    limit = (6 / (9 * 9 * 3 + 9 * 9 * 64)) ** 0.5  # Glorot-uniform
    assert round(limit, 5) == 0.03325, "as the page says of what its author froze"
    assert round(limit / 3**0.5, 4) == 0.0192
    assert kernel.abs().max() <= limit
    assert kernel.std().item() == pytest.approx(limit / 3**0.5, rel=0.02)
    assert not bias.any()
    result = of_run(run)
    assert result
    assert (result.recipe, result.figure("frozen_parameters")) == ("002-e", 15_616)


# --- a worker ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="the driver forks")
@pytest.mark.parametrize("how", ["frozen", "joint", "random"])
def test_killed_at_any_time_it_goes_on_to_the_same_bits_though_the_other_run_is_gone(giver, driver: Driver, how):
    unbroken, killed = taking(giver, how), taking(giver, how)
    assert driver.work(unbroken) == [0]
    assert driver.work(killed, {3: "kill"}) == [KILLED]  # in the first epoch: there is no checkpoint yet
    assert not killed.checkpoints()
    giver.delete()
    assert driver.work(killed, {2: "leave"}) == [0]
    assert driver.work(killed, {6: "kill"}) == [KILLED]  # in the second epoch
    assert driver.work(killed) == [0]
    assert len(started_of(killed)) == 4
    assert len({(event.start, event.start_sha256) for event in started_of(killed)}) == 1
    assert outcome(killed) == outcome(unbroken)
    assert report_of(killed).frozen_unchanged is (None if how == "joint" else True)


def test_frozen_layers_keep_every_bit_and_the_others_learn(giver):
    run = taking(giver)
    assert work(str(run.folder)) == "done"
    before, after = model_of(giver), model_of(run)
    frozen = [name for name in after if name.startswith("layers.") and int(name[7]) <= 5]
    assert {name.rpartition(".")[2] for name in frozen} >= {"weight", "bias", "running_mean", "num_batches_tracked"}
    assert all(same_bits(before[name], after[name]) for name in frozen)
    assert started_of(run)[0].frozen == 4 * (3 * 9 + 1) + 2 * 4
    first, last = (event for event in run.events() if isinstance(event, Epoch))
    assert last.train_loss < first.train_loss


def test_random_layers_that_are_frozen_keep_every_bit_and_the_others_learn(blood):
    run = new(data="large", first_layers="random", layers_taken=5, seed=3)
    assert work(str(run.folder)) == "done"
    before = State.new(run.spec, dataset("large").load().train, 8, CPU).model.state_dict()
    after = model_of(run)
    frozen = [name for name in after if name.startswith("layers.") and int(name[7]) <= 5]
    assert {name.rpartition(".")[2] for name in frozen} >= {"weight", "bias", "running_mean", "num_batches_tracked"}
    assert all(same_bits(before[name], after[name]) for name in frozen)
    assert not same_bits(before["layers.7_dense.dense.weight"], after["layers.7_dense.dense.weight"])
    started, report = started_of(run)[0], report_of(run)
    assert started.frozen == 4 * (3 * 9 + 1) + 2 * 4
    assert report.frozen_unchanged
    assert report.frozen_after == hashlib.sha256((run.folder / started.start).read_bytes()).hexdigest()
    first, last = (event for event in run.events() if isinstance(event, Epoch))
    assert last.train_loss < first.train_loss


def test_layers_that_train_on_begin_as_the_other_run_left_them(giver):
    still = taking(giver, "joint", layers_taken=1, optimizer="sgd", weight_decay=0, learning_rate=1e-30, epochs=1)
    moving = taking(giver, "joint", layers_taken=1, epochs=1)
    for run in (still, moving):
        assert work(str(run.folder)) == "done"
        assert started_of(run)[0].frozen == 0
        assert report_of(run).frozen_unchanged is None
    name = "layers.1_conv.conv.weight"
    assert same_bits(model_of(giver)[name], model_of(still)[name])
    assert not torch.equal(model_of(giver)[name], model_of(moving)[name])
    assert not torch.equal(
        model_of(giver)["layers.2_batch_norm.running_mean"], model_of(still)["layers.2_batch_norm.running_mean"]
    )


def test_a_run_that_is_gone_when_its_turn_comes_is_said_and_nothing_is_trained(giver):
    run = taking(giver)
    giver.delete()
    assert work(str(run.folder)) == "failed"
    failure = run.latest()
    assert failure
    assert failure.event == "failure"
    assert (failure.error, failure.slots) == ("error.weights_from_unknown", {"run": giver.name})
    assert not started_of(run)


def test_a_run_of_an_earlier_version_has_nothing_taken_over(giver):
    log = giver.folder / "events.jsonl"
    for field in ("frozen", "start", "start_sha256", "frozen_before", "frozen_after"):
        assert f'"{field}":' in log.read_text()
    assert report_of(giver).frozen_unchanged is None
    assert (started_of(giver)[0].frozen, started_of(giver)[0].start) == (0, "")


# --- one step ---------------------------------------------------------------------------------------------------------


def begun(**fields) -> tuple[RunSpec, Data, State]:
    spec = checked({"layers": LAYERS, "batch_size": 16, "epochs": 1, "precision": "float32"} | fields)
    split = images_of_bands(64, 0)
    return spec, Data.of(Splits(split, split, split), CPU), State.new(spec, split, CLASSES, CPU)


@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1},
        {"optimizer": "adam", "weight_decay": 0.1},
        {"optimizer": "adamw", "weight_decay": 0.1, "defaults": "keras"},
    ],
    ids=lambda fields: fields["optimizer"],
)
def test_frozen_layers_get_no_gradient_no_optimizer_state_and_no_decay(fields):
    spec, data, state = begun(first_layers="frozen", layers_taken=5, **fields)
    before = copy.deepcopy(state.model.state_dict())
    list(train(spec, data, state))
    head = [parameter for name, parameter in state.model.named_parameters() if "7_dense" in name]
    frozen = [parameter for name, parameter in state.model.named_parameters() if "7_dense" not in name]
    assert len(head) == 2
    assert len(frozen) == 4
    assert all(parameter.grad is None for parameter in frozen)
    assert all(parameter.grad is not None for parameter in head)
    assert {id(parameter) for parameter in state.optimizer.state} <= {id(parameter) for parameter in head}
    for name, value in state.model.state_dict().items():
        assert same_bits(value, before[name]) == ("7_dense" not in name)


def test_a_step_behind_frozen_layers_is_the_plain_step_on_what_they_give_in_evaluation():
    spec, data, state = begun(first_layers="frozen", layers_taken=5, optimizer="sgd", learning_rate=0.1)
    encoder = copy.deepcopy(state.model)[:1]
    assert isinstance(encoder, nn.Sequential)
    network = copy.deepcopy(state.model.get_submodule("layers"))
    assert isinstance(network, nn.Sequential)
    head = network[6]
    state.engine.train()
    sums = update(spec, data, state, torch.arange(16), 0.1)
    with torch.no_grad():
        features = network[:6].eval()(encoder(data.train_images[:16]))
    loss = nn.functional.cross_entropy(head(features), data.train_labels[:16])
    loss.backward()
    with torch.no_grad():
        for parameter in head.parameters():
            assert parameter.grad is not None
            parameter -= 0.1 * parameter.grad
    assert sums[0].item() / 16 == pytest.approx(loss.item(), rel=1e-5)
    for ours, theirs in zip(state.engine.parameters, head.parameters(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_how_long_it_takes_is_measured_with_the_layers_frozen(giver):
    found = estimate(taking(giver).spec, dataset("large"))
    assert 0 < found.epoch_seconds < 60


# --- what cannot be ---------------------------------------------------------------------------------------------------

REFUSED = {
    "none": ({"weights_from": ""}, "error.weights_from_none"),
    "unknown": ({"weights_from": "20200101-000000-no-such-run"}, "error.weights_from_unknown"),
    "no name": ({"weights_from": "../.."}, "error.weights_from_unknown"),
    "another layer": ({"layers": LAYERS.replace("conv(4", "conv(5")}, "error.layers_differ"),
    "other channels": ({"data": "tiny", "layers_taken": 1}, "error.layers_differ"),
    "another size before a dense layer": ({"layers_taken": 7}, "error.layers_differ"),
    "too many": ({"data": "small", "layers_taken": 8}, "error.field_value"),
    "all": ({"data": "small", "layers_taken": 7}, "error.nothing_trains"),
    "too many random ones": ({"first_layers": "random", "weights_from": "", "layers_taken": 8}, "error.field_value"),
    "all random": ({"first_layers": "random", "weights_from": "", "layers_taken": 7}, "error.nothing_trains"),
    "other pixel values": ({"normalisation": "half"}, "error.other_normalisation"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_layers_that_cannot_be_taken_over_are_refused_with_the_reason(giver, tmp_path, tiny_data, case):
    os.link(tiny_data / "tiny.npz", tmp_path / "tiny.npz")
    fields, key = REFUSED[case]
    spec = taking(giver, **fields).spec
    with pytest.raises(Refusal) as refused:
        fits(spec)
    assert refused.value.key == key
    assert all(words.text(language, key, **refused.value.slots) for language in words.languages())


def test_an_unfinished_run_gives_nothing_and_a_whole_model_may_train_on(giver):
    queued = new()
    with pytest.raises(Refusal, match="weights_from_unfinished"):
        fits(taking(queued).spec)
    assert fits(taking(giver, "joint", data="small", layers_taken=7).spec).giver == giver
    assert fits(new().spec).giver is None


def test_the_command_line_takes_a_run_by_the_end_of_its_name_and_makes_none_that_cannot_be(giver, capsys):
    layers = ("--layers", LAYERS, "--first-layers", "frozen", "--layers-taken", "5")
    fields = ("--data", "large", "--split", "official", "--epochs", "1", "--batch-size", "16", *layers)
    assert main(["train", *fields, "--weights-from", giver.name.rpartition("-")[2]]) == 0
    run = next(run for run in store.runs() if run.spec.taken)
    assert run.spec.weights_from == giver.name
    assert f"frozen weights unchanged: sha256 {report_of(run).frozen_after} before" in capsys.readouterr().out
    assert main(["evaluate", run.name]) == 0
    assert "frozen weights unchanged" in capsys.readouterr().out
    for given in ((), ("--weights-from", "nobody"), ("--weights-from", giver.name, "--normalisation", "half")):
        assert main(["train", *fields, *given]) == 1
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert len(store.runs()) == 2


def test_frozen_layers_that_hold_no_weights_are_frozen_all_the_same(giver):
    flat = new(layers="flatten, dense(classes)", epochs=1)
    assert work(str(flat.folder)) == "done"
    run = new(layers="flatten, dense(classes)", epochs=1, first_layers="frozen", weights_from=flat.name)
    assert work(str(run.folder)) == "done"
    assert report_of(run).frozen_unchanged


# --- the pages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", words.languages())
def test_the_train_page_takes_layers_from_a_run_and_says_what_is_frozen(frame, giver, language):
    app = frame(language=language, data="large", split="official", architecture="custom", layers=LAYERS)
    app.selectbox(key="first_layers").select("frozen").run()
    assert app.error[0].value == words.text(language, "error.weights_from_none")
    app.selectbox(key="weights_from").select(giver.name).run()
    app.text_input(key="layers_taken").set_value("5").run()
    assert not app.exception
    assert not app.error
    title = words.text(language, "network.title_frozen", parameters=4 * 32 * 32 * 8 + 8, frozen=4 * (3 * 9 + 1) + 2 * 4)
    assert title in [one.label for one in app.expander]
    layers = app.dataframe[0].value.iloc[:, 0]
    frozen = words.text(language, "network.frozen")
    assert [name.endswith(f"· {frozen}") for name in layers] == [False] + 5 * [True] + 2 * [False]
    query = {key: value for key, value in app.query_params.items() if key in RunSpec.model_fields}
    spec = checked(query)
    assert (spec.first_layers, spec.weights_from, spec.layers_taken) == ("frozen", giver.name, 5)
    app.text_input(key="layers_taken").set_value("7").run()
    assert giver.name in app.error[0].value
    again = frame(language=language, **query)
    assert again.selectbox(key="weights_from").value == giver.name
    assert not again.error

    again.selectbox(key="first_layers").select("random").run()
    assert not again.error
    assert "weights_from" not in [one.key for one in again.selectbox], "no run is needed"
    assert title in [one.label for one in again.expander]
    assert again.dataframe[0].value.iloc[:, 0].tolist() == layers.tolist(), "the same ones are frozen"
    spec = checked({key: value for key, value in again.query_params.items() if key in RunSpec.model_fields})
    assert (spec.first_layers, spec.weights_from, spec.layers_taken) == ("random", "", 5)


def test_a_run_in_the_link_that_is_not_here_is_said_and_another_can_be_chosen(frame, giver):
    link = {"data": "large", "split": "official", "architecture": "custom", "layers": LAYERS, "first_layers": "joint"}
    app = frame(**link, weights_from="20200101-000000-gone-1234")
    assert app.selectbox(key="weights_from").value == "20200101-000000-gone-1234"
    assert "20200101-000000-gone-1234" in app.error[0].value
    app.selectbox(key="weights_from").select(giver.name).run()
    assert not app.error


@pytest.mark.parametrize("language", words.languages())
def test_the_evaluate_page_shows_that_the_frozen_layers_have_not_changed_or_that_they_have(frame, giver, language):
    frozen, joint = taking(giver, epochs=1), taking(giver, "joint", epochs=1)
    random = taking(giver, "random", epochs=1)
    for run in (frozen, joint, random):
        assert work(str(run.folder)) == "done"
    said = texts(frame("evaluate", language, run=frozen.name))
    assert f"`{report_of(frozen).frozen_after}`" in said
    assert words.number(120, language=language) in said
    assert words.number(32_776, language=language) in said
    assert giver.name[-4:] in texts(frame("evaluate", language, run=joint.name))
    slots = {"trainable": 32_776, "frozen": 120, "sha256": report_of(random).frozen_after}
    assert words.text(language, "taken.random", count=5, **slots) in texts(frame("evaluate", language, run=random.name))
    after = report_of(frozen).frozen_after
    frozen.append(report_of(frozen).model_copy(update={"frozen_before": "0" * 64}))
    changed = words.text(language, "taken.changed", before="0" * 64, after=after)
    assert changed in frame("evaluate", language, run=frozen.name).error[0].value


@pytest.mark.parametrize("language", words.languages())
def test_the_recipes_page_runs_002_d_first_and_then_002_e_meant_with_its_proof(frame, blood, language):
    def visit():
        app = frame("recipes", language, recipe="002-e-meant")
        control(app, "variant").set_value("short").run()
        assert not app.exception
        return app

    needs = words.text(language, "recipes.needs", name="002-e-meant", needed="002-d")
    app = visit()
    assert needs in texts(app)
    run_it = words.text(language, "recipes.run", name="002-d", seed=0)
    assert not next(one for one in app.button if one.label == run_it).disabled
    first = create(RECIPES["002-d"].spec("short", time_limit=0.01))
    assert work(str(first.folder)) == "done"
    assert needs in texts(visit()), "a run of another spec is none of 002-d"
    giving = create(RECIPES["002-d"].spec("short"))
    assert work(str(giving.folder)) == "done"
    assert needs not in texts(visit())
    run = create(RECIPES["002-e-meant"].spec("short", weights_from=giving.name))
    assert work(str(run.folder)) == "done"
    said = texts(visit())
    shown = report_of(run).frozen_after[:8]
    assert words.text(language, "recipes.unchanged", before=shown, after=shown) in said
    assert giving.name[-4:] in said
