"""The link of a spec: it fills the form of the page Train, is short, and cannot do more than a reader could."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from core import store
from core.networks.layers import parse, text
from core.recipes import RECIPES
from core.spec import checked, link
from tests.page import LANGUAGES, texts
from ui.link import LONGEST

OWN = "conv(4,3,padding=same,activation=leaky_relu),batch_norm,max_pool(2),flatten,dropout(0.25),dense(classes)"
FIELDS = {"layers": OWN, "seed": 41, "learning_rate": 1e-5, "split": "test", "best_by": "last", "rotation": 12.5}


def queried(address):
    return dict(parse_qsl(urlsplit(address).query))


def shown_link(app):
    """The link that the page offers to copy."""
    (found,) = [one.value for one in app.code if "://" in one.value]
    return found


def test_a_link_holds_all_of_a_spec_and_is_short():
    specs = [one.spec(variant, seed=7) for one in RECIPES.values() for variant in one.variants]
    for spec in [
        *specs,
        checked({}),
        checked(FIELDS),
        checked({"first_layers": "frozen", "weights_from": "a run & b"}),
    ]:
        query = link(spec)
        assert checked(dict(parse_qsl(query))) == spec
        assert len(query) < 700
    assert link(checked({})) == ""
    assert OWN in link(checked(FIELDS))


@pytest.mark.parametrize("language", LANGUAGES)
def test_opening_a_link_fills_the_form_and_the_page_offers_the_same_link(frame, language):
    spec = checked(FIELDS)
    app = frame("train", language, **dict(parse_qsl(link(spec))))
    assert parse(app.text_area(key="layers").value) == spec.layers
    assert checked(queried(shown_link(app))) == spec


def test_what_a_link_may_not_say_is_refused_in_a_sentence_and_the_rest_is_kept(frame):
    hostile = {
        "seed": "-1",
        "epochs": "1e99",
        "optimizer": "__import__('os')",
        "rotation": "<script>",
        "data": "../../x",
    }
    app = frame("train", **hostile, learning_rate="0.02", batch_size="32")
    assert not app.exception
    assert {app.text_input(key="learning_rate").value, app.text_input(key="batch_size").value} == {"0.02", "32"}
    assert {app.text_input(key=name).value for name in ("seed", "rotation")} == {"0"}
    said = texts(app)
    for name in ("Seed", "Epochs", "Optimizer", "Rotation"):
        assert name in said, name
    app = frame("train", architecture="custom", layers="conv(" * 20_000)
    assert not app.exception
    assert app.error


@pytest.mark.parametrize("named", [{}, {"architecture": "lenet"}, {"architecture": "custom"}])
def test_layers_in_a_link_are_ones_own_whatever_architecture_it_names(frame, named):
    query = {"layers": "flatten, dense(classes)", "seed": "3"} | named
    app = frame("train", **query)
    assert checked(queried(shown_link(app))) == checked(query)


def test_a_value_in_a_link_that_has_no_use_beside_the_others_is_refused_in_a_sentence(frame):
    app = frame("train", optimizer="adam", momentum="0.9", seed="3")
    assert "Momentum" in " ".join(one.value for one in app.warning)
    assert queried(shown_link(app)) == {"seed": "3"}
    app = frame("train", optimizer="sgd", momentum="0.9")
    assert not app.warning
    app.selectbox(key="optimizer").set_value("adam").run()
    assert not app.warning


def test_each_page_that_shows_a_run_offers_its_link_and_says_if_it_is_too_long(frame, trained):
    for page, query in (("evaluate", {"run": trained.name}), ("draw", {"run": trained.name})):
        assert checked(queried(shown_link(frame(page, **query)))) == trained.spec
    layers = ", ".join(["conv(8, 3, padding=same, activation=leaky_relu)"] * 50 + ["flatten", "dense(classes)"])
    long = checked({"layers": layers})
    assert len(link(long)) > LONGEST
    app = frame("train", architecture="custom", layers=text(long.layers))
    assert "2,000" in texts(app)
    assert not [one for one in app.code if "://" in one.value]


def test_the_page_runs_offers_the_link_of_the_chosen_run(frame, tmp_path):
    run = store.create(checked(FIELDS))
    app = frame("runs")
    app.session_state["runs"] = [run.name]
    app.run()
    assert checked(queried(shown_link(app))) == run.spec
