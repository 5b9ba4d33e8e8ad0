"""What the maps, sums and reasons say of a network is what it computes; Captum says the same."""

import numpy as np
import pytest
import torch

from core.inside import reasons
from core.inside.network import Network, dead_channels, feature_maps, most_exciting, reach
from core.inside.pictures import diverging, over
from core.inside.reasons import (
    REASONS,
    cam_layer,
    grad_cam,
    gradients,
    integrated_gradients,
    occlusion,
    saliency,
    similarity,
)
from core.inside.sums import explained, filters, first_filters, receptive_field
from core.networks.architectures import ARCHITECTURES
from core.refusal import Refusal
from core.spec import checked
from core.training.train import initial_model
from tests import captum_maps

GREY, COLOUR, LARGE, TABLE = (1, 28, 28), (3, 28, 28), (3, 64, 64), (3, 32, 32)
UNEVEN = (2, 13, 9)
ODD = """conv(5, 4, stride=2, padding=3, activation=tanh), batch_norm, activation(gelu), conv(6, 2, padding=same),
avg_pool(2), conv(4, 3, padding=2, activation=leaky_relu), max_pool(2), dropout(0.5), flatten, batch_norm,
dense(7, activation=silu), dense(classes)"""
BLOCK = "conv(3, 3, stride=2), dense_block(2, growth=3, bottleneck=5), global_avg_pool, dense(classes)"


def network(architecture="lenet", shape=GREY, *, trained=True, classes=4, seed=0, **fields):
    """A network with random weights, and, as if it was trained, statistics unlike those of a new one."""
    named = {"architecture": architecture} if architecture in ARCHITECTURES else {"layers": architecture}
    spec = checked(named | {"seed": seed} | fields)
    module = initial_model(spec, shape, classes)
    generator = torch.Generator().manual_seed(seed + 1)
    module.get_submodule("scale").load_state_dict(
        {"scale": torch.full((1, shape[0], 1, 1), 0.01), "shift": torch.full((1, shape[0], 1, 1), -0.4)}
    )
    if trained:
        for one in module.modules():
            if isinstance(one, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                one.running_mean.normal_(generator=generator)
                one.running_var.uniform_(0.5, 2, generator=generator)
                one.weight.data.uniform_(0.5, 2, generator=generator)
                one.bias.data.normal_(generator=generator)
    return Network.of(module, spec, shape, classes)


def images(shape=GREY, count=1, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def places(shape, count=6, seed=0):
    generator = np.random.default_rng(seed)
    corners = [tuple(0 for _ in shape), tuple(side - 1 for side in shape)]
    return corners + [tuple(int(generator.integers(side)) for side in shape) for _ in range(count)]


# --- maps -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [GREY, TABLE, COLOUR, LARGE], ids=str)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_maps_of_every_architecture_have_the_shapes_of_its_table(architecture, shape):
    one, image = network(architecture, shape, classes=8), images(shape)
    maps = feature_maps(one, image[0])
    assert [values.shape for values in maps] == [row.shape for row in one.rows]
    assert np.allclose(maps[-1], one.logits(image)[0], atol=1e-5)
    assert all(reach(values) == max(-values.min(), values.max()) for values in maps)


def test_a_network_is_a_copy_and_the_opened_model_stays_as_it_was():
    spec = checked({"architecture": "lenet"})
    module = initial_model(spec, GREY, 4).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    one = Network.of(module, spec, GREY, 4)
    for reason in REASONS.values():
        reason(one, images()[0], 1)
    assert module.training
    assert all(value.requires_grad and value.grad is None for value in module.parameters())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    one.layers[0].conv.weight.zero_()
    assert torch.equal(module.state_dict()["layers.1_conv.conv.weight"], before["layers.1_conv.conv.weight"])


def test_a_channel_that_is_0_on_all_images_is_dead_and_no_other():
    layers = "conv(4, 3, activation=relu), max_pool(2), flatten, dense(6, activation=relu), dense(classes)"
    one, given = network(layers), images(count=450)
    with torch.no_grad():
        one.layers[0].conv.bias[1] = -1e6
        one.layers[3].dense.bias[5] = -1e6
        one.layers[0].conv.weight[2] = 0  # alive on none but the last image, in the last part
        one.layers[0].conv.weight[2, 0, 0, 0] = 1
        one.layers[0].conv.bias[2] = -2.1
    given[:] = np.minimum(given, 200)
    given[-1, 0, 5, 5] = 255
    seen = []
    dead = dead_channels(one, given, lambda done, total: seen.append((done, total)))
    outputs = one.outputs(given)
    for row, found, values in zip(one.rows, dead, outputs, strict=True):
        silent = [not values[:, channel].any() for channel in range(row.shape[0])]
        assert found.tolist() == (silent if row.parameters else [False] * row.shape[0]), "pooling passes zeros on"
    assert not outputs[1][:, 1].any(), "as here"
    assert dead[0].tolist() == [False, True, False, False]
    assert dead[3][5]
    assert seen[-1] == (450, 450)
    assert len(seen) > 2, "in parts"


def test_zeros_that_a_layer_only_passes_on_are_counted_where_they_arise():
    dark = np.zeros((3, *GREY), np.uint8)
    one = network("flatten, dense(5, activation=relu), dropout(0.5), dense(4), activation(relu), dense(classes)")
    one.scale.shift.zero_()  # a black pixel is 0
    with torch.no_grad():
        one.layers[1].dense.bias[:] = torch.tensor([-1.0, 1, 1, -1, 1])
        one.layers[3].dense.weight.zero_()
        one.layers[3].dense.bias[:] = torch.tensor([-1.0, 1, 1, 1])
    assert [np.flatnonzero(silent).tolist() for silent in dead_channels(one, dark)] == [[], [0, 3], [], [], [0], []]
    block = network(BLOCK)
    with torch.no_grad():
        block.layers[0].conv.weight.zero_()
        block.layers[0].conv.bias.zero_()
    dead = dead_channels(block, images(count=3))
    assert dead[0].all()
    assert not dead[1][: block.row(2).shape_before[0]].any(), "these are its input"


@pytest.mark.parametrize("reason", REASONS)
def test_a_map_can_be_stopped_while_it_is_computed(reason):
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == (2 if reason == "integrated_gradients" else 1):
            raise InterruptedError

    one = network("cnn-small")
    with pytest.raises(InterruptedError):
        REASONS[reason](one, images()[0], 1, check=check)


def test_the_images_that_excite_a_channel_most_are_those_with_its_largest_values():
    one, given = network("cnn-small"), images(count=450)
    given[400] = given[3]  # of equals the first
    for number in (1, 3, 6):
        outputs = one.outputs(given, number)[-1].reshape(450, one.row(number).shape[0], -1)
        for channel in (0, 5):
            found = most_exciting(one, given, number, channel, count=4)
            largest = outputs[:, channel].amax(dim=1).numpy()
            assert [each.image for each in found] == np.argsort(-largest, kind="stable")[:4].tolist()
            for each in found:
                assert one.outputs(given[each.image][None], number)[-1][(0, channel, *each.place)].item() == (
                    pytest.approx(each.value, abs=1e-5)
                )
    with pytest.raises(Refusal):
        most_exciting(one, given, 1, 16)


# --- receptive field and sums -----------------------------------------------------------------------------------------


def pixels_that_matter(one, images, number, place):
    """The rectangle around the pixels that change the values at a place when pushed one by one; None for none."""
    height, width = images.shape[2:]
    pushes = torch.eye(height * width, dtype=torch.float64).reshape(-1, 1, height, width) * 50
    layers, changed = one.layers[:number].double(), torch.zeros(height * width, dtype=torch.bool)
    with torch.no_grad():
        for values in one.scaled(images).double():
            for pushed in (values + pushes, values - pushes):
                moved = layers(pushed)[(slice(None), *place)] - layers(values[None])[(0, *place)]
                changed |= (moved.abs() > 1e-13).reshape(len(moved), -1).any(dim=1)
    rows, columns = (np.flatnonzero(changed.reshape(height, width).any(dim=axis)) for axis in (1, 0))
    return (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1) if len(rows) else None


SMOOTH = (
    "conv(3, 4, stride=2, padding=3, activation=tanh), batch_norm, conv(3, 2, padding=same), avg_pool(2), "
    "conv(2, 3, padding=2, activation=sigmoid), dropout(0.5), flatten, dense(classes)"
)


@pytest.mark.parametrize("number", range(1, 9))
def test_a_place_sees_exactly_the_pixels_that_change_it(number):
    one = network(SMOOTH, UNEVEN, classes=3)
    for place in places(one.row(number).shape):
        field = receptive_field(one.rows, number, place)
        found = pixels_that_matter(one, images(UNEVEN), number, place)
        assert (field.top, field.left, field.bottom, field.right) == found if found else field.is_empty, place


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_the_channels_at_a_place_of_a_dense_block_together_see_exactly_the_pixels_that_change_one(number):
    shape = (1, 21, 17)
    layers = "conv(3, 3, stride=2), dense_block(2, growth=8, bottleneck=16), max_pool(2), global_avg_pool"
    one = network(f"{layers}, dense(classes)", shape)
    for channel, *rest in places(one.row(number).shape, count=2):
        field = receptive_field(one.rows, number, (channel, *rest))
        found = pixels_that_matter(one, images(shape, 3), number, (slice(None), *rest))
        assert (field.top, field.left, field.bottom, field.right) == found


def test_a_place_that_sees_only_padding_sees_no_pixel():
    one = network("conv(2, 3, padding=5), flatten, dense(classes)", UNEVEN)
    assert receptive_field(one.rows, 1, (0, 0, 0)).is_empty
    assert pixels_that_matter(one, images(UNEVEN), 1, (0, 0, 0)) is None
    assert explained(one, images(UNEVEN)[0], 1, (1, 0, 0)).value == pytest.approx(one.layers[0].conv.bias[1].item())


@pytest.mark.parametrize(
    ("layers", "shape"), [(ODD, UNEVEN), (BLOCK, COLOUR), *((name, GREY) for name in ARCHITECTURES)], ids=str
)
def test_the_sum_for_a_place_is_the_value_that_the_network_computes(layers, shape):
    one, image = network(layers, shape), images(shape)[0]
    maps = feature_maps(one, image)
    for row, values in zip(one.rows, maps, strict=True):
        for place in places(row.shape, seed=row.number):
            found = explained(one, image, row.number, place)
            assert found.value == pytest.approx(float(values[place]), abs=1e-5, rel=1e-5), (row.layer, place)
            if found.weights is not None:
                assert (found.inputs * found.weights).sum() + found.bias == pytest.approx(found.before)
                assert found.inputs.shape == found.weights.shape


def test_a_convolutions_patch_is_the_part_of_its_input_with_zeros_beyond_the_edge():
    one, image = network(ODD, UNEVEN), images(UNEVEN)[0]
    found = explained(one, image, 1, (2, 0, 1))
    assert found.field
    assert (found.field.top, found.field.left, found.field.bottom, found.field.right) == (-3, -1, 1, 3)
    padded = np.pad(one.scaled(image[None])[0].numpy(), ((0, 0), (3, 3), (3, 3)))
    assert np.allclose(found.inputs, padded[:, 0:4, 2:6])


def test_a_filter_is_the_weights_of_its_channel_and_of_an_mlp_a_picture():
    one = network("cnn-small", COLOUR)
    number, found = first_filters(one)
    assert (number, found.shape) == (1, (16, 3, 5, 5))
    assert filters(one, 2) is None
    assert filters(one, 3).shape == (32, 16, 3, 3)
    assert filters(one, 6).shape == (64, 32, 5, 5)
    mlp, image = network("mlp", COLOUR), images(COLOUR)[0]
    number, pictures = first_filters(mlp)
    assert (number, pictures.shape) == (2, (128, 3, 28, 28))
    before = (pictures * mlp.scaled(image[None])[0].numpy()).sum(axis=(1, 2, 3)) + mlp.layers[1].dense.bias.numpy()
    assert np.allclose(np.maximum(before, 0), feature_maps(mlp, image)[1], atol=1e-4)
    assert filters(mlp, 3).shape == (4, 128)
    assert filters(network(BLOCK, COLOUR), 2).shape == (6, 5, 3, 3)


@pytest.mark.parametrize("number", [0, 9, -1])
def test_a_layer_that_is_not_there_is_refused(number):
    with pytest.raises(Refusal, match="no_layer"):
        explained(network(), images()[0], number, (0, 0, 0))
    with pytest.raises(Refusal, match="no_layer"):
        most_exciting(network(), images(), number, 0)


@pytest.mark.parametrize("place", [(6, 0, 0), (0, 28, 0), (0, 0), (0, 0, -1)])
def test_a_place_that_is_not_there_is_refused(place):
    with pytest.raises(Refusal, match="no_place"):
        explained(network(), images()[0], 1, place)


# --- reasons ----------------------------------------------------------------------------------------------------------

NETWORKS = ["mlp", "lenet", "cnn-four", "dense-net"]


@pytest.mark.parametrize("architecture", ["mlp", "lenet-sigmoid", "lenet", "cnn-strided"])
def test_the_gradient_is_that_of_finite_differences(architecture):
    one = network(architecture, COLOUR)
    one.layers.double()
    values = one.scaled(images(COLOUR)).double()
    found = gradients(one, values, 2)[0]
    for place in places(COLOUR):
        step = torch.zeros_like(values)
        step[(0, *place)] = 1e-6
        with torch.no_grad():
            rise = one.layers(values + step)[0, 2] - one.layers(values - step)[0, 2]
        assert found[place].item() == pytest.approx(rise.item() / 2e-6, rel=1e-4, abs=1e-9)


def test_saliency_is_the_largest_absolute_gradient_of_a_pixel():
    one, image = network("cnn-four", COLOUR), images(COLOUR)[0]
    found = saliency(one, image, 1)
    assert found.map.shape == (28, 28)
    assert np.array_equal(found.map, gradients(one, one.scaled(image[None]), 1)[0].abs().numpy().max(axis=0))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("k", [0, 3])
def test_integrated_gradients_sum_to_the_difference_of_the_logits(architecture, k):
    one, image = network(architecture, GREY), images()[0]
    found = integrated_gradients(one, image, k)
    logits = one.logits(np.stack([image, np.zeros_like(image)]))[:, k]
    assert found.difference == pytest.approx(float(logits[0] - logits[1]), abs=1e-5)
    assert float(found.map.sum()) == pytest.approx(found.difference, rel=0.01)


@pytest.mark.parametrize("length", [(28, 28), (13, 9)])
def test_occlusion_is_what_covering_each_square_by_hand_gives(length):
    shape = (2, *length)
    one, image = network("conv(4, 3, padding=1, activation=relu), flatten, dense(classes)", shape), images(shape)[0]
    found = occlusion(one, image, 1, side=4, stride=3)
    falls = [[[] for _ in range(shape[2])] for _ in range(shape[1])]
    whole = one.logits(image[None])[0, 1]
    for top in range(0, shape[1] - 4 + 3, 3):
        for left in range(0, shape[2] - 4 + 3, 3):
            covered = image.copy()
            covered[:, top : top + 4, left : left + 4] = 0
            fall = whole - one.logits(covered[None])[0, 1]
            for row in range(top, min(shape[1], top + 4)):
                for column in range(left, min(shape[2], left + 4)):
                    falls[row][column].append(fall)
    assert np.allclose(found.map, [[np.mean(each) for each in row] for row in falls], atol=1e-5)


@pytest.mark.parametrize("architecture", ["lenet", "cnn-four", "cnn-strided", "dense-net"])
def test_grad_cam_weighs_each_map_by_its_mean_gradient(architecture):
    one, image = network(architecture), images()[0]
    found, number = grad_cam(one, image, 2), cam_layer(one)
    maps = one.outputs(image[None], number)[-1].double()
    tail = one.layers[number:].double()
    with torch.no_grad():  # raising a whole map by a little raises the logit by its gradient's sum
        rises = []
        for channel in range(maps.shape[1]):
            step = torch.zeros_like(maps)
            step[:, channel] = 1e-7
            rises.append((tail(maps + step)[0, 2] - tail(maps - step)[0, 2]).item() / 2e-7)
    area = maps.shape[2] * maps.shape[3]
    by_hand = np.maximum(0, np.tensordot(np.array(rises) / area, maps[0].numpy(), 1))
    assert found.coarse is not None
    assert np.allclose(found.coarse, by_hand, rtol=1e-3, atol=1e-5 * by_hand.max())
    assert found.map.shape == (28, 28)
    assert set(np.unique(found.map)) <= set(np.unique(found.coarse)), "enlarged without interpolation"


def test_grad_cam_of_a_network_without_convolutions_is_refused():
    for layers in ("mlp", "max_pool(2), flatten, dense(classes)"):
        with pytest.raises(Refusal, match="no_convolution"):
            grad_cam(network(layers), images()[0], 0)


@pytest.mark.parametrize("k", [4, -1])
@pytest.mark.parametrize("reason", REASONS)
def test_a_class_that_is_not_there_is_refused(reason, k):
    with pytest.raises(Refusal, match="no_class"):
        REASONS[reason](network(), images()[0], k)


def test_the_untrained_network_has_the_seeds_weights_and_the_models_scale():
    spec = checked({"architecture": "lenet", "seed": 5})
    module = initial_model(spec, GREY, 4)
    drawn = {name: value.clone() for name, value in module.state_dict().items() if name.startswith("layers.")}
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1)
        module.get_submodule("scale").scale.fill_(0.5)
    trained = Network.of(module, spec, GREY, 4)
    untrained = trained.untrained(spec)
    assert all(torch.equal(value, drawn[f"layers.{name}"]) for name, value in untrained.layers.state_dict().items())
    assert torch.equal(untrained.scaled(images()), trained.scaled(images()))
    assert similarity(saliency(trained, images()[0], 0).map, saliency(untrained, images()[0], 0).map) < 1
    assert similarity(np.arange(12.0), np.arange(12.0) ** 3) == pytest.approx(1)
    assert np.isnan(similarity(np.zeros(9), np.arange(9)))


@pytest.mark.parametrize("name", captum_maps.NETWORKS)
def test_captums_maps_are_the_same(name, monkeypatch):
    """Captum 0.9.0 made them, see `tests/captum_maps.py`."""
    with np.load(captum_maps.MAPS) as stored:
        image = stored["image"]
        theirs = {key: stored[f"{name}.{key}"] for key in REASONS if f"{name}.{key}" in stored}
        weights = {
            key: torch.tensor(stored[f"{name}.weights.{key}"]) for key in captum_maps.new(name).layers.state_dict()
        }
    assert list(theirs) == [key for key in REASONS if key != "grad_cam" or name != "mlp"]
    one, k = captum_maps.new(name), captum_maps.CLASS
    one.layers.load_state_dict(weights)
    monkeypatch.setattr(reasons, "MOST_STEPS", captum_maps.STEPS)
    for key, wanted in theirs.items():
        options = {"side": captum_maps.SIDE, "stride": captum_maps.STRIDE} if key == "occlusion" else {}
        ours = REASONS[key](one, image, k, **options)
        assert np.abs(wanted).max() > 0
        assert np.allclose(ours.coarse if key == "grad_cam" else ours.map, wanted, rtol=1e-4, atol=1e-6), key


def test_a_map_over_its_image_keeps_the_maps_colours_and_is_darker_where_the_image_is():
    values = np.array([[-1.0, 0.0], [0.0, 1.0]])
    image = np.array([[[255, 255], [0, 0]]], np.uint8)
    found = over(image, values, 1.0)
    assert found.shape == (3, 2, 2)
    assert found[:, 0].T.tolist() == diverging(values, 1.0)[:, 0].T.tolist(), "as bright as the map itself"
    assert found[:, 1, 0].tolist() == [128, 128, 128]
