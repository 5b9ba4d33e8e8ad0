"""The network panel of the Train page: layers edited by clicks alone, their cost, what cannot be, how long it takes."""

from __future__ import annotations

import re
import time

import pytest

from core import words
from core.events import Epoch
from core.networks.layers import KINDS, in_words, new_layer, parse, table, text
from core.training.kernels import compiled
from tests.browser import ROOT
from tests.page import LANGUAGES, button
from ui import estimate

MLP_WORDS = "flatten\ndense(256, activation=relu)\ndense(256, activation=relu)\ndense(classes)"


class Editor:
    """The panel's editor as a visitor of a language uses it: clicks and inputs, nothing else."""

    def __init__(self, frame, language: str = "en", **query: str):
        self.app, self.language = frame(language=language, **query), language
        self._view("edit")

    def _view(self, name: str) -> None:
        next(one for one in self.app.get("button_group") if one.key == "network.view").set_value(name).run()
        assert not self.app.exception

    def choose(self, number: int) -> None:
        self.app.radio(key="editor.layer").set_value(number - 1).run()

    def add(self, kind: str) -> None:
        self.app.selectbox(key="editor.kind").select(kind).run()
        self.press("add")

    def press(self, what: str) -> None:
        label = words.text(self.language, f"editor.{what}")
        next(button for button in self.app.button if button.label == label).click().run()
        assert not self.app.exception

    def can(self, what: str) -> bool:
        label = words.text(self.language, f"editor.{what}")
        return not next(button for button in self.app.button if button.label == label).disabled

    def write(self, **values: int) -> None:
        for name, value in values.items():
            self.app.text_input(key=f"editor.{name}.written").set_value(str(value)).run()
        assert not self.app.exception

    @property
    def lines(self) -> list[str]:
        return [option.replace("**", "") for option in self.app.radio(key="editor.layer").options]

    @property
    def in_force(self) -> str:
        return self.app.text_area(key="layers").value

    @property
    def said(self) -> str:
        return "\n".join(str(one.value) for one in (*self.app.main.markdown, *self.app.main.error))

    @property
    def title(self) -> str:
        return self.app.expander[-1].label


@pytest.mark.parametrize("language", LANGUAGES)
def test_256_256_is_set_without_code_and_its_cost_is_said(frame, language):
    editor = Editor(frame, language, architecture="mlp")
    editor.choose(2)
    editor.write(units=256)
    editor.add("dense")
    editor.write(units=256)

    def number(value: int) -> str:
        return words.number(value, language=language)

    assert f"+{number(167_552)} " in editor.said
    assert f"({number(101_770)} → {number(269_322)})" in editor.said
    assert f"+{number(167_168)} MACs ({number(101_632)} → {number(268_800)})" in editor.said
    assert number(269_322) in editor.title
    assert editor.app.selectbox(key="architecture").value == "custom"
    assert editor.in_force == MLP_WORDS
    assert parse(editor.app.query_params["layers"]) == parse(MLP_WORDS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_5x5_kernel_on_a_3x3_map_is_refused_by_name_and_nothing_is_lost(frame, language):
    before = "max_pool(3), max_pool(3), conv(6, 3), flatten, dense(classes)"  # 28 -> 9 -> 3
    editor = Editor(frame, language, architecture="custom", layers=before)
    editor.choose(3)
    editor.write(kernel=5)
    pool, conv, flatten = (in_words(layer).say(language) for layer in parse("max_pool(3), conv(6, 5), flatten"))
    said = words.text(language, "error.window_too_large", number=3, layer=conv, shape="1 x 3 x 3")
    start = words.text(language, "train.start")
    assert editor.lines[1:4] == [f"2 · {pool} → 1 x 3 x 3", f"3 · {conv} → ?", f"4 · {flatten} → ?"]
    for _ in range(2):  # the edit stays, and is not started, on leaving the page and coming back too
        assert said in [one.value for one in editor.app.error]
        assert button(editor.app, start).disabled
        assert parse(editor.in_force) == parse(before.replace("conv(6, 3)", "conv(6, 5)"))
        editor.app.switch_page(str(ROOT / "pages" / "data.py")).run()
        editor.app.switch_page(str(ROOT / "pages" / "train.py")).run()
    editor.choose(3)
    editor.write(kernel=3)
    assert not editor.app.error
    assert not button(editor.app, start).disabled
    editor.write(padding=1, kernel=5)
    assert parse(editor.in_force) == parse("max_pool(3), max_pool(3), conv(6, 5, padding=1), flatten, dense(classes)")


def test_a_dense_layer_before_flatten_is_refused_and_can_be_moved_behind_it(frame):
    editor = Editor(frame, architecture="mlp")
    editor.choose(2)
    editor.press("up")
    assert "Layer 1 (Dense, 128 units, ReLU) takes a vector but gets 1 x 28 x 28" in editor.said
    assert not editor.can("up")
    editor.press("down")
    assert editor.lines[1] == "2 · Dense, 128 units, ReLU → 128"
    assert not editor.app.error


def test_layers_are_removed_down_to_the_last_and_undo_brings_them_back(frame):
    editor = Editor(frame, architecture="mlp")
    assert not editor.can("undo")
    editor.press("remove")
    editor.press("remove")
    assert editor.lines == ["1 · Dense, one unit for each class → ?"]
    assert not editor.can("remove")
    editor.press("undo")
    assert len(editor.lines) == 2
    editor.press("undo")
    assert len(editor.lines) == 3
    assert "101,770" in editor.title
    assert editor.app.selectbox(key="architecture").value == "mlp"
    assert "layers" not in editor.app.query_params
    assert not editor.can("undo")


def test_layers_that_do_not_fit_the_images_can_be_mended_in_the_editor(frame):
    editor = Editor(frame, architecture="custom", layers="conv(8, 29), flatten, dense(classes)")
    assert editor.app.get("button_group")
    editor.write(kernel=19)
    assert "10,906 parameters, 296,800 MACs" in editor.said, "there is nothing to compare with"
    assert "10,906" in editor.title


def test_other_layers_in_the_form_are_what_the_editor_begins_with(frame):
    editor = Editor(frame, architecture="mlp")
    editor.press("remove")
    editor.app.selectbox(key="architecture").select("lenet").run()
    assert len(editor.lines) == 8
    assert not editor.can("undo")


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_every_kind_of_layer_can_be_edited(frame, kind):
    language = LANGUAGES[list(KINDS).index(kind) % len(LANGUAGES)]  # each has all words: tests/test_words.py
    editor = Editor(frame, language, architecture="mlp")
    editor.add(kind)
    layer = new_layer(kind)
    assert in_words(layer).say(language) in editor.lines[1]
    kinds = ("text_input", "selectbox", "slider")
    shown = {str(one.key).removesuffix(".written"): one for what in kinds for one in editor.app.get(what)}
    for name in [name for name in KINDS[kind].model_fields if name != "kind"]:
        widget = shown[f"editor.{name}"]
        assert widget.label == words.text(language, f"layer.field.{name}")
        for box in [box for box in editor.app.checkbox if box.key.startswith(f"editor.{name}.") and box.value]:
            box.uncheck().run()  # a word, in the place of a number
        widget = next(one for one in editor.app.get(widget.type) if one.key == widget.key)
        new = {"text_input": 7, "selectbox": "tanh", "slider": 0.4}[widget.type]
        widget.set_value(str(new) if widget.type == "text_input" else new).run()
        assert not editor.app.exception
        assert getattr(parse(editor.in_force)[1], name) == new


def test_a_word_takes_the_place_of_a_number_and_gives_it_back(frame):
    editor = Editor(frame, architecture="mlp")
    editor.choose(3)
    editor.app.checkbox(key="editor.units.classes").uncheck().run()
    assert editor.lines[2] == "3 · Dense, 64 units → 64"
    assert words.text("en", "error.last_layer", classes=10, shape="64") in editor.said
    editor.app.checkbox(key="editor.units.classes").check().run()
    assert editor.lines[2] == "3 · Dense, one unit for each class → 10"


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_layer_fits_where_its_kind_has_a_place(kind):
    layer = new_layer(kind)
    assert parse(text([layer])) == (layer,)
    of_a_vector = f"flatten, {layer}, dense(classes)"
    of_maps = (
        f"{layer}, dense(classes)" if kind in ("flatten", "global_avg_pool") else f"{layer}, flatten, dense(classes)"
    )
    assert table(parse(of_a_vector if kind == "dense" else of_maps), (1, 28, 28), 10)


# --- what the panel shows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_overview_draws_every_layer_and_counts_the_numbers_of_each_stage(frame, language):
    app = frame(language=language, architecture="encoder-mlp")
    page = next(html.proto.body for html in app.get("html") if 'class="network"' in html.proto.body)
    assert page.count("<figure>") == 9, "the image and eight layers"
    assert "64 x 5 x 5" in page
    table = app.dataframe[0].value
    stages = table[words.text(language, "network.values")].tolist()
    assert [re.sub(r"\D", "", value) for value in stages[:6]] == ["784", "21632", "5408", "7744", "1600", "1600"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_encoder_that_widens_is_told_and_no_other_network(frame, language):
    app = frame(language=language, architecture="encoder-mlp")
    assert [one.value for one in app.warning] == [words.text(language, "network.widens", code=1600, image=784)]
    for name in ("lenet", "cnn", "mlp-256-256", "dense-net"):
        app.selectbox(key="architecture").select(name).run()
        assert not app.warning, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_activation_functions_stand_beside_their_derivatives_with_their_values_at_0(frame, language):
    app = frame(language=language)
    next(one for one in app.get("button_group") if one.key == "network.view").set_value("activations").run()
    assert not app.exception
    assert len(app.get("vega_lite_chart")) == 2
    sigmoid = words.text(language, "layer.word.sigmoid")
    at_0 = [table.value.set_index("x").loc[0, sigmoid] for table in app.dataframe]
    assert at_0 == [words.number(0.5, language=language), words.number(0.25, language=language)]
    app.multiselect(key="network.functions").set_value(["gelu", "silu", "leaky_relu", "relu", "tanh"]).run()
    assert not app.exception
    app.multiselect(key="network.functions").set_value([]).run()
    assert not app.exception


@pytest.mark.slow
def test_how_long_it_will_take_is_known_from_a_run_at_once_then_measured_once_for_all_and_remembered(
    frame, trained, monkeypatch
):
    monkeypatch.setenv("BANCADA_DEVICE", "cpu")
    monkeypatch.setattr(estimate, "LONG", 300)  # seconds
    alike = {"architecture": "mlp", "batch_size": "128"}
    took = trained.last(Epoch).seconds / 2

    def said(language: str, how: str, **query: str) -> list[str]:
        app = frame(language=language, **query)
        return [
            one.value for one in (*app.caption, *app.warning) if words.text(language, f"estimate.{how}") in one.value
        ]

    as_run = words.text("en", "estimate.as_run", run="...").partition("...")[0]
    shown = {"epoch_seconds": took, "seconds": 3 * took}
    (at_once,) = [one.value for one in frame(epochs="3", **alike).caption if as_run in one.value]
    assert at_once.startswith(words.text("en", "estimate.answer", **shown))
    (long,) = [one.value for one in frame(epochs="10000", learning_rate="0.01", **alike).warning if as_run in one.value]
    assert words.duration(10_000 * took, language="en") in long
    assert not [one for one in frame(epochs="3", architecture="lenet").caption if as_run in one.value], "no such run"
    with monkeypatch.context() as kernels:  # the run was computed by PyTorch, as the first one ever is
        kernels.setenv("BANCADA_KERNELS", "1")
        captions = frame(epochs="3", **alike).caption
        assert not compiled.is_usable() or not [one for one in captions if as_run in one.value]
    app = frame(epochs="300", architecture="lenet")
    assert words.text("en", "estimate.many", epochs=300) in [one.value for one in app.warning]
    for language in LANGUAGES:
        app = frame(language=language, epochs="2", seed=str(len(language)), **alike)  # which do not change the pace
        if language == LANGUAGES[0]:
            button(app, words.text(language, "estimate.ask")).click().run()
            end = time.monotonic() + 120
            while app.get("progress"):
                assert as_run in "".join(one.value for one in app.caption), "what is known stays until it is measured"
                assert time.monotonic() < end, "waited in vain"
                time.sleep(0.2)
                app.run()
            assert [one for one in app.caption if re.search(r"over [\d,]+ steps on this machine", one.value)]
        else:
            assert len(said(language, "before", epochs="2", **alike)) == 1
    assert not said("en", "before", epochs="2", architecture="mlp", batch_size="64")
    (limit,) = [one.value for one in frame(time_limit="0.0001", **alike).warning]
    assert "0.0001 s" in limit


@pytest.mark.parametrize(("language", "written"), [("en", "1,024"), ("pt_BR", "1.024"), ("en", "1024")])
def test_a_number_of_a_layer_is_what_the_language_means_by_it(frame, language, written):
    editor = Editor(frame, language, architecture="mlp")
    editor.choose(2)
    editor.app.text_input(key="editor.units.written").set_value(written).run()
    assert "dense(1024, activation=relu)" in editor.in_force
    assert not editor.app.error


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("written", ["many", "", "12,5", "0", "65537"])
def test_what_is_no_number_of_a_layer_is_refused_in_a_sentence_and_changes_nothing(frame, language, written):
    editor = Editor(frame, language, architecture="mlp")
    editor.choose(2)
    before = editor.lines[1]
    editor.app.text_input(key="editor.units.written").set_value(written).run()
    slots = {"field": words.text(language, "layer.field.units"), "value": written}
    slots["allowed"] = words.text(language, "allowed.whole", low=1, high="65,536" if language == "en" else "65.536")
    said = words.text(language, "error.field_value" if written else "error.field_empty", **slots)
    assert said in [one.value for one in editor.app.error]
    assert editor.lines[1] == before
    assert editor.app.text_input(key="editor.units.written").value == "128"
