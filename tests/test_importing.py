"""What people have becomes a data set: pictures in folders, tables, arrays, IDX files; what cannot is refused."""

from __future__ import annotations

import ast
import csv
import gzip
import io
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image, ImageDraw, ImageFont

from core import words
from core.__main__ import main
from core.datasets import dataset, datasets, npz, pictures
from core.datasets import entries as entry_list
from core.datasets.entries import entries
from core.datasets.importing import Importer, brought, described, free_name, good_name, importable, write
from core.datasets.sources import Wishes, look, scale
from core.refusal import Refusal
from tests.browser import CHROMIUM, ROOT, chromium, serve

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGITS = np.repeat(np.arange(10), 6)[np.random.default_rng(0).permutation(60)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("BANCADA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BANCADA_CACHE", str(tmp_path / "cache"))
    return tmp_path


def digit(k: int, side: int = 28, *, dark: bool = False) -> np.ndarray:
    """A printed digit, light on dark, uint8 (side, side)."""
    image = Image.new("L", (side, side))
    ImageDraw.Draw(image).text((side * 0.3, side * 0.1), str(k), fill=255, font=ImageFont.load_default(side * 0.7))
    return 255 - np.asarray(image) if dark else np.asarray(image).copy()


IMAGES = np.stack([digit(int(k)) for k in DIGITS])


def picture(pixels: np.ndarray, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def taken(*paths: Path, name: str = "new", **wishes):
    """The data set that an import of these paths writes, and what was said of it."""
    source = look([(path.name, path) for path in paths], lambda *_: None)
    found = described(source, Wishes(**wishes))
    write(source, Wishes(**wishes), name, lambda *_: None, [path.name for path in paths])
    one = dataset(name)
    assert one.state() == ("ready", None)
    splits = one.load()
    assert {
        part: np.bincount(split.labels, minlength=one.class_count).tolist() for part, split in splits.parts().items()
    }
    assert (one.shape, one.class_names["en"]) == (found.shape, found.names), "as it was said"
    counts = {part: np.bincount(split.labels, minlength=len(found.names)) for part, split in splits.parts().items()}
    assert {part: some.tolist() for part, some in counts.items()} == found.counts, "as it was said"
    return one, splits, found


def said(found) -> str:
    """All that is said of what was found, in English; every language has the words."""
    lines = []
    for language in words.languages():
        sides = [(what, text) for what, *both in found.rows for side in both for text in side]
        lines = [
            f"{words.text(language, f'import.row.{what}')}: {words.text(language, k, **s)}" for what, (k, s) in sides
        ]
        if language == "en":
            english = "\n".join(lines)
    return english


def refused(*paths: Path) -> str:
    with pytest.raises(Refusal) as why:
        described(look([(path.name, path) for path in paths], lambda *_: None), Wishes())
    for language in words.languages():
        sentence = words.text(language, why.value.key, **why.value.slots)
    return words.text("en", why.value.key, **why.value.slots) if sentence else ""


def all_images(splits) -> set[bytes]:
    return {image.tobytes() for split in splits.parts().values() for image in split.images}


def all_images_of(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


# ---- arrays

ARRAYS = {
    "x and y": ({"X": IMAGES, "y": DIGITS}, "kept"),
    "data and target": ({"data": IMAGES.reshape(60, -1) / 255.0, "target": DIGITS.astype(float)}, "unit"),
    "from -1 to 1": ({"x": (IMAGES / 127.5 - 1).astype("f4"), "y": DIGITS}, "both"),
    "minus a half": ({"x": IMAGES / 255 - 0.5, "y": DIGITS}, "half"),
    "12 bits": ({"images": IMAGES.astype("u2") * 16, "labels": DIGITS}, "scaled"),
    "signed bytes": ({"images": (IMAGES.astype("i2") - 128).astype("i1"), "labels": DIGITS}, "signed"),
    "grey as three channels first": ({"images": np.repeat(IMAGES[:, None], 3, 1), "labels": DIGITS}, "kept"),
    "one-hot": ({"images": IMAGES[..., None], "labels": np.eye(10)[DIGITS]}, "kept"),
    "images last": ({"X": np.moveaxis(IMAGES, 0, -1), "y": DIGITS[:, None]}, "kept"),
    "no names": ({"arr_0": IMAGES, "arr_1": DIGITS}, "kept"),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_of_any_layout_become_the_same_images(folder, kind):
    arrays, how = ARRAYS[kind]
    np.savez(folder / "own.npz", **arrays)
    one, splits, found = taken(folder / "own.npz")
    assert one.class_names["en"] == tuple("0123456789")
    assert one.counts == {"train": 50, "val": 0, "test": 10}, "one in five of each class"
    assert [becomes[0][0] for what, _, becomes in found.rows if what == "values"] == [f"import.values.{how}"]
    for split in splits.parts().values():
        for image, label in zip(split.images, split.labels, strict=True):
            assert np.abs(image[0].astype(int) - digit(label)).max() <= 1, "rounding only"
    assert "seed 0" in said(found)


def test_splits_are_kept_and_a_missing_test_split_is_drawn_from_train(folder):
    whole = {"x_train": IMAGES[:40], "y_train": DIGITS[:40]}
    np.savez(folder / "a.npz", **whole, x_test=IMAGES[40:], y_test=DIGITS[40:])
    _, splits, _ = taken(folder / "a.npz", name="kept")
    assert np.array_equal(splits.test.images[:, 0], IMAGES[40:])
    np.savez(folder / "b.npz", **whole, x_valid=IMAGES[40:], y_valid=DIGITS[40:])
    _, splits, _ = taken(folder / "b.npz", name="drawn")
    assert splits.val is not None
    assert np.array_equal(splits.val.images[:, 0], IMAGES[40:])
    assert len(splits.train.labels) + len(splits.test.labels) == 40
    again = [taken(folder / "b.npz", name=f"again-{seed}", seed=seed)[1].test.labels.tolist() for seed in (0, 1)]
    images = [dataset(name).load().test.images for name in ("drawn", "again-0", "again-1")]
    assert again[0] == splits.test.labels.tolist()
    assert np.array_equal(images[0], images[1]), "the same seed"
    assert not np.array_equal(images[1], images[2]), "another seed"


@pytest.mark.parametrize(
    ("labels", "names", "classes", "unused"),
    [
        (DIGITS * 3 + 5, None, tuple(str(3 * k + 5) for k in range(10)), ""),
        (DIGITS + 1, [f"n{k}" for k in range(10)], tuple(f"n{k}" for k in range(10)), ""),
        (DIGITS + DIGITS // 5, [f"n{k}" for k in range(11)], tuple(f"n{k}" for k in range(11) if k != 5), "n5"),
        (np.array([f"sort {k}" for k in DIGITS]), None, tuple(f"sort {k}" for k in range(10)), ""),
        (np.array([f"Dígito {k}" for k in DIGITS]), None, tuple("0123456789"), ""),
        (np.array([f"k{k + 5}" for k in DIGITS], "S"), None, tuple(f"k{k}" for k in range(5, 15)), ""),
        (np.array([WORDS[k] for k in DIGITS]), None, WORDS, ""),
    ],
)
def test_labels_with_gaps_text_and_bytes_become_classes_in_their_order(folder, labels, names, classes, unused):
    arrays = {"images": IMAGES, "labels": labels} | ({"class_names": np.array(names, "S")} if names else {})
    np.savez(folder / "own.npz", **arrays)
    one, splits, found = taken(folder / "own.npz")
    assert one.class_names["en"] == classes
    assert unused in said(found)
    for image, label in zip(splits.train.images, splits.train.labels, strict=True):
        assert np.array_equal(image[0], digit(label))


def test_names_of_classes_give_text_labels_their_order_and_are_said(folder):
    given = ["three", "one", "unused", "two"]
    np.savez(folder / "own.npz", x=IMAGES, y=np.array(["one", "two", "three"])[DIGITS % 3], class_names=given)
    _, splits, found = taken(folder / "own.npz")
    assert found.names == ("three", "one", "two")
    assert "unused" in said(found)
    for image, label in zip(splits.train.images, splits.train.labels, strict=True):
        assert any(
            np.array_equal(image[0], digit(k))
            for k in range(10)
            if ["one", "two", "three"][k % 3] == found.names[label]
        )
    np.savez(folder / "own.npz", x=IMAGES, y=DIGITS % 2 + 1, class_names=["a", "b", "c"])
    found = described(look([("own.npz", folder / "own.npz")], lambda *_: None), Wishes())
    assert "label 1 is called b" in said(found)


REFUSED_ARRAYS = {
    "no labels": ({"x_train": IMAGES}, "x_train uint8 (60, 28, 28)"),
    "no labels for train": ({"x_train": IMAGES, "x_test": IMAGES[:50], "y_test": DIGITS[:50]}, 'labels=d["y_test"]'),
    "no labels for test": (
        {"x_test": IMAGES[:50], "x_train": IMAGES, "y_train": DIGITS},
        'images=d["x_train"], labels=d["y_train"]',
    ),
    "a name in two ways": ({"x": IMAGES, "y": np.array(["dog", "Cat", "cat"])[DIGITS % 3]}, "'Cat', 'cat'"),
    "objects": ({"x": IMAGES[:2], "y": np.array([{}, 1], dtype=object)}, 'numpy.array(d["y"].tolist())'),
    "too few labels": ({"images": IMAGES, "labels": DIGITS[1:]}, 'n = min(len(d["images"]), len(d["labels"]))'),
    "two labels an image": ({"images": IMAGES, "labels": np.eye(10)[DIGITS] + 1}, 'd["labels"].argmax(axis=1)'),
    "no numbers": ({"images": np.where(IMAGES > 0, np.nan, 0), "labels": DIGITS}, 'numpy.nan_to_num(d["images"])'),
    "halves": ({"images": IMAGES, "labels": DIGITS + 0.5}, 'd["labels"].round()'),
    "volumes": ({"images": np.zeros((6, 8, 9, 8, 3)), "labels": np.arange(6)}, "(6, 8, 9, 8, 3)"),
    "names that do not fit": ({"x": IMAGES, "y": DIGITS, "class_names": np.array(["a", "b"])}, "class_names"),
    "one class": ({"x": IMAGES, "y": DIGITS * 0}, "only one class"),
    "numbers of images": ({"x": np.zeros((1200, 2, 2)), "y": np.arange(1200)}, "1,200 different labels"),
}


PARTS = {"x_train": IMAGES, "y_train": DIGITS, "x_test": IMAGES, "y_test": DIGITS}
REFUSED_ARRAYS |= {
    "test from 0 to 1": (PARTS | {"x_test": IMAGES / 255}, "with x for x_test: x = (x + 0.0) * 255"),
    "train from -1 to 1": (PARTS | {"x_train": IMAGES / 127.5 - 1}, "with x for x_train: x = (x + 1.0) * 127.5"),
    "a class from 0 to 1": ({"cats": IMAGES, "dogs": IMAGES / 255}, "with x for dogs"),
    "train from 1, test from 0": (PARTS | {"y_train": DIGITS + 1}, "y = y - 1"),
    "names of others": (PARTS | {"y_train": np.array([WORDS[k] for k in DIGITS]), "class_names": WORDS[1:]}, "fit"),
    "zeros before": (
        PARTS | {f"y_{p}": np.array([f"{k:0{n}}" for k in DIGITS]) for p, n in (("train", 2), ("test", 1))},
        "'0', '00'",
    ),
}


@pytest.mark.parametrize("kind", REFUSED_ARRAYS)
def test_an_array_that_cannot_be_taken_is_named_with_the_line_that_mends_it(folder, kind):
    arrays, words_of_it = REFUSED_ARRAYS[kind]
    np.savez(folder / "own.npz", allow_pickle=True, **arrays)
    assert words_of_it in refused(folder / "own.npz")


def test_a_name_of_a_stranger_cannot_add_to_the_line_that_mends(folder):
    array = 'y"]); import os; os.abort(); d(["'
    np.savez(folder / "own.npz", x_train=IMAGES, **{array.replace("y", "y_train"): DIGITS + 0.5})
    said = refused(folder / "own.npz")
    mending = ast.parse(said[said.index("d = dict(") :])
    assert len(mending.body) == 2
    put(folder / "own", {'x"); os.abort(); ("a.mat': b"x"})
    said = refused(folder / "own")
    assert len(ast.parse(said[said.index("d = scipy") :]).body) == 2


def test_a_mark_of_digits_is_offered_for_the_classes_0_to_9_and_turns_strokes_to_light_on_dark(folder):
    np.savez(folder / "own.npz", x=255 - IMAGES, y=DIGITS)
    one, splits, found = taken(folder / "own.npz", name="marked", digits=True)
    assert found.can_be_digits
    assert one.digits
    assert "dark on light" in said(found)
    assert all(np.array_equal(i[0], digit(k)) for i, k in zip(splits.train.images, splits.train.labels, strict=True))
    one, splits, _ = taken(folder / "own.npz", name="unmarked")
    assert not one.digits
    assert splits.train.images[0, 0, 0, 0] == 255
    np.savez(folder / "nine.npz", x=IMAGES[DIGITS < 9], y=DIGITS[DIGITS < 9])
    one, _, found = taken(folder / "nine.npz", name="nine", digits=True)
    assert not found.can_be_digits
    assert not one.digits


@pytest.mark.parametrize(
    ("low", "high", "whole", "how", "ends"),
    [
        *((0, 255, True, "kept", (0, 255)), (0, 1, True, "unit", (0, 255)), (0, 16, True, "levels", (0, 255))),
        *((0, 900, True, "scaled", (0, 224)), (-128, 127, True, "signed", (0, 255)), (0, 1, False, "unit", (0, 255))),
        *(
            (-1, 1, False, "both", (0, 255)),
            (0, 254.5, False, "rounded", (0, 254)),
            (-2, 3, False, "stretched", (0, 255)),
        ),
        (7, 7, False, "rounded", (7, 7)),
    ],
)
def test_values_of_each_range_become_0_to_255(low, high, whole, how, ends):
    found = scale(low, high, whole=whole)
    assert found.said == how
    assert found(np.array([low, high])).tolist() == list(ends)


# ---- npy and IDX files


def idx(pixels: np.ndarray) -> bytes:
    return struct.pack(f">HBB{pixels.ndim}I", 0, 8, pixels.ndim, *pixels.shape) + pixels.astype("u1").tobytes()


@pytest.mark.parametrize("packed", ["as they are", "gz", "gz, unpacked by a browser", "gz, packed twice", "zip"])
def test_idx_files_become_train_and_test(folder, packed):
    parts = {"train": slice(0, 40), "t10k": slice(40, None)}
    files = {f"{part}-images-idx3-ubyte": idx(IMAGES[some]) for part, some in parts.items()}
    files |= {f"{part}-labels-idx1-ubyte": idx(DIGITS[some]) for part, some in parts.items()}
    if packed != "as they are":
        times = {"gz, unpacked by a browser": 0, "gz, packed twice": 2}.get(packed, 1)
        for _ in range(times):
            files = {name: gzip.compress(content) for name, content in files.items()}
        files = {f"{name}.gz": content for name, content in files.items()}
    paths = [put(folder, {name: content}) / name for name, content in files.items()]  # several, as they are uploaded
    if packed == "zip":
        with zipfile.ZipFile(folder / "mnist.zip", "w") as archive:
            for name, content in files.items():
                archive.writestr(f"raw/{name}", content)
        paths = [folder / "mnist.zip"]
    _, splits, _ = taken(*paths)
    assert np.array_equal(splits.train.images[:, 0], IMAGES[:40])
    assert np.array_equal(splits.test.images[:, 0], IMAGES[40:])
    assert splits.test.labels.tolist() == DIGITS[40:].tolist()


def test_an_idx_file_that_claims_more_than_it_holds_or_comes_alone_is_refused(folder):
    files = {"train-images-idx3-ubyte": idx(IMAGES)[:-1], "train-labels-idx1-ubyte": idx(DIGITS)}
    assert "train-images-idx3-ubyte is damaged" in refused(put(folder / "short", files))
    uneven = files | {"train-images-idx3-ubyte": idx(IMAGES[1:])}
    assert "Bring the files that belong together" in refused(put(folder / "uneven", uneven))
    huge = idx(IMAGES[:1])[:4] + b"\xff" * 4 + idx(IMAGES[:1])[8:]
    assert "more than 2,048 MiB" in refused(put(folder / "huge", files | {"train-images-idx3-ubyte": huge}))
    assert "Bring both files" in refused(put(folder / "alone", {"train-images-idx3-ubyte": idx(IMAGES)}))


def test_npy_files_are_a_pair_or_one_for_each_class(folder):
    for name, array in (("pair/X", IMAGES), ("pair/y", DIGITS), ("draw/cat", IMAGES[:9]), ("draw/ant", IMAGES[9:20])):
        (folder / name).parent.mkdir(exist_ok=True)
        np.save(folder / f"{name}.npy", array.reshape(len(array), -1))
    assert len(all_images(taken(folder / "pair", name="pair")[1])) == 10
    one, splits, _ = taken(folder / "draw", name="draw")
    assert one.class_names["en"] == ("ant", "cat")
    assert sum(len(split.labels) for split in splits.parts().values()) == 20
    np.save(folder / "evil.npy", np.array([{}]), allow_pickle=True)
    assert "never loaded" in refused(folder / "evil.npy")


# ---- tables

HEADER = ["label", *(f"pixel{k}" for k in range(784))]
FIRST = [[int(k), *image.ravel().tolist()] for k, image in zip(DIGITS, IMAGES, strict=True)]
LAST = [[*row[1:], row[0]] for row in FIRST]
TABLES = {
    "Kaggle": (HEADER, FIRST, {}),
    "no header": (None, FIRST, {}),
    "label last, semicolons": (None, LAST, {"delimiter": ";"}),
    "named, last": ([*(f"f{k}" for k in range(784)), "class"], LAST, {}),
    "quoted": (HEADER, FIRST, {"quoting": csv.QUOTE_ALL}),
    "tabs": (None, FIRST, {"delimiter": "\t"}),
    "columns that pandas has counted": ([str(k) for k in range(785)], FIRST, {}),
    "empty lines before": (None, [[], [], HEADER, *FIRST], {}),
    "ends of lines of old": (HEADER, FIRST, {"lineterminator": "\r"}),
    "numbered rows": (["", *HEADER], [[k, *row] for k, row in enumerate(FIRST)], {}),
    "1x1": (["label", *(f"{i}x{k}" for i in range(28) for k in range(28))], FIRST, {}),
    "a first row that pandas took for names": ([0, *(f"0.{k}" for k in range(784))], FIRST, {}),
    "fractions with commas": (
        None,
        [[row[0], *(f"{one / 255:.4f}".replace(".", ",") for one in row[1:])] for row in FIRST],
        {"delimiter": ";"},
    ),
    "numbered rows without a header": (None, [[k + 1, *row] for k, row in enumerate(FIRST)], {}),
    "with the writer": (["aluno", "dígito", *HEADER[1:]], [["Ana", *row] for row in FIRST], {}),
    "numbered pupils": (["numero", "dígito", *HEADER[1:]], [[7 * k % 31, *row] for k, row in enumerate(FIRST)], {}),
    "number, the digit": (["number", *HEADER[1:]], FIRST, {}),
    "a comma after the names": ([*HEADER, ""], FIRST, {}),
    "pixels in a cell": (["emotion", "pixels"], [[row[0], " ".join(map(str, row[1:]))] for row in FIRST], {}),
}


def table(path: Path, header, rows, **options) -> Path:
    path.parent.mkdir(exist_ok=True)
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, **options)
        writer.writerows([header, *rows] if header else rows)
    return path


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_any_layout_become_the_same_images(folder, kind):
    header, rows, options = TABLES[kind]
    _, splits, found = taken(table(folder / "own.csv", header, rows, **options))
    assert found.names == tuple("0123456789")
    for split in splits.parts().values():
        assert all(
            np.abs(i[0].astype(int) - digit(k)).max() <= 1 for i, k in zip(split.images, split.labels, strict=True)
        )


def test_tables_side_by_side_are_splits_and_those_without_labels_are_left_out(folder):
    table(folder / "pj" / "mnist_train.csv", HEADER, FIRST[:40])
    table(folder / "pj" / "mnist_test.csv.gz", HEADER, FIRST[40:])
    _, splits, _ = taken(folder / "pj", name="pj")
    assert (len(splits.train.labels), len(splits.test.labels)) == (40, 20)
    table(folder / "kaggle" / "train.csv", HEADER, FIRST)
    table(folder / "kaggle" / "test.csv", HEADER[1:], [row[1:] for row in FIRST])
    table(folder / "kaggle" / "sample_submission.csv", ["ImageId", "Label"], [[1, 0]])
    one, _, found = taken(folder / "kaggle", name="kaggle")
    assert one.counts["train"] + one.counts["test"] == 60
    assert "a table without labels" in said(found)
    assert "no table of pixels" in said(found)
    usage = [[*row, ("Training", "PublicTest", "PrivateTest")[k % 3]] for k, row in enumerate(FIRST)]
    one, _, _ = taken(table(folder / "usage.csv", [*HEADER, "Usage"], usage), name="usage")
    assert one.counts == {"train": 20, "val": 20, "test": 20}


@pytest.mark.parametrize("is_last", [False, True])
def test_the_labels_of_a_sorted_table_are_found_in_all_of_its_rows(folder, is_last):
    labels = np.repeat([0, 1, 2], 1100)
    rows = np.zeros((len(labels), 26), int)
    rows[:, 1:-1] = np.random.default_rng(0).integers(0, 255, (len(labels), 24))
    rows[:, 0], rows[:, -1] = (0, labels) if is_last else (labels, 0)
    rows[::50, 0 if is_last else -1] += 1 + np.arange(66) % 3  # a pixel that has few values
    found = described(look([("own.csv", table(folder / "own.csv", None, rows))], lambda *_: None), Wishes())
    assert found.counts == {"train": [880] * 3, "test": [220] * 3}
    rows[:, 0], rows[:, -1] = labels, np.arange(len(labels)) % 4
    assert "Add a first line" in refused(table(folder / "both.csv", None, rows))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_letters_of_a_table_are_read_in_the_encodings_of_excel(folder, encoding):
    lines = [",".join(HEADER), *(",".join(map(str, ["três" if row[0] == 3 else "cão", *row[1:]])) for row in FIRST)]
    put(folder, {"idx1.csv": "\n".join(lines).encode(encoding)})
    _, splits, found = taken(folder / "idx1.csv")
    assert found.names == ("cão", "três")
    assert (splits.train.labels == 1).sum() == 5


def test_a_column_that_holds_no_pixels_is_left_out_and_said(folder):
    rows = [["Ana", *row] for row in FIRST]
    _, _, found = taken(table(folder / "own.csv", ["aluno", "dígito", *HEADER[1:]], rows))
    assert "left out, no pixels: aluno" in said(found)
    assert "column dígito" in said(found)
    _, _, found = taken(table(folder / "numbered.csv", None, [[k + 1, *row] for k, row in enumerate(FIRST)]), name="b")
    assert "left out, no pixels: column 1\n" in said(found)


@pytest.mark.parametrize("header", [["id"], ["id", "split"]])
def test_a_table_of_nothing_but_numbers_of_rows_is_no_table_of_pixels(folder, header):
    numbers = table(folder / "own" / "ids.csv", header, [[k, "train"][: len(header)] for k in range(1, 61)])
    assert "no square image" in refused(numbers)
    table(folder / "own" / "train.csv", HEADER, FIRST)
    put(folder / "own", {"empty.csv": b""})
    _, _, found = taken(folder / "own")
    assert "2 files\nNot used: left out: no table of pixels" in said(found)
    assert sum(map(sum, found.counts.values())) == 60


def test_a_class_may_be_called_na_and_a_label_may_not_be_missing(folder):
    words_of = [["NA", "None"][k % 2] for k in range(60)]
    rows = [[word, *row[1:]] for word, row in zip(words_of, FIRST, strict=True)]
    _, _, found = taken(table(folder / "own.csv", HEADER, rows))
    assert found.names == ("NA", "None")
    rows[4][0] = ""
    assert "Row 5 of own.csv" in refused(table(folder / "own.csv", HEADER, rows))


def test_the_order_of_colours_is_found_said_and_can_be_changed(folder):
    images = np.stack([IMAGES // 2, IMAGES, 255 - IMAGES // 3], axis=-1)
    for name, flat in (("pixel", images), ("plane", np.moveaxis(images, -1, 1))):
        rows = [[k, *one] for k, one in zip(DIGITS.tolist(), flat.reshape(60, -1).tolist(), strict=True)]
        path = table(folder / f"{name}.csv", ["label", *(f"p{k}" for k in range(2352))], rows)
        one, splits, found = taken(path, name=name)
        assert found.choices["by_pixel"] is (name == "pixel")
        assert ("pixel by pixel" in said(found)) is (name == "pixel")
        assert all_images(splits) == {np.moveaxis(image, -1, 0).tobytes() for image in images}
        assert one.shape == (3, 28, 28)
        assert all_images(taken(path, name=f"other {name}", by_pixel=name != "pixel")[1]) != all_images(splits)


def test_the_images_of_emnist_are_turned_and_others_if_it_is_wished(folder):
    rows = [[int(k), *image.T.ravel().tolist()] for k, image in zip(DIGITS, IMAGES, strict=True)]
    upright, lying = all_images_of(IMAGES), all_images_of(IMAGES.transpose(0, 2, 1))
    path = table(folder / "emnist-digits-train.csv", None, rows)
    _, splits, found = taken(path, name="csv")
    assert all_images(splits) == upright
    assert "EMNIST" in said(found)
    _, splits, found = taken(path, name="kept", turned=False)
    assert all_images(splits) == lying
    assert "not turned" in said(found)
    for name, array in (("emnist_x", IMAGES), ("y", DIGITS)):
        (folder / "own").mkdir(exist_ok=True)
        np.save(folder / "own" / f"{name}.npy", array)
    _, splits, found = taken(folder / "own", name="npy")
    assert all_images(splits) == upright
    assert all_images(taken(folder / "own", name="turned", turned=True)[1]) == lying


REFUSED_TABLES = {
    "no labels": (HEADER[1:], [row[1:] for row in FIRST], "has no labels"),
    "a missing pixel": (None, [*FIRST[:5], [1, "", *FIRST[0][2:]]], "Row 6 of own.csv"),
    "a short row": (None, [*FIRST[:5], FIRST[0][:9]], "Row 6 of own.csv"),
    "a short first row": ([f"pixel{k}" for k in range(785)], [FIRST[0][:9], *FIRST[1:]], "Row 1 of own.csv"),
    "a word": (None, [*FIRST[:5], [1, "x", *FIRST[0][2:]]], "no table of numbers"),
    "more cells than the header": (HEADER, [[row[0], *np.repeat(row[1:], 2)] for row in FIRST], "Row 1 of own.csv"),
    "no image": (None, [row[:500] for row in FIRST], "no square image"),
    "measurements": (["a", "b", "c", "d", "species"], [[5.1, 3.5, 1.4, 0.2, "setosa"]] * 9, "no square image"),
    "nothing": (None, [], "has no rows"),
}


@pytest.mark.parametrize("kind", REFUSED_TABLES)
def test_a_table_that_cannot_be_taken_is_refused_with_its_row(folder, kind):
    header, rows, words_of_it = REFUSED_TABLES[kind]
    assert words_of_it in refused(table(folder / "own.csv", header, rows))


# ---- pictures


def test_a_zip_of_folders_becomes_splits_and_what_is_left_out_is_said(folder):
    files = {
        f"{part}/{k}/{n}.png": picture(digit(k, 40, dark=True))
        for part in ("Train", "test_set")
        for k in range(10)
        for n in (0, 1)
    }
    files |= {"Train/3/.DS_Store": b"x", "test_set/Thumbs.db": b"x", "Train/1/notes.txt": b"hi"}
    files |= {"Train/2/cut.png": picture(digit(1))[:60]}
    with zipfile.ZipFile(folder / "mine.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(f"my digits/{name}", content)
        archive.writestr("__MACOSX/my digits/Train/0/._0.png", b"junk")
        archive.writestr("../../evil.png", picture(digit(0)))
        link = zipfile.ZipInfo("my digits/Train/0/link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    source = look([("mine.zip", folder / "mine.zip")], lambda *_: None)
    found = described(source, Wishes())
    assert found.shape == (1, 28, 28), "grey pictures of digits"
    assert {part: sum(some) for part, some in found.counts.items()} == {"train": 21, "test": 20}
    told = write(source, Wishes(digits=True), "mine", lambda *_: None, ["mine.zip"])
    one = dataset("mine")
    assert one.digits
    assert one.counts == {"train": 20, "val": 0, "test": 20}, "without the one that is cut off"
    assert one.load().train.images[:, 0, 0, 0].max() < 60, "light strokes on a dark ground"
    lines = [words.text("en", key, **slots) for _, *both in told["left_out"] for side in both for key, slots in side]
    for part in ("3 files", "cut.png", "out of the archive", "links, pipes and devices", "another kind of file"):
        assert any(part in line for line in lines), part
    assert [path.name for path in (folder / "data").iterdir()] == ["mine.npz"]
    with tarfile.open(folder / "mine.tar.gz", "w:gz") as archive:
        archive.add(put(folder / "unpacked", files), "x")
    counts = described(look([("mine.tar.gz", folder / "mine.tar.gz")], lambda *_: None), Wishes()).counts
    assert counts == found.counts


def test_pictures_of_all_kinds_become_one_shape_upright_and_on_a_ground_that_shows_them(folder):
    colour = np.zeros((40, 80, 3), np.uint8)
    colour[:20, :40] = 255, 0, 0  # top left is red
    exif = Image.Exif()
    exif[0x0112] = 6  # turned clockwise by a quarter: top left comes to the top right
    kinds = {"JPEG": "jpg", "WEBP": "webp", "BMP": "bmp", "GIF": "gif", "PNG": "png"}
    files = {f"gato/{kind}.{end}": picture(colour[:, ::-1], kind) for kind, end in kinds.items()}
    files |= {f"cão/{k}.jpg": picture(colour, "JPEG", exif=exif, quality=95) for k in range(4)}
    _, splits, found = taken(put(folder / "own", files), side=32)
    assert found.names == ("cão", "gato")
    assert found.shape == (3, 32, 32)
    assert "4 pictures" in said(found)
    for image, label in zip(splits.train.images, splits.train.labels, strict=True):
        red = image[0].astype(int) - image[1]
        assert red[4:12, 20:28].mean() > 120, found.names[label]
        assert red[20:, :12].mean() < 60
    clear = np.zeros((40, 40, 4), np.uint8)
    files = {f"{k}/{n}.png": picture(np.dstack([clear[..., :3], digit(k, 40)])) for k in range(3) for n in range(3)}
    _, splits, found = taken(put(folder / "clear", files), name="clear")
    assert "on white" in said(found)
    assert splits.train.images[:, 0, 0, 0].min() == 255
    assert splits.train.images.min() < 30
    files = {f"{k}/{n}.png": picture(digit(k, 32).astype(np.uint16) * 16) for k in range(3) for n in range(3)}
    _, splits, found = taken(put(folder / "deep", files), name="deep")
    assert "0 to 4,095 become 0 to 255" in said(found)
    assert abs(int(splits.train.images.max()) - 254) <= 1
    files = {
        f"{k}/{n:03}.png": picture(digit(k, 8).astype(np.uint16) * (16 if n != 1 else 256))
        for k in range(3)
        for n in range(70)
    }
    found = described(look([("deep", put(folder / "deeper", files))], lambda *_: None), Wishes())
    assert "0 to 65,535 become 0 to 255" in said(found), "one of 210 is deeper than the others"


@pytest.mark.parametrize(
    ("names", "counts"),
    [
        (["a/train/1.png", "a/test/1.png", "b/train/1.png", "b/test/1.png"], {"train": [1, 1], "test": [1, 1]}),
        (
            ["train/a/x/1.png", "train/a/y/2.png", "train/b/1.png", "train/b/2.png", "test/1.png"],
            {"train": [1, 1], "test": [1, 1]},
        ),
        (["x/y/a/1.png", "x/y/a/2.png", "x/y/b/3.png", "x/y/b/4.png"], {"train": [1, 1], "test": [1, 1]}),
        (
            ["Treino/a/1.png", "Treino/b/2.png", "Validação/a/1.png", "teste/b/1.png"],
            {"train": [1, 1], "val": [1, 0], "test": [0, 1]},
        ),
    ],
)
def test_the_folders_around_the_classes_may_be_splits_or_nothing(folder, names, counts):
    put(folder / "own", {name: picture(digit(n)) for n, name in enumerate(names)})
    assert described(look([("own", folder / "own")], lambda *_: None), Wishes()).counts == counts


SPLIT = [f"{part}/{name}/{n}.png" for part in ("train", "test") for name in "ab" for n in "12"]
BESIDE = {
    "a picture": [*SPLIT, "sample.png"],
    "a folder": [*SPLIT, "docs/x.png"],
    "as Kaggle": [*(re.sub(r"^(\w+)", r"seg_\1/seg_\1", path) for path in SPLIT), "seg_pred/seg_pred/1.png"],
    "with further words": [f"MNIST - JPG - {path.replace('/', 'ing/', 1)}" for path in SPLIT],
    "a picture in the folder around them": [*(f"own/{path}" for path in SPLIT), "own/cover.png"],
    "test pictures without a class": [*(f"x_{path}" for path in SPLIT), "x_test/9.png"],
}


@pytest.mark.parametrize("kind", BESIDE)
def test_what_lies_beside_the_splits_does_not_make_them_classes(folder, kind):
    own = put(folder / "own", {name: picture(digit(n % 10)) for n, name in enumerate(BESIDE[kind])})
    found = described(look([("own", own)], lambda *_: None), Wishes())
    assert found.names == ("a", "b")
    assert found.counts == {"train": [2, 2], "test": [2, 2]}
    assert len(BESIDE[kind]) == len(SPLIT) or "in no folder of a class" in said(found)


UNCLEAR = {
    "two pairs": ([f"{k}_{path}" for path in SPLIT for k in "xy"], "'x_test', 'x_train', 'y_test', 'y_train'"),
    "unlike names": ([path.replace("train", "train_old") for path in SPLIT], "'test', 'train_old'"),
    "a single split": (["train/a/1.png", "train/b/1.png", "docs/1.png"], "'train'"),
    "capitals": ([path.replace("train/a", "train/A") for path in SPLIT], "'A', 'a'"),
    "zeros": ([path.replace("train/a", "train/01").replace("test/a", "test/1") for path in SPLIT], "'01', '1'"),
}


ARCHIVES = {
    "one a class": ({"cat.zip": ["1", "2"], "dog.zip": ["1", "2"]}, ("cat", "dog")),
    "one a split": ({"train.zip": ["a/1", "b/1"], "test.zip": ["a/2", "b/2"]}, ("a", "b")),
    "parts of a whole": ({"drive-1.zip": ["x/a/1", "x/b/1"], "drive-2.zip": ["x/a/2", "x/b/2"]}, ("a", "b")),
    "one a class, with folders": ({"cat.zip": ["1"], "dog.zip": ["1", "extra/2"]}, ("cat", "dog")),
    "splits in both": ({"1.zip": ["train/a/1", "test/b/2"], "2.zip": ["train/b/1", "test/a/2"]}, ("a", "b")),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_of_several_archives_the_names_say_classes_or_splits_if_their_folders_do_not(folder, kind):
    files, names = ARCHIVES[kind]
    for name, inside in files.items():
        with zipfile.ZipFile(folder / name, "w") as archive:
            for k, path in enumerate(inside):
                archive.writestr(f"{path}.png", picture(digit(k)))
    found = described(look([(name, folder / name) for name in files], lambda *_: None), Wishes())
    assert found.names == names
    assert sum(map(sum, found.counts.values())) == sum(map(len, files.values()))
    assert ("each of these archives is a class: cat, dog" in said(found)) is (names == ("cat", "dog"))


@pytest.mark.parametrize("inside", ["arrays", "archive of arrays", "table"])
@pytest.mark.parametrize("packed", [True, False])
def test_files_that_are_called_alike_are_told_apart_by_the_split_that_their_archive_or_folder_says(
    folder, inside, packed
):
    for part, some in (("train", slice(0, 40)), ("test", slice(40, None))):
        put(folder / "own", {f"{part}/read.me": b""})
        if inside == "table":
            table(folder / "own" / part / "data.csv", HEADER, FIRST[some])
        elif inside == "arrays":
            np.save(folder / "own" / part / "images.npy", IMAGES[some])
            np.save(folder / "own" / part / "labels.npy", DIGITS[some])
        else:
            np.savez(folder / "own" / part / "data.npz", x=IMAGES[some], y=DIGITS[some])
        if packed:
            shutil.make_archive(str(folder / part), "zip", folder / "own" / part)
    paths = [folder / "train.zip", folder / "test.zip"] if packed else [folder / "own"]
    _, splits, _ = taken(*paths)
    assert np.array_equal(splits.train.images[:, 0], IMAGES[:40])
    assert np.array_equal(splits.test.images[:, 0], IMAGES[40:])


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_arrays_that_are_not_taken_are_said(folder, kind):
    for name in ("one", "two", "three"):
        if kind == "npz":
            np.savez(put(folder / "own", {"arrays/x": b""}) / "arrays" / "own.npz", x=IMAGES, y=DIGITS)
        else:
            np.save(put(folder / "own", {"arrays/x": b""}) / "arrays" / "images.npy", IMAGES)
            np.save(folder / "own" / "arrays" / "labels.npy", DIGITS)
        shutil.make_archive(str(folder / name), "zip", folder / "own")
    _, _, found = taken(*(folder / f"{name}.zip" for name in ("one", "two", "three")))
    assert f"{4 if kind == 'npy' else 2} files\nNot used: left out: arrays beside" in said(found)


@pytest.mark.parametrize(
    ("name", "names"),
    [("número {}", "0123456789"), ("Digit_{:02}", "0123456789"), ("{:03}", "0123456789"), ("class_{}", None)],
)
def test_classes_whose_names_say_no_more_than_a_digit_are_the_digits(folder, name, names):
    files = {f"{name.format(k)}/{n}.png": picture(digit(k)) for k in range(10) for n in range(2)}
    found = described(look([("own", put(folder / "own", files))], lambda *_: None), Wishes())
    assert found.names == (tuple(names) if names else tuple(name.format(k) for k in range(10)))
    assert found.can_be_digits == bool(names)


@pytest.mark.parametrize(("place", "end", "mark"), [("", ".png", ","), ("images/", ".png", ";"), ("", "", ",")])
def test_pictures_whose_labels_are_in_a_table_are_refused_with_the_line_that_sorts_them(
    folder, place, end, mark, monkeypatch
):
    files = {f"{place}{n}.png": picture(digit(n % 3)) for n in range(6)}
    listed = {"labels": range(6), "a_sample": range(5, 9), "notes": range(20, 40)}
    for name, numbers in listed.items():
        rows = [f"{n}{end}{mark}{('007', 'NA', '1')[n % 3]}" for n in numbers]
        files[f"{name}.csv"] = "\n".join([f"file{mark}label", *rows]).encode()
    put(folder / "own", files)
    sentence = refused(folder / "own")
    assert "are in labels.csv" in sentence
    monkeypatch.chdir(folder / "own")
    known = {"pandas": pandas, "pathlib": pathlib, "shutil": shutil}
    line = sentence.partition("the labels: ")[2]
    exec(line.replace("FOLDER", place or "."), known)  # noqa: S102 -- our own line, as a person runs it
    assert described(look([("NEW", Path("NEW"))], lambda *_: None), Wishes()).names == ("1", "007", "NA")


def test_a_table_that_names_none_of_the_pictures_is_not_said_to_hold_their_labels(folder):
    pictures_of_one = {f"cat/{n}.png": picture(digit(n)) for n in range(3)}
    put(folder / "own", pictures_of_one | {"notes.csv": b"day,note\nMonday,rain\nFriday,sun\n"})
    assert "only one class (cat)" in refused(folder / "own")


def test_a_few_coloured_pictures_among_many_grey_ones_are_found_wherever_they_lie(folder):
    grey = np.stack([np.repeat(digit(k % 10, 8)[..., None], 3, axis=2) for k in range(300)])
    red = grey.copy()
    red[140, ..., 1:] = 0
    for name, images, channels in (("grey", grey, 1), ("red", red, 3)):
        files = {f"{k // 150}/{k:03}.png": picture(one) for k, one in enumerate(images)}
        paths = put(folder / name, files), folder / f"{name}.npz"
        np.savez(paths[1], x=np.concatenate([images, *[grey] * 4]), y=np.repeat([*range(150)], 10))
        assert [look([(path.name, path)], lambda *_: None).shape(Wishes())[0] for path in paths] == [channels] * 2


def test_grey_pictures_take_nothing_from_the_search_for_coloured_ones(folder, monkeypatch):
    monkeypatch.setattr(pictures, "LOOKED_FOR_COLOURS", 28 * 28)  # one picture
    files = {f"{k // 150}/{k:03}.png": picture(digit(k % 10)) for k in range(300)}
    files["0/140.png"] = picture(np.dstack([digit(1), *[np.zeros((28, 28), np.uint8)] * 2]))
    path = put(folder / "red", files)
    assert look([(path.name, path)], lambda *_: None).shape(Wishes())[0] == 3


def test_strokes_of_a_class_on_the_other_ground_are_turned_like_those_of_all_others(folder):
    few = np.concatenate([np.repeat(np.arange(9), 40), [9] * 2])  # a class that 64 of all would miss
    images = np.stack([digit(k, dark=k != 9) for k in few])
    grey = np.full((28, 28), 120, np.uint8)
    grey[8:20, 12:16] = 20
    images[0] = grey  # neither: it goes with the most
    order = np.argsort(few, kind="stable")[::-1]
    files = {f"{k}/{n:03}.png": picture(image) for n, (k, image) in enumerate(zip(few, images, strict=True))}
    np.savez(folder / "own.npz", x=images[order], y=few[order])
    for path in (put(folder / "mine", files), folder / "own.npz"):
        _, splits, found = taken(path, name=path.stem, digits=True)
        assert "some dark on light, some light on dark" in said(found), path
        for split in splits.parts().values():
            for image, label in zip(split.images[:, 0], split.labels.tolist(), strict=True):
                assert np.array_equal(image, digit(label)) or np.array_equal(image, 255 - grey), path


def test_digits_cut_to_their_strokes_get_a_margin_of_their_ground_whichever_that_is(folder):
    def cut(k: int, n: int) -> np.ndarray:
        if k == 1:  # a straight stroke: most of the rim is ink, but for its round ends
            stroke = np.zeros((60 + n, 12), np.uint8)
            stroke[2:-2], stroke[[0, 1, -2, -1], 3:9] = 255, 255
        else:
            stroke = digit(k, 60 + n)
            seen = np.argwhere(stroke > 100)
            stroke = stroke[slice(*(seen[:, 0].min(), seen[:, 0].max() + 1)), seen[:, 1].min() : seen[:, 1].max() + 1]
        return 255 - stroke if n < 4 else stroke  # the grounds are mixed in each class

    files = {f"{k}/{n}.png": picture(cut(k, n)) for k in range(10) for n in range(6)}
    _, splits, found = taken(put(folder / "cut", files), digits=True)
    assert "where the strokes reach all four sides" in said(found)
    for split in splits.parts().values():
        for image, label in zip(split.images[:, 0], split.labels.tolist(), strict=True):
            inked = np.argwhere(image > 128)
            assert np.ptp(inked[:, 0]) + 1 in (19, 20, 21), label
            assert max(image[:3].max(), image[-3:].max(), image[:, :3].max(), image[:, -3:].max()) < 64, label


@pytest.mark.parametrize("kind", ["pictures", "arrays"])
def test_images_of_one_colour_and_of_one_pixel_are_kept_and_said(folder, kind):
    images = np.stack([digit(k % 2) for k in range(20)])
    images[3], images[8] = 255, 0
    if kind == "arrays":
        path = folder / "own.npz"
        np.savez(path, x=images, y=np.arange(20) % 2)
    else:
        files = {f"{k % 2}/{k}.png": picture(images[k] if k != 3 else images[k, :1, :1]) for k in range(20)}
        path = put(folder / "own", files)
    source = look([(path.name, path)], lambda *_: None)
    counts = described(source, Wishes()).counts
    assert sum(map(sum, counts.values())) == 20
    told = write(source, Wishes(digits=False), "own-1", lambda *_: None, [path.name])
    (lines,) = [both for what, *both in told["left_out"] if what == "plain"]
    for language, words_of in (("en", "2 pictures"), ("pt_BR", "2 figuras")):
        line = " ".join(words.text(language, key, **slots) for side in lines for key, slots in side)
        assert words_of in line, language
    assert kind == "arrays" or "1/3.png" in words.text("en", lines[0][0][0], **lines[0][0][1])


def test_what_would_vanish_on_the_ground_of_the_others_gets_the_other_ground(folder):
    clear = {k: np.dstack([np.full((20, 20, 3), 255 * (k == 2), np.uint8), digit(k, 20)]) for k in range(3)}
    files = {f"{k}/{n:02}.png": picture(clear[k]) for k in range(3) for n in range(6 if k < 2 else 2)}
    _, splits, found = taken(put(folder / "clear", files), name="clear")
    assert "what would vanish there, on black" in said(found)
    for split in splits.parts().values():
        for image, label in zip(split.images, split.labels, strict=True):
            assert (image[0, 0, 0], np.ptp(image) > 200) == (0 if label == 2 else 255, True)


def test_a_light_sticker_with_a_dark_outline_stays_on_the_ground_of_the_others(folder):
    ink, sticker = digit(0, 20), np.full((20, 20), 255, np.uint8)
    sticker[[1, 18], 1:19] = sticker[1:19, [1, 18]] = 0  # on the whole it is light
    seen = np.zeros((20, 20), np.uint8)
    seen[1:19, 1:19] = 255
    clear = {k: np.dstack([np.zeros((20, 20, 3), np.uint8), ink]) for k in range(2)}
    clear[2] = np.dstack([*[sticker] * 3, seen])
    files = {f"{k}/{n:02}.png": picture(clear[k]) for k in range(3) for n in range(6)}
    path = put(folder / "clear", files)
    assert not look([(path.name, path)], lambda *_: None).look.mixed
    _, splits, _ = taken(path, name="clear")
    assert all((split.images[:, 0, 0, 0] == 255).all() for split in splits.parts().values())


@pytest.mark.parametrize("kind", UNCLEAR)
def test_folders_of_which_it_is_unclear_what_they_are_are_refused(folder, kind):
    files, names = UNCLEAR[kind]
    assert names in refused(put(folder / "own", {name: picture(digit(1)) for name in files}))


def test_a_train_is_a_class_and_so_are_capitals_beside_small_letters(folder):
    for names in (("car", "train"), ("A", "a")):
        files = {f"{name}/{n}.png": picture(digit(n)) for name in names for n in range(3)}
        own = put(folder / names[0], files | {"cover.png": picture(digit(1))})
        assert set(described(look([("own", own)], lambda *_: None), Wishes()).names) == set(names)
    unreadable = {f"{name}/1.png": b"x" for name in "ab"}
    assert "None of the pictures" in refused(put(folder / "unreadable", unreadable))


def test_names_of_classes_are_cleaned_shown_as_they_are_or_refused(folder):
    names = ("*a*", "b\nc", "\x1b[2J", "<b>x", "10", "9")
    one, _, _ = taken(put(folder / "own", {f"{name}/{k}.png": picture(digit(k)) for name in names for k in range(2)}))
    assert one.class_names["en"] == ("9", "10", "*a*", "<b>x", "[2J", "b c")
    twice = {f"{name}/{k}.png": picture(digit(k)) for name in ("a b", "a\tb", "c") for k in range(2)}
    assert "a\\\\tb" in refused(put(folder / "twice", twice)).replace("\\t", "\\\\t")


def bomb(width: int, height: int) -> bytes:
    """A small PNG of very many pixels."""
    rows = zlib.compress(b"\0" * ((width + 1) * height), 9)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + start + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_hostile_files_cost_no_more_than_themselves(folder):
    files = {f"{k}/{n}.png": picture(digit(n)) for k in "ab" for n in range(3)}
    own = put(folder / "own", files | {"a/bomb.png": bomb(8000, 8000), "b/wide.png": bomb(60000, 20)})
    (own / "a" / "etc").symlink_to("/etc")
    os.mkfifo(own / "b" / "pipe.png")
    found = described(look([("own", own)], lambda *_: None), Wishes())
    assert found.counts == {"train": [2, 2], "test": [1, 1]}
    assert "2 pictures: a/bomb.png, b/wide.png" in said(found)
    assert "2 files" in said(found)
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0/x.png", b"\0" * 100)
        archive.NameToInfo["0/x.png"].file_size = 2**31 + 1
    assert "too large" in refused(folder / "bomb.zip")
    assert "neither a file nor a folder" in refused(own / "b" / "pipe.png")
    assert "damaged" in refused(put(folder, {"cut.zip": b"PK\3\4" + b"x" * 50}) / "cut.zip")
    with gzip.open(folder / "line.csv.gz", "wb", 1) as file:
        file.write(b"1," * 2**23)
    assert "no table" in refused(folder / "line.csv.gz")


def test_of_a_damaged_archive_the_whole_pictures_are_taken_and_no_table(folder):
    files = {f"{'ab'[n % 2]}/{n}.png": picture(digit(n)) for n in range(8)}
    own = folder / "own.zip"
    with zipfile.ZipFile(own, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        first, second = archive.infolist()[:2]
        second.header_offset = first.header_offset  # two names for the same bytes
    found = described(look([("own.zip", own)], lambda *_: None), Wishes())
    assert found.counts == {"train": [3, 2], "test": [1, 1]}
    assert "1 picture: b/1.png" in said(found)
    rows = b"".join(b"%d,%s\n" % (k, b",".join(b"%d" % value for value in digit(k).ravel())) for k in range(10))
    with zipfile.ZipFile(folder / "table.zip", "w") as archive:
        archive.writestr("own.csv", rows)
    (folder / "table.zip").write_bytes((folder / "table.zip").read_bytes().replace(b"\n9,0", b"\n8,0"))
    assert "own.csv is damaged" in refused(folder / "table.zip")


def test_a_photograph_is_upright_however_the_camera_was_held(folder):
    upright = np.zeros((40, 80, 3), np.uint8)
    upright[:20, :40] = 255, 0, 0  # top left is red
    turns = Image.Transpose
    stored = (turns.FLIP_LEFT_RIGHT, turns.ROTATE_180, turns.FLIP_TOP_BOTTOM, turns.TRANSPOSE, turns.ROTATE_90)
    stored += (turns.TRANSVERSE, turns.ROTATE_270)
    for orientation, turn in enumerate(stored, start=2):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for kind in ("JPEG", "WEBP", "PNG"):
            file = io.BytesIO()
            Image.fromarray(upright).transpose(turn).save(file, kind, exif=exif)
            put(folder / "own", {f"{name}/{orientation}.{kind.lower()}": file.getvalue() for name in "ab"})
    _, splits, _ = taken(folder / "own", side=32)
    images = np.concatenate([split.images for split in splits.parts().values()]).astype(int)
    assert len(images) == 2 * 3 * len(stored)
    red = images[:, 0] - images[:, 1]
    assert (red[:, 9:15, 2:14].mean(axis=(1, 2)) > 120).all()
    assert (red[:, 18:].mean(axis=(1, 2)) < 60).all()
    assert (red[:, :, 18:].mean(axis=(1, 2)) < 60).all()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("x.mat", 'scipy.io.loadmat("x.mat")'),
        ("x.pkl", 'pandas.read_pickle("x.pkl")'),
        ("x.parquet", 'to_csv("x.csv"'),
        ("x.h5", 'h5py.File("x.h5")'),
        ("a/1.tif", ".with_suffix"),
        ("x.rar", "unpack it"),
        ("readme.md", "holds nothing"),
        ("0_1.png", "split("),
    ],
)
def test_kinds_of_files_that_are_not_read_are_refused_with_the_line_that_converts_them(folder, name, line):
    put(folder / "own", {name: picture(digit(1)) if name.endswith("png") else b"x", "README.txt": b"Digits of 1998"})
    assert line in refused(folder / "own")


def test_a_text_of_numbers_is_refused_with_the_line_that_copies_it_and_writes_over_nothing(folder, monkeypatch):
    rows = table(folder / "own" / "x.txt", None, FIRST, delimiter=" ").read_bytes()
    line = refused(folder / "own").partition("that is: ")[2]
    monkeypatch.chdir(folder / "own")
    exec(line, {"pathlib": pathlib})  # noqa: S102 -- our own line, as a person runs it
    assert Path("x.csv").read_bytes() == rows
    with pytest.raises(FileExistsError):
        exec(line, {"pathlib": pathlib})  # noqa: S102 -- as above


def test_a_folder_is_read_without_its_links_and_an_archive_without_what_leads_out_of_it(folder):
    own = put(folder / "own", {"a/1.png": b"x", ".hidden/2.png": b"x"})
    (own / "loop").symlink_to(own)
    found = entries([("own", own)])
    assert [entry.name for entry in found.files] == ["a/1.png"]
    assert found.left_out == {"system": 1, "link": 1}
    (folder / "links").mkdir()
    (folder / "links" / "a").symlink_to(own / "a")
    assert "holds only links" in refused(folder / "links")


# ---- names


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "../x",
        "a/b",
        "a\\b",
        ".x",
        "x.",
        "con:",
        "a\nb",
        "\x1b[2J",
        "x" * 101,
        "mnist",
        "MNIST",
        "bloodmnist_64",
        "own",
    ],
)
def test_a_name_that_no_file_may_have_or_that_is_taken_is_refused(folder, name):
    np.savez(folder / "data" / "own.npz", x_train=IMAGES, y_train=DIGITS, x_test=IMAGES, y_test=DIGITS)
    with pytest.raises(Refusal, match=r"import\.(bad_name|taken)"):
        good_name(name)


def test_a_free_name_comes_from_the_file(folder):
    np.savez(folder / "data" / "own.npz", x=IMAGES, y=DIGITS)
    assert [free_name(one) for one in ("own.npz", "train.csv.gz", "..", "a:b.zip")] == [
        "own-2",
        "train",
        "own-2",
        "a-b",
    ]


def test_what_lies_in_the_data_folder_and_is_no_data_set_is_offered(folder):
    np.savez(folder / "data" / "fit.npz", x_train=IMAGES, y_train=DIGITS, x_test=IMAGES, y_test=DIGITS)
    np.savez(folder / "data" / "unfit.npz", x=IMAGES, y=DIGITS)
    put(folder / "data", {"t.csv": b"1", "fit.csv": b"1", "f/a/1.png": b"x", "MNIST/raw/x": b"x", "notes.md": b"x"})
    assert [path.name for path in importable()] == ["f", "t.csv", "unfit.npz"]
    assert datasets()["unfit"].state()[0] == "missing"


# ---- the process


def test_the_import_happens_in_a_process_that_can_be_asked_again_and_stopped(folder):
    np.savez(folder / "own.npz", x=IMAGES, y=DIGITS)
    with Importer([("own.npz", folder / "own.npz")]) as importer:
        importer.wait(60)
        found = importer.found()
        assert found
        assert found.shape == (1, 28, 28)
        assert np.array_equal(found.samples[0, 0], digit(found.sample_classes[0]))
        importer.show(Wishes(side=32))
        importer.wait(60)
        assert importer.found().shape == (1, 32, 32)
        importer.write(Wishes(), "new")
        importer.wait(60)
        assert importer.written()["name"] == "new"
    assert importer._process.returncode is not None
    files = {
        f"{k}/{n}.png": picture(np.random.default_rng(n).integers(0, 255, (1500, 1500), np.uint8))
        for k in "ab"
        for n in range(4)
    }
    big = Importer([("big", put(folder / "big", files))])
    while not big.progress[0]:
        time.sleep(0.01)
    begun = time.monotonic()
    big.close()
    assert time.monotonic() - begun < 5
    assert [path.name for path in (folder / "data").iterdir()] == ["new.npz"], "nothing half-written"


def test_of_two_imports_under_one_name_the_second_is_refused_and_nothing_is_lost(folder):
    for name, images in (("a", IMAGES), ("b", 255 - IMAGES)):
        np.savez(folder / f"{name}.npz", x=images, y=DIGITS)
    one, other = (look([(name, folder / name)], lambda *_: None) for name in ("a.npz", "b.npz"))
    write(one, Wishes(), "same", lambda *_: None, ["a.npz"])
    with pytest.raises(Refusal, match=r"import\.taken"):
        write(other, Wishes(), "same", lambda *_: None, ["b.npz"])
    assert all_images(dataset("same").load()) == all_images_of(IMAGES)
    assert [path.name for path in (folder / "data").iterdir()] == ["same.npz"]


@pytest.mark.slow
def test_an_import_killed_while_it_writes_leaves_no_data_set_and_can_be_done_again(folder):
    images = np.random.default_rng(0).integers(0, 255, (40_000, 28, 28), np.uint8)
    np.savez(folder / "own.npz", x=images, y=np.arange(len(images)) % 10)
    command = [sys.executable, "-m", "core", "data", "import", str(folder / "own.npz"), "--name", "new"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    while not list((folder / "data").iterdir()):
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert "new" not in datasets()
    (left,) = (folder / "data").iterdir()
    os.utime(left, (0, 0))  # as if it had been some time ago
    assert subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, timeout=60, check=False).returncode == 0
    assert all_images(dataset("new").load()) == all_images_of(images)
    assert [path.name for path in (folder / "data").iterdir()] == ["new.npz"]


def test_what_a_killed_import_left_is_deleted_at_the_next_one(folder):
    put(folder, {"data/.x.npz.1.part": b"x", "data/.y.npz.2.part": b"x", "cache/uploads/a/0": b"x"})
    for path in (folder / "data" / ".x.npz.1.part", folder / "cache" / "uploads" / "a"):
        os.utime(path, (0, 0))
    np.savez(folder / "own.npz", x=IMAGES, y=DIGITS)
    with Importer([("own.npz", folder / "own.npz")]) as importer:
        importer.wait(60)
        assert importer.found()
    assert [path.name for path in (folder / "data").iterdir()] == [".y.npz.2.part"], "another is writing it"
    assert not list((folder / "cache" / "uploads").iterdir())


@pytest.mark.parametrize("path", ["~nobody-here/x", "x" * 5000, "x\0y", "", "nowhere"])
def test_a_path_that_is_none_costs_a_sentence(folder, path):
    with pytest.raises(Refusal, match=r"import\.gone"):
        brought(path)


def test_a_process_that_dies_costs_a_sentence(folder):
    np.savez(folder / "own.npz", x=IMAGES, y=DIGITS)
    with Importer([("own.npz", folder / "own.npz")]) as importer:
        importer.wait(60)
        importer._process.kill()
        importer._process.wait()
        importer.show(Wishes(side=32))
        importer.wait(10)
        with pytest.raises(Refusal, match=r"import\.died"):
            importer.found()


def test_the_command_says_what_becomes_of_the_files_and_writes_the_data_set(folder, capsys):
    put(folder / "data" / "own", {f"{k}/{n}.png": picture(digit(k)) for k in range(3) for n in range(1 + 4 * (k > 0))})
    assert main(["data"]) == 0
    assert "python -m core data import own --name own" in capsys.readouterr().out
    assert main(["data", "import", "own", "--look"]) == 0
    assert "Splits: one set: 11 -> test: 2" in capsys.readouterr().out
    assert main(["data", "import", str(folder / "data" / "own"), "--name", "mine", "--digits"]) == 1
    assert "Only images of the classes 0 to 9" in capsys.readouterr().err
    assert main(["data", "import", "own", "--name", "mine", "--seed", "3", "--side", "32"]) == 0
    output = capsys.readouterr().out
    assert dataset("mine").shape == (1, 32, 32)
    assert "seed 3" in dataset("mine").source
    remark = output[output.index("mine: ready") :]
    assert main(["data"]) == 0
    assert remark[remark.index("\n") :] in capsys.readouterr().out, "the same words on its classes"
    assert "(0)" in remark, "a class with a single picture"
    assert main(["data", "import", "nowhere"]) == 1
    assert "nowhere does not exist" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_several_files_are_uploaded_at_once_and_become_a_data_set(folder):
    files = {"train-images-idx3-ubyte": idx(IMAGES), "train-labels-idx1-ubyte": idx(DIGITS)}
    put(folder / "mine", files)
    environment = {"BANCADA_STORE": str(folder / "store")}
    with serve("app.py", ROOT, environment) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(f"{address}/data?lang=en")
        page.locator(".st-key-import-open button").click()
        uploader = page.locator(".st-key-import-files")
        uploader.locator("input[type=file]").set_input_files([folder / "mine" / name for name in files])
        for size in ("47.1KB", "68.0B"):
            uploader.get_by_text(size).wait_for()
        page.locator(".st-key-import-look button").click()
        page.locator(".st-key-import-do button").click()
        page.get_by_text("train-images-idx3-ubyte is written").wait_for()
    assert dataset("train-images-idx3-ubyte").counts == {"train": 50, "val": 0, "test": 10}


# ---- bounds


def cross_bound(kind: str, folder: Path) -> Path:
    """Files that are more than the bounds of the test below allow."""
    if kind == "arrays":
        np.savez(folder / "large.npz", x_train=IMAGES, y_train=DIGITS)
        return folder / "large.npz"
    files = {f"{k % 3}/{k:02}.png": picture(digit(k % 10)) for k in range(12)}
    if kind == "zip":
        with zipfile.ZipFile(folder / "many.zip", "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return folder / "many.zip"
    return put(folder / "many", files)


@pytest.mark.parametrize(
    ("bound", "most", "kind", "sentence"),
    [
        ((pictures, "MOST_PICTURES"), 11, "folder", "12 pictures"),
        ((pictures, "MOST_PICTURES"), 11, "zip", "12 pictures"),
        ((entry_list, "MOST_FILES"), 11, "folder", "more than 11"),
        ((entry_list, "MOST_FILES"), 11, "zip", "more than 11"),
        ((npz, "LARGEST"), IMAGES.size, "arrays", "MiB"),
    ],
)
def test_more_than_can_be_held_is_refused_before_it_is_read(folder, monkeypatch, bound, most, kind, sentence):
    path = cross_bound(kind, folder)
    assert taken(path, name="within")[1].train.images.size, "with the bound as it is"
    monkeypatch.setattr(*bound, most)
    assert sentence in refused(path)


def test_pictures_that_would_take_more_than_the_largest_data_set_are_refused_before_they_are_decoded(
    folder, monkeypatch
):
    path = cross_bound("folder", folder)
    source = look([(path.name, path)], lambda *_: None)
    monkeypatch.setattr(npz, "LARGEST", 12 * 28 * 28 - 1)
    with pytest.raises(Refusal) as why:
        write(source, Wishes(), "new", lambda *_: None, [path.name])
    assert why.value.key == "import.large"
    assert "new" not in datasets()
