"""Every network of the published experiments has exactly its parameters, and every named one trains on every shape."""

import pytest
import torch
from torch.nn import functional

from core.networks.architectures import ARCHITECTURES, cnn, dense_net, lenet, mlp, one_convolution
from core.networks.layers import Dense, Layers, build, parse, table, text
from core.spec import CUSTOM, RunSpec
from core.training.train import new_model

MNIST, CIFAR10, BLOOD, BLOOD_64 = (1, 28, 28), (3, 32, 32), (3, 28, 28), (3, 64, 64)
CLASSES = {MNIST: 10, CIFAR10: 10, BLOOD: 8, BLOOD_64: 8}
DIGITS_CNN = cnn((32, 3), (64, 3), widths=(64,))

# Experiment: layers, shape (C, H, W), parameters. Where the report counts unused ones too, those that are used.
PUBLISHED: dict[str, tuple[Layers, tuple[int, int, int], int]] = {
    "000-a": (mlp(128, activation="sigmoid"), MNIST, 101_770),
    "000-b": (mlp(128, activation="sigmoid"), MNIST, 101_770),
    "000-c": (mlp(128), MNIST, 101_770),
    "000-d": (mlp(256), MNIST, 203_530),
    "000-e": (mlp(256, 256), MNIST, 269_322),
    "001-a": (lenet("sigmoid", "tanh"), MNIST, 61_706),
    "001-b": (lenet(), MNIST, 61_706),
    "001-c": (lenet("sigmoid", "tanh"), (3, 28, 28), 62_006),
    "001-d": (lenet(), (3, 28, 28), 62_006),
    "002-b": (mlp(4096, dropout=0.25), BLOOD, 9_670_664),
    "002-c": (one_convolution(32, 9), BLOOD, 57_992),
    "002-d": (one_convolution(64, 9), BLOOD, 115_976),
    "002-e": (one_convolution(64, 9), BLOOD_64, 15_616 + 524_296),
    "002-f": (dense_net(), BLOOD, 347_656),
    "003-a": (mlp(128), MNIST, 101_770),
    "003-b": (mlp(128, activation="tanh"), MNIST, 101_770),
    "003-c": (mlp(256), MNIST, 203_530),
    "003-d": (DIGITS_CNN, MNIST, 121_930),
    "003-e": (cnn((32, 3), (64, 3), widths=(64,), activation="sigmoid"), MNIST, 121_930),
    "003-f": (cnn((16, 5), (32, 3), widths=(64,)), MNIST, 56_970),
    "004-a": (cnn((32, 3), (64, 3), (64, 3), widths=(128,)), MNIST, 65_354),
    "004-b": (cnn((32, 3), (64, 3), widths=(64, 32)), MNIST, 123_690),
}


@pytest.mark.parametrize("experiment", PUBLISHED)
def test_a_published_network_has_the_parameters_of_its_report(experiment):
    layers, shape, parameters = PUBLISHED[experiment]
    classes = CLASSES[shape] if experiment.startswith("002") else 10
    assert sum(row.parameters for row in table(layers, shape, classes)) == parameters
    assert sum(one.numel() for one in build(layers, shape, classes).parameters()) == parameters


@pytest.mark.parametrize(
    ("experiment", "classes", "parts"),
    [
        ("002-d", 8, (15_616, 100_360)),  # the convolution, the dense layer
        ("002-e", 8, (15_616, 524_296)),
        ("004-b", 10, (18_816, 104_874)),  # the encoder, the MLP
    ],
)
def test_a_published_network_has_the_parameters_of_its_parts(experiment, classes, parts):
    layers, shape, _ = PUBLISHED[experiment]
    rows = table(layers, shape, classes)
    head = sum(row.parameters for row in rows if isinstance(row.layer, Dense))
    assert (sum(row.parameters for row in rows) - head, head) == parts


def test_the_dense_net_keeps_3392_statistics_beside_its_parameters():
    rows = table(dense_net(), BLOOD, 8)
    assert sum(row.statistics for row in rows) == 3_392
    assert sum(row.parameters + row.statistics for row in rows) == 351_048


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("mlp", PUBLISHED["000-c"][0]),
        ("mlp-256-256", PUBLISHED["000-e"][0]),
        ("lenet", PUBLISHED["001-b"][0]),
        ("lenet-sigmoid", PUBLISHED["001-a"][0]),
        ("cnn", PUBLISHED["003-d"][0]),
        ("cnn-small", PUBLISHED["003-f"][0]),
        ("cnn-deeper", PUBLISHED["004-a"][0]),
        ("cnn-wide-kernel", PUBLISHED["002-d"][0]),
        ("encoder-mlp", PUBLISHED["004-b"][0]),
        ("dense-net", PUBLISHED["002-f"][0]),
    ],
)
def test_a_name_stands_for_its_published_network(name, layers):
    assert ARCHITECTURES[name] == layers


def test_an_mlp_drops_out_after_each_hidden_layer():
    wanted = "flatten, dense(9, activation=tanh), dropout(0.5), dense(7, activation=tanh), dropout(0.5), dense(classes)"
    assert text(mlp(9, 7, activation="tanh", dropout=0.5)) == wanted


def test_no_architecture_takes_the_name_of_layers_that_somebody_wrote():
    assert CUSTOM not in ARCHITECTURES


@pytest.mark.parametrize("shape", CLASSES, ids=str)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_gives_logits_for_every_data_set_and_takes_a_step(name, shape):
    classes = CLASSES[shape]
    torch.manual_seed(0)
    model = new_model(RunSpec(architecture=name), shape, classes)
    images, labels = torch.randint(0, 256, (4, *shape), dtype=torch.uint8), torch.arange(4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    logits = model.train()(images)
    assert (logits.shape, logits.dtype) == ((4, classes), torch.float32)
    functional.cross_entropy(logits, labels).backward()
    gradients = [one.grad for one in model.parameters()]
    assert all(one is not None and one.isfinite().all() for one in gradients)
    assert any(one is not None and one.any() for one in gradients)
    optimizer.step()
    assert model.eval()(images).isfinite().all()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_comes_back_from_its_words(name):
    assert parse(text(ARCHITECTURES[name])) == ARCHITECTURES[name]
