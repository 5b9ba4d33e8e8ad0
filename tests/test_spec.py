"""A spec takes what it can use, as numbers or as words, and refuses the rest with name, value and bounds."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import spec as spec_module
from core.networks.architectures import ARCHITECTURES
from core.networks.layers import parse, text
from core.refusal import Refusal
from core.spec import (
    CUSTOM,
    RunSpec,
    allowed,
    any_seed,
    checked,
    default,
    differing,
    hyperparameters,
    next_seeds,
    only_if,
    read_field,
    value_text,
    write_number,
)

# Field: values out of its bounds, the bounds as they are said.
REFUSED = {
    "data": (["", "x" * 101], "string"),
    "split": (["random", ""], "stratified | official | first_last | test"),
    "val_fraction": ([0, 0.0099, 0.51, "nan", "half"], "0.01 ... 0.5"),
    "image_size": ([7, 129, 28.5, "large"], "8 ... 128"),
    "normalisation": (["", "imagenet"], "unit | half | standard"),
    "architecture": ([], " | ".join([*ARCHITECTURES, CUSTOM])),
    "layers": ([], "conv(6, 5), max_pool(2), flatten, dense(classes)"),
    "defaults": (["jax"], "pytorch | keras"),
    "first_layers": (["old", ""], "new | joint | frozen | random"),
    "weights_from": (["x" * 152], "string"),
    "layers_taken": ([0, 101, 1.5], "1 ... 100"),
    "optimizer": (["SGD", "rmsprop"], "sgd | adam | adamw"),
    "learning_rate": ([0, -0.1, 1.1e7, "inf", "nan", "0,1"], "> 0 ... 10000000"),
    "momentum": ([-0.1, 1], "0 ... < 1"),
    "weight_decay": ([-1e-9, 10.1], "0 ... 10"),
    "schedule": (["linear"], "constant | cosine | one_cycle"),
    "batch_size": ([0, 8193, 1.5], "1 ... 8192"),
    "epochs": ([0, 10_001, "many"], "1 ... 10000"),
    "seed": ([-1, 2**31], "0 ... 2147483647"),
    "precision": (["float16"], "auto | float32 | bfloat16"),
    "rotation": ([-1, 181, "a lot"], "0 ... 180"),
    "shift": ([-1, 33], "0 ... 32"),
    "zoom": ([-0.1, 1.1], "0 ... 1"),
    "flip": ([-0.1, 1.1], "0 ... 1"),
    "elastic": ([-0.1, 8.1], "0 ... 8"),
    "stroke_width": ([-0.1, 1.1], "0 ... 1"),
    "best_by": (["test_accuracy"], "val_accuracy | val_loss | last"),
    "target_accuracy": ([0, 1.01], "> 0 ... 1"),
    "patience": ([0, 10_001], "1 ... 10000"),
    "time_limit": ([0, 1.1e7, "soon"], "> 0 ... 10000000"),
}
ON_THE_BOUND = {
    "data": ["x", "x" * 100],
    "val_fraction": [0.01, 0.5],
    "image_size": [8, 128, None],
    "weights_from": ["", "x" * 151],
    "layers_taken": [1, 100],
    "learning_rate": [1e-300, 1e7],
    "momentum": [0, 0.999],
    "weight_decay": [0, 10],
    "batch_size": [1, 8192],
    "epochs": [1, 10_000],
    "seed": [0, 2**31 - 1],
    "rotation": [0, 180],
    "shift": [0, 32],
    "zoom": [0, 1],
    "flip": [0, 1],
    "elastic": [0, 8],
    "stroke_width": [0, 1],
    "target_accuracy": [1e-9, 1, None],
    "patience": [1, 10_000, None],
    "time_limit": [1e-9, 1e7, None],
}


def names(*values):
    return st.sampled_from(values)


specs = st.fixed_dictionaries(
    {},
    optional={
        "data": st.text(min_size=1, max_size=100),
        "split": names("stratified", "official", "first_last", "test"),
        "val_fraction": st.floats(0.01, 0.5),
        "image_size": st.none() | st.integers(8, 128),
        "normalisation": names("unit", "half", "standard"),
        "architecture": names(*ARCHITECTURES),
        "defaults": names("pytorch", "keras"),
        "first_layers": names("new", "joint", "frozen", "random"),
        "weights_from": st.text(max_size=151),
        "layers_taken": st.integers(1, 100),
        "optimizer": names("sgd", "adam", "adamw"),
        "learning_rate": st.floats(0, 1e7, exclude_min=True),
        "momentum": st.floats(0, 1, exclude_max=True),
        "weight_decay": st.floats(0, 10),
        "schedule": names("constant", "cosine", "one_cycle"),
        "batch_size": st.integers(1, 8192),
        "epochs": st.integers(1, 10_000),
        "seed": st.integers(0, 2**31 - 1),
        "precision": names("auto", "float32", "bfloat16"),
        "rotation": st.floats(0, 180),
        "shift": st.floats(0, 32),
        "zoom": st.floats(0, 1),
        "flip": st.floats(0, 1),
        "elastic": st.floats(0, 8),
        "stroke_width": st.floats(0, 1),
        "best_by": names("val_accuracy", "val_loss", "last"),
        "target_accuracy": st.none() | st.floats(0, 1, exclude_min=True),
        "patience": st.none() | st.integers(1, 10_000),
        "time_limit": st.none() | st.floats(0, 1e7, exclude_min=True),
    },
)


def test_every_field_is_tried_here():
    assert list(REFUSED) == list(RunSpec.model_fields)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, row in REFUSED.items() for value in row[0]])
def test_a_value_out_of_bounds_is_refused_with_its_name_itself_and_the_bounds(name, value):
    with pytest.raises(Refusal) as refused:
        checked({name: value})
    if name == "data" and value:  # it comes from a file's name, which the sentence says how to mend
        assert (refused.value.key, refused.value.slots) == ("error.data_name_long", {"data": "x" * 60, "count": 101})
        return
    assert refused.value.key == ("error.field_empty" if value == "" else "error.field_value")
    assert refused.value.slots == {"field": name, "value": str(value)[:60], "allowed": REFUSED[name][1]}


@pytest.mark.parametrize("name", REFUSED)
def test_the_bounds_are_said_in_signs(name):
    assert allowed(name) == REFUSED[name][1]


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in ON_THE_BOUND.items() for value in values]
)
def test_a_value_on_its_bound_is_taken(name, value):
    condition = only_if(name)
    needed = {condition[0]: condition[1][0]} if condition else {}
    assert getattr(checked({**needed, name: value}), name) == value


@pytest.mark.parametrize(
    ("values", "use"),
    [
        ({}, "once"),
        ({"split": "official", "target_accuracy": 0.9}, "once"),
        ({"split": "first_last", "best_by": "last"}, "once"),
        ({"split": "test", "best_by": "last"}, "watched"),
        ({"split": "test", "best_by": "last", "target_accuracy": 0.9}, "selected"),
        ({"split": "test", "best_by": "val_loss"}, "selected"),
        ({"split": "test"}, "selected"),
    ],
    ids=str,
)
def test_the_test_split_is_used_once_unless_it_validates_and_selects_where_it_chooses(values, use):
    assert checked(values).test_use == use


def test_a_field_that_the_others_leave_no_use_for_is_refused():
    for values in ({"momentum": 0.9}, {"patience": 3, "best_by": "last"}, {"split": "official", "val_fraction": 0.2}):
        with pytest.raises(Refusal) as refused:
            checked(values)
        assert refused.value.key == "error.field_unused"
        assert refused.value.slots["field"] in values
    assert checked({"momentum": 0.9, "optimizer": "sgd"}).momentum == 0.9


def test_layers_that_are_not_the_named_architectures_are_called_custom():
    assert checked({"architecture": "lenet", "layers": "flatten, dense(classes)"}).architecture == "custom"
    assert checked({"architecture": "nonsense", "layers": "flatten, dense(classes)"}).architecture == "custom"
    assert checked({"architecture": "mlp", "layers": text(ARCHITECTURES["mlp"])}).architecture == "mlp"


def in_use(values):
    """The values without those of fields that the others leave no use for."""
    conditions = {name: only_if(name) for name in values}
    return {
        name: value
        for name, value in values.items()
        if not (one := conditions[name]) or values.get(one[0], default(one[0])) in one[1]
    }


@settings(max_examples=150, deadline=None)
@given(specs)
def test_a_spec_comes_back_from_json(values):
    spec = checked(in_use(values))
    stored = spec.model_dump_json()
    assert RunSpec.model_validate_json(stored) == spec
    assert checked(json.loads(stored)) == spec
    assert hash(RunSpec.model_validate_json(stored)) == hash(spec)


@settings(max_examples=150, deadline=None)
@given(specs)
def test_a_spec_is_the_same_from_words_as_a_command_line_gives_them(values):
    values = in_use(values)
    assert checked({name: str(value) for name, value in values.items()}) == checked(values)


@pytest.mark.parametrize("nothing", ["", "none", "None", None])
def test_an_empty_form_field_means_that_a_limit_is_not_used(nothing):
    spec = checked({"patience": nothing, "time_limit": nothing, "target_accuracy": nothing, "image_size": nothing})
    assert (spec.patience, spec.time_limit, spec.target_accuracy, spec.image_size) == (None, None, None, None)


def test_a_field_that_is_left_empty_says_what_that_means():
    assert value_text("patience", None, "en") == "not used"
    assert [value_text("image_size", None, language) for language in ("en", "pt_BR")] == [
        "as in the data",
        "como nos dados",
    ]


@pytest.mark.parametrize("name", ["learnin_rate", "lr", "epochs ", ""])
def test_an_unknown_field_is_named_beside_the_known_ones(name):
    with pytest.raises(Refusal) as refused:
        checked({name: 1})
    assert refused.value.key == "error.field_unknown"
    assert refused.value.slots == {"field": name, "known": ", ".join(RunSpec.model_fields)}


@pytest.mark.parametrize("name", ["LeNet", "resnet-152", "", None, ["lenet"], 5])
def test_an_unknown_architecture_is_named_beside_the_known_ones(name):
    with pytest.raises(Refusal) as refused:
        checked({"architecture": name})
    assert refused.value.key == "error.architecture_unknown"
    assert refused.value.slots == {"architecture": str(name), "known": ", ".join(ARCHITECTURES)}


@pytest.mark.parametrize("name", ["", "Ba/d", "../lenet", "-x", "x" * 41])
def test_an_architecture_beside_written_layers_has_a_name_that_a_folder_can_bear(name):
    with pytest.raises(Refusal) as refused:
        checked({"architecture": name, "layers": "flatten, dense(classes)"})
    assert refused.value.key == ("error.field_value" if name else "error.field_empty")
    assert refused.value.slots["field"] == "architecture"


def test_layers_may_be_written_in_words():
    words = "flatten, dense(32, activation=relu), dense(classes)"
    spec = checked({"layers": words})
    assert (spec.architecture, spec.layers) == (CUSTOM, parse(words))


@pytest.mark.parametrize(
    ("words", "key"),
    [("flatten, densse(5)", "error.layer_unknown"), ("  ", "error.layer_count"), ("", "error.layer_count")],
)
def test_layers_in_wrong_words_are_refused_as_the_layers_say(words, key):
    with pytest.raises(Refusal) as refused:
        checked({"architecture": CUSTOM, "layers": words})
    assert refused.value.key == key


@pytest.mark.parametrize(
    "layers", [[{"kind": "conv"}], [{"kind": "no"}], [5], {"a": 1}, 7, [{"kind": "flatten"}] * 101]
)
def test_layers_that_are_none_are_refused_by_their_field(layers):
    with pytest.raises(Refusal) as refused:
        checked({"layers": layers})
    assert (refused.value.key, refused.value.slots["field"]) == ("error.field_value", "layers")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_name_and_its_layers_in_words_make_equal_specs(name):
    assert checked({"architecture": name}) == checked({"architecture": name, "layers": text(ARCHITECTURES[name])})


def test_equal_specs_are_equal_and_unequal_ones_are_not():
    assert checked({"seed": 1, "epochs": 3}) == checked({"epochs": "3", "seed": "1"})
    assert len(set(map(hash, (checked({"seed": seed}) for seed in (0, 1, 1, 2))))) == 3
    assert checked({}) == RunSpec()


def test_the_next_seeds_are_those_that_the_field_takes():
    spec = checked({"architecture": "mlp", "seed": 7})
    found = next_seeds(spec, 3)
    assert [one.seed for one in found] == [7, 8, 9]
    assert {any_seed(one) for one in found} == {any_seed(spec)}
    last = checked({"seed": 2**31 - 1})
    assert next_seeds(last, 1) == [last]
    with pytest.raises(Refusal, match=r"error\.field_value") as refused:
        next_seeds(last, 2)
    assert str(refused.value.slots["value"]) == str(2**31)


def test_a_stored_spec_keeps_its_layers_when_the_architecture_changes(monkeypatch):
    stored = checked({"architecture": "cnn"}).model_dump_json()
    monkeypatch.setitem(spec_module.ARCHITECTURES, "cnn", parse("flatten, dense(classes)"))
    again = RunSpec.model_validate_json(stored)
    assert text(again.layers).startswith("conv(32, 3, activation=relu)")
    assert text(checked({"architecture": "cnn"}).layers) == "flatten, dense(classes)"
    monkeypatch.delitem(spec_module.ARCHITECTURES, "cnn")
    assert RunSpec.model_validate_json(stored) == again


def test_a_spec_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        checked({}).epochs = 9  # pyright: ignore[reportAttributeAccessIssue]


def test_the_networks_input_is_of_the_images_own_size_unless_the_spec_says_one():
    assert checked({}).input_shape((3, 20, 30)) == (3, 20, 30)
    assert checked({"image_size": 28}).input_shape((3, 32, 32)) == (3, 28, 28)
    assert sum(row.parameters for row in checked({"image_size": 28}).table((3, 32, 32), 10)) == 62_006


def test_a_fields_default_is_said():
    assert (default("batch_size"), default("patience"), default("data")) == (64, None, "mnist-5k")


def test_hyperparameters_are_those_in_use_and_first_those_that_differ_from_the_defaults():
    spec = checked({"optimizer": "adamw", "split": "official", "weight_decay": 0.1, "seed": 42, "best_by": "last"})
    given = hyperparameters(spec)
    assert [one.name for one in given if one.differs] == ["split", "optimizer", "weight_decay", "seed", "best_by"]
    assert [one.differs for one in given] == sorted((one.differs for one in given), reverse=True)
    unused = {"val_fraction", "weights_from", "layers_taken", "momentum", "patience"}
    assert {one.name for one in given} == set(RunSpec.model_fields) - unused
    assert checked({one.name: one.value for one in given}) == spec, "nothing that decides the outcome is left out"
    own = {one.name: one for one in hyperparameters(checked({"layers": "flatten, dense(classes)"}))}
    assert own["layers"].differs
    assert own["architecture"].value == "custom"


def test_two_specs_differ_in_the_values_of_the_fields_that_they_use():
    one = checked({"optimizer": "sgd", "momentum": 0.9, "seed": 1})
    other = checked({"optimizer": "adam", "architecture": "mlp"})
    layers = [text(spec.layers) for spec in (one, other)]
    assert differing(one, other) == [
        ("architecture", "lenet", "mlp"),
        ("layers", *layers),
        ("optimizer", "sgd", "adam"),
        ("momentum", 0.9, None),
        ("seed", 1, 0),
    ]
    assert differing(one, one) == []


@pytest.mark.parametrize("language", ["en", "pt_BR"])
@pytest.mark.parametrize("value", [0, 42, 2**31 - 1, 1.5, 1_000.0, 10_000_000.0, 1e-7, 1.2345678901234e-7])
def test_a_number_is_read_as_it_is_written(language, value):
    assert read_field("learning_rate", write_number(value, language), language) == value


def test_a_count_has_the_separators_of_tables_and_a_seed_has_none():
    assert value_text("epochs", 1000, "pt_BR") == "1.000"
    assert value_text("seed", 1000, "pt_BR") == "1000"
    assert value_text("learning_rate", 0.001, "pt_BR") == "0,001"
