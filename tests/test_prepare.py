"""Pictures that people draw or hand in: what is made of them, and what is refused."""

import contextlib
import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from core.drawing import picture as pictures
from core.drawing.decoder import LONGEST_SIDE
from core.drawing.picture import fit_picture, open_picture
from core.drawing.prepare import BOX, CENTRE, FINE, INSTEAD, STEPS, WIDTHS, ink, prepare, stroke_width, thickened
from core.drawing.strokes import inked
from core.models.model import open_model
from core.refusal import Refusal
from core.store import runs
from tests.faults.pictures import encoded
from tests.real_data import real

ROOT = Path(__file__).resolve().parents[1]
MNIST_TEST, MNIST_LABELS = "MNIST/raw/t10k-images-idx3-ubyte", "MNIST/raw/t10k-labels-idx1-ubyte"
CURVE = np.stack(
    [0.5 + 0.2 * np.sin(np.arange(0, 5, 0.1)), np.arange(0.2, 0.7, 0.01)], 1
)  # of a pen, shares of a sheet


# --- drawings ---------------------------------------------------------------------------------------------------------


def seven(side=140, scale=1.0, shift=(0, 0), width=0.1) -> np.ndarray:
    """A seven of straight strokes as ink, uint8 (side, side)."""
    image = Image.new("L", (side, side))
    points = np.array([(0.3, 0.25), (0.7, 0.25), (0.45, 0.75)])
    points = ((points - 0.5) * scale + 0.5) * side + np.array(shift)
    ImageDraw.Draw(image).line([tuple(point) for point in points], fill=255, width=round(width * scale * side))
    return np.asarray(image)


def coloured(inked: np.ndarray, pen=(255, 255, 255), ground: tuple[int, ...] = (0, 0, 0)) -> np.ndarray:
    """Ink laid over a ground of one colour, uint8 (H, W, 4)."""
    share = inked[..., None] / 255
    rgb = (share * np.array(pen) + (1 - share) * np.array(ground)).round()
    return np.dstack([rgb, np.full(inked.shape, 255)]).astype(np.uint8)


def transparent(inked: np.ndarray, pen=(0, 0, 0)) -> np.ndarray:
    return np.dstack([np.broadcast_to(np.array(pen, np.uint8), (*inked.shape, 3)), inked])


def prepared(rgba: np.ndarray, **settings) -> np.ndarray:
    image = prepare(rgba, **settings).image
    assert image is not None
    assert image.shape == (28, 28)
    assert image.dtype == np.uint8
    return image


def centre_of_mass(image: np.ndarray) -> np.ndarray:
    weights = image / image.sum()
    return np.array([weights.sum(1) @ np.arange(28), weights.sum(0) @ np.arange(28)])


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


@pytest.fixture(scope="module")
def mnist() -> np.ndarray:
    """MNIST's test images, uint8 (10000, 28, 28)."""
    if not real(MNIST_TEST).exists():
        pytest.skip(f"no {MNIST_TEST} in BANCADA_DATA, nor in ../shared/data")
    return np.fromfile(real(MNIST_TEST), np.uint8, offset=16).reshape(-1, 28, 28)


@pytest.fixture(scope="module")
def reader():
    """The shipped LeNet's classes for images uint8 (N, 28, 28)."""
    model = open_model(next(run for run in runs(ROOT / "models_store") if "mnist-lenet" in run.name))
    return lambda images: model.probabilities(np.stack(images)[:, None]).argmax(axis=1)


def enlarged(image: np.ndarray, times: int, how="NEAREST") -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((28 * times, 28 * times), Image.Resampling[how]))


@pytest.mark.parametrize(("how", "most"), [("NEAREST", 0.06), ("BICUBIC", 7.0)])
def test_an_mnist_image_enlarged_ten_times_comes_back_close_to_itself(mnist, how, most):
    """`most` is the mean difference in grey levels of 255; the images' own mean is 33.

    Bicubic enlarging blurs; and the box leaves out a faint line at the edge of some images.
    """
    back = [prepared(coloured(enlarged(image, 10, how)), without=["width"]) for image in mnist[:60]]
    assert difference(np.stack(back), mnist[:60]) <= most


@pytest.mark.parametrize("how", ["NEAREST", "BICUBIC"])
def test_mnist_images_enlarged_ten_times_and_sent_through_lose_at_most_half_a_point_with_each_starter(mnist, how):
    labels = np.fromfile(real(MNIST_LABELS), np.uint8)
    some, right = mnist[:1000, None], labels[8:1008]
    back = np.stack([prepared(enlarged(image, 10, how)) for image in some[:, 0]])[:, None]
    for model in (open_model(run) for run in runs(ROOT / "models_store") if run.is_done()):
        as_is, through = ((model.probabilities(seen).argmax(axis=1) == right).mean() for seen in (some, back))
        assert through >= as_is - 0.005, model.run


def test_the_same_digit_in_four_corners_and_at_three_sizes_gets_the_same_class(mnist, reader):
    for image in mnist[:20]:
        seen = []
        for times in (2, 5, 9):
            digit = enlarged(image, times)
            for top in (0, 336 - 28 * times):
                for left in (0, 336 - 28 * times):
                    sheet = np.zeros((336, 336), np.uint8)
                    sheet[top : top + 28 * times, left : left + 28 * times] = digit
                    seen.append(prepared(sheet))
        assert len(set(reader(seen))) == 1


def test_the_longer_side_fills_the_box_and_the_proportions_stay():
    inked = np.zeros((300, 300), np.uint8)
    inked[20:140, 200:260] = 255
    rows, columns = np.nonzero(prepared(inked, without=["width"]))
    assert np.ptp(rows) + 1 == BOX
    assert np.ptp(columns) + 1 == BOX // 2


@settings(max_examples=40)
@given(
    st.integers(-30, 30),
    st.integers(-30, 30),
    st.floats(0.3, 1.2),
    st.sampled_from([(0, 0, 0), (255, 255, 255), (200, 120, 40)]),
)
def test_the_centre_of_mass_is_at_the_centre_within_half_a_pixel(right, down, scale, ground):
    image = prepared(coloured(seven(scale=scale, shift=(right, down)), pen=(10, 90, 160), ground=ground))
    assert np.abs(centre_of_mass(image) - CENTRE).max() <= 0.51  # the last hundredth: grey levels are whole numbers


@settings(max_examples=40)
@given(st.integers(-25, 25), st.integers(-25, 25))
def test_where_on_the_canvas_something_is_drawn_makes_no_difference(right, down):
    assert np.array_equal(prepared(seven(shift=(right, down))), prepared(seven()))


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
def test_how_large_something_is_drawn_makes_little_difference(scale):
    one, other = (prepared(seven(560, scale=size), without=["width"]) for size in (scale, 1))
    assert difference(one, other) < 4
    one, other = (prepare(seven(560, scale=size)).pictures["width"] for size in (scale, 1))
    assert stroke_width(one) == pytest.approx(stroke_width(other), rel=0.02)


@settings(max_examples=40)
@given(st.floats(0.4, 1.3))
def test_white_on_black_black_on_white_and_a_transparent_ground_are_the_same_drawing(scale):
    inked = seven(scale=scale)
    black, white = (0, 0, 0), (255, 255, 255)
    expected = prepared(inked)
    for rgba in (
        coloured(inked, white, black),
        coloured(inked, black, white),
        transparent(inked, black),
        transparent(inked, white),
    ):
        assert np.abs(prepared(rgba).astype(int) - expected).max() <= 1


@given(st.floats(0, 180), st.floats(6, 40))
def test_the_width_of_a_stroke_is_measured_whatever_its_direction(angle, width):
    turned = 0.4 * np.array([[np.cos(np.radians(angle)), np.sin(np.radians(angle))]])
    picture = ink(inked([np.concatenate([0.5 - turned, 0.5 + turned])], width, 400))
    length = 0.8 * 400
    true = 2 * (length * width + np.pi * width**2 / 4) / (2 * length + np.pi * width)  # with its round ends
    assert stroke_width(picture) == pytest.approx(true, rel=0.1)


@pytest.mark.parametrize("width", [1, 3, 5, 8, 12])
def test_whatever_the_pen_the_strokes_come_out_as_wide_as_mnists(width):
    picture = prepare(inked([CURVE], width)).pictures["width"]
    pixel = FINE / BOX * max(picture.shape) / FINE
    assert WIDTHS[0] * 0.9 <= stroke_width(picture) / pixel <= WIDTHS[1] * 1.1


@given(st.floats(-6, 9))
def test_a_thickened_stroke_is_that_of_a_thicker_pen(by):
    grown = thickened(ink(inked([CURVE], 24, 224)), by)
    assert grown.sum() == pytest.approx(ink(inked([CURVE], 24 + 2 * by, 224)).sum(), rel=0.05)


def test_a_sheet_of_336_pixels_is_prepared_in_less_than_3_milliseconds():
    sheet = inked([CURVE], 24, 336)
    prepare(sheet)  # what is imported at its first use
    for picture in (sheet, coloured(sheet)):
        seconds = []
        for _ in range(20):  # the best: the machine may be busy
            start = time.perf_counter()
            prepare(picture)
            seconds.append(time.perf_counter() - start)
        assert min(seconds) < 0.003


def test_a_pencil_on_uneven_paper_is_read_without_the_paper():
    inked, noise = seven(), np.random.default_rng(7).normal(0, 4, (140, 140, 1))
    paper = coloured(inked, pen=(90, 90, 100), ground=(205, 200, 190)).astype(float)
    paper[..., :3] += noise
    image = prepared(paper.clip(0, 255).astype(np.uint8))
    assert difference(image, prepared(inked)) < 6
    assert not image[:4].any()


@pytest.mark.parametrize("ground", [(0, 0, 0), (255, 255, 255), (128, 128, 128)])
def test_nothing_drawn_gives_no_image(ground):
    assert prepare(coloured(np.zeros((64, 64), np.uint8), ground=ground)).image is None
    assert prepare(np.zeros((64, 64), np.uint8)).image is None
    assert prepare(np.zeros((64, 64, 4), np.uint8)).image is None


def test_black_ink_on_a_transparent_ground_is_lost_without_the_first_step():
    assert not prepared(transparent(seven()), without=["ink"]).any()


@pytest.mark.parametrize("without", [[], ["ink"], ["crop"], ["fit"], ["centre"], list(STEPS)])
def test_a_single_dot_works_whatever_is_switched_off(without):
    inked = np.zeros((112, 112), np.uint8)
    inked[30, 40] = 255
    assert prepare(inked, without=without).image is not None
    assert prepared(coloured(inked)).any()


@settings(max_examples=40)
@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from([(), ("crop",), ("fit",), ("crop", "fit"), ("ink",)]))
def test_a_stroke_of_any_proportions_works(height, width, without):
    inked = np.zeros((410, 410), np.uint8)
    inked[5 : 5 + height, 5 : 5 + width] = 255
    assert prepared(inked, without=without).any()
    assert prepared(coloured(inked), without=without).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (112, 112)])
def test_a_picture_that_is_all_ink_does_not_crash(shape):
    assert prepared(np.full(shape, 255, np.uint8)).any()
    assert prepare(np.full((*shape, 4), 255, np.uint8)).image is None  # one colour: all of it is ground


@given(st.integers(1, 40), st.integers(1, 40), st.randoms(use_true_random=False), st.sets(st.sampled_from(list(STEPS))))
def test_any_picture_gives_28_x_28_or_nothing(height, width, random, without):
    rgba = np.frombuffer(random.randbytes(height * width * 4), np.uint8).reshape(height, width, 4)
    result = prepare(rgba, without=without)
    assert result.image is None or result.image.shape == (28, 28)
    assert result.image is None or list(result.pictures) == list(STEPS)


def test_each_step_leaves_a_picture_and_can_be_switched_off():
    rgba = coloured(seven(shift=(25, -20)), pen=(0, 0, 0), ground=(255, 255, 255))
    everything = prepare(rgba)
    assert [picture.shape for picture in everything.pictures.values()] == [
        *((140, 140), (80, 63), (60, 47), (20, 16), (28, 28))
    ]
    assert all(picture.dtype == np.float32 for picture in everything.pictures.values())
    assert INSTEAD.keys() == STEPS.keys()
    for name in STEPS:
        assert not np.array_equal(prepared(rgba, without=[name]), everything.image), name
    assert prepared(rgba, without=["ink"]).mean() > 60  # black on white stays so
    assert np.abs(centre_of_mass(prepared(rgba, without=["crop", "fit"])) - CENTRE).max() <= 0.51


def test_a_picture_for_a_model_of_photographs_is_cut_square_and_resized():
    wide = np.zeros((60, 100, 4), np.uint8)
    wide[:, 20:80] = (200, 100, 50, 255)
    wide[:, :20] = wide[:, 80:] = (0, 255, 0, 255)
    colour = fit_picture(wide, (3, 32, 32))
    assert colour.shape == (3, 32, 32)
    assert colour.dtype == np.uint8
    inner = np.s_[:, :, 2:-2]  # at its edge the resizing still sees a little of what was cut off
    assert (colour[inner] == np.array([200, 100, 50])[:, None, None]).all()
    assert (fit_picture(wide, (1, 28, 28))[inner] == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)).all()
    assert not fit_picture(np.zeros((5, 9, 4), np.uint8), (3, 28, 28)).any()  # transparent is black
    assert fit_picture(np.full((1, 1, 4), 255, np.uint8), (1, 28, 28)).all()


# --- pictures handed in -----------------------------------------------------------------------------------------------


SQUARE = coloured(seven(96))
PHOTO = Image.fromarray(SQUARE).convert("RGB")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file")
def test_what_is_no_ordinary_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(Refusal, match=r"error\.picture_unreadable"):
            open_picture(path)


def test_a_decoder_that_is_killed_while_it_waits_costs_no_picture():
    content = encoded(PHOTO, "PNG")
    for _ in range(2):
        open_picture(content)
        pictures._waiting[-1].kill()
        pictures._waiting[-1].wait()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_the_four_formats_are_read(kind, tmp_path):
    settings = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    (tmp_path / "seven").write_bytes(encoded(PHOTO, kind, **settings))
    rgba = open_picture(tmp_path / "seven")
    assert rgba.shape == (96, 96, 4)
    assert rgba.dtype == np.uint8
    assert difference(rgba, SQUARE) < 2
    assert difference(prepared(rgba), prepared(SQUARE)) < 2


def test_a_palette_with_transparency_keeps_it():
    palette = Image.fromarray(transparent(seven(96), pen=(255, 0, 0))).quantize(16)
    rgba = open_picture(encoded(palette, "PNG"))
    assert rgba[0, 0, 3] == 0
    assert difference(prepared(rgba), prepared(seven(96))) < 6


def test_sixteen_bits_are_scaled_and_not_clipped():
    deep = Image.fromarray(np.array([[0, 128 * 257], [200 * 257, 65535]], np.uint16))
    assert open_picture(encoded(deep, "PNG"))[..., 0].tolist() == [[0, 128], [200, 255]]


def test_a_cmyk_jpeg_is_read_in_its_colours():
    rgba = open_picture(encoded(PHOTO.convert("CMYK"), "JPEG", quality=95))
    assert difference(rgba, SQUARE) < 4


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_taken_sideways_is_turned_upright(kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the scene lies at the right: turn clockwise to show it
    wide = Image.new("RGB", (60, 40))
    wide.paste((255, 255, 255), (0, 0, 20, 40))
    rgba = open_picture(encoded(wide, kind, exif=exif))
    assert rgba.shape == (60, 40, 4)
    assert rgba[5, 20, 0] > 240
    assert rgba[50, 20, 0] < 15


def test_a_camera_s_large_jpeg_is_read_small():
    rgba = open_picture(encoded(Image.new("RGB", (5700, 4300), "white"), "JPEG"))
    assert max(rgba.shape[:2]) <= LONGEST_SIDE
    assert rgba.shape[1] / rgba.shape[0] == pytest.approx(57 / 43, abs=0.01)
    assert rgba.min() == 255


@given(st.data(), st.sampled_from(["PNG", "JPEG", "WEBP", "BMP"]))
def test_a_damaged_file_is_refused_or_read_and_never_anything_else(data, kind):
    content = bytearray(encoded(PHOTO.resize((24, 24)), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Refusal):
        rgba = open_picture(bytes(content))
        assert rgba.shape[2] == 4
        assert rgba.dtype == np.uint8


def test_ink_is_a_share_between_0_and_1():
    shares = ink(coloured(seven(64), pen=(255, 0, 0), ground=(0, 0, 255)))
    assert shares.dtype == np.float32
    assert shares.min() == 0
    assert shares.max() == 1
