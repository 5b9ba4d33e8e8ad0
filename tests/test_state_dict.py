"""Stored parameters are matched with a network's own: those that are never used are found, and no others."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from core.networks.architectures import ARCHITECTURES
from core.networks.layers import build
from core.networks.state_dict import Parameter, parameters_of, read_state_dict, used
from core.refusal import Refusal

MNIST = (1, 28, 28)


class StoredLeNet(nn.Module):
    """LeNet as report 001 has it: the third convolution is built, stored and never called."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.conv3 = nn.Conv2d(16, 120, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, images):
        maps = functional.avg_pool2d(self.conv1(images).sigmoid(), 2)
        maps = functional.avg_pool2d(self.conv2(maps).sigmoid(), 2)
        return self.fc3(self.fc2(self.fc1(maps.flatten(1)).tanh()).tanh())


def lines(module, written="{name} {sizes}"):
    named = module.state_dict().items()
    return "\n".join(
        written.format(name=name, sizes=" ".join(map(str, one.shape)), size=one.shape) for name, one in named
    )


def without_gradient(model, shape=MNIST, classes=10, count=32):
    """The names of the parameters that a step on a batch of chance leaves as they are."""
    torch.manual_seed(0)
    images, labels = torch.rand(count, *shape), torch.arange(count) % classes
    functional.cross_entropy(model(images), labels).backward()
    return [name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()]


def never_used(stored, own):
    found = used(stored, own)
    return [one for one in stored if one not in found]


@pytest.mark.parametrize("written", ["{name} {sizes}", "{name} {size}", "{name}: {size}", "  {name}\t{sizes}  "])
def test_the_dead_layer_of_001_is_found_by_its_shape_and_by_its_gradient(written):
    stored, own = read_state_dict(lines(StoredLeNet(), written)), parameters_of(ARCHITECTURES["lenet"], MNIST, 10)
    dead = never_used(stored, own)
    assert [one.name for one in dead] == ["conv3.weight", "conv3.bias"] == without_gradient(StoredLeNet())
    assert (sum(one.count for one in dead), sum(one.count for one in stored)) == (48_120, 109_826)
    assert set(used(stored, own).values()) == set(own)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_parameter_of_a_named_network_is_used_by_itself_and_gets_a_gradient(name):
    torch.manual_seed(0)
    network = build(ARCHITECTURES[name], MNIST, 10)
    stored, own = read_state_dict(lines(network)), parameters_of(ARCHITECTURES[name], MNIST, 10)
    assert used(stored, own) == {one: one for one in own}
    assert without_gradient(network) == []


def test_of_another_network_only_what_has_the_same_shapes_is_used():
    stored, own = read_state_dict(lines(StoredLeNet())), parameters_of(ARCHITECTURES["mlp"], MNIST, 10)
    assert used(stored, own) == {}
    no_bias = [Parameter("fc3.weight", (10, 84))]
    assert used(no_bias, parameters_of(ARCHITECTURES["lenet"], MNIST, 10)) == {}, "a module is matched whole"


def test_of_two_alike_the_network_uses_as_many_as_it_has():
    own = [Parameter("1_dense.weight", (4, 4))]
    stored = [Parameter("a.weight", (4, 4)), Parameter("b.weight", (4, 4))]
    assert used(stored, own) == {stored[0]: own[0]}


@pytest.mark.parametrize(
    "line", ["conv1.weight", "conv1.weight 6 x 5", "conv1.weight 6 -1", "a 0.5", "?", "a " + "9" * 10]
)
def test_a_line_that_is_no_parameter_is_refused(line):
    with pytest.raises(Refusal, match=r"error\.no_parameter"):
        read_state_dict(f"conv1.bias 6\n{line}\n")
