"""What the list of layers says of a network is what the built module is; what cannot be is refused by its name."""

import time
import tracemalloc
import warnings
from collections import Counter

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from core.networks.layers import (
    KINDS,
    MOST_LAYERS,
    Conv,
    Dense,
    DenseBlock,
    Flatten,
    build,
    code_size,
    in_words,
    parse,
    rows,
    table,
    text,
)
from core.refusal import Refusal

ACTIVATIONS = ("none", "relu", "leaky_relu", "gelu", "silu", "sigmoid", "tanh")
activations = st.sampled_from(ACTIVATIONS)
counts = st.integers(1, 8)
windows = st.integers(1, 5)
PICTURE_LAYERS = {
    "conv": st.builds(
        lambda filters, kernel, stride, padding, activation: Conv(
            filters=filters,
            kernel=kernel,
            stride=1 if padding == "same" else stride,
            padding=padding,
            activation=activation,
        ),
        counts,
        windows,
        st.integers(1, 3),
        st.one_of(st.integers(0, 3), st.just("same")),
        activations,
    ),
    "max_pool": st.builds(KINDS["max_pool"], size=st.integers(1, 3)),
    "avg_pool": st.builds(KINDS["avg_pool"], size=st.integers(1, 3)),
    "dropout": st.builds(KINDS["dropout"], rate=st.floats(0, 0.99)),
    "batch_norm": st.builds(KINDS["batch_norm"]),
    "activation": st.builds(KINDS["activation"], function=activations),
    "dense_block": st.builds(KINDS["dense_block"], layers=st.integers(1, 3), growth=counts, bottleneck=counts),
}
TO_A_VECTOR = {"flatten": st.builds(KINDS["flatten"]), "global_avg_pool": st.builds(KINDS["global_avg_pool"])}
VECTOR_LAYERS = {
    "dense": st.builds(KINDS["dense"], units=counts, activation=activations),
    **{kind: PICTURE_LAYERS[kind] for kind in ("dropout", "batch_norm", "activation")},
}
EVERY_LAYER = {**PICTURE_LAYERS, **TO_A_VECTOR, **VECTOR_LAYERS}
LAST = Dense(units="classes")
networks = st.builds(
    lambda pictures, middle, vectors: (*pictures, middle, *vectors, LAST),
    st.lists(st.one_of(*PICTURE_LAYERS.values()), max_size=4),
    st.one_of(*TO_A_VECTOR.values()),
    st.lists(st.one_of(*VECTOR_LAYERS.values()), max_size=2),
)
shapes = st.tuples(st.sampled_from([1, 3]), st.integers(6, 16), st.integers(6, 16))


def fitting(layers, shape, classes):
    """The network's table; Hypothesis looks for another network where a layer cannot fit."""
    try:
        return table(layers, shape, classes)
    except Refusal as refusal:
        assume(refusal.key != "error.window_too_large")
        raise


def measured_macs(model, shape):
    """Multiply-accumulates of one image, counted at each convolution and dense layer as it is called."""
    total = []

    def count(module, inputs, output):
        if isinstance(module, nn.Conv2d):
            total.append(output[0].numel() * module.in_channels * module.kernel_size[0] * module.kernel_size[1])
        if isinstance(module, nn.Linear):
            total.append(module.in_features * module.out_features)

    for module in model.modules():
        module.register_forward_hook(count)
    model.eval()(torch.zeros(1, *shape))
    return sum(total)


def test_every_kind_of_layer_is_tried_here():
    assert set(EVERY_LAYER) == set(KINDS)


@settings(max_examples=120, deadline=None)
@given(networks, shapes, st.integers(2, 12))
def test_the_table_of_a_network_says_what_the_built_module_is(layers, shape, classes):
    rows = fitting(layers, shape, classes)
    model = build(layers, shape, classes).eval()
    values = torch.rand(2, *shape)
    for row, module in zip(rows, model, strict=True):
        assert row.shape_before == tuple(values.shape[1:])
        values = module(values)
        assert row.shape == tuple(values.shape[1:])
        assert row.parameters == sum(parameter.numel() for parameter in module.parameters())
        # torch keeps a count of batches beside the means and variances, which is no statistic of the images
        buffers = [buffer for name, buffer in module.named_buffers() if not name.endswith("num_batches_tracked")]
        assert row.statistics == sum(buffer.numel() for buffer in buffers)
        assert row.macs == measured_macs(module, row.shape_before)
    assert values.shape == (2, classes)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 9])
def test_padding_same_is_what_torch_calls_same(kernel):
    images = torch.rand(2, 3, 11, 12)
    module = build(parse(f"conv(5, {kernel}, padding=same), flatten, dense(classes)"), (3, 11, 12), 2)[0]
    conv = next(one for one in module.modules() if isinstance(one, nn.Conv2d))
    with warnings.catch_warnings(action="ignore"):  # of the copy that torch makes for an even kernel
        wanted = torch.conv2d(images, conv.weight, conv.bias, padding="same")
    assert torch.allclose(module(images), wanted, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_each_kind_of_layer_gives_the_shape_and_parameters_that_it_states(kind, data):
    layer = data.draw(EVERY_LAYER[kind])
    shape = data.draw(shapes) if kind in {**PICTURE_LAYERS, **TO_A_VECTOR} else (data.draw(counts),)
    assume(kind not in ("conv", "max_pool", "avg_pool") or min(shape[1:]) >= 5)
    module = layer.module(shape, 10).eval()
    assert layer.shape_after(shape) == tuple(module(torch.rand(2, *shape)).shape[1:])
    assert layer.parameters(shape) == sum(parameter.numel() for parameter in module.parameters())


seeing = st.lists(
    st.one_of(
        st.builds(Conv, filters=st.just(2), kernel=st.integers(1, 4), stride=st.integers(1, 2)),
        st.builds(KINDS["avg_pool"], size=st.integers(1, 3)),
        st.builds(DenseBlock, layers=st.integers(1, 2), growth=st.just(2), bottleneck=st.just(2)),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(seeing)
def test_the_receptive_field_is_the_square_of_pixels_that_change_one_output(layers):
    side = 48
    rows = fitting((*layers, Flatten(), LAST), (1, side, side), 3)[: len(layers)]
    modules = list(build((*layers, Flatten(), LAST), (1, side, side), 3))[: len(layers)]
    seen = nn.Sequential(*modules).eval().double()
    for module in seen.modules():  # all weights positive: no influence cancels another, no ReLU hides one
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)
    images = torch.ones(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    output = seen(images)
    middle = output.shape[2] // 2
    (gradient,) = torch.autograd.grad(output[0, -1, middle, middle], images, retain_graph=True)
    (of_all,) = torch.autograd.grad(output.sum(), images)
    places, reach = gradient[0, 0].nonzero(), of_all[0, 0].nonzero()
    extent = (places.max(dim=0).values - places.min(dim=0).values + 1).tolist()
    stated = rows[-1].receptive_field
    assume(places.min() > reach.min() and places.max() < reach.max())  # else an edge cuts the square
    assert extent == [stated, stated]


def test_a_convolution_9x9_and_a_pool_2_see_10_pixels():
    rows = table(parse("conv(64, 9, padding=same), max_pool(2), flatten, dense(classes)"), (3, 28, 28), 8)
    assert [row.receptive_field for row in rows] == [9, 10, 10, 28]


def test_an_average_over_the_whole_map_sees_the_whole_image():
    rows = table(parse("conv(2, 3), global_avg_pool, dense(classes)"), (1, 12, 20), 4)
    assert [row.receptive_field for row in rows] == [3, 20, 20]


@pytest.mark.parametrize(
    ("layers", "code"),
    [
        ("conv(32, 3), max_pool(2), conv(64, 3), max_pool(2), flatten, dense(64), dense(32), dense(classes)", 1600),
        ("conv(8, 3), global_avg_pool, dropout(0.5), dense(64), dense(32), dense(classes)", 8),
        ("conv(64, 3), flatten, dense(64), dense(classes)", None),  # one hidden layer: no MLP of its own
        ("max_pool(2), flatten, dense(64), dense(32), dense(classes)", None),  # nothing that learns to compress
        ("flatten, dense(64), dense(32), dense(classes)", None),
        ("conv(10, 28), global_avg_pool", None),
    ],
)
def test_the_code_is_what_a_convolutional_part_hands_to_an_mlp_of_its_own(layers, code):
    assert code_size(table(parse(layers), (1, 28, 28), 10)) == code


def test_the_lines_of_a_network_come_as_far_as_it_fits():
    lines = rows(parse("max_pool(3), max_pool(3), conv(6, 5), flatten, dense(classes)"), (1, 28, 28), 10)
    assert [next(lines).shape, next(lines).shape] == [(1, 9, 9), (1, 3, 3)]
    with pytest.raises(Refusal, match="number=3"):
        next(lines)


# --- what cannot be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "key", "number", "layer"),
    [
        ("max_pool(9), conv(4, 5), flatten, dense(classes)", "error.window_too_large", 2, "conv(4, 5)"),
        ("conv(4, 22), max_pool(8), flatten, dense(classes)", "error.window_too_large", 2, "max_pool(8)"),
        ("flatten, dense(8), conv(4, 3), dense(classes)", "error.needs_picture", 3, "conv(4, 3)"),
        ("flatten, flatten, dense(classes)", "error.needs_picture", 2, "flatten"),
        ("flatten, max_pool(2), dense(classes)", "error.needs_picture", 2, "max_pool(2)"),
        ("flatten, dense_block(2), dense(classes)", "error.needs_picture", 2, "dense_block(2)"),
        ("flatten, global_avg_pool, dense(classes)", "error.needs_picture", 2, "global_avg_pool"),
        ("conv(4, 3), dense(8)", "error.needs_flatten", 2, "dense(8)"),
        ("conv(4, 3), dense(classes)", "error.needs_flatten", 2, "dense(10)"),
        (
            "conv(4, 3, padding=same, stride=2), flatten, dense(classes)",
            "error.same_needs_stride_1",
            1,
            "conv(4, 3, stride=2, padding=same)",
        ),
    ],
)
def test_a_layer_that_cannot_fit_is_named_with_what_it_gets(layers, key, number, layer):
    for function in (table, build):
        with pytest.raises(Refusal) as refused:
            function(parse(layers), (1, 28, 28), 10)
        assert refused.value.key == key
        assert refused.value.slots["number"] == number
        assert refused.value.slots["layer"] == layer
        assert refused.value.slots["shape"]


def test_a_5x5_kernel_on_a_3x3_map_says_both():
    with pytest.raises(Refusal) as refused:
        table(parse("conv(6, 5), flatten, dense(classes)"), (1, 3, 3), 10)
    assert refused.value.slots == {"number": 1, "layer": "conv(6, 5)", "shape": "1 x 3 x 3"}


@pytest.mark.parametrize(
    ("layers", "shape"), [("flatten, dense(9)", "9"), ("flatten", "784"), ("conv(10, 28)", "10 x 1 x 1")]
)
def test_a_network_that_does_not_end_in_the_classes_is_refused(layers, shape):
    with pytest.raises(Refusal) as refused:
        table(parse(layers), (1, 28, 28), 10)
    assert (refused.value.key, refused.value.slots) == ("error.last_layer", {"classes": 10, "shape": shape})


@pytest.mark.parametrize(
    ("layers", "key", "number"),
    [
        ("flatten, dense(65536), dense(65536), dense(classes)", "error.network_too_large", 3),
        ("conv(65536, 1), conv(65536, 64), flatten, dense(classes)", "error.output_too_large", 1),
        ("conv(4096, 1), conv(4096, 9), flatten, dense(classes)", "error.network_too_large", 2),
        ("dense_block(64, growth=65536, bottleneck=65536), flatten, dense(classes)", "error.network_too_large", 1),
        ("conv(9, 1, padding=64), " * 20 + "flatten, dense(classes)", "error.output_too_large", 19),
    ],
)
def test_a_network_too_large_for_any_laptop_is_refused_before_memory_is_taken(layers, key, number):
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(Refusal) as refused:
        build(parse(layers), (1, 28, 28), 10)
    assert (refused.value.key, refused.value.slots["number"]) == (key, number)
    assert time.process_time() - began < 0.5
    assert tracemalloc.get_traced_memory()[1] < 2e6
    tracemalloc.stop()


# --- words -----------------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(*EVERY_LAYER.values(), st.just(LAST)), min_size=1, max_size=12).map(tuple))
def test_layers_come_back_from_their_words(layers):
    assert parse(text(layers)) == layers
    assert parse(text(layers).replace("), ", ");\n")) == layers


def test_words_may_be_written_in_several_ways():
    one = parse("conv(6, 5, padding=2, activation=sigmoid), flatten, dense(classes)")
    assert (
        parse("conv( filters = 6,kernel=5 ,padding=2,activation=sigmoid );\nflatten()\n\n dense(units=classes);") == one
    )
    assert text(one) == "conv(6, 5, padding=2, activation=sigmoid), flatten, dense(classes)"


@pytest.mark.parametrize(
    ("words", "key", "named"),
    [
        ("convolution(6, 5)", "error.layer_unknown", "convolution(6, 5)"),
        ("__import__('os')", "error.layer_unknown", "__import__('os')"),
        ("conv(6, 5", "error.layer_bracket", "conv(6"),
        ("conv(6, 5))", "error.layer_bracket", "conv(6, 5))"),
        ("conv(6, (5))", "error.layer_bracket", "conv(6"),
        ("conv(6, 5, 1, 0, relu, 9)", "error.layer_argument", "9"),
        ("conv(6, 5, colour=3)", "error.layer_argument", "colour=3"),
        ("conv(6, 5, kernel=3)", "error.layer_argument", "kernel=3"),
        ("conv(6, 5, kind=dense)", "error.layer_argument", "kind=dense"),
        ("conv(0, 5)", "error.layer_value", "filters"),
        ("conv(6, 65)", "error.layer_value", "kernel"),
        ("conv(6)", "error.layer_argument", "kernel"),
        ("conv(6, 5, activation=softmax)", "error.layer_value", "activation"),
        ("conv(six, 5)", "error.layer_value", "filters"),
        ("dropout(1)", "error.layer_value", "rate"),
        ("dropout(nan)", "error.layer_value", "rate"),
        ("dense(65537)", "error.layer_value", "units"),
        ("dense_block(65)", "error.layer_value", "layers"),
        ("dense(" + "9" * 5000 + ")", "error.layer_value", "units"),
    ],
)
def test_a_word_that_is_no_layer_is_named(words, key, named):
    with pytest.raises(Refusal) as refused:
        parse(words)
    assert refused.value.key == key
    assert named in [refused.value.slots.get(slot) for slot in ("argument", "field", "layer")]


IN_WORDS = {
    "conv(1, 5, 2, 2, relu)": (
        "Convolution, 1 filter 5 x 5, stride 2, padding 2, ReLU",
        "Convolução, 1 filtro 5 x 5, passo 2, borda 2, ReLU",
    ),
    "conv(6, 5, padding=same, activation=sigmoid)": (
        "Convolution, 6 filters 5 x 5, keeps the size, sigmoid",
        "Convolução, 6 filtros 5 x 5, mantém o tamanho, sigmoide",
    ),
    "max_pool(2)": ("Max-pooling 2 x 2", "Max-pooling 2 x 2"),
    "avg_pool(3)": ("Average pooling 3 x 3", "Pooling pela média 3 x 3"),
    "global_avg_pool": ("Global average", "Média global"),
    "flatten": ("Flatten", "Achatar (flatten)"),
    "dense(1024, tanh)": ("Dense, 1,024 units, tanh", "Densa, 1.024 unidades, tanh"),
    "dense(classes)": ("Dense, one unit for each class", "Densa, uma unidade para cada classe"),
    "dropout(0.125)": ("Dropout, 12.5% set to zero", "Dropout, 12,5% zerados"),
    "batch_norm": ("Batch norm", "Normalização em lote (batch norm)"),
    "activation(relu)": ("Activation function, ReLU", "Função de ativação, ReLU"),
    "dense_block(4, growth=12)": (
        "Dense block (DenseNet), 4 layers, 12 new maps per layer, 128 maps between",
        "Bloco denso (DenseNet), 4 camadas, 12 mapas novos por camada, 128 mapas intermediários",
    ),
}


def test_a_layer_of_every_kind_is_said_in_the_readers_words():
    assert {layer.kind for layer in parse(", ".join(IN_WORDS))} == set(KINDS)
    for words, (english, portuguese) in IN_WORDS.items():
        said = in_words(parse(words)[0])
        assert (said.say("en"), said.say("pt_BR"), parse(said)) == (english, portuguese, parse(words))


@pytest.mark.parametrize("words", ["", " , ;\n", "flatten," * (MOST_LAYERS + 1)])
def test_no_layers_and_too_many_are_refused_with_their_count(words):
    with pytest.raises(Refusal) as refused:
        parse(words)
    assert refused.value.key == "error.layer_count"
    assert refused.value.slots == {"count": Counter(words)["f"], "most": MOST_LAYERS}


@pytest.mark.parametrize(
    "words",
    [
        "conv(" * 30_000,
        "," * 100_000,
        "flatten," * 30_000,
        "(" * 9_000,
        "(" * 4_500 + ")" * 4_500,
        "conv(6," + " " * 9_000 + "5",
        "," * 9_000 + "(",
        "a(" + "," * 9_000,
        "conv(" + "(,)" * 3_000,
        ("conv(1,1" + "," * 40 + ")") * 190,
        "w" * 9_999,
    ],
    ids=lambda words: f"{words[:8]}...",
)
def test_hostile_words_are_refused_at_once(words):
    began = time.process_time()
    with pytest.raises(Refusal) as refused:
        parse(words)
    assert time.process_time() - began < 0.1
    assert len(str(refused.value)) < 500, "the sentence repeats the whole text"


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="conv(dense,);=\n 0123456789.-ptx_[]{}'\\é", max_size=60))
def test_any_words_are_layers_or_a_refusal(words):
    try:
        layers = parse(words)
    except Refusal:
        return
    assert parse(text(layers)) == layers
