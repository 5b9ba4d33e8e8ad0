"""The kernels compute what PyTorch computes, in every layer and shape: they check no index, so that tests have to."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from torch.nn import functional

from core import store
from core.datasets import Split, Splits, dataset
from core.events import Epoch, Inside, Started
from core.exports import export
from core.measures.answers import stored_answers
from core.models.model import open_model
from core.models.snapshots import answers_at, open_at, snapshots
from core.networks.architectures import ARCHITECTURES
from core.networks.layers import Misfit, parse, table
from core.refusal import Refusal
from core.spec import checked
from core.training.engine import Team, computed_by, optimize
from core.training.kernels import compiled
from core.training.kernels.program import Correlate, Loss, Product, written
from core.training.train import Data, State, _seed_chance, new_model, new_optimizer, order, train, update, updates
from core.work import work
from tests.browser import ROOT
from tests.conftest import wait_for
from tests.driver import KILLED, outcome
from tests.kernel_cases import CASES, CLASSES, differences

pytest.importorskip("numba", reason="Numba is not installed")
CPU = torch.device("cpu")
NEAR = 1e-5  # relative; float32 has seven digits
HALF = 1e-3  # relative; float16, in which the weights of past epochs are kept, has three


@pytest.fixture(scope="module", autouse=True)
def kernels(shared_cache):
    """All runs of this file are computed by kernels, which a process of its own compiles, as for a first worker."""
    patch, threads = pytest.MonkeyPatch(), torch.get_num_threads()
    patch.setenv("BANCADA_CACHE", str(shared_cache))
    patch.setenv("BANCADA_KERNELS", "1")
    compiled.prepare()
    wait_for(compiled.is_ready, seconds=120)
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    patch.undo()


def some_split(n, shape=(1, 28, 28), classes=CLASSES):
    random = np.random.default_rng(n)
    images = random.integers(0, 256, (n, *shape), dtype=np.uint8)
    return Split(images, random.integers(0, classes, n))


def begun(spec, threads=1, n=64, shape=(1, 28, 28), by=None):
    split = some_split(n, shape)
    state = State.new(spec, split, CLASSES, CPU, threads, by)
    state.engine.train()
    return Data.of(Splits(split, split, split), CPU), state


def bits(model):
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


def relative(ours, exact):
    return ((ours.double() - exact.double()).abs().max() / exact.double().abs().max()).item()


def small(**fields):
    layers = "conv(8, 3, activation=relu), max_pool(2), flatten, dropout(0.3), dense(20), dense(classes)"
    return checked({"layers": layers, "batch_size": 24, "epochs": 2, "rotation": 10} | fields)


# --- the same numbers -------------------------------------------------------------------------------------------------


def exact(case):
    """A case's arrays, and its loss, gradients and logits as PyTorch computes them in float64."""
    layers, shape, count = CASES[case]
    torch.manual_seed(case)
    spec = checked({"layers": layers})
    model = new_model(spec, shape, CLASSES)
    parameters = torch.cat([parameter.detach().flatten() for parameter in model.parameters()]).numpy()
    random = np.random.default_rng(case)
    scale, shift = (random.random((2, shape[0])) / 50 - [[0], [0.01]]).astype(np.float32)
    model.get_submodule("scale").load_state_dict(
        {"scale": torch.tensor(scale).view(1, -1, 1, 1), "shift": torch.tensor(shift).view(1, -1, 1, 1)}
    )
    split = some_split(count, shape)
    logits = model.double()(torch.tensor(split.images))
    labels = torch.tensor(split.labels)
    loss = functional.cross_entropy(logits, labels, reduction="sum")
    gradients = torch.autograd.grad(loss / count, list(model.parameters()))
    return {
        "parameters": parameters,
        "images": split.images,
        "labels": split.labels,
        "scale": scale,
        "shift": shift,
        "loss": loss.detach().numpy(),
        "right": (logits.argmax(dim=1) == labels).sum().numpy(),
        "gradients": torch.cat([gradient.flatten() for gradient in gradients]).numpy(),
        "logits": logits.detach().numpy(),
    }


@pytest.mark.slow
@pytest.mark.parametrize(("lanes", "registers"), [(16, 32), (8, 16), (4, 32)])  # the last: ARM
def test_loss_gradients_and_logits_of_every_layer_are_the_exact_ones_with_every_width_of_vectors(
    lanes, registers, tmp_path
):
    given = [exact(case) for case in range(len(CASES))]
    if (lanes, registers) == (compiled.lanes(), compiled.registers()):
        found = [differences(case, arrays) for case, arrays in enumerate(given)]
    else:
        file = tmp_path / "cases.npz"
        np.savez(file, **{f"{case} {name}": array for case, one in enumerate(given) for name, array in one.items()})
        command = [sys.executable, "-m", "tests.kernel_cases", str(file)]
        environment = os.environ | {"BANCADA_LANES": str(lanes), "BANCADA_REGISTERS": str(registers)}
        found = json.loads(subprocess.check_output(command, cwd=ROOT, env=environment, text=True))
    for (layers, *_), each in zip(CASES, found, strict=True):
        assert all(value < NEAR for value in each.values()), (layers, each)  # not `max`, which passes over NaN


@some.composite
def networks(draw):
    """Layers that fit an image of a random shape, with CLASSES logits."""
    shape = tuple(draw(some.integers(low, high)) for low, high in ((1, 3), (5, 14), (5, 14)))
    functions = some.sampled_from(["none", "relu", "sigmoid", "tanh"])
    layers, now = [], shape
    for _ in range(draw(some.integers(0, 4))):
        kernel = draw(some.integers(1, 4))
        padding = draw(some.sampled_from([0, 1, 2, "same"]))
        stride = 1 if padding == "same" else draw(some.integers(1, 3))
        conv = f"conv({draw(some.integers(1, 9))}, {kernel}, stride={stride}, padding={padding}, activation={{}})"
        kinds = [conv, "max_pool(2)", "avg_pool(2)", "max_pool(3)", "avg_pool(3)", "activation({})"]
        layer = draw(some.sampled_from(kinds)).format(draw(functions))
        try:
            now = parse(layer)[0].shape_after(now)
        except Misfit:
            continue
        layers.append(layer)
    layers.append(draw(some.sampled_from(["flatten", "global_avg_pool"])))
    for _ in range(draw(some.integers(0, 2))):
        layers.append(f"dense({draw(some.integers(1, 40))}, activation={draw(functions)})")
    return ", ".join([*layers, "dense(classes)"]), shape, draw(some.integers(1, 40))


@given(networks(), some.integers(0, 3))
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_small_network_has_its_exact_gradients(network, seed):
    layers, shape, count = network
    spec = checked({"layers": layers, "batch_size": count, "seed": seed, "optimizer": "sgd", "precision": "float32"})
    data, state = begun(spec, n=count, shape=shape)
    assert state.engine.computed_by == "kernels"
    model = new_model(spec, shape, CLASSES).double()
    model.load_state_dict({name: value.double() for name, value in state.model.state_dict().items()})
    logits = model(data.train_images)
    loss = functional.cross_entropy(logits, data.train_labels)
    sums = update(spec, data, state, torch.arange(count), 0.0)
    assert sums[0].item() / count == pytest.approx(loss.item(), rel=NEAR, abs=1e-6)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    least = max(gradient.abs().max() for gradient in gradients) / 100  # smaller ones are differences of larger ones
    for parameter, gradient in zip(state.engine.parameters, gradients, strict=True):
        assert parameter.grad is not None
        assert (parameter.grad - gradient).abs().max() < NEAR * max(gradient.abs().max(), least)
    assert relative(torch.cat(list(state.engine.evaluated(data.val_images))), logits) < NEAR


def divided(state, batch):
    """The parts of a batch that the kernels compute."""
    return batch.tensor_split(state.engine.kernels.ends(len(batch))[1:-1])


OPTIMIZERS = [
    {"optimizer": "sgd", "learning_rate": 0.1},
    {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.01},
    {"optimizer": "adam", "weight_decay": 0.01},
    {"optimizer": "adam", "defaults": "keras"},
    {"optimizer": "adamw", "weight_decay": 0.1},
]


NETWORKS = {
    "smooth": "conv(6, 3, padding=1, activation=tanh), avg_pool(2), flatten, dense(20, activation=sigmoid)",
    "rectified": "conv(6, 3, activation=relu), max_pool(2), conv(8, 2, activation=relu), max_pool(2), flatten, "
    "dense(20, activation=relu)",
    "strided": "conv(5, 4, stride=2, padding=1, activation=relu), conv(7, 3, padding=same, activation=tanh), "
    "conv(4, 2, stride=3, padding=2, activation=sigmoid), flatten",
    "dense": "flatten, dense(30, activation=relu), dense(17)",
    "averaged": "conv(6, 3, activation=relu), conv(9, 3, padding=1, activation=tanh), global_avg_pool, dense(12)",
    "dropped": "dropout(0.1), conv(6, 3, activation=relu), dropout(0.2), max_pool(2), flatten, dropout(0.4), "
    "dense(20, activation=tanh), dropout(0.5)",
}


@pytest.mark.parametrize("fields", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("network", NETWORKS)
def test_the_weights_after_twenty_steps_are_the_exact_ones(network, fields, threads):
    spec = checked({"layers": f"{NETWORKS[network]}, dense(classes)", "batch_size": 48, **fields})
    data, state = begun(spec, threads, n=112, shape=(2, 12, 12))  # the third batch of an epoch has 16 images
    assert (state.engine.computed_by, state.engine.parts) == ("kernels", threads)
    model = new_model(spec, (2, 12, 12), CLASSES).double()
    model.load_state_dict({name: value.double() for name, value in state.model.state_dict().items()})
    optimizer = new_optimizer(spec, model)
    batches = itertools.chain.from_iterable(order(0, epoch, 112).split(48) for epoch in range(7))
    for batch in itertools.islice(batches, 20):
        update(spec, data, state, batch, spec.learning_rate)
        optimizer.zero_grad()
        for number, places in enumerate(divided(state, batch)):
            _seed_chance(spec, state, number)  # the masks of the same step and part, which float64 changes nothing of
            logits, labels = model(data.train_images[places]), data.train_labels[places]
            (functional.cross_entropy(logits, labels, reduction="sum") / len(batch)).backward()
        optimizer.step()
        state.step += 1
    for ours, theirs in zip(state.model.parameters(), model.parameters(), strict=True):
        assert relative(ours.detach(), theirs.detach()) < NEAR


@pytest.mark.parametrize("fields", [*OPTIMIZERS, {"optimizer": "adam", "shift": 1, "flip": 0.5}], ids=str)
@pytest.mark.parametrize("network", ["rectified", "dropped"])
def test_steps_that_are_made_at_once_have_the_bits_of_single_ones(network, fields):
    layers = f"{NETWORKS[network]}, dense(classes)"
    spec = checked({"layers": layers, "batch_size": 48, **fields, "first_layers": "random", "layers_taken": 2})
    batches, rates = order(0, 0, 112).split(48) * 3, [0.1 / n for n in range(1, 10)]
    ends = []
    for at_once in (1, 9, 4):
        data, state = begun(spec, 2, n=112, shape=(2, 12, 12))
        sums = []
        for start in range(0, 9, at_once):
            some = slice(start, start + at_once)
            sums += updates(spec, data, state, batches[some], rates[some]).tolist()
            state.step += len(batches[some])
        gradients = [parameter.grad.tolist() for parameter in state.engine.parameters]
        saved = {name: value.tolist() for name, value in state.tensors().items() if name != "random.cpu"}
        ends.append([sums, gradients, saved])
    assert ends[0] == ends[1] == ends[2]


def test_a_thread_that_fails_keeps_no_other_waiting():
    spec = small(shift=1, batch_size=48, layers="flatten, dense(classes)")
    data, state = begun(spec, 2)
    kernels = state.engine.kernels
    images, labels = data.train_images.flatten(1).numpy(), data.train_labels.numpy()

    def fail(at, part, places):
        if part == 1:
            raise MemoryError
        return images[places]

    with pytest.raises(MemoryError):
        kernels.steps(state.optimizer, state.engine.team, images, labels, [np.arange(48)] * 3, [0.1] * 3, fail)
    assert torch.isfinite(update(spec, data, state, torch.arange(48), 0.1)).all()  # the threads work again


def test_two_threads_that_get_one_core_become_one_for_a_while():
    from core.training.kernels.kernels import Crowding  # compiled by then

    crowding = Crowding()
    crowding.ALONE = 0.3
    assert [crowding.threads(count) for count in (1, 2, 3)] == [1, 2, 3]
    for expected in (2, 1):  # the first steps of all say nothing
        with crowding.watched(2):
            time.sleep(crowding.WATCHED * 1.1)  # as if another program had all of the processor
        assert [crowding.threads(count) for count in (1, 2, 3)] == [1, expected, 3]
    with crowding.watched(crowding.threads(2)):
        wait_for(lambda: crowding.threads(2) == 2)
    assert crowding.threads(2) == 2, "what one thread takes says nothing of two"


@pytest.mark.parametrize(
    ("channels", "layers"),
    [
        (3, "dropout(0.1), conv(4, 3, padding=2, activation=relu), dropout(0.2), max_pool(2), conv(5, 3), avg_pool(2)"),
        # Weights of one value for a filter, and maps of one channel, are in both layouts of memory.
        (1, "conv(4, 1, activation=relu), dropout(0.1), max_pool(2), dropout(0.2), conv(5, 3)"),
        (3, "conv(1, 3), dropout(0.1), conv(4, 1), dropout(0.2), conv(3, 1), dropout(0.3), conv(1, 1)"),
    ],
)
def test_dropout_and_augmentation_draw_what_they_draw_with_torch(channels, layers):
    layers += ", dropout(0.3), flatten, dropout(0.4), dense(30, activation=relu), dropout(0.5), dense(classes)"
    spec = small(layers=layers, rotation=20, flip=0.5, elastic=1, shift=2, precision="float32")
    gradients = []
    for by in ("kernels", "torch"):
        data, state = begun(spec, shape=(channels, 15, 17), by=by)
        assert state.engine.computed_by == by
        state.step = 7
        sums = update(spec, data, state, torch.arange(24), 0.0)
        gradients.append([sums, *(parameter.grad for parameter in state.engine.parameters)])
    for ours, theirs in zip(*gradients, strict=True):
        assert relative(ours, theirs) < 1e-4


@pytest.mark.parametrize("frozen", [1, 3, 4])
def test_frozen_layers_stay_and_the_others_learn_what_they_learn_with_torch(frozen):
    layers = (
        "conv(4, 3, activation=relu), dropout(0.5), conv(5, 3, activation=tanh), max_pool(2), flatten, dense(classes)"
    )
    spec = small(layers=layers, first_layers="random", layers_taken=frozen, precision="float32", optimizer="sgd")
    ends = []
    for by in ("kernels", "torch"):
        data, state = begun(spec, by=by)
        before = bits(state.engine.frozen)
        for batch in torch.arange(48).split(24):
            update(spec, data, state, batch, 0.1)
        assert bits(state.engine.frozen) == before
        ends.append([parameter.detach() for parameter in state.engine.parameters])
    for ours, theirs in zip(*ends, strict=True):
        assert relative(ours, theirs) < 1e-4


def test_evaluation_is_as_with_torch_and_leaves_the_rest_of_a_block_out():
    spec = small()
    data, state = begun(spec, 2, n=437)
    ours = torch.cat(list(state.engine.evaluated(data.val_images)))
    with torch.inference_mode():
        theirs = state.model.eval()(data.val_images)
    assert relative(ours, theirs) < NEAR


# --- the same bits ----------------------------------------------------------------------------------------------------


def trained(spec, threads=2, team=None):
    data, state = begun(spec, threads)
    if team:
        state.engine.team = Team(team)
    list(train(spec, data, state))
    return state


@pytest.mark.parametrize(("threads", "batch", "sizes"), [(2, 40, [32, 8]), (2, 100, [64, 36]), (3, 64, [32, 16, 16])])
def test_a_batch_is_divided_into_whole_blocks(threads, batch, sizes):
    _, state = begun(small(batch_size=batch), threads)
    assert [len(part) for part in divided(state, torch.arange(batch))] == sizes
    assert [len(part) for part in divided(state, torch.arange(9))] == [9]


def test_the_bits_depend_on_the_parts_and_not_on_the_threads():
    spec = small(batch_size=40)
    ends = [trained(spec, 2, team) for team in (1, 2, 2)]
    assert {state.engine.parts for state in ends} == {2}
    assert len({tuple(bits(state.model).values()) for state in ends}) == 1


@pytest.mark.parametrize("fields", [{"optimizer": "sgd", "momentum": 0.9}, {"optimizer": "adam"}], ids=str)
def test_what_is_saved_in_the_middle_of_an_epoch_goes_on_to_the_same_bits(fields):
    spec = small(**fields)
    data, state = begun(spec)
    list(itertools.islice(train(spec, data, state), 2))
    tensors, numbers = {name: value.clone() for name, value in state.tensors().items()}, state.numbers()
    data, other = begun(spec)
    other.restore(tensors, numbers)
    list(train(spec, data, other))
    assert bits(other.model) == bits(trained(spec, 1).model)


@pytest.mark.parametrize("first", ["kernels", "torch"])
def test_a_state_moves_between_kernels_and_torch(first):
    spec = small(optimizer="adam", rotation=0, precision="float32")
    second = {"kernels": "torch", "torch": "kernels"}[first]
    data, state = begun(spec, by=first)
    list(itertools.islice(train(spec, data, state), 2))
    data, other = begun(spec, by=second)
    other.restore({name: value.clone() for name, value in state.tensors().items()}, state.numbers())
    list(train(spec, data, other))
    for ours, theirs in zip(other.model.parameters(), trained(spec, 1).model.parameters(), strict=True):
        assert relative(ours.detach(), theirs.detach()) < 1e-3


def test_a_run_that_was_killed_ends_with_the_bits_of_one_that_was_not(home, shared_cache, driver):
    layers = "conv(4, 3, activation=relu), max_pool(2), flatten, dropout(0.2), dense(classes)"
    values = {"data": "tiny", "split": "official", "layers": layers, "batch_size": 20, "epochs": 2}
    there = {"BANCADA_CACHE": str(shared_cache), "BANCADA_KERNELS": "", "BANCADA_THREADS": "2"}
    unbroken, killed = (store.create(checked(values)) for _ in range(2))
    assert driver.work(unbroken, **there) == [0]
    assert driver.work(killed, {7: "kill"}, **there) == [KILLED]
    assert driver.work(killed, **there) == [0]
    assert outcome(killed) == outcome(unbroken)
    started = [event for event in killed.read()[0] if isinstance(event, Started)]
    assert [event.computed_by for event in started] == ["kernels", "kernels"]


@pytest.mark.slow
def test_what_the_app_shows_and_takes_home_of_a_run_is_there_when_kernels_compute_it(
    home, shared_cache, tmp_path, monkeypatch
):
    monkeypatch.setenv("BANCADA_CACHE", str(shared_cache))
    layers = "conv(6, 3, activation=relu), max_pool(2), flatten, dropout(0.2), dense(20, activation=tanh)"
    fields = {"data": "tiny", "split": "official", "batch_size": 16, "epochs": 3, "learning_rate": 0.003}
    run = store.create(checked(fields | {"layers": f"{layers}, dense(classes)"}))
    read = dataset("tiny").load()
    assert work(str(run.folder)) == "done"
    started, report, model = run.started(), run.report(), open_model(run)
    assert started.computed_by == "kernels"

    insides, epochs = run.events(Inside), {event.epoch: event for event in run.events(Epoch)}
    assert [one.epoch for one in insides] == list(epochs) == [1, 2, 3]
    assert [one.epoch for one in snapshots(run)] == [0, 1, 2, 3]
    for inside in insides:
        answers, at = answers_at(run, inside.epoch), open_at(run, inside.epoch)
        assert (answers.labels == answers.predicted).mean() == epochs[inside.epoch].val_accuracy
        assert (at.probabilities(read.val.images).argmax(axis=1) == answers.predicted).all()
        seen = {(one.layer, one.what): one for one in inside.histograms}
        assert set(seen) == {(layer, what) for layer in (1, 5, 6) for what in ("weight", "bias", "gradient")}
        for name, values in at.module.named_parameters():
            _, place, what = re.split(r"layers\.(\d+)_.*\.", name)
            one = seen[int(place), what]
            assert sum(one.counts) == values.numel()
            ends = (values.min().item(), values.max().item())
            assert (one.low, one.high) == pytest.approx(ends, rel=HALF)
        assert {(one.layer, one.function) for one in inside.activities} == {(1, "relu"), (5, "tanh")}

    probabilities = model.probabilities(read.test.images)
    assert report.accuracy == (probabilities.argmax(axis=1) == read.test.labels).mean()
    assert np.abs(stored_answers(run).probabilities - probabilities).max() < NEAR
    assert open_at(run, report.best_epoch).probabilities(read.test.images) == pytest.approx(probabilities, abs=0.01)

    check = export(run, "html", tmp_path / "page.html")
    assert (check.n, check.data) == (30, "tiny")
    assert check.difference <= 1e-4
    export(run, "report", tmp_path / "report.html")
    assert run.name in (tmp_path / "report.html").read_text(encoding="utf-8")


# --- what is not a number ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["layers.1_conv.conv.weight", "layers.5_dense.dense.bias"])
def test_what_is_not_finite_in_the_weights_makes_the_loss_so(bad, name):
    spec = small(rotation=0)
    data, state = begun(spec)
    with torch.no_grad():
        state.model.get_parameter(name).view(-1)[0] = bad
    assert not np.isfinite(update(spec, data, state, torch.arange(24), 0.0)[0].item())


def test_a_training_that_diverges_is_refused():
    spec = small(optimizer="sgd", learning_rate=1e6, epochs=20)
    with pytest.raises(Refusal, match=r"error\.(diverged|lost)"):
        trained(spec)


# --- the choice -------------------------------------------------------------------------------------------------------


def chosen(monkeypatch, device="cpu", wanted="1", by=None, **fields):
    monkeypatch.setenv("BANCADA_KERNELS", wanted)
    spec = checked(fields)
    return computed_by(spec, table(spec.layers, (1, 28, 28), 10), torch.device(device), by)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_without_batch_norm_is_computed_by_the_kernels(monkeypatch, architecture):
    expected = "torch" if architecture == "dense-net" else "kernels"
    assert chosen(monkeypatch, architecture=architecture) == (expected, "")


def test_what_the_kernels_lack_is_computed_by_torch_without_a_word(monkeypatch):
    for layers in ("flatten, batch_norm, dense(classes)", "flatten, dense(9, activation=gelu), dense(classes)"):
        assert chosen(monkeypatch, layers=layers) == ("torch", "")
    assert chosen(monkeypatch, device="cuda") == ("torch", "")
    assert chosen(monkeypatch, precision="bfloat16") == ("torch", "")
    assert chosen(monkeypatch, wanted="0") == chosen(monkeypatch, by="torch") == ("torch", "")


def test_bfloat16_is_chosen_where_the_processor_has_it_and_much_of_the_work_is_wide(monkeypatch):
    wide = {"layers": "conv(32, 3), conv(32, 3), conv(32, 3), flatten, dense(classes)", "batch_size": 64}
    for able, by in ((True, "torch"), (False, "kernels")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: {"avx512_bf16": able})  # of torch
        assert chosen(monkeypatch, wanted="", **wide) == (by, "")
        assert chosen(monkeypatch, wanted="", **wide, precision="float32") == ("kernels", "")
        assert chosen(monkeypatch, wanted="", architecture="mlp", batch_size=256) == ("kernels", "")


def test_torch_is_chosen_where_most_work_is_in_big_products_or_a_batch_is_much_smaller_than_a_block(monkeypatch):
    deep = "conv(32, 3), conv({0}, 3), conv({0}, 3), flatten, dense(classes)"
    wide = "flatten, dense(2048), dense(2048), dense(classes)"
    for by, layers in (("kernels", deep.format(32)), ("torch", deep.format(64)), ("torch", wide)):
        assert chosen(monkeypatch, wanted="", layers=layers, precision="float32") == (by, "")
    for by, batch in (("torch", 3), ("kernels", 4)):
        assert chosen(monkeypatch, wanted="", architecture="lenet", batch_size=batch) == (by, "")


def in_a_process(code, folder=ROOT, **environment):
    """What a new process prints that runs this code, in words."""
    command = [sys.executable, "-c", f"from core.training.kernels.compiled import *\n{code}"]
    return subprocess.check_output(command, cwd=folder, env=os.environ | environment, text=True).split()


def test_a_run_does_not_wait_for_compilation_and_says_so_but_a_resumed_one_does(tmp_path):
    code = """
import torch
from core.spec import checked
from core.training.engine import computed_by
spec = checked({"architecture": "lenet"})
for by in (None, "kernels"):
    print(*computed_by(spec, spec.table((1, 28, 28), 10), torch.device("cpu"), by))
"""
    said = in_a_process(code, BANCADA_KERNELS="", BANCADA_CACHE=str(tmp_path))
    assert said == ["torch", "compiling", "kernels"]


def test_without_numba_all_is_as_before_with_one_line_in_the_log(home, monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("BANCADA_KERNELS", "")
    monkeypatch.setenv("BANCADA_CACHE", str(tmp_path))
    compiled.folder().mkdir(parents=True)
    (compiled.folder() / compiled.FAILED).touch()  # what is left by a Numba that refuses these versions
    layers = "flatten, dense(classes)"
    run = store.create(checked({"data": "tiny", "split": "official", "layers": layers, "epochs": 1}))
    assert work(str(run.folder)) == "done"
    assert (run.started().computed_by, run.started().slower_because) == ("torch", "numba")
    (line,) = capfd.readouterr().err.splitlines()
    assert "Numba" in line


def test_where_numba_is_not_installed_torch_trains_and_the_log_has_one_line(home):
    run = store.create(checked({"data": "tiny", "split": "official", "layers": "flatten, dense(classes)", "epochs": 1}))
    code = f"import sys; sys.modules['numba'] = None; from core.work import work; print(work({str(run.folder)!r}))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True)
    assert ended.stdout == "done\n"
    assert (run.started().computed_by, run.started().slower_because) == ("torch", "numba")
    (line,) = ended.stderr.splitlines()
    assert "Numba" in line


def test_a_run_does_not_compile_before_its_steps_where_no_code_can_be_kept(home, monkeypatch, tmp_path):
    run = store.create(checked({"data": "tiny", "split": "official", "layers": "flatten, dense(classes)", "epochs": 1}))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BANCADA_CACHE", str(tmp_path / "file"))
    monkeypatch.delenv("BANCADA_KERNELS", raising=False)
    code = (
        "import sys; from core.work import work; from core.training.kernels.compiled import INTERPRETER, prepare\n"
        f"print(work({str(run.folder)!r}), INTERPRETER in sys.modules); prepare(waits=True)\n"
        "print(INTERPRETER in sys.modules)"
    )
    slower_code = os.environ | {"NUMBA_OPT": "0"}  # which takes less time to compile
    said = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=slower_code, text=True)
    assert said.split() == ["done", "False", "True"]


def test_numbers_that_processors_take_long_for_are_zero_in_every_thread_of_a_step_and_only_there():
    _, state = begun(small(), threads=2)
    tiny, both = torch.full((64,), 1e-30), threading.Barrier(2)

    def product(factor):
        both.wait(10)  # so that each thread computes one
        return bool((tiny * factor).any())

    assert state.engine.team.run(product, [1e-15, 1e-15]) == [False, False]
    weights = torch.nn.Parameter(torch.full((64,), 1e-30))
    weights.grad = tiny * -1e-15
    assert weights.grad.any(), "outside of a step they are what they were"
    before = weights.detach().clone()
    optimize(torch.optim.SGD([weights], lr=1e30, fused=True))
    assert torch.equal(weights, before)
    assert float(tiny[0]) * 1e-290 > 0


def test_a_damaged_file_of_code_is_deleted_and_the_run_goes_on_with_torch(shared_cache, tmp_path):
    there = compiled.folder().relative_to(shared_cache)
    shutil.copytree(shared_cache / there, tmp_path / there)
    (file,) = (tmp_path / there).rglob("interpreter.run-*.nbc")
    file.write_bytes(file.read_bytes()[:1000])
    said = in_a_process("print(is_ready(), compile_here(), is_ready(), is_usable())", BANCADA_CACHE=str(tmp_path))
    assert said == ["True", "False", "False", "True"]


def test_before_its_first_step_a_run_has_no_gradients_to_tell():
    data, state = begun(small())
    assert not [parameter for parameter in state.engine.parameters if parameter.grad is not None]
    update(small(), data, state, torch.arange(24), 0.1)
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in state.engine.parameters)


def test_code_is_kept_for_each_source_processor_and_width(tmp_path):
    copied = shutil.copytree(ROOT / "core", tmp_path / "core", ignore=shutil.ignore_patterns("__pycache__"))

    def name(lanes, processor):
        (said,) = in_a_process("print(folder().name)", tmp_path, BANCADA_LANES=lanes, NUMBA_CPU_NAME=processor)
        return said

    names = [name("16", "skylake-avx512"), name("8", "skylake-avx512"), name("8", "haswell")]
    assert name("8", "haswell") == names[2]
    with (copied / "training" / "kernels" / "tiles.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert len({*names, name("8", "haswell")}) == 4


def test_a_folder_that_cannot_be_written_is_not_used(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BANCADA_CACHE", str(tmp_path / "file"))
    assert not compiled.use_folder()


def test_code_that_no_version_has_used_for_a_month_is_removed_and_no_other(monkeypatch, tmp_path):
    monkeypatch.setenv("BANCADA_CACHE", str(tmp_path))
    month_ago = time.time() - compiled.UNUSED - 60
    mine = compiled.folder()
    unused, unfinished, used_again, new, stuck = (mine.with_name(name) for name in ("a", "b", "c", "d", "e"))
    for place in (unused, unfinished, used_again, new, stuck, mine):
        (place / "sources").mkdir(parents=True)
        (place / "sources" / "run.nbc").write_bytes(b"code")
        if place not in (unfinished, stuck):
            (place / compiled.READY).touch()
    (stuck / compiled.READY).mkdir()  # a file that cannot be deleted
    for path in (*mine.parent.glob("*/*"), *mine.parent.iterdir()):
        os.utime(path, (month_ago, month_ago))
    os.utime(used_again / compiled.READY)
    os.utime(new)
    compiled.tidy()
    assert set(mine.parent.iterdir()) == {used_again, new, stuck, mine}
    assert all((place / "sources" / "run.nbc").exists() for place in mine.parent.iterdir())


def test_nothing_is_compiled_for_a_gpu(tmp_path):
    environment = {"BANCADA_KERNELS": "", "BANCADA_DEVICE": "cuda", "BANCADA_CACHE": str(tmp_path)}
    code = "prepare(waits=True); print(is_usable(), is_ready(), folder().exists())"
    assert in_a_process(code, **environment) == ["True", "False", "False"]


# --- programs ---------------------------------------------------------------------------------------------------------


def test_a_program_can_be_read_without_numba_and_torch():
    code = """
import sys
sys.modules["numba"] = sys.modules["llvmlite"] = sys.modules["torch"] = None
from core.networks.architectures import ARCHITECTURES
from core.networks.layers import table
from core.training.kernels.program import written
print(written(table(ARCHITECTURES["lenet"], (1, 28, 28), 10), trains=True))
"""
    lines = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).splitlines()
    assert lines[0].startswith("16 images at once")
    assert lines[4].split()[:2] == ["1", "product"]
    words = " ".join(lines).split()
    assert {"gather", "activate", "pooling", "loss", "correlate", "poolingback"} <= set(words)


def test_a_program_multiplies_as_often_as_the_table_says_and_twice_as_often_back():
    rows = table(ARCHITECTURES["lenet"], (1, 28, 28), 10)
    instructions = [one for _, one in written(rows, trains=True).instructions]
    there, back = 0, 0
    is_back = False
    for one in instructions:
        is_back |= isinstance(one, Loss)
        if isinstance(one, Product | Correlate):
            there, back = (there + (not is_back) * multiplications(one), back + is_back * multiplications(one))
    macs = sum(row.macs for row in rows)
    assert (there, back) == (macs, 2 * macs - rows[0].macs)  # nobody asks for the gradient of the image


def test_a_network_without_maps_is_computed_in_larger_blocks_in_evaluation_too():
    blocks = [
        [written(table(ARCHITECTURES[name], (1, 28, 28), 10), trains=trains).block for trains in (True, False)]
        for name in ("mlp", "lenet")
    ]
    assert blocks == [[64, 64], [16, 16]]


def multiplications(one):
    """The multiplications of an instruction for an image: a vector is one value of the 16 images of a block."""
    return one.y_places.length * one.filters * one.taps.length
