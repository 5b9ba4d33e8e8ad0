"""Digits that people wrote stroke by stroke: read, unpacked, drawn, and parted by who wrote them."""

import hashlib
import io
import shutil
import subprocess
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from test_datasets import check_contract, overlap
from test_datasets_fetch import Server, everything_in, folder, nothing, server

from core import datasets
from core.datasets import DATASETS, dataset
from core.datasets.no_digits import no_digit
from core.datasets.pen_digits import FILE, NO_DIGITS, WRITERS, drawn, pen_digits, uncompressed
from core.drawing import SHEET
from core.drawing.prepare import prepare
from core.drawing.strokes import PENS, bent, inked
from core.refusal import Refusal
from tests.real_data import REAL_DATA, needs, with_mnist

__all__ = ["folder", "server"]  # fixtures
real_pens = needs(FILE)


def written(writers=range(1, 31)) -> str:
    """A file of the authors' form: every writer's ten digits, a leaning line each, the seven with a bar."""
    digits = [
        f'.SEGMENT DIGIT    {n} ? "{n % 10}"\n.COMMENT {n % 10} {writer:2}  {n}\n'
        f".PEN_DOWN\n {100 + writer}  400\n 1{n:02}   80\n.PEN_UP\n.DT 100\n"
        + "\n.PEN_DOWN\n  90  240\n 220  250\n.PEN_UP\n.DT 100\n\n"
        * (n == 7)
        for writer in writers
        for n in range(10)
    ]
    return '.INCLUDE        dene.doc\n\n.LEXICON "0" "1"\n.HIERARCHY      DIGIT\n\n' + "".join(digits)


def compressed(content: bytes, bits=16, clear_at=()) -> bytes:
    """What `compress` makes of the content: the codes of LZW, here also with the table emptied where it is said."""
    groups: list[tuple[int, list[int]]] = [(9, [])]  # (width, codes)
    table, word, used = {bytes([value]): value for value in range(256)}, b"", 257

    def put(code):
        nonlocal used
        width, codes = groups[-1]
        codes.append(code)
        if used > 1 << width and width < bits:  # the reader's table is one entry behind
            groups.append((width + 1, []))

    for place, value in enumerate(content):
        longer = word + bytes([value])
        if longer in table:
            word = longer
            continue
        if used < 1 << bits:
            table[longer], used = used, used + 1
        put(table[word])
        word = bytes([value])
        if place in clear_at:
            table, used = {bytes([value]): value for value in range(256)}, 257
            groups[-1][1].extend([256])
            groups.append((9, []))
    put(table[word])
    packed = bytearray([0x1F, 0x9D, 0x80 | bits])
    for width, codes in groups:
        number = sum(code << (place * width) for place, code in enumerate(codes))
        last = groups[-1][1] is codes
        whole = -(-len(codes) * width // 8) if last else -(-len(codes) // 8) * width
        packed += number.to_bytes(whole, "little")
    return bytes(packed)


CONTENTS = {
    "nothing but one letter": b"a",
    "a word that its own entry repeats": b"a" * 3000,
    "text": (b"a pen, a tablet; 30 people. " * 40),
    "noise that fills the table": np.random.default_rng(0).integers(0, 256, 12_000, np.uint8).tobytes(),
}


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("clear_at", [(), (500, 2000)])
@pytest.mark.parametrize("name", CONTENTS)
def test_a_z_file_is_unpacked_as_gzip_unpacks_it(name, bits, clear_at):
    content = CONTENTS[name]
    packed = compressed(content, bits, clear_at)
    assert uncompressed(packed) == content
    if shutil.which("gzip"):
        assert subprocess.run(["gzip", "-dc"], input=packed, capture_output=True, check=True).stdout == content


@pytest.mark.parametrize("packed", [b"", b"PK\x03\x04", b"\x1f\x9d\x90\xff\xff\xff\xff", b"\x1f\x9d\x90"])
def test_what_is_no_z_file_gives_no_content(packed):
    try:
        assert uncompressed(packed) == b""
    except ValueError:
        assert packed != b"\x1f\x9d\x90"


def test_strokes_are_read_with_their_digit_and_writer_the_right_way_up(tmp_path):
    (tmp_path / "pens").write_text(written())
    digits = pen_digits(tmp_path / "pens")
    assert len(digits) == 300
    seven = digits[17]
    assert (seven.digit, seven.writer, len(seven.strokes)) == (7, 2, 2)
    np.testing.assert_allclose(seven.strokes[0], [[102 / 500, 100 / 500], [107 / 500, 420 / 500]], rtol=1e-6)
    sheet = inked(seven.strokes)
    assert sheet.shape == (SHEET, SHEET)
    rows, _ = np.nonzero(sheet)
    assert abs(rows.min() - (100 / 500 * SHEET - PENS[1] / 2)) <= 1


@pytest.mark.parametrize("text", ["<html>", '.SEGMENT DIGIT 0 ? "8"\nno comment', ".SEGMENT DIGIT\n.COMMENT 8 12 2\n"])
def test_another_file_under_this_name_is_refused(tmp_path, folder, monkeypatch, text):
    (folder / FILE).parent.mkdir(parents=True)
    (folder / FILE).write_text(text)
    with pytest.raises(Refusal, match=r"error\.data_rotten"):
        replace(DATASETS["pen-digits"], md5=dict).load()


def test_the_parts_are_of_different_people_and_only_train_has_every_pen(folder, tmp_path):
    assert sorted(writer for part in WRITERS.values() for writer in part) == list(range(1, 31))
    (folder / FILE).parent.mkdir(parents=True)
    (folder / FILE).write_text(written())
    counts = {"train": 16 * 10 * len(PENS), "val": 40, "test": 100}
    splits = replace(DATASETS["pen-digits"], md5=dict, counts=counts).load()
    last = [one for one in pen_digits(folder / FILE) if one.writer > 20]
    assert np.array_equal(splits.test.images, drawn(last, [PENS[1]]).images)
    assert splits.test.labels.tolist() == [one.digit for one in last]
    image = prepare(inked(last[0].strokes)).image
    assert np.array_equal(splits.test.images[0, 0], image)


def test_what_is_no_digit_lies_on_the_sheet_is_never_an_upright_bar_and_follows_from_the_seed(tmp_path):
    (tmp_path / "pens").write_text(written())
    digits = [(one.digit, one.strokes) for one in pen_digits(tmp_path / "pens")]
    random, again = np.random.default_rng(3), np.random.default_rng(3)
    made = [no_digit(random, digits) for _ in range(300)]
    for strokes in made:
        every = np.concatenate(strokes)
        assert every.min() > 0
        assert every.max() < 1
        across, down = np.ptp(every, axis=0)
        assert 3 * across > down
        np.testing.assert_array_equal(every, np.concatenate(no_digit(again, digits)))
    assert len({np.concatenate(strokes).tobytes() for strokes in made}) == len(made)


def test_a_bent_digit_stays_where_it_was_and_is_like_no_other(tmp_path):
    (tmp_path / "pens").write_text(written())
    seven, random = pen_digits(tmp_path / "pens")[17].strokes, np.random.default_rng(0)
    lengths, before = [], np.concatenate(seven)
    for _ in range(50):
        points = np.concatenate(bent(seven, random))
        lengths.append(np.ptp(points[:, 1]) / np.ptp(before[:, 1]))
        assert np.abs(points.mean(axis=0) - before.mean(axis=0)).max() < 0.1
    assert len(set(lengths)) == 50
    assert 0.7 < min(lengths) < 0.9 < 1.1 < max(lengths) < 1.4


@pytest.fixture(scope="module")
def cached(shared_cache):
    """The real data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BANCADA_DATA", REAL_DATA)
        patch.setenv("BANCADA_CACHE", str(shared_cache))
        yield


@pytest.mark.slow
@real_pens
def test_the_real_pen_digits_keep_their_contract(cached):
    one = dataset("pen-digits")
    assert one.state() == ("ready", None)
    splits = one.load()
    check_contract(one, splits)
    assert splits.val
    assert (
        overlap(splits.train, splits.test) == overlap(splits.train, splits.val) == overlap(splits.val, splits.test) == 0
    )
    check_contract(one, one.load())  # from the cache


@pytest.fixture
def uci(server: Server, monkeypatch):
    """UCI's archive with a small file, as this machine's server gives it."""
    content = written().encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("pendigits-orig.tra.Z", compressed(content))
    server.contents["pendigits.zip"] = packed.getvalue()
    module = datasets.pen_digits
    monkeypatch.setattr(module, "MD5", hashlib.md5(content, usedforsecurity=False).hexdigest())

    def record(mode):
        (download,) = DATASETS["pen-digits"].downloads()  # type: ignore[misc]
        here = replace(download, urls=(f"{server.address}/{mode}/pendigits.zip",))
        return replace(
            DATASETS["pen-digits"],
            counts={"train": 16 * 10 * len(PENS), "val": 40, "test": 100},
            md5=lambda: {FILE: module.MD5},
            downloads=lambda: (here,),
        )

    return record


def test_the_file_is_taken_out_of_ucis_archive_and_nothing_else_is_left(folder, uci):
    one = uci("good")
    assert one.state() == ("fetchable", None)
    one.fetch(nothing)
    assert everything_in(folder) == [FILE]
    check_contract(one, one.load())


@pytest.mark.parametrize("mode", ["page", "flipped", "truncated_no_length"])
def test_another_archive_is_refused_and_leaves_nothing(folder, uci, mode):
    with pytest.raises(Refusal, match=r"error\.download_altered"):
        uci(mode).fetch(nothing)
    assert everything_in(folder) == []


@pytest.mark.slow
@with_mnist
@real_pens
def test_mnist_and_the_pen_digits_together_hold_each_image_once(cached):
    one, mnist = dataset("mnist-and-drawings"), dataset("mnist").load()
    splits = one.load()
    check_contract(one, splits)
    assert splits.val
    assert (
        overlap(splits.train, splits.test) == overlap(splits.train, splits.val) == overlap(splits.val, splits.test) == 0
    )
    assert np.array_equal(splits.test.images[:10_000], mnist.test.images)
    assert np.array_equal(splits.train.images[:60_000], mnist.train.images)
    by_lot = np.bincount(splits.train.labels[-NO_DIGITS:], minlength=10) / NO_DIGITS
    assert by_lot == pytest.approx(0.1, abs=0.01), "else it would pay to answer one digit to what is none"
