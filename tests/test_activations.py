"""What is drawn of an activation function is what the network computes, value and derivative."""

from typing import get_args

import numpy as np
import pytest
import torch

from core.networks.activations import FUNCTIONS, Activation
from core.networks.layers import ActivationLayer


def test_every_activation_that_a_layer_takes_has_its_formula():
    assert set(FUNCTIONS) == set(get_args(Activation))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_value_and_derivative_are_those_of_the_module_that_the_network_uses(name):
    points = np.r_[np.linspace(-8, 8, 161), 0.0, -700.0, 700.0]
    x = torch.tensor(points, requires_grad=True)
    y = ActivationLayer(function=name).module((1,), 10)(x)
    assert np.allclose(FUNCTIONS[name].value(points), y.detach().numpy(), atol=1e-12)
    y.sum().backward()
    assert x.grad is not None
    assert np.allclose(FUNCTIONS[name].derivative(points), x.grad.numpy(), atol=1e-12)


def test_the_sigmoid_is_a_half_at_0_and_climbs_by_a_quarter():
    at_0 = np.zeros(1)
    assert FUNCTIONS["sigmoid"].value(at_0) == 0.5
    assert FUNCTIONS["sigmoid"].derivative(at_0) == 0.25
