"""Drawings that were labelled and kept: found again as they were, by everybody, whatever lies beside them."""

import base64
import io
import os
import struct
import subprocess
import sys
import zlib
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from core import store
from core.datasets import dataset
from core.datasets.npz import read_npz
from core.drawing import SHEET, collection
from core.drawing.prepare import prepare
from core.models.model import answers_to, can_be_drawn_for, open_model
from core.refusal import Refusal
from tests.browser import ROOT
from ui.draw.pad import drawing_of

STARTER = next(run for run in reversed(store.runs(ROOT / "models_store")) if can_be_drawn_for(run))


def sheet(*points: tuple[int, int]) -> np.ndarray:
    image = Image.new("L", (SHEET, SHEET))
    ImageDraw.Draw(image).line(points, fill=255, width=9, joint="curve")
    return np.asarray(image)


ONE = sheet((56, 20), (56, 90))
SEVEN = sheet((34, 28), (78, 28), (50, 90))


def folder_of(home: Path) -> Path:
    return home / collection.FOLDER


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_the_pad_sends_what_can_be_kept(home):
    pixels = base64.b64encode(SEVEN.tobytes()).decode()
    drawing = drawing_of({"seq": 1, "side": SHEET, "pixels": pixels, "strokes": "[]"})
    assert drawing
    collection.keep(drawing.pixels, 7)
    (found,) = collection.kept()
    assert found.pixels.shape == (SHEET, SHEET)
    np.testing.assert_array_equal(found.pixels, SEVEN)


@given(ink=st.binary(min_size=200, max_size=200), label=st.integers(0, 9), nickname=st.text(max_size=60))
def test_a_drawing_is_found_again_as_it_was(tmp_path_factory, ink, label, nickname):
    place = tmp_path_factory.mktemp("store")
    pixels = SEVEN.copy()
    pixels[50:52, :100] = np.frombuffer(ink, np.uint8).reshape(2, 100)
    before = datetime.now()
    name = collection.keep(pixels, label, nickname, place)
    (found,) = collection.kept(place)
    assert before <= found.time <= datetime.now()
    assert (found.name, found.label, found.nickname) == (name, label, collection.printable(nickname))
    np.testing.assert_array_equal(found.pixels, pixels)
    assert not found.pixels.flags.writeable


@given(st.text(max_size=100))
def test_a_nickname_is_one_short_line_of_what_can_be_seen(nickname):
    shown = collection.printable(nickname)
    assert shown.isprintable()
    assert len(shown) <= collection.LONGEST_NICKNAME
    assert shown == shown.strip()
    assert collection.printable(shown) == shown


def test_a_nickname_keeps_its_words_and_accents():
    assert collection.printable("  João\tda\nSilva\x00\u202e ") == "João da Silva"


def test_nothing_is_kept_of_an_empty_sheet(home):
    with pytest.raises(Refusal, match="drawing_empty"):
        collection.keep(np.zeros_like(ONE), 1)
    assert collection.kept() == []


def test_no_more_are_kept_than_fit(home, monkeypatch):
    monkeypatch.setattr(collection, "MOST", 2)
    collection.keep(ONE, 1)
    collection.keep(ONE, 1)
    with pytest.raises(Refusal, match="drawings_full"):
        collection.keep(ONE, 1)
    collection.delete([collection.kept()[0].name])
    collection.keep(SEVEN, 7)
    assert sorted(one.label for one in collection.kept()) == [1, 7]


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path):
    (tmp_path / "store").write_text("a file")
    with pytest.raises(Refusal, match="store_write"):
        collection.keep(ONE, 1, store=tmp_path / "store")


def test_the_drawings_are_no_run(home):
    collection.keep(ONE, 1)
    assert store.runs() == []
    with pytest.raises(Refusal):
        store.find(collection.FOLDER)


KEEP = """
import sys
import numpy as np
from core.drawing import SHEET, collection
ink = np.zeros((112, 112), np.uint8)
ink[20:90, 50:60] = 255
for _ in range(40):
    collection.keep(ink, 1, sys.argv[1])
"""


def test_several_processes_keep_at_once_and_nothing_is_lost(home):
    people = ["Ana", "Rui", "Zé"]
    started = [subprocess.Popen([sys.executable, "-c", KEEP, name], cwd=ROOT) for name in people]
    while any(process.poll() is None for process in started):
        collection.kept()  # what is half written now must be found later
    assert [process.returncode for process in started] == [0, 0, 0]
    found = collection.kept()
    assert [sum(one.nickname == name for one in found) for name in people] == [40, 40, 40]
    assert len(list(folder_of(home).iterdir())) == 120, "something was left behind"


# --- what lies beside them --------------------------------------------------------------------------------------------


def png(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


DAMAGED = {
    "a bomb": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)),
    "nothing": b"",
    "no picture": b"\x89PNG nothing",
    "cut short": png(Image.fromarray(SEVEN))[:-60],
    "too small": png(Image.fromarray(SEVEN[:50])),
    "too large": png(Image.new("L", (5000, 5000), 255)),
    "in colour": png(Image.fromarray(SEVEN).convert("RGB")),
    "a photo": png(Image.fromarray(SEVEN), "JPEG"),
    "without ink": png(Image.new("L", (112, 112))),
    "too heavy": png(Image.fromarray(SEVEN)) + bytes(collection.MOST_BYTES),
    "with packed texts": png(Image.fromarray(SEVEN)).replace(
        chunk(b"IEND", b""), 4 * chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**19))) + chunk(b"IEND", b"")
    ),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_is_passed_over_and_the_others_are_found(home, content):
    good = collection.keep(SEVEN, 7)
    (folder_of(home) / "20261122-101010-000000-3-0123abcd.png").write_bytes(content)
    assert [one.name for one in collection.kept()] == [good]


def test_what_has_another_name_or_points_elsewhere_is_no_drawing(home, tmp_path):
    good = collection.keep(SEVEN, 7)
    content = (folder_of(home) / good).read_bytes()
    (tmp_path / "outside.png").write_bytes(content)
    (folder_of(home) / "20261122-101010-000000-3-0123abcd.png").symlink_to(tmp_path / "outside.png")
    (folder_of(home) / "20261122-101011-000000-3-0123abcd.png").mkdir()
    (folder_of(home) / "20269922-101010-000000-3-0123abcd.png").write_bytes(content)  # no such month
    (folder_of(home) / "20261122-101010-000000-x-0123abcd.png").write_bytes(content)
    (folder_of(home) / f".{good}.0123.part").write_bytes(content)
    assert [one.name for one in collection.kept()] == [good]


def test_a_name_that_leads_elsewhere_deletes_nothing(home, tmp_path):
    run = home / "20261122-1010-mnist"
    run.mkdir(parents=True)
    (run / "spec.json").write_text("{}")
    name = collection.keep(ONE, 1)
    (home / name).write_bytes(b"outside the folder")
    collection.delete([f"../{run.name}/spec.json", f"../{name}", str(run / "spec.json"), "", ".", f"{name}\n", "*"])
    assert (run / "spec.json").exists()
    assert (home / name).exists()
    assert [one.name for one in collection.kept()] == [name]
    collection.delete([name, name])
    assert collection.kept() == []


# --- what is made of them ---------------------------------------------------------------------------------------------


def test_a_model_answers_the_drawings_as_it_does_on_the_page(home):
    for pixels, label in ((SEVEN, 7), (ONE, 1), (ONE, 4)):
        collection.keep(pixels, label)
    model, found = open_model(STARTER), collection.kept()
    answers = answers_to(model, found)
    assert answers.labels.tolist() == [one.label for one in found]
    for one, values in zip(found, answers.probabilities, strict=True):
        image = model.image(one.pixels)
        assert image is not None
        np.testing.assert_allclose(values, model.probabilities(image[None])[0], atol=1e-6)
    assert answers.is_right.tolist() == [one.label != 4 for one in found]
    unlike = answers_to(model, found, without=["crop", "centre"])
    assert not np.allclose(unlike.probabilities, answers.probabilities)


def test_what_is_exported_is_a_data_set_in_which_nobody_is_in_two_splits(home, tmp_path, monkeypatch):
    for place in range(22):
        collection.keep(
            ONE if place % 2 else SEVEN, 1 if place % 2 else 7, ["Ana", "Rui", "Zé", "Bia", "Lia", ""][place % 6]
        )
    found = collection.kept()
    path = tmp_path / "data" / "ours.npz"
    path.parent.mkdir()
    path.write_bytes(collection.export(found))
    monkeypatch.setenv("BANCADA_DATA", str(path.parent))
    data = dataset("ours")
    assert (data.state(), data.shape, data.class_names["en"]) == (("ready", None), (1, 28, 28), tuple("0123456789"))
    assert len(data.load().train.labels) + len(read_npz(path).test.labels) == 22

    with np.load(path, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["drawings"], [one.pixels for one in found])
        np.testing.assert_array_equal(arrays["labels"], [one.label for one in found])
        np.testing.assert_array_equal(arrays["times"], np.array([one.time for one in found], "datetime64[s]"))
        writers, test = arrays["writers"], arrays["writers"] % collection.TEST_SHARE == 0
        named = {(one.nickname, writer) for one, writer in zip(found, writers.tolist(), strict=True) if one.nickname}
        assert len(named) == 5, "a number is a person's own"
        assert len(set(writers.tolist())) == 5 + sum(not one.nickname for one in found)
        prepared = np.array([prepare(one.pixels).image for one in found])
        np.testing.assert_array_equal(arrays["test_images"], prepared[test])
        np.testing.assert_array_equal(arrays["train_images"], prepared[~test])
        np.testing.assert_array_equal(arrays["train_labels"], arrays["labels"][~test])
        assert [name for name in arrays.files if arrays[name].dtype.kind == "U"] == ["class_names"], "no nickname"


KILLED = """
import os, sys
from pathlib import Path
import numpy as np
from core.drawing import SHEET, collection
pixels = np.zeros((SHEET, SHEET), np.uint8)
pixels[20:90, 50:60] = 255
for k in range(1, 40):
    folder = Path(sys.argv[1]) / str(k)
    name = collection.keep(pixels, 7, "Ana", folder)
    child = os.fork()
    if not child:
        left = k
        def count(event, arguments):
            global left
            left -= event in ("open", "os.rename", "os.remove")
            if left == 0:
                os._exit(9)  # before the call
        sys.addaudithook(count)
        collection.rename(name, "Bea", folder)
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(ended, *(one.nickname for one in collection.kept(folder)))
    if not ended:
        break
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_whoever_is_killed_while_a_name_is_changed_leaves_one_drawing(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")[:-1]
    assert len(said) > 3
    assert set(said[:-1]) <= {"9 Ana", "9 Bea"}
    assert said[-1] == "0 Bea"


def test_a_drawing_that_was_deleted_is_gone_also_for_whoever_has_read_it(home):
    name = collection.keep(SEVEN, 7, "Ana")
    collection.find(name)
    collection.delete([name])
    for forget in (collection.find, lambda one: collection.rename(one, "Bea")):
        with pytest.raises(Refusal, match="drawing_gone"):
            forget(name)
    assert collection.kept() == []
