"""A network seen from inside: its histograms, its stuck activations, and what a training is accused of."""

import numpy as np
import pytest
import torch

from core.datasets import Split, Splits, dataset
from core.events import Activity, Epoch, Inside, Started
from core.images.splits import choose
from core.spec import checked
from core.training.diagnosis import diagnose
from core.training.train import Data, State, train
from core.training.watch import BINS, watch

LENET = {"architecture": "lenet", "batch_size": 32, "epochs": 1}


def trained(**fields):
    """A network after an epoch of 96 images of noise, with its data and the Epoch."""
    generator = np.random.default_rng(0)
    split = Split(generator.integers(0, 256, (96, 1, 28, 28), dtype=np.uint8), np.arange(96) % 10)
    spec, device = checked(LENET | fields), torch.device("cpu")
    data, state = Data.of(Splits(split, split, split), device), State.new(spec, split, 10, device)
    epoch = [event for event in train(spec, data, state) if isinstance(event, Epoch)][-1]
    return spec, data, state, epoch


def test_lenet_has_fifteen_series_and_each_value_is_in_a_bin():
    _, data, state, epoch = trained()
    found = watch(state, data.val_images, epoch)
    assert len(found.histograms) == 15
    assert {one.layer for one in found.histograms} == {1, 3, 6, 7, 8}
    weights = state.model.get_parameter("layers.3_conv.conv.weight").detach().numpy()
    of_layer = {one.what: one for one in found.histograms if one.layer == 3}
    assert sum(of_layer["bias"].counts) == 16
    counts, edges = np.histogram(weights, BINS)
    assert abs(np.array(of_layer["weight"].counts) - counts).sum() <= 4, "values on an edge may be told to either side"
    assert (of_layer["weight"].low, of_layer["weight"].high) == pytest.approx((edges[0], edges[-1]))
    gradient = state.model.get_parameter("layers.3_conv.conv.weight").grad
    assert gradient is not None
    assert of_layer["gradient"].high == pytest.approx(gradient.max().item())


def test_to_watch_changes_nothing():
    _, data, state, epoch = trained(layers="conv(4, 3, activation=relu), dropout(0.5), flatten, dense(classes)")
    before, drawn = {k: v.clone() for k, v in state.model.state_dict().items()}, torch.get_rng_state()
    watch(state, data.val_images, epoch)
    assert all(torch.equal(value, state.model.state_dict()[name]) for name, value in before.items())
    assert torch.equal(drawn, torch.get_rng_state())
    assert not any(module._forward_hooks for module in state.model.modules())


def test_a_dead_relu_and_a_saturated_sigmoid_are_seen_and_a_living_one_is_not():
    layers = "conv(4, 3, activation=relu), conv(5, 3, activation=sigmoid), flatten"
    layers += ", dense(8, activation=tanh), dense(classes)"
    _, data, state, epoch = trained(layers=layers)
    living = {one.layer: one for one in watch(state, data.val_images, epoch).activities}
    assert [living[number].function for number in (1, 2, 4)] == ["relu", "sigmoid", "tanh"]
    assert max(one.stuck for one in living.values()) < 0.9
    with torch.no_grad():
        state.model.get_parameter("layers.1_conv.conv.bias")[:3] = -1000.0
        state.model.get_parameter("layers.2_conv.conv.bias").fill_(50.0)
    stuck = {one.layer: one.stuck for one in watch(state, data.val_images, epoch).activities}
    assert stuck[1] == pytest.approx(0.75)
    assert stuck[2] == 1


def an_epoch(number, val_loss, train_loss=0.1, val_accuracy=0.9):
    return Epoch.model_construct(
        event="epoch",
        epoch=number,
        step=number,
        train_loss=train_loss,
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        learning_rate=0.1,
    )


BEGUN = Started.model_construct(event="started", step=0, epoch=0, class_names={"en": tuple("0123456789")})


def keys(spec, *events):
    return [finding.key for finding in diagnose(spec, [BEGUN, *events])]


def test_who_has_learned_nothing_is_near_chance_and_a_sigmoid_network_is_told_why():
    lost = an_epoch(1, 2.3, 2.3, 0.1028)
    assert keys(checked({"architecture": "lenet-sigmoid"}), lost) == ["diagnosis.chance_squashed"]
    assert keys(checked({"architecture": "lenet"}), lost) == ["diagnosis.chance"]
    apart = checked({"layers": "flatten, dense(9), activation(tanh), dense(classes)", "schedule": "cosine"})
    assert keys(apart, lost) == ["diagnosis.chance_squashed"], "a function that is a layer of its own"
    (finding,) = diagnose(apart, [BEGUN, lost.model_copy(update={"learning_rate": 1e-9})])
    assert finding.slots["learning_rate"] == apart.learning_rate, "the one to change, not what the schedule left of it"
    assert keys(checked({"architecture": "lenet"}), an_epoch(1, 1.9, 1.9, 0.35)) == []
    assert diagnose(checked({}), [BEGUN]) == []


def test_a_validation_loss_that_rises_while_the_training_loss_falls_is_over_fitting():
    spec = checked({"epochs": 9})
    rising = [an_epoch(1, 0.25, 0.3), *(an_epoch(number, 0.26 + number / 50, 0.1) for number in range(2, 6))]
    assert keys(spec, *rising) == [], "four epochs prove nothing"
    assert keys(spec, *rising, an_epoch(6, 0.4, 0.04)) == ["diagnosis.overfitting"]
    assert keys(spec, *rising, an_epoch(6, 0.26, 0.04)) == [], "hardly above its best"
    assert keys(spec, *rising, an_epoch(6, 0.26, 0.04), an_epoch(7, 0.9, 0.03)) == [], "a jump"
    assert keys(spec, *rising, an_epoch(6, 0.5, 0.6)) == [], "both rise: something else"


def test_dead_and_saturated_layers_are_named_and_healthy_ones_are_not():
    spec = checked({})
    healthy = Inside(epoch=1, step=1, histograms=(), activities=(Activity(layer=1, function="relu", stuck=0.5),))
    assert keys(spec, healthy, an_epoch(1, 0.3)) == []
    ill = healthy.model_copy(
        update={
            "activities": (
                Activity(layer=2, function="relu", stuck=0.95),
                Activity(layer=3, function="sigmoid", stuck=0.99),
            )
        }
    )
    assert keys(spec, healthy, an_epoch(1, 0.3), ill, an_epoch(2, 0.3)) == ["diagnosis.dead", "diagnosis.saturated"]
    assert keys(spec, ill, an_epoch(1, 0.3), healthy, an_epoch(2, 0.3)) == []


def findings(**fields):
    """What a real training on 3,600 digits is accused of when it is over."""
    spec, device = checked({"seed": 1} | fields), torch.device("cpu")
    splits = choose(spec, dataset("mnist-5k").load())
    data, state = Data.of(splits, device), State.new(spec, splits.train, 10, device)
    told = []
    for event in train(spec, data, state):
        if isinstance(event, Epoch):
            told += [watch(state, data.val_images, event), event]
    return keys(spec, *told)


def test_a_real_healthy_training_is_not_accused_even_where_its_loss_jumps():
    layers = "conv(6, 5, activation=relu), max_pool(2), flatten, dense(classes)"
    assert findings(layers=layers, epochs=3) == []
    assert findings(architecture="mlp-256-256", optimizer="sgd", learning_rate=0.5, batch_size=32, epochs=12) == []


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"learning_rate": 1e-9}, ["chance"]),
        (
            {"layers": "flatten, dense(128, activation=sigmoid), dense(classes)", "learning_rate": 10},
            ["chance_squashed", "saturated"],
        ),
        ({"architecture": "mlp-256-256", "learning_rate": 2}, ["chance", "dead"]),
        ({"architecture": "mlp-256-256", "optimizer": "adam", "learning_rate": 0.01, "epochs": 12}, ["overfitting"]),
    ],
    ids=["a tiny rate", "a sigmoid at a wild rate", "a ReLU at a wild rate", "too long at the same images"],
)
def test_a_real_training_that_goes_wrong_is_told_why(fields, wanted):
    found = findings(**{"architecture": "mlp", "optimizer": "sgd", "epochs": 1} | fields)
    assert found == [f"diagnosis.{one}" for one in wanted]
