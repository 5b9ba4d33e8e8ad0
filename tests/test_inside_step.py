"""A step that is explained is the step that a training makes, and its numbers lead by hand to the new weight."""

import numpy as np
import pytest
import torch

from core.datasets import Split, Splits
from core.inside.step import Practice, Weight, initial
from core.spec import checked
from core.training.train import Data, State, initial_model, learning_rate, update

NET = """conv(3, 3, activation=relu), batch_norm, max_pool(2), flatten, dropout(0.4), dense(9, activation=tanh),
dense(classes)"""
SHAPE = (1, 12, 12)
OPTIMIZERS = {
    "sgd": {"optimizer": "sgd", "learning_rate": 0.1},
    "momentum": {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9},
    "sgd with decay": {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.1},
    "adam": {"optimizer": "adam"},
    "adam of keras": {"optimizer": "adam", "defaults": "keras", "weight_decay": 0.01},
    "adamw": {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.3},
}


def batch(count=12, shape=SHAPE):
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, *shape), dtype=np.uint8), np.arange(count) % 4


def practice(shape=SHAPE, **fields):
    spec = checked({"layers": NET, "seed": 3, "batch_size": 12} | fields)
    return Practice(spec, initial_model(spec, shape, 4))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_steps_are_those_of_a_training(name):
    spec = checked({"layers": NET, "seed": 3, "batch_size": 12, "schedule": "one_cycle"} | OPTIMIZERS[name])
    images, labels = batch()
    split = Split(images, labels)
    state = State.new(spec, split, 4, torch.device("cpu"))
    one, places = Practice(spec, state.model), torch.arange(12)
    data = Data.of(Splits(split, split, split), torch.device("cpu"))
    state.engine.train()
    for _ in range(3):
        rate = learning_rate(spec, state.step, 9)
        sums = update(spec, data, state, places, rate)
        state.step += 1
        found = one.step(images, labels, rate)
        assert found.loss == pytest.approx(sums[0].item() / 12, rel=1e-5)
    assert found.number == 3
    for name, value in state.model.state_dict().items():
        assert torch.allclose(one.module.state_dict()[name], value, atol=1e-6), name


def test_the_untrained_network_is_the_one_with_which_a_training_begins():
    spec, (images, labels) = checked({"layers": NET, "seed": 3, "normalisation": "standard"}), batch()
    before = torch.get_rng_state()
    found = initial(spec, images, 4).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in State.new(spec, Split(images, labels), 4, torch.device("cpu")).model.state_dict().items():
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_weight_follows_by_hand_from_its_numbers(name):
    one, (images, labels) = practice(**OPTIMIZERS[name]), batch()
    rate = one.spec.learning_rate
    chosen = Weight("layers.1_conv.conv.weight", (1, 0, 2, 1)), Weight("layers.7_dense.dense.bias", (3,))
    for weight in (None, *chosen):
        before = {key: value.detach().clone() for key, value in one.parameters().items()}
        found = one.step(images, labels, rate, weight)
        followed = found.followed
        assert followed == found.largest[0] if weight is None else followed.weight == weight
        assert followed.before == before[followed.weight.parameter][followed.weight.place].item()
        assert followed.after == one.parameters()[followed.weight.parameter][followed.weight.place].item()
        assert followed.change
        last = found.lines[-1]
        assert last.value == pytest.approx(followed.after, rel=1e-5, abs=1e-7)
        for line in found.lines:  # the numbers as they are shown lead there, too
            value = eval(line.numbers, {"sqrt": np.sqrt})  # noqa: S307
            assert value == pytest.approx(line.value, rel=1e-3, abs=1e-8), line


def test_a_step_tells_losses_norms_and_the_ten_largest_changes():
    one, (images, labels) = practice(optimizer="sgd", learning_rate=0.01, momentum=0.9), batch()
    module, before = one.module, {key: value.detach().clone() for key, value in one.parameters().items()}
    found = one.step(images, labels, 0.01)
    assert found.losses == pytest.approx(-np.log(found.probabilities[np.arange(12), labels]), rel=1e-4)
    assert found.loss == pytest.approx(found.losses.mean(), rel=1e-6)
    assert found.loss_after < found.loss
    changes = {key: value.detach() - before[key] for key, value in module.named_parameters()}
    every = torch.cat([value.abs().flatten() for value in changes.values()])
    assert [abs(each.change) for each in found.largest] == pytest.approx(every.topk(10).values.tolist(), rel=1e-3)
    for each in found.largest:
        assert changes[each.weight.parameter][each.weight.place].item() == pytest.approx(each.change, rel=1e-3)
        assert each.change == pytest.approx(-0.01 * each.gradient, rel=1e-2)
        assert each.weight.parameter.startswith(f"layers.{each.weight.layer}_")
    for number, norm in enumerate(found.gradient_norms, 1):
        parts = [value for key, value in changes.items() if key.startswith(f"layers.{number}_")]
        by_hand = sum(float((value / 0.01).square().sum()) for value in parts) ** 0.5 if parts else None
        assert norm == (pytest.approx(by_hand, rel=1e-2) if parts else None)


def test_the_loss_after_a_step_is_that_of_the_new_weights_with_the_same_dropout():
    one, (images, labels) = practice(learning_rate=0.01), batch()
    first = one.step(images, labels, 0.01)
    again = Practice(one.spec, one.module)  # the first step's dropout with the new weights
    assert again.step(images, labels, 0.01).loss == pytest.approx(first.loss_after, rel=1e-5)


@pytest.mark.parametrize("architecture", ["mlp", "lenet-sigmoid", "cnn-four", "dense-net"])
def test_the_gradient_of_a_weight_is_that_of_finite_differences(architecture):
    one, (images, labels) = practice((1, 28, 28), architecture=architecture, layers=()), batch(6, (1, 28, 28))
    generator, close = np.random.default_rng(0), 0
    state = {key: value.clone() for key, value in one.module.state_dict().items()}
    names = [key for key in one.parameters() if key.endswith("weight")]
    for name in generator.choice(names, 4):
        shape = one.parameters()[name].shape
        found = one.check(images, labels, Weight(name, tuple(int(generator.integers(side)) for side in shape)))
        assert found.by_differences == (found.loss_above - found.loss_below) / (2 * found.step)
        close += found.difference < 1e-4 or abs(found.by_backward) < 1e-9
    assert close >= 3, "all but one that may lie at a kink"
    assert all(torch.equal(value, state[key]) for key, value in one.module.state_dict().items())


def test_a_practice_leaves_the_model_as_it_was_and_frozen_layers_stay():
    spec = checked({"layers": NET, "first_layers": "random", "layers_taken": 2, "batch_size": 12})
    module = initial_model(spec, SHAPE, 4)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    one = Practice(spec, module)
    found = one.step(*batch(), 0.1)
    assert found.gradient_norms[0] is found.gradient_norms[1] is None
    assert found.gradient_norms[5]
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    frozen = [key for key in before if key.startswith(("layers.1_", "layers.2_"))]
    assert all(torch.equal(one.module.state_dict()[key], before[key]) for key in frozen)
    assert one.check(*batch(), Weight("layers.1_conv.conv.weight", (0, 0, 0, 0))).difference < 1e-4
