"""What makes a step quick changes nothing of what it computes; parts of a batch are one batch, whoever takes them."""

import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from core import settings
from core.datasets import Split, Splits
from core.events import Epoch
from core.images.augment import augmented
from core.networks.architectures import ARCHITECTURES
from core.networks.layers import table
from core.networks.modules import Dropout, chance
from core.spec import checked
from core.training import engine
from core.training.engine import (
    Engine,
    Team,
    in_quick_order,
    logits_in_parts,
    optimize,
    part_size,
    rehearsed,
    useful_threads,
)
from core.training.train import Data, State, _seed_chance, _update, new_model, train, update

ROOT = Path(__file__).resolve().parents[1]
CPU = torch.device("cpu")
SHAPE, CLASSES = (3, 28, 28), 10
MIXING = {"dense-net"}  # batch norm: an image's output depends on the others in its batch
CHANCE = {"cnn-four"}  # dropout: each part draws its own


@pytest.fixture(autouse=True)
def the_thread_count_is_left_as_it_was():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def some_split(n, shape=SHAPE):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (n, *shape), dtype=np.uint8)
    return Split(images, random.integers(0, CLASSES, n))


def begun(spec, threads, n=64):
    split = some_split(n)
    return Data.of(Splits(split, split, split), CPU), State.new(spec, split, CLASSES, CPU, threads)


def bits(model):
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


def small_spec(**fields):
    layers = (
        "conv(8, 3, activation=relu), max_pool(2), flatten, dropout(0.3), dense(32, activation=relu), dense(classes)"
    )
    changes = {"rotation": 10, "flip": 0.5, "elastic": 1, "stroke_width": 0.5}
    return checked({"layers": layers, "batch_size": 24, "epochs": 2, "precision": "float32"} | changes | fields)


@pytest.fixture
def small_parts(monkeypatch):
    """Also the smallest batch is worth dividing."""
    monkeypatch.setattr(engine, "LEAST_WORK", {"float32": 1, "bfloat16": 1})


# --- a team -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_a_team_gives_each_items_result_in_the_items_order(threads, count):
    assert Team(threads).run(lambda item: item * item, range(count)) == [item * item for item in range(count)]


def test_a_teams_threads_work_at_the_same_time():
    meeting = threading.Barrier(3)  # passed only when three are there
    Team(3).run(lambda _: meeting.wait(timeout=20), range(3))


@pytest.mark.parametrize("bad", [0, 1])
def test_what_goes_wrong_in_a_part_is_raised_and_the_team_can_go_on(bad):
    team = Team(2)
    meeting = threading.Barrier(2)

    def fail(item):
        meeting.wait(timeout=20)  # the parts are with two threads
        if item == bad:
            raise ValueError(item)

    with pytest.raises(ValueError, match=str(bad)):
        team.run(fail, range(2))
    assert team.run(str, [1, 2]) == ["1", "2"]


# --- the same function ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_quick_order_gives_the_same_logits_and_gradients_to_the_last_bit(architecture):
    torch.set_num_threads(1)
    spec = checked({"architecture": architecture})
    torch.manual_seed(1)
    model = new_model(spec, SHAPE, CLASSES)
    images, labels = (torch.tensor(array) for array in (some_split(16).images, some_split(16).labels))
    found = []
    for one in (model, in_quick_order(model)):
        chance.generator = torch.Generator().manual_seed(2)
        logits = one.train()(images)
        loss = functional.cross_entropy(logits, labels)
        found.append([logits, *torch.autograd.grad(loss, list(model.parameters()))])
    assert all(torch.equal(plain, quick) for plain, quick in zip(*found, strict=True))


def test_a_max_pool_comes_before_its_relu_and_that_writes_over_its_input():
    spec = checked({"layers": "conv(4, 3, activation=relu), max_pool(2), flatten, dense(classes)"})
    order = list(in_quick_order(new_model(spec, SHAPE, CLASSES)))
    assert [type(module).__name__ for module in order] == ["Scale", "Conv2d", "MaxPool2d", "ReLU", "Flatten", "Linear"]
    assert isinstance(order[3], nn.ReLU)
    assert order[3].inplace


@pytest.mark.parametrize("before", ["sigmoid", "tanh"])
def test_a_relu_does_not_write_over_what_another_activation_still_needs(before):
    layers = f"conv(4, 3, activation={before}), activation(relu), flatten, dense(classes)"
    data, state = begun(small_spec(layers=layers), 1)
    update(small_spec(layers=layers), data, state, torch.arange(24), 0.1)  # torch would raise


@pytest.mark.parametrize("architecture", sorted(set(ARCHITECTURES) - MIXING - CHANCE))
def test_the_gradient_of_the_parts_is_that_of_the_whole_batch(architecture, small_parts):
    spec = checked({"architecture": architecture, "batch_size": 30, "optimizer": "sgd", "precision": "float32"})
    gradients = []
    for threads in (1, 4):
        data, state = begun(spec, threads)
        assert state.engine.parts == threads
        sums = update(spec, data, state, torch.arange(30), 0.01)
        gradients.append([sums, *(one.grad for one in state.model.parameters())])
        assert all(one.grad.stride() == one.stride() for one in state.model.parameters())
    for whole, parts in zip(*gradients, strict=True):
        assert torch.allclose(whole, parts, rtol=1e-3, atol=1e-6)


def test_a_batch_that_batch_norm_sees_as_one_is_not_divided(small_parts):
    for layers in ("flatten, dense(8), batch_norm, dense(classes)", "dense_block(1), flatten, dense(classes)"):
        _, state = begun(small_spec(layers=layers), 3)
        assert (state.engine.parts, state.engine.team.threads) == (1, 1)
        assert torch.get_num_threads() == 3


def test_a_network_that_cannot_be_divided_leaves_a_core_free(monkeypatch):
    monkeypatch.setattr(settings, "cores", lambda: 4)
    for layers, threads in (("flatten, batch_norm, dense(classes)", 3), ("flatten, dense(classes)", 4)):
        network = checked({"layers": layers}).layers
        assert useful_threads(network, 4) == threads
        assert useful_threads(network, 2) == 2


def test_the_last_batch_may_have_fewer_images_than_parts(small_parts):
    spec = small_spec(batch_size=9)
    data, state = begun(spec, 4, n=10)
    assert [event.train_loss > 0 for event in train(spec, data, state) if isinstance(event, Epoch)] == [True, True]


def test_a_gpu_draws_from_its_own_generator_after_a_cpu_has_computed():
    data, state = begun(small_spec(), 1)
    update(small_spec(), data, state, torch.arange(24), 0.1)
    assert chance.generator is not None
    state.engine.device = torch.device("cuda")
    _seed_chance(small_spec(), state, 0)
    assert chance.generator is None


def test_a_small_batch_is_not_worth_dividing_and_no_part_is_empty(small_parts, monkeypatch):
    _, state = begun(small_spec(batch_size=2), 8)
    assert state.engine.parts == 2
    monkeypatch.undo()
    assert begun(small_spec(), 8)[1].engine.parts == 1


# --- the same bits ----------------------------------------------------------------------------------------------------


def trained(spec, threads):
    data, state = begun(spec, threads)
    list(train(spec, data, state))
    return state


def test_parts_repeat_to_the_last_bit_whichever_thread_takes_them(small_parts):
    assert len({tuple(bits(trained(small_spec(), 3).model).values()) for _ in range(3)}) == 1


def test_parts_saved_and_restored_go_on_to_the_same_bits(small_parts):
    spec = small_spec()
    data, state = begun(spec, 3)
    list(itertools.islice(train(spec, data, state), 2))  # in the middle of an epoch
    tensors = {name: value.clone() for name, value in state.tensors().items()}
    numbers = state.numbers()
    data, other = begun(spec, 3)
    other.restore(tensors, numbers)
    list(train(spec, data, other))
    assert bits(other.model) == bits(trained(spec, 3).model)


def test_parts_draw_different_chances(small_parts):
    seen = []
    data, state = begun(small_spec(), 3)
    dropout = next(module for module in state.model.modules() if isinstance(module, Dropout))
    dropout.register_forward_hook(lambda *ends: seen.append((ends[-1] == 0).numpy().tobytes()))
    data.train_images[:] = 200  # all alike, so that chance alone tells the parts apart
    spec = small_spec(rotation=0, flip=0, elastic=0, stroke_width=0)
    state.engine.model.train()
    update(spec, data, state, torch.arange(24), 0.01)
    state.step += 1
    update(spec, data, state, torch.arange(24), 0.01)
    assert len(set(seen)) == len(seen) == 6


def test_a_team_evaluates_as_one_thread_does(small_parts):
    data, state = begun(small_spec(), 3)
    alone = torch.cat(list(logits_in_parts(state.engine.model, data.val_images, 10)))
    together = torch.cat(list(logits_in_parts(state.engine.model, data.val_images, 10, state.engine.team)))
    assert torch.equal(alone, together)


# --- on a GPU ---------------------------------------------------------------------------------------------------------

OPTIMIZERS = [{"optimizer": "sgd", "momentum": 0.9}, {"optimizer": "adam"}, {"optimizer": "adamw"}]


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("fields", OPTIMIZERS, ids=lambda fields: fields["optimizer"])
def test_a_rehearsal_leaves_no_trace(fields, before):
    spec = small_spec(layers="flatten, dense(8), batch_norm, dropout(0.2), dense(classes)", **fields)
    results = []
    for rehearse in (False, True):
        data, state = begun(spec, 1)
        state.engine.model.train()
        for _ in range(before):
            update(spec, data, state, torch.arange(24), 0.01)
        if rehearse:
            with rehearsed(state.model, state.optimizer, CPU):
                torch.rand(3)
                for _ in range(3):
                    update(spec, data, state, torch.arange(24, 48), 0.5)
        update(spec, data, state, torch.arange(24), 0.01)
        results.append((bits(state.model), torch.get_rng_state().tolist()))
    assert results[0] == results[1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("layers", ["dropout(0.1), ", "batch_norm, ", ""])
@pytest.mark.parametrize("fields", OPTIMIZERS, ids=lambda fields: fields["optimizer"])
def test_a_captured_step_is_the_plain_step(fields, layers, precision):
    layers = f"conv(8, 3, activation=relu), max_pool(2), flatten, {layers}dense(classes)"
    spec = small_spec(layers=layers, precision=precision, **fields)
    split, device = some_split(96), torch.device("cuda")
    data, ends = Data.of(Splits(split, split, split), device), []
    for step in (update, lambda *all_but_rate: _update(*all_but_rate[:-1])):
        state = State.new(spec, split, CLASSES, device)
        state.engine.model.train()
        torch.cuda.manual_seed(3)
        for batch in torch.arange(96, device=device).split(24):
            step(spec, data, state, batch, spec.learning_rate)
        assert (state.captured is not None) == (step is update)
        ends.append([parameter.detach().cpu() for parameter in state.model.parameters()])
    for captured, plain in zip(*ends, strict=True):
        assert torch.allclose(captured, plain, rtol=1e-2, atol=1e-3)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_can_compute_parts():
    """As the workers of some executors are made; without the engine's own first use, one in twenty crashed."""
    code = """
import os
import torch
from tests.test_engine import begun, engine, small_spec, update
engine.LEAST_WORK = {"float32": 1}
data, state = begun(small_spec(), 1)
update(small_spec(), data, state, torch.arange(24), 0.01)
for _ in range(30):
    pid = os.fork()
    if not pid:
        data, state = begun(small_spec(), 4)
        for _ in range(3):
            update(small_spec(), data, state, torch.arange(24), 0.01)
        os._exit(0)
    assert not os.waitpid(pid, 0)[1]
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_no_training_imports_the_compiler_of_torch():
    code = """
import itertools, sys, numpy, torch
from core.datasets import Split, Splits
from core.spec import checked
from core.training.train import Data, State, train
split, cpu = Split(numpy.zeros((8, 1, 28, 28), numpy.uint8), numpy.arange(8)), torch.device("cpu")
for optimizer in ("sgd", "adam", "adamw"):
    spec = checked({"architecture": "lenet", "optimizer": optimizer, "batch_size": 4})
    state = State.new(spec, split, 10, cpu)
    assert list(itertools.islice(train(spec, Data.of(Splits(split, split, split), cpu), state), 2))
    state.restore(state.tensors(), state.numbers())
assert not {"torch._dynamo", "sympy"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("fields", [{"optimizer": "sgd", "momentum": 0.9}, {"optimizer": "adamw"}], ids=str)
def test_a_step_without_its_wrappers_is_the_optimizers_own(fields):
    ends = []
    for step in (optimize, lambda optimizer: optimizer.step()):
        _, state = begun(small_spec(**fields), 1)
        for _ in range(3):
            for parameter in state.engine.parameters:
                parameter.grad = torch.sin(parameter.detach() * 7)
            step(state.optimizer)
        ends.append([parameter.detach().clone() for parameter in state.engine.parameters])
    assert all(map(torch.equal, *ends))


# --- dropout ----------------------------------------------------------------------------------------------------------


def test_dropout_drops_its_share_and_keeps_the_mean():
    chance.generator = torch.Generator().manual_seed(0)
    values = torch.ones(100_000)
    dropped = Dropout(0.3).train()(values)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert torch.equal(Dropout(0.3).eval()(values), values)


# --- precision --------------------------------------------------------------------------------------------------------


def precision(device_has_it, monkeypatch, **fields):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": device_has_it})
    spec = checked(fields)
    rows = table(spec.layers, (1, 28, 28), CLASSES)
    return Engine(spec, new_model(spec, (1, 28, 28), CLASSES), rows, CPU, 1).precision


def test_auto_is_bfloat16_where_the_processor_has_it_and_the_layers_are_wide(monkeypatch):
    assert precision(True, monkeypatch, architecture="cnn", batch_size=128) == "bfloat16"
    assert precision(False, monkeypatch, architecture="cnn", batch_size=128) == "float32"
    assert precision(True, monkeypatch, architecture="lenet", batch_size=128) == "float32"
    assert precision(True, monkeypatch, architecture="mlp", batch_size=8) == "float32"


@pytest.mark.parametrize("asked", ["float32", "bfloat16"])
def test_a_precision_that_is_asked_for_is_taken(asked, monkeypatch):
    assert precision(True, monkeypatch, architecture="cnn", batch_size=128, precision=asked) == asked
    assert precision(False, monkeypatch, architecture="cnn", batch_size=128, precision=asked) == asked


def test_bfloat16_computes_coarsely_and_keeps_its_weights_in_float32():
    fine, coarse = (trained(small_spec(precision=name), 1) for name in ("float32", "bfloat16"))
    assert all(parameter.dtype == torch.float32 for parameter in coarse.model.parameters())
    for one, other in zip(fine.model.parameters(), coarse.model.parameters(), strict=True):
        assert not torch.equal(one, other)
        assert torch.allclose(one, other, atol=0.02)


def test_the_epochs_of_both_precisions_are_evaluated_in_float32():
    spec = small_spec(precision="bfloat16", epochs=1)
    data, state = begun(spec, 1)
    (epoch,) = (event for event in train(spec, data, state) if isinstance(event, Epoch))
    with torch.inference_mode():
        loss = functional.cross_entropy(state.model.eval()(data.val_images), data.val_labels).item()
    assert epoch.val_loss == pytest.approx(loss, rel=1e-5)


# --- augmentation -----------------------------------------------------------------------------------------------------


def test_without_augmentation_the_images_are_the_images():
    images = torch.tensor(some_split(5).images)
    assert augmented(checked({}), images) is images


@pytest.mark.parametrize(
    "fields", [{"rotation": 40}, {"shift": 3.5}, {"zoom": 0.4}, {"rotation": 25, "shift": 2, "zoom": 0.2}]
)
def test_an_augmented_image_is_torchvisions_affine_map_of_it(fields):
    from torchvision.transforms import InterpolationMode  # not above: it takes seconds to import
    from torchvision.transforms import functional as torchvision

    spec = checked(fields)
    noise = torch.tensor(some_split(6, (3, 36, 44)).images).float()
    images = functional.avg_pool2d(noise, 9, 1).round().to(torch.uint8)  # (6, 3, 28, 36), smooth
    chance.generator = torch.Generator().manual_seed(4)
    ours = augmented(spec, images).float()
    drawn = torch.rand(4, 6, generator=torch.Generator().manual_seed(4)) * 2 - 1
    for image, result, (angle, zoom, right, down) in zip(images, ours, drawn.T.tolist(), strict=True):
        theirs = torchvision.affine(
            image.float(),
            angle=-angle * spec.rotation,
            translate=[right * spec.shift, down * spec.shift],  # type: ignore[list-item]  # takes floats as well
            scale=(1 + spec.zoom) ** zoom,
            shear=[0.0],
            interpolation=InterpolationMode.BILINEAR,
        )
        assert (result - theirs).abs().max() <= 0.51  # rounded


@pytest.mark.parametrize("probability", [0.3, 1])
def test_a_flip_mirrors_its_share_of_the_images_and_leaves_the_others_as_they_are(probability):
    images = torch.tensor(some_split(2000, (3, 5, 6)).images)
    chance.generator = torch.Generator().manual_seed(1)
    flipped = augmented(checked({"flip": probability}), images)
    assert flipped.dtype == torch.uint8
    is_mirrored, is_same = ((flipped == image).all(dim=(1, 2, 3)) for image in (images.flip(3), images))
    assert (is_mirrored ^ is_same).all()
    assert is_mirrored.float().mean() == pytest.approx(probability, abs=0.035)  # 3.4 standard errors at 0.3


def test_a_flipped_image_is_then_moved_like_any_other():
    images = torch.tensor(some_split(6).images)
    spec = checked({"flip": 1, "shift": 3})
    chance.generator = torch.Generator().manual_seed(1)
    ours = augmented(spec, images)
    chance.generator = torch.Generator().manual_seed(1)
    torch.rand(6, generator=chance.generator)  # what decided on the flip
    assert torch.equal(ours, augmented(spec.model_copy(update={"flip": 0.0}), images.flip(3)))


def test_each_look_at_an_image_is_another_and_repeats_by_the_seed():
    changes = {"rotation": 20, "shift": 2, "zoom": 0.2, "flip": 0.5, "elastic": 2, "stroke_width": 0.5}
    spec, images = checked(changes), torch.tensor(some_split(3).images)
    looks = []
    for seed in (1, 2, 1):
        chance.generator = torch.Generator().manual_seed(seed)
        looks.append(augmented(spec, images))
    assert torch.equal(looks[0], looks[2])
    assert not torch.equal(looks[0], looks[1])
    assert looks[0].dtype == torch.uint8
    assert looks[0].shape == images.shape


def test_elastic_pulls_pixels_by_some_and_never_by_much_more_than_the_spec_says():
    """Each image is a ramp whose grey level says where a pixel came from: nine levels a pixel, its edges left out."""
    ramp = (torch.arange(28) * 9).to(torch.uint8).expand(300, 1, 28, 28)
    for images, axis in ((ramp, 3), (ramp.transpose(2, 3), 2)):
        chance.generator = torch.Generator().manual_seed(1)
        pulled = (augmented(checked({"elastic": 1.5}), images).float() - images.float())[:, :, 4:-4, 4:-4] / 9
        assert 1.2 < pulled.abs().max() < 2.2  # a curve through the pulls swings a little further
        assert pulled.mean().abs() < 0.05
        neighbours = pulled.diff(dim=axis).abs().max()
        assert 0 < neighbours < 1  # nothing is torn or folded


@pytest.mark.parametrize("most", [0.3, 1])
def test_a_stroke_grows_or_shrinks_by_at_most_the_spec_says_at_each_edge(most):
    images = torch.zeros(300, 1, 28, 28, dtype=torch.uint8)
    images[:, :, 10:16] = 255  # six pixels wide
    chance.generator = torch.Generator().manual_seed(1)
    widths = augmented(checked({"stroke_width": most}), images).float().sum(dim=2)[:, 0, 14] / 255
    assert 6 - 2 * most - 0.01 <= widths.min() < 6 - 1.8 * most
    assert 6 + 1.8 * most < widths.max() <= 6 + 2 * most + 0.01
    assert widths.mean() == pytest.approx(6, abs=0.1 * most + 0.05)


def test_logits_come_in_parts_of_the_model_as_it_answers_not_as_it_trains():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Dropout(0.5)).train()
    images = torch.rand(2 * 30 + 5, 1, 2, 2)
    parts = list(logits_in_parts(model, images, 30))
    assert [len(part) for part in parts] == [30, 30, 5]
    assert not any(part.requires_grad for part in parts)
    assert torch.allclose(torch.cat(parts), model[1](images.flatten(1)), atol=1e-6)


def test_fewer_images_at_once_go_through_a_network_with_large_feature_maps():
    small = table(ARCHITECTURES["lenet"], (1, 28, 28), 10)
    large = table(ARCHITECTURES["dense-net"], (3, 128, 128), 8)
    assert part_size(small) == 200
    assert part_size(large) * 64 * 128 * 128 <= 5_000_000
    assert part_size(large) >= 1
