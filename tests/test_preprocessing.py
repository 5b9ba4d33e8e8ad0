"""What happens to pixels on their way into a network, and back."""

import functools

import numpy as np
import pytest
import torch

from core.datasets import dataset
from core.images.preprocessing import normalisation, restored, stages
from core.images.splits import resized
from core.networks.modules import Scale
from core.spec import checked
from tests.real_data import REAL_DATA, needs

RULES = ["unit", "half", "standard"]
pytestmark = needs("cifar10_subset.npz")


@pytest.fixture
def photographs(monkeypatch, tmp_path):
    """200 images of CIFAR-10."""
    monkeypatch.setenv("BANCADA_DATA", REAL_DATA)
    monkeypatch.setenv("BANCADA_CACHE", str(tmp_path))
    return read_photographs()


@functools.cache
def read_photographs():
    return dataset("cifar10_subset").load().test.images[:200]


@pytest.mark.parametrize("rule", RULES)
def test_a_photograph_comes_back_from_its_normalised_values_to_its_own_bytes(photographs, rule):
    scale, shift = normalisation(checked({"normalisation": rule}), photographs)
    values = Scale(torch.from_numpy(scale), torch.from_numpy(shift))(torch.tensor(photographs)).numpy()
    assert np.array_equal(restored(values, scale, shift), photographs)


def test_half_is_what_torchvision_calls_normalize_with_a_mean_and_deviation_of_a_half(photographs):
    from torchvision.transforms import Normalize

    scale, shift = normalisation(checked({"normalisation": "half"}), photographs)
    wanted = Normalize([0.5] * 3, [0.5] * 3)(torch.tensor(photographs[0]) / 255).numpy()
    assert np.allclose(photographs[0] * scale[0] + shift[0], wanted, atol=1e-6)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("side", [None, 20])
def test_each_stage_shows_what_its_values_are_turned_back_into(photographs, rule, side):
    spec = checked({"normalisation": rule, "image_size": side})
    scale, shift = normalisation(spec, photographs)
    found = stages(spec, photographs[0], scale, shift)
    names = ["raw", *["resized"] * bool(side), "scaled", *["normalised"] * (rule != "unit")]
    assert [one.name for one in found] == names
    seen = resized(photographs[:1], side)[0] if side else photographs[0]
    for one in found[1:]:
        assert np.array_equal(one.picture, seen)
    ranges = {one.name: (one.values.min(), one.values.max()) for one in found}
    low, high = int(seen.min()), int(seen.max())
    assert ranges["raw"] == (photographs[0].min(), photographs[0].max())
    assert ranges["scaled"] == pytest.approx((low / 255, high / 255))
    if rule == "half":
        assert ranges["normalised"] == pytest.approx((low / 127.5 - 1, high / 127.5 - 1), abs=1e-6)
