"""The page Draw: what models say of a drawing, a test image or a picture, and drawings that are kept."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core import store, words
from core.datasets import dataset
from core.drawing import collection
from core.drawing.prepare import STEPS, prepare
from core.images.paper import STEPS as PAPER_STEPS
from core.models.model import POLARITY, open_model
from core.spec import checked
from core.store import Run
from core.work import work
from tests.browser import ROOT
from tests.page import LANGUAGES, captions, component, sentence, shown_pictures, told
from ui.draw.agreement import Answer, agreement, certainty
from ui.draw.answer import in_sight


def one_on_the_sheet(ink: int = 255) -> np.ndarray:
    sheet = np.zeros((112, 112), np.uint8)
    sheet[20:92, 52:60] = ink
    return sheet


def drawn(app: AppTest, ink: int = 255, sequence: int = 1, *, blot: bool = False) -> AppTest:
    """The page after a one was drawn on the pad, or with no ink nothing, or a blot."""
    sheet = one_on_the_sheet(ink)
    if blot:
        sheet[20:92, 20:92] = ink
    message = {"seq": sequence, "side": 112, "pixels": base64.b64encode(sheet.tobytes()).decode(), "strokes": "[]"}
    app.session_state["pad"] = {"drawing": message}
    app.run()
    assert not app.exception
    return app


def test_a_drawing_is_answered_in_the_readers_language(frame, trained):
    app = drawn(frame("draw", "pt_BR", run=trained.name))
    assert "1 · Um" in sentence(app)
    assert "%" in sentence(app)
    assert "," in sentence(app)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_step_of_the_preparation_is_shown_and_can_be_left_out(frame, trained, language):
    app = drawn(frame("draw", language, run=trained.name))
    assert captions(app) == [words.text(language, f"step.{name}.on") for name in STEPS]
    answer = sentence(app)
    for name in STEPS:
        app.checkbox(key=f"step.{name}").set_value(False).run()
        assert not app.exception
    assert captions(app) == [words.text(language, f"step.{name}.off") for name in STEPS]
    assert sentence(app) != answer


def test_a_step_that_was_left_out_stays_left_out_for_the_next_drawing(frame, trained):
    app = drawn(frame("draw", run=trained.name))
    app.checkbox(key="step.centre").set_value(False).run()
    assert "Draw a digit" in sentence(drawn(app, ink=0))
    assert app.checkbox(key="step.centre").value is False


@pytest.fixture
def twin(trained):
    """Another run of the same model."""
    return Run(shutil.copytree(trained.folder, trained.folder.with_name("20261122-0000-twin")))


@pytest.fixture
def damaged(trained):
    """A run whose weights cannot be read."""
    run = Run(shutil.copytree(trained.folder, trained.folder.with_name("20261122-0000-damaged")))
    (run.folder / "model.safetensors").write_bytes(b"nothing")
    return run


@pytest.mark.parametrize("language", LANGUAGES)
def test_several_models_answer_one_drawing_and_their_votes_are_counted(frame, trained, twin, damaged, language):
    app = frame("train", language, run=trained.name)
    app.session_state["others"] = [twin.name, damaged.name]
    app.switch_page(str(ROOT / "pages" / "draw.py"))
    drawn(app)
    assert damaged.name in app.error[0].value
    shown = told(app)
    assert [name[-4:] for name in shown["models"]] == [trained.name[-4:], "twin"]
    answer = open_model(trained).answer(prepare(one_on_the_sheet()))
    assert answer
    assert sentence(app) == agreement([answer, answer], language)
    for row in shown["message"]["rows"]:
        np.testing.assert_allclose(row["shares"], answer.values, atol=1e-4)
        assert row["best"] == int(answer.values.argmax())
    drawn(app, sequence=2, blot=True)
    assert sentence(app) == words.text(language, "doubt.blot")
    assert [row["sure"] for row in told(app)["message"]["rows"]] == [False, False]


def test_the_other_models_are_kept_until_they_are_gone_or_the_first_themselves(frame, trained, twin, damaged):
    app = frame("draw", run=trained.name)
    assert sorted(option[-4:] for option in app.multiselect(key="others").options) == ["aged", "twin"]
    app.multiselect(key="others").set_value([twin.name, damaged.name]).run()
    app.switch_page(str(ROOT / "pages" / "train.py")).run()
    app.switch_page(str(ROOT / "pages" / "draw.py")).run()
    assert app.multiselect(key="others").value == [twin.name, damaged.name]
    damaged.delete()
    app.run()
    assert app.multiselect(key="others").value == [twin.name]
    app.selectbox(key="run").select(twin.name).run()
    assert app.multiselect(key="others").value == []


UNSURE, SEVERAL, NONE = "doubt.unsure", "doubt.several", "doubt.no_digit"


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        ([(7, 0.9996, None)], "7 · Seven (99.9%)"),
        ([(7, 0.9496, UNSURE)], "Perhaps 7 · Seven: not sure (94.9%, below 95%)"),
        ([(7, 0.96, UNSURE)], "Perhaps 7 · Seven: not sure (96.0%, but unlike the digits it learned from)"),
        ([(7, 0.6, SEVERAL), (7, 0.99, SEVERAL)], words.text("en", SEVERAL)),
        ([(7, 0.3, NONE)], words.text("en", NONE)),
        ([(7, 0.99, None), (7, 0.3, NONE), (1, 0.9, UNSURE)], "This does not look like a digit, says 1 of 3 models"),
        ([(7, 0.99, None), (7, 0.3, NONE), (1, 0.3, NONE)], "This does not look like a digit, say 2 of 3 models"),
        ([(7, 0.99, None)] * 2, "Both models say 7 · Seven"),
        ([(9, 0.99, None)] * 3, "All 3 models say 9 · Nine"),
        ([(9, 0.99, None)] * 2 + [(9, 0.81, UNSURE)], "All 3 models say 9 · Nine; one is not sure (81.0%, below 95%)"),
        ([(9, 0.99, None)] + [(9, 0.81, UNSURE)] * 2, "All 3 models say 9 · Nine; 2 are not sure (below 95%)"),
        ([(9, 0.5, UNSURE)] * 2, "Both models say 9 · Nine; none is sure (below 95%)"),
        ([(7, 0.99, None), (1, 0.99, None), (7, 0.99, None)], "2 of 3 models say 7 · Seven"),
        ([(7, 0.99, None), (1, 0.99, None)], "The models disagree: 7 · Seven (1), 1 · One (1)"),
        (
            [(7, 0.99, None), (1, 0.96, UNSURE), (1, 0.5, UNSURE), (7, 0.99, None), (2, 0.99, None)],
            "The models disagree: 7 · Seven (2), 1 · One (2), 2 · Two (1); "
            "2 are not sure (below 95%, or unlike the digits they learned from)",
        ),
    ],
)
def test_the_sentence_counts_every_vote_and_says_why_somebody_is_unsure(trained, votes, said):
    model, image = open_model(trained), np.zeros((1, 28, 28), np.uint8)
    answers = [
        Answer(model, image, np.where(np.arange(10) == k, share, (1 - share) / 9).astype(np.float32), doubt)
        for k, share, doubt in votes
    ]
    assert agreement(answers, "en") == said


def test_a_probability_is_rounded_down_so_that_it_is_never_certain_and_never_on_the_wrong_side_of_a_bound():
    shares = (1.0, 0.99996, float(np.float32(0.95)), 0.9499, 0.29, 0.0)
    assert [certainty(share, 0, "en") for share in shares] == ["99%", "99%", "95%", "94%", "29%", "0%"]
    assert certainty(0.99996, 1, "pt_BR") == "99,9%"


@pytest.mark.parametrize("language", LANGUAGES)
def test_two_digits_side_by_side_are_not_taken_for_one(frame, trained, language):
    app = frame("draw", language, run=trained.name)
    sheet = np.zeros((112, 112), np.uint8)
    sheet[20:92, 20:26] = sheet[20:92, 80:86] = 255
    message = {"seq": 1, "side": 112, "pixels": base64.b64encode(sheet.tobytes()).decode(), "strokes": "[]"}
    app.session_state["pad"] = {"drawing": message}
    app.run()
    assert sentence(app) == words.text(language, "doubt.several")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_test_image_is_chosen_by_its_number_or_by_chance(frame, trained, language):
    app = frame("draw", language, run=trained.name)
    mode = next(one for one in app.get("button_group") if one.key == "mode")
    mode.set_value("image").run()
    test = dataset("mnist-5k").load().test
    for index in (0, 999):
        app.text_input(key="image.written").set_value(str(index)).run()
        assert not app.exception
        label = int(test.labels[index])
        said = words.text(language, "draw.class", digit=label, label=trained.class_names(language)[label])
        assert words.text(language, "draw.true", said=said) in captions(app)
        assert said.partition(" ")[0] in sentence(app) or told(app)["message"]["rows"][0]["best"] != label
    seen = set()
    for _ in range(4):
        next(button for button in app.button if button.label == words.text(language, "draw.random")).click().run()
        seen.add(app.session_state["image"])
    assert len(seen) > 1


def test_a_run_that_is_not_done_can_be_drawn_for_and_says_so(frame):
    run = store.create(checked({"architecture": "mlp", "epochs": 3, "batch_size": 128}))
    seen = []
    work(
        str(run.folder), leaving=lambda: len(seen) > 0, tell=lambda event: event.event == "epoch" and seen.append(event)
    )
    assert run.status() == "interrupted"
    app = frame("draw", run=run.name)
    assert told(app)["models"][0].endswith(f"{run.name[-4:]} · epoch 1, not finished")
    assert work(str(run.folder)) == "done"
    app.run()
    assert told(app)["models"][0].endswith(run.name[-4:]), "the newest weights are asked, and the run is done"


def test_a_model_of_other_data_is_not_offered_for_a_drawing(frame, trained, tmp_path):
    images, labels = np.zeros((40, 28, 28), np.uint8), np.arange(40) % 2
    (tmp_path / "data").mkdir()
    arrays = {
        f"{part}_{what}": v for part in ("train", "val", "test") for what, v in (("images", images), ("labels", labels))
    }
    np.savez(tmp_path / "data" / "mine.npz", **arrays)
    other = store.create(checked({"data": "mine", "architecture": "mlp", "epochs": 1}))
    assert work(str(other.folder)) == "done"
    app = frame("draw", run=other.name)
    assert [option.endswith(trained.name[-4:]) for option in app.selectbox(key="run").options] == [True]
    assert "not trained on handwritten digits" in app.warning[0].value
    assert app.selectbox(key="run").value is None
    assert not app.multiselect(key="others").value
    links = [link.proto.label for link in frame("train", run=other.name).get("page_link")]
    assert not any("Draw for this model" in label for label in links)


def run_of_ones_own_digits(folder: Path, *, light: bool) -> Run:
    """A run on some of the digits that come with the app as a set of one's own, on a light ground or a dark one."""
    folder.mkdir()
    splits = dataset("mnist-5k").load()
    arrays = {f"{part}_images": getattr(splits, part).images[::10, 0] for part in ("train", "test")}
    arrays = {name: 255 - images if light else images for name, images in arrays.items()}
    arrays |= {f"{part}_labels": getattr(splits, part).labels[::10] for part in ("train", "test")}
    classes = np.array([str(k) for k in range(10)])
    np.savez(folder / "ours.npz", digits=np.array(True), class_names=classes, **arrays)
    run = store.create(checked({"data": "ours", "architecture": "mlp", "epochs": 1}))
    assert work(str(run.folder)) == "done"
    return run


def test_a_model_of_ones_own_digits_is_drawn_for_also_when_its_data_are_gone(frame, trained, tmp_path):
    run = run_of_ones_own_digits(tmp_path / "data", light=False)
    (tmp_path / "data" / "ours.npz").unlink()
    app = drawn(frame("draw", run=run.name))
    assert not app.warning
    assert told(app)["models"][0].endswith(run.name[-4:])
    assert open_model(run).digits


@pytest.mark.parametrize("language", LANGUAGES)
def test_for_a_model_of_dark_digits_on_a_light_ground_a_drawing_is_turned_which_is_said_and_can_be_left_out(
    frame, trained, tmp_path, language
):
    run = run_of_ones_own_digits(tmp_path / "data", light=True)
    model = open_model(run)
    app = drawn(frame("draw", language, run=run.name))
    assert app.checkbox(key="step.polarity").label == words.text(language, "step.polarity.name")
    steps = [words.text(language, f"step.{name}.on") for name in STEPS]
    for without, state in (((), "on"), ((POLARITY,), "off")):
        app.checkbox(key="step.polarity").set_value(not without).run()
        assert not app.exception
        assert captions(app) == [*steps, words.text(language, f"step.polarity.{state}")]
        *_, centred, last = shown_pictures(app)
        assert np.array_equal(last, centred if without else 255 - centred)
        answer = model.answer(prepare(one_on_the_sheet(), without=without))
        assert answer
        assert np.array_equal(answer.image[0], last), "what is shown is what the model sees"
        (row,) = told(app)["message"]["rows"]
        np.testing.assert_allclose(row["shares"], answer.values, atol=1e-4)
        assert ("without=polarity" in component(app, "bancada.pad")["live"]) == bool(without)
    app.selectbox(key="run").select(trained.name).run()
    assert captions(app) == steps, "its ground is dark already"
    app.multiselect(key="others").set_value([run.name]).run()
    assert captions(app) == [*steps, words.text(language, "step.polarity.off")], (
        "one of several is enough; as it was left"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_drawing_is_kept_by_one_tap_only_once_and_can_be_taken_back(frame, trained, language):
    app = drawn(frame("draw", language, run=trained.name))
    app.text_input(key="nickname").set_value("Ana").run()
    app.button(key="keep-4").click().run()
    (kept,) = collection.kept()
    assert (kept.label, kept.nickname) == (4, "Ana")
    assert kept.pixels[20:92, 52:60].all()
    assert sentence(app) == words.text(language, "draw.empty"), "the sheet is to be cleared"
    assert app.button(key="keep-4").disabled
    drawn(app)  # the browser has not cleared it yet
    assert app.button(key="keep-4").disabled
    drawn(app, sequence=2)
    app.button(key="keep-1").click().run()
    assert [one.label for one in collection.kept()] == [4, 1]
    app.button(key="take-back").click().run()
    assert [one.label for one in collection.kept()] == [4]
    assert not app.exception


def test_a_drawing_that_cannot_be_kept_stays_on_the_sheet_and_a_sentence_says_why(frame, trained):
    app = drawn(frame("draw", run=trained.name))
    (trained.folder.parent / collection.FOLDER).write_text("in the way")
    app.button(key="keep-1").click().run()
    assert "Nothing can be written" in app.error[0].value
    assert not app.button(key="keep-1").disabled


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_round_asks_for_ten_digits_and_ends_with_a_score_for_each_model(frame, trained, twin, language):
    app = frame("train", language, run=trained.name)
    app.session_state["others"] = [twin.name]
    app.switch_page(str(ROOT / "pages" / "draw.py")).run()
    drawn(app, sequence=1)
    app.button(key="round-start").click().run()
    asked = []
    for place in range(1, 11):
        assert app.button(key="keep-next").disabled, "what was drawn before is nobody's answer"
        assert sentence(app) == app.subheader[0].value, "where a phone shows it"
        drawn(app, sequence=place + 1)
        said = app.subheader[0].value
        assert app.button(key="keep-next").label == words.text(language, "keep.next", digit=said.split()[1])
        asked += [k for k in range(10) if said == words.text(language, "keep.asked", digit=k, place=place, count=10)]
        app.button(key="keep-next").click().run()
    assert sorted(asked) == list(range(10))
    kept = collection.kept()
    assert sorted(one.label for one in kept) == sorted(asked)
    score = app.table[0].value
    # Each drawing is the same, so whatever the model takes it for, it is right once.
    said = words.text(language, "keep.of", right=1, n=10)
    assert [cell.replace("\N{NO-BREAK SPACE}", " ") for cell in score.iloc[:, 1]] == [said] * 2
    app.button(key="round-done").click().run()
    assert sentence(app) == words.text(language, "draw.empty")
    assert not app.exception


def uploaded(app: AppTest, pixels: np.ndarray) -> AppTest:
    """The page after a picture of these grey levels was chosen as a file."""
    app.session_state["mode"] = "file"
    app.run()
    picture = io.BytesIO()
    Image.fromarray(pixels).save(picture, "PNG")
    app.file_uploader(key="file").upload("picture.png", picture.getvalue(), "image/png").run()
    assert not app.exception
    return app


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_picture_file_stands_beside_its_answer(frame, trained, language):
    app = uploaded(frame("draw", language, run=trained.name), 255 - one_on_the_sheet())
    assert "1 · " in sentence(app)
    assert [one.captions for one in app.image] == [[words.text(language, "draw.photograph")]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_nothing_was_found_on_a_picture_the_page_says_what_to_do_and_shows_the_steps(frame, trained, language):
    paper = np.random.default_rng(0).normal(200, 3, (400, 300)).astype(np.uint8)
    app = uploaded(frame("draw", language, run=trained.name), paper)
    assert sentence(app) == words.text(language, "draw.no_ink")
    assert [words.text(language, f"step.{name}.on") for name in PAPER_STEPS] == captions(app)[: len(PAPER_STEPS)]


@pytest.mark.parametrize(("size", "shown"), [((28, 28), (196, 196)), ((10, 60), (30, 180)), ((490, 400), (196, 160))])
def test_a_picture_file_is_shown_in_whole_pixels_or_smaller(size, shown):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 4)).astype(np.uint8)
    image = np.asarray(in_sight(pixels))
    assert image.shape[:2] == shown
    if times := shown[0] // size[0]:
        assert np.array_equal(image, pixels.repeat(times, axis=0).repeat(times, axis=1))
