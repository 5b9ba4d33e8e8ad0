"""A stored model answers as it did when it was tested, and sees a picture as it saw the images that it learned from."""

import json
import shutil
import time
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.datasets import dataset
from core.drawing.picture import fit_picture, open_picture
from core.drawing.prepare import prepare
from core.drawing.strokes import inked
from core.events import Report
from core.images.splits import choose
from core.measures.answers import confusion_matrix, stored_answers
from core.models.doubt import FAMILIAR, SURE, SURE_KNOWING_NONE, doubt, lead
from core.models.model import POLARITY, can_be_drawn_for, open_model, reads_digits
from core.refusal import Refusal
from core.spec import checked
from core.store import Run, create
from core.work import work

CONV_NET = "conv(8, 3, activation=relu), max_pool(2), batch_norm, flatten, dropout(0.5), dense(classes)"


def new(**fields):
    values = {"data": "tiny", "split": "official", "layers": CONV_NET, "batch_size": 16, "epochs": 2}
    return create(checked(values | fields))


def done(**fields):
    run = new(**fields)
    assert work(str(run.folder)) == "done"
    return run


def left_after(events, **fields):
    """A run whose worker left after so many events."""
    run, told = new(**fields), []
    work(str(run.folder), leaving=lambda: len(told) >= events, tell=told.append)
    return run


def drawing():
    """A pen's stroke, black on transparent, as a canvas gives it: uint8 (H, W, 4)."""
    rgba = np.zeros((120, 160, 4), dtype=np.uint8)
    rgba[20:100, 75:90, 3] = 255
    return rgba


def test_a_model_opened_again_gives_the_very_probabilities_that_the_report_stored(home):
    run = done()
    report = run.report()
    assert report
    stored = run.load(report.predictions, report.predictions_sha256)[0]["probabilities"].numpy()
    images = choose(run.spec, dataset("tiny").load()).test.images
    one, two = open_model(run), open_model(Run(run.folder))
    assert one.done
    assert one.epoch == report.best_epoch
    assert np.array_equal(one.probabilities(images), stored)
    assert np.allclose(stored.sum(axis=1), 1)
    hundred = np.random.default_rng(0).integers(0, 256, (100, 1, 28, 28), dtype=np.uint8)
    assert np.array_equal(one.probabilities(hundred), two.probabilities(hundred))
    single = np.concatenate([one.probabilities(image[None]) for image in hundred])
    assert np.allclose(single, one.probabilities(hundred), atol=1e-6)
    assert (one.shape, one.class_names) == ((1, 28, 28), {"en": ("0", "1", "2", "3"), "pt_BR": ("0", "1", "2", "3")})


def test_the_model_of_a_done_run_is_its_best_epochs(home):
    run = done(best_by="val_loss", optimizer="adamw", learning_rate=0.05, weight_decay=5, epochs=6)
    report = run.report()
    assert report
    assert report.best_epoch < 6, "a run on which this test says something"
    images = choose(run.spec, dataset("tiny").load()).test
    values = open_model(run).probabilities(images.images)
    matrix = confusion_matrix(images.labels, values.argmax(axis=1), 4)
    assert matrix.tolist() == [list(row) for row in report.confusion_matrix]
    true = values[np.arange(len(values)), images.labels]
    assert -np.log(true).mean() == pytest.approx(report.loss, rel=1e-5)


def test_a_run_that_is_not_done_answers_with_its_newest_weights_and_says_so(home):
    run = left_after(9, epochs=50)
    assert run.status() == "interrupted"
    model = open_model(run)
    newest = run.checkpoints()[-1]
    assert (model.done, model.epoch) == (False, newest.epoch)
    weights = run.load(newest.checkpoint, newest.sha256)[0]
    opened = model.module.state_dict()
    assert all(torch.equal(opened[name], weights[f"model.{name}"]) for name in opened)
    assert model.probabilities(np.zeros((2, 1, 28, 28), dtype=np.uint8)).shape == (2, 4)


def test_a_run_without_weights_has_no_model_yet(home):
    run = new()
    with pytest.raises(Refusal) as refused:
        open_model(run)
    assert (refused.value.key, refused.value.slots) == ("error.no_model_yet", {"run": run.name, "next": "queued"})


def test_a_run_whose_log_begins_in_a_way_that_cannot_be_read_is_not_told_to_wait(home):
    run = done(epochs=1)
    log = run.folder / "events.jsonl"
    log.write_text(log.read_text().replace('"parameters":', '"weights":'))
    assert run.facts()["status"] == "damaged"
    for ask in (open_model, lambda run: run.class_names("en")):
        with pytest.raises(Refusal, match="run_unreadable"):
            ask(run)


@pytest.mark.parametrize("layers", ["flatten, dense(5), dense(classes)", "flatten, dense(classes)"])
def test_weights_of_another_network_are_a_damaged_run(home, layers):
    run, other = done(), done(layers=layers)
    report = run.report()
    assert report
    shutil.copy(other.folder / report.model, run.folder / report.model)
    events = run.events()
    other_report = other.report()
    assert other_report
    swapped = [
        event.model_copy(update={"model_sha256": other_report.model_sha256}) if isinstance(event, Report) else event
        for event in events
    ]
    (run.folder / "events.jsonl").write_text("".join(event.model_dump_json() + "\n" for event in swapped))
    with pytest.raises(Refusal) as refused:
        open_model(run)
    assert (refused.value.key, refused.value.slots) == ("error.run_damaged", {"run": run.name, "file": report.model})


@pytest.mark.parametrize("change", [lambda one: one * float("nan"), lambda one: one.double()], ids=["nan", "double"])
def test_weights_that_no_training_stores_are_a_damaged_run(home, change):
    run = done(epochs=1)
    report = run.report()
    assert report
    weights, numbers = run.load(report.model, report.model_sha256)
    sha256 = run.save(report.model, {name: change(one) for name, one in weights.items()}, numbers)
    run.append(report.model_copy(update={"model_sha256": sha256}))
    with pytest.raises(Refusal, match=r"error\.run_damaged"):
        open_model(run)


def test_a_changed_bit_of_the_weights_is_a_damaged_run(home):
    run = done(epochs=1)
    path = run.folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    with pytest.raises(Refusal, match=r"error\.run_damaged"):
        open_model(run)


def test_the_model_of_an_unfinished_run_is_the_newest_one_whose_checkpoint_is_whole(home):
    run = left_after(14, epochs=50)
    before, newest = run.checkpoints()[-2:]
    assert open_model(run).epoch == newest.epoch
    (run.folder / newest.checkpoint).write_bytes(b"damaged")
    assert open_model(run).epoch == before.epoch < newest.epoch
    for path in run.folder.glob("checkpoint-*"):
        path.unlink()
    with pytest.raises(Refusal, match=r"error\.run_damaged"):
        open_model(run)


def test_a_spec_of_other_layers_than_the_weights_is_a_damaged_run(home):
    run = left_after(9, epochs=50)
    stored = json.loads((run.folder / "spec.json").read_text())
    stored["spec"]["layers"][0]["filters"] = 9
    (run.folder / "spec.json").write_text(json.dumps(stored))
    with pytest.raises(Refusal) as refused:
        open_model(Run(run.folder))
    assert refused.value.slots["file"] == run.checkpoints()[-1].checkpoint


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [None, 20])
def test_a_model_of_digits_sees_a_drawing_as_mnists_authors_would_have_made_it(home, side):
    run = done(data="mnist-5k", split="stratified", image_size=side, layers="flatten, dense(classes)", epochs=1)
    assert reads_digits(run)
    model = open_model(run)
    seen = model.image(drawing())
    assert seen is not None
    assert (seen.shape, seen.dtype) == ((1, side or 28, side or 28), np.uint8)
    if side is None:
        wanted = prepare(drawing()).image
        assert wanted is not None
        assert np.array_equal(seen[0], wanted)
    one = model.class_names["en"].index("One")
    assert model.probabilities(seen[None]).shape == (1, 10)
    assert model.probabilities(seen[None])[0, one] > 0.3
    assert model.image(np.zeros((120, 160, 4), dtype=np.uint8)) is None


def test_a_model_of_other_images_sees_the_middle_of_a_picture_in_its_colours(home, tiny_data, tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    parts = ("train", "val", "test")
    images: Any = {f"{part}_images": random.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8) for part in parts}
    labels: Any = {f"{part}_labels": (np.arange(12) % 3).astype(np.uint8) for part in parts}
    (tmp_path / "own").mkdir()
    np.savez(tmp_path / "own" / "fruit.npz", **images, **labels)
    monkeypatch.setenv("BANCADA_DATA", str(tmp_path / "own"))
    run = done(data="fruit", layers="flatten, dense(classes)", epochs=1)
    assert not reads_digits(run)
    model = open_model(run)
    Image.fromarray(random.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(tmp_path / "photo.png")
    picture = open_picture(tmp_path / "photo.png")
    seen = model.image(picture)
    assert seen is not None
    assert np.array_equal(seen, fit_picture(picture, (3, 16, 16)))
    assert model.probabilities(seen[None]).shape == (1, 3)


@pytest.mark.parametrize("is_light", [False, True])
def test_a_picture_is_turned_to_the_ground_of_the_training_images(home, tmp_path, monkeypatch, is_light):
    random, own = np.random.default_rng(0), tmp_path / "own"
    own.mkdir()
    images = random.integers(60, 256, (100, 28, 28), dtype=np.uint8)
    images[:, [0, -1]] = images[:, :, [0, -1]] = 0  # the ground
    part: Any = 255 - images if is_light else images
    arrays: Any = {f"{name}_images": part for name in ("train", "val", "test")}
    arrays |= {f"{name}_labels": (np.arange(100) % 10).astype(np.uint8) for name in ("train", "val", "test")}
    for name in ("digits", "signs"):
        np.savez(own / f"{name}.npz", **arrays, digits=np.array(name == "digits"))
    monkeypatch.setenv("BANCADA_DATA", str(own))
    digits, signs = (
        open_model(done(data=name, layers="flatten, dense(classes)", epochs=1)) for name in ("digits", "signs")
    )
    drawn, as_drawn = prepare(drawing()), prepare(drawing(), without=[POLARITY])
    assert drawn.image is not None
    seen, unturned = digits.seen(drawn), digits.seen(as_drawn)
    assert seen is not None
    assert unturned is not None
    assert np.array_equal(seen[0], 255 - drawn.image if is_light else drawn.image)
    assert np.array_equal(unturned[0], drawn.image)
    alike, other = part[:1], 255 - part[:1]

    def opaque(grey: np.ndarray) -> np.ndarray:
        return np.concatenate([grey, grey, grey, np.full_like(grey, 255)]).transpose(1, 2, 0)

    for rgba, without, wanted in ((alike, (), alike), (other, (), alike), (other, [POLARITY], other)):
        assert (image := signs.image(opaque(rgba), without=without)) is not None
        assert np.array_equal(image, wanted)
    assert [signs.polarity(one) for one in (alike, other, np.full_like(alike, 128))] == ["", "turned", "unclear"]


def test_whether_a_run_can_be_drawn_for_is_known_without_opening_its_model(home):
    digits, others = new(data="mnist-5k", split="stratified", layers="flatten, dense(classes)", epochs=1), new()
    assert (reads_digits(digits), reads_digits(others), reads_digits(new(data="gone"))) == (True, False, False)
    assert not can_be_drawn_for(digits), "it has no weights yet"
    assert not can_be_drawn_for(done())
    work(str(digits.folder))
    assert can_be_drawn_for(digits)
    (digits.folder / "spec.json").write_text("{}")
    assert not can_be_drawn_for(Run(digits.folder))


# --- doubt ------------------------------------------------------------------------------------------------------------

CERTAIN = np.eye(10, dtype=np.float32)[3]


def line(right: float, down: float = 0.2, to: tuple[float, float] = (0.0, 0.3)) -> np.ndarray:
    return np.array([(right, down), (right + to[0], down + to[1])])


ONE_DIGIT = {
    "one": [line(0.5)],
    "seven with a bar": [line(0.3, to=(0.2, 0.0)), line(0.5, to=(-0.1, 0.4)), line(0.35, 0.4, (0.2, 0.0))],
    "four of two strokes that do not touch": [np.array([(0.3, 0.2), (0.28, 0.4), (0.44, 0.4)]), line(0.52, 0.35)],
    "five whose top stands off": [line(0.4, to=(0.0, 0.4)), line(0.56, 0.2, (0.15, 0.0))],
}


@pytest.mark.parametrize("name", ONE_DIGIT)
@pytest.mark.parametrize("pen", [3, 8])
def test_a_certain_answer_for_one_digit_counts(name, pen):
    assert doubt(prepare(inked(ONE_DIGIT[name], pen)), CERTAIN) is None


def test_what_is_drawn_but_fits_no_digit_well_is_not_answered():
    stroke, torn = prepare(inked(ONE_DIGIT["one"])), np.full(10, 0.1, dtype=np.float32)
    assert doubt(stroke, torn) == "doubt.unsure"
    torn[4] = SURE
    assert doubt(stroke, torn) is None


def test_an_answer_that_leads_the_other_classes_by_less_than_vals_do_is_not_given(home):
    stroke, sure = prepare(inked(ONE_DIGIT["one"])), np.full(10, 0.02 / 9, dtype=np.float32)
    sure[4] = 0.98
    (leads,) = lead(sure[None])
    assert leads == pytest.approx(np.log(0.98 / (0.02 / 9)))
    assert doubt(stroke, sure, leads - 0.01) is None
    assert doubt(stroke, sure, leads + 0.01) == "doubt.unsure"
    assert np.isfinite(lead(CERTAIN[None])).all()

    run = done()
    val = stored_answers(run, "val")
    assert val
    leading = lead(val.probabilities) >= open_model(run).least_lead
    assert leading.mean() == pytest.approx(FAMILIAR, abs=1 / len(val.labels))
    assert open_model(left_after(9, epochs=50)).least_lead == 0


def test_a_model_that_knows_what_is_no_digit_says_so_where_no_digit_leads_and_is_unsure_where_two_are_probable():
    stroke = prepare(inked(ONE_DIGIT["one"]))
    flat, torn = np.full(10, 0.1, dtype=np.float32), np.full(10, 1e-6, dtype=np.float32)
    torn[[4, 9]] = 0.5
    assert lead(torn[None])[0] > 9
    for values, knows, said in [(flat, True, "no_digit"), (flat, False, "unsure"), (torn, True, "unsure")]:
        assert doubt(stroke, values, 5.0, knows_none=knows) == f"doubt.{said}"
    between = np.where(np.arange(10) == 4, (SURE_KNOWING_NONE + SURE) / 2, 1e-6).astype(np.float32)
    assert doubt(stroke, between, 5.0, knows_none=True) is None
    assert doubt(stroke, between, 5.0) == "doubt.unsure"


@pytest.mark.parametrize("ground", [0, 255])
def test_an_empty_sheet_is_not_answered(ground):
    sheet = np.full((336, 336, 4), ground, dtype=np.uint8)
    assert doubt(prepare(sheet), CERTAIN) == doubt(prepare(np.zeros((112, 112), np.uint8)), CERTAIN) == "doubt.empty"


@pytest.mark.parametrize("side", [60, 112, 500])
@pytest.mark.parametrize(("apart", "other"), [(0.2, 0.3), (0.5, 0.3), (0.3, 0.16)])
def test_two_digits_beside_each_other_are_not_answered(side, apart, other):
    pen = max(1, side // 20)
    sheet = inked([line(0.2), line(0.2 + apart, to=(0.0, other)), line(0.2 + apart, to=(0.1, 0.0))], pen, side)
    assert doubt(prepare(sheet), CERTAIN) == "doubt.several"
    assert doubt(prepare(sheet, without=["crop", "width", "centre"]), CERTAIN) == "doubt.several"


def test_a_picture_of_very_many_strokes_beside_each_other_is_not_answered_and_takes_no_time():
    comb = np.zeros((1024, 1024), np.uint8)
    comb[:, ::2] = 255
    drawing, seconds = prepare(comb), []
    for _ in range(3):  # the best of three: the machine may be busy
        start = time.perf_counter()
        assert doubt(drawing, CERTAIN) == "doubt.several"
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.05  # each of six models asks


def test_a_dot_and_a_dense_scribble_are_not_answered():
    dots = [inked([np.array([[0.3, 0.6]])], pen) for pen in (3, 8, 16)]
    zigzag = np.stack([0.2 + np.arange(24) % 2 * 0.5, 0.2 + np.arange(24) * 0.025], axis=1)
    for sheet in (*dots, inked([zigzag], 3)):
        assert doubt(prepare(sheet), CERTAIN) == "doubt.blot"
