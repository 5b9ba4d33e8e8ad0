"""The exported HTML page: in a real Chromium it answers as PyTorch does, prepares drawings as the app does, and asks no
address for anything.
"""

import base64
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from core import store
from core.datasets import dataset
from core.datasets.pen_digits import FILE, pen_digits
from core.drawing.picture import fit_picture
from core.drawing.prepare import prepare
from core.drawing.strokes import inked
from core.exports import EXPORTS, export, html
from core.exports.html import probes
from core.images.splits import resized
from core.models.model import open_model
from core.networks.architectures import ARCHITECTURES
from core.refusal import Refusal
from core.settings import ROOT
from core.spec import checked
from core.words import text
from core.work import work
from tests.browser import CHROMIUM, SEVEN, draw
from tests.real_data import needs, real
from tests.small_data import write_blood
from tests.test_exports import EVERY_LAYER

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt install chromium")
STARTER = ROOT / "models_store" / "20261129-135155-mnist-and-drawings-cnn-four-4072"
OTHER_LAYERS = ("conv(4, 4, padding=same)", "global_avg_pool", "dense(classes)")
PENS = (3, 8, 16)
ANSWERS = """(all) => all.map((text) => {
    const drawing = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const { values, doubt } = window.bancada.answered(drawing);
    return [window.bancada.prepare(drawing), values, doubt];
})"""
PROBABILITIES = """(all) => all.map((text) =>
    window.bancada.probabilities(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))))"""

FITTED = """([text, width, height]) => {
    const pixels = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return Array.from(window.bancada.fitted(pixels, width, height));
}"""


@pytest.fixture
def digits(home, tiny_data):
    """The name of a data set of 1,250 of the digits that come with the app, 1,000 of them to test on."""
    read = dataset("mnist-5k").load()
    parts = {"train": (read.train, 0, 20), "val": (read.train, 1, 80), "test": (read.test, 0, 1)}
    arrays = {}
    for name, (split, first, every) in parts.items():
        arrays[f"{name}_images"], arrays[f"{name}_labels"] = split.images[first::every, 0], split.labels[first::every]
    np.savez(tiny_data / "some-digits.npz", **arrays, digits=np.array(True))
    return "some-digits"


def trained(**fields):
    run = store.create(checked({"split": "official", "epochs": 1, "batch_size": 20, **fields}))
    assert work(str(run.folder)) == "done"
    return run


def opened(browser, run, path, name="html"):
    """A page on which the run's export has checked itself, and all addresses that it has asked for."""
    export(run, name, path)
    page = browser.new_page(locale="en-US")
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_function("() => document.getElementById('checked').textContent")
    assert not errors
    return page, asked


def in_base64(arrays):
    return [base64.b64encode(np.ascontiguousarray(one).tobytes()).decode() for one in arrays]


def asked_in_parts(page, code, arrays):
    found = []
    for first in range(0, len(arrays), 100):
        found += page.evaluate(code, in_base64(arrays[first : first + 100]))
    return found


def compared(page, run, images):
    """The page's probabilities and the model's, which agree."""
    own = np.array(asked_in_parts(page, PROBABILITIES, images))
    right = open_model(run).probabilities(images)
    assert np.abs(own - right).max() <= 1e-4
    first, second = np.sort(right, axis=1)[:, :-3:-1].T
    same = own.argmax(axis=1) == right.argmax(axis=1)
    assert (same | (first - second < 1e-4)).all()
    return own, right


@needs_chromium
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_page_answers_test_images_as_the_run_does(digits, browser, tmp_path, architecture):
    run = trained(data=digits, architecture=architecture, learning_rate=0.003)
    page, asked = opened(browser, run, tmp_path / "page.html")
    images = dataset(digits).load().test.images
    assert len(images) == 1000
    multiplications = sum(row.macs for row in run.spec.table(images.shape[1:], 10))
    images = images[:: math.ceil(multiplications / 1e6)]  # the largest network multiplies 65 million times for an image
    own, _ = compared(page, run, images)
    assert len({row.tobytes() for row in own}) > 0.9 * len(images)
    assert page.evaluate("window.bancada.difference()") <= 1e-4
    assert asked == [(tmp_path / "page.html").as_uri()]
    weights = 4 * run.started().parameters
    assert (tmp_path / "page.html").stat().st_size < 1.5 * weights + 60_000


@needs_chromium
@pytest.mark.parametrize("defaults", ["pytorch", "keras"])
@pytest.mark.parametrize("layers", [EVERY_LAYER, OTHER_LAYERS], ids=len)
def test_the_page_computes_every_kind_of_layer(home, browser, tmp_path, defaults, layers):
    fields = {"data": "tiny", "normalisation": "standard", "image_size": 20, "learning_rate": 0.01}
    run = trained(**fields, layers=", ".join(layers), defaults=defaults)
    page, _ = opened(browser, run, tmp_path / "page.html")
    compared(page, run, resized(dataset("tiny").load().test.images, 20))


@needs_chromium
def test_a_page_in_colour_takes_a_picture_as_the_app_does(home, tiny_data, browser, tmp_path):
    write_blood(tiny_data)
    run = trained(data="blood", layers="conv(6, 3, activation=relu), max_pool(2), flatten, dense(classes)")
    page, _ = opened(browser, run, tmp_path / "page.html")
    compared(page, run, dataset("blood").load().test.images)
    generator = np.random.default_rng(0)
    for height, width in ((28, 28), (40, 31), (200, 333), (20, 24), (61, 28)):
        small = generator.integers(0, 256, (height // 4 + 1, width // 4 + 1, 4), dtype=np.uint8)
        rgba = np.kron(small, np.ones((4, 4, 1), np.uint8))[:height, :width]
        rgba[..., 3] = 255
        own = np.array(page.evaluate(FITTED, [*in_base64([rgba]), width, height])).reshape(3, 28, 28)
        apart = np.abs(own - fit_picture(rgba, (3, 28, 28)).astype(int))
        # Pillow cuts off what is beyond 0 to 255 between its two passes, of which it chooses the first by the size.
        assert (apart > 1).mean() < 0.02, (height, width)
        assert apart.max() < 16
    assert page.locator("#sheet").is_hidden()
    page.set_input_files("#picture", ROOT / "ui" / "readme.png")
    page.wait_for_selector("#bars .best")
    page.set_input_files("#picture", ROOT / "README.md")
    page.wait_for_function("() => document.getElementById('said').textContent.includes('cannot be read')")


@needs_chromium
@needs(FILE)
def test_drawings_are_prepared_and_doubted_as_in_the_app(home, browser, tmp_path):
    run = store.Run(STARTER)
    page, _ = opened(browser, run, tmp_path / "page.html")
    written = pen_digits(real(FILE))[::100]
    drawings = [inked(one.strokes, pen) for one in written for pen in PENS]
    for left, right in zip(written[::10], written[1::10], strict=False):  # two digits side by side
        moved = [stroke * (0.4, 0.8) + (at, 0.1) for one, at in ((left, 0), (right, 0.6)) for stroke in one.strokes]
        drawings.append(inked(moved, 5))
    drawings += [np.zeros((112, 112), np.uint8), np.full((112, 112), 255, np.uint8), np.full((112, 112), 20, np.uint8)]
    prepared = [prepare(one) for one in drawings]
    answers, doubts = open_model(run).answers(prepared), set()
    found = asked_in_parts(page, ANSWERS, drawings)
    for drawing, answer, (image, values, doubt) in zip(prepared, answers, found, strict=True):
        if answer is None:
            assert (drawing.image, any(image), values, doubt) == (None, False, None, "empty")
            continue
        assert np.abs(np.array(image).reshape(28, 28) - drawing.image.astype(int)).max() <= 1
        assert (answer.doubt or "").removeprefix("doubt.") == (doubt or "")
        assert np.abs(np.array(values) - answer.values).max() < 0.05  # one grey level may weigh as much
        doubts.add(doubt)
    assert {None, "several", "blot", "no_digit"} <= doubts


@needs_chromium
def test_an_image_takes_less_than_30_ms(home, digits, browser, tmp_path):
    pool = "max_pool(2)"
    layers = f"conv(32, 3, activation=relu), conv(32, 3, activation=relu), {pool}, conv(48, 3, activation=relu), "
    layers += f"conv(48, 3, activation=relu), {pool}, flatten, dense(classes)"
    page, _ = opened(browser, trained(data=digits, layers=layers), tmp_path / "page.html")
    code = """() => Array.from({ length: 50 }, () => {
        const began = performance.now();
        window.bancada.probabilities(new Uint8Array(784).fill(100));
        return performance.now() - began;
    })"""
    assert min(page.evaluate(code)) < 30  # others may use this machine at the same time


@needs_chromium
def test_a_page_with_half_the_bytes_still_answers_alike(home, digits, browser, tmp_path):
    run = trained(data=digits, architecture="lenet", learning_rate=0.003)
    export(run, "html", tmp_path / "whole.html")
    page, _ = opened(browser, run, tmp_path / "half.html", "html-half")
    images = dataset(digits).load().test.images[:100]
    own = np.array(asked_in_parts(page, PROBABILITIES, images))
    assert 0 < np.abs(own - open_model(run).probabilities(images)).max() < 0.02
    saved = (tmp_path / "whole.html").stat().st_size - (tmp_path / "half.html").stat().st_size
    assert saved == pytest.approx(run.started().parameters * 2 * 4 / 3, rel=0.01)


@needs_chromium
def test_the_page_is_drawn_on_in_both_languages_and_says_when_it_computes_otherwise(home, digits, browser, tmp_path):
    run = trained(data=digits, architecture="mlp", epochs=2)
    page, asked = opened(browser, run, tmp_path / "page.html")
    assert page.inner_text("#said") == text("en", "doubt.empty")
    draw(page, *SEVEN, sheet="#sheet")
    page.wait_for_selector("figure")
    assert page.locator("figure").count() == 5
    assert page.locator("#bars tr").count() == 10
    shares = [float(one.rstrip("%")) for one in page.locator("#bars td:last-child").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=1)
    page.click("text=Português")
    assert page.evaluate("document.documentElement.lang") == "pt-BR"
    assert page.inner_text("#about") == text("pt_BR", "export.page.about")
    assert "," in page.locator("#bars td:last-child").first.inner_text()
    page.click("#about")
    assert run.name in page.inner_text("#facts")
    page.click("#clear")
    page.wait_for_selector(f"#said:text-is({json.dumps(text('pt_BR', 'doubt.empty'), ensure_ascii=False)})")
    assert asked == [(tmp_path / "page.html").as_uri()]
    whole = (tmp_path / "page.html").read_text(encoding="utf-8")
    changed = re.sub(r'"probes":\[\[[0-9.e-]+', '"probes":[[0.5', whole)
    (tmp_path / "changed.html").write_text(changed, encoding="utf-8")
    page.goto((tmp_path / "changed.html").as_uri())
    page.wait_for_function("() => document.getElementById('checked').textContent.includes('otherwise')")


def test_a_page_of_other_numbers_is_refused_with_the_difference(home, tmp_path):
    run = trained(data="tiny", architecture="mlp")

    def write(run, path, _language):
        html.write(run, path)
        page = path.read_text(encoding="utf-8")
        at = page.index('id="numbers">') + 2000
        path.write_text(page[:at] + "QUFBQUFB" + page[at + 8 :], encoding="utf-8")

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXPORTS, "html", replace(EXPORTS["html"], write=write))
        with pytest.raises(Refusal, match="export_differs"):
            export(run, "html", tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_the_made_up_images_are_different_and_of_four_brightnesses():
    images = probes((1, 28, 28))
    assert [int(image.max()) // 32 for image in images] == [7, 3, 1, 0] * 2
    assert len({image.tobytes() for image in images}) == len(images)
