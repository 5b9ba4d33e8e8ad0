"""Preparation of a drawing as a 28 x 28 image like MNIST's, in steps that can be shown and switched off one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.drawing.picture import over_black

Picture = np.ndarray  # float32 (H, W), 0 background to 1 ink

SIDE = 28  # px per side of MNIST's images
BOX = 20  # px per side of the box within an image that a digit fills
CENTRE = 14  # row and column of the centre of mass of every MNIST test image, within 0.5
WIDTHS = (2.0, 2.8)  # px of the stroke width within that box: the middle half of MNIST's 60,000 training images
FINE = 60  # px of the longer side at which the stroke width is changed: three per pixel of the box
FAINTEST = 0.08  # fraction of the strongest ink below which ink counts as JPEG noise
NARROW = 0.12  # of the height: a wider gap is none within a digit
OVERLAP = 0.13  # of the height, by which parts overlap that are moved together; chosen by the train and val writers
OUTLINE = 0.25  # fraction of the strongest ink from which ink counts for the crop; fainter ink is blur at the edges


def ink(rgba: np.ndarray) -> Picture:
    """Each pixel's difference from the background, which is the border's median colour: 0 none, 1 strongest ink.

    The result does not depend on the colours of ink and background; on a transparent background, opacity is ink.

    Args:
        rgba: uint8 (H, W, 4); or (H, W), which is ink already (0 background, 255 ink), as the drawing pad sends it.
    """
    if rgba.ndim == 2:
        return rgba.astype(np.float32) / 255
    opacity = rgba[..., 3].astype(np.float32) / 255
    if np.median(border(opacity)) < 0.5:
        return opacity
    ground = np.median(border(rgba[..., :3]), axis=0).astype(np.float32)
    colours = np.moveaxis(rgba[..., :3], 2, 0)
    difference = np.maximum.reduce([np.abs(colour - level) for colour, level in zip(colours, ground, strict=True)])
    difference *= opacity / max(ground.max(), 255 - ground.min())
    noise = min(0.5, 8 * float(np.median(border(difference))))  # photographed paper has noise, a screen has none
    strongest = float(difference.max())
    if strongest <= max(noise, FAINTEST):
        return np.zeros_like(difference)
    return np.where(difference > noise, difference / strongest, 0).astype(np.float32)


def border(picture: np.ndarray) -> np.ndarray:
    """The pixels along the four edges, (N, ...)."""
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def crop(picture: Picture, least: float = OUTLINE) -> Picture:
    """The bounding box of all ink above `least` times the strongest; a picture without ink is returned unchanged."""
    inked = picture > least * picture.max()
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if not rows.size:
        return picture
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def width(picture: Picture) -> Picture:
    """The picture with its stroke width, measured within the final box, moved into the range `WIDTHS` of MNIST.

    In a drawing the ratio of stroke width to digit size depends on the pen and on how large the user draws. The
    returned picture has a longer side of about `FINE` px.
    """
    height, across = picture.shape
    scale = FINE / max(height, across)
    picture = resize(picture, max(1, round(height * scale)), max(1, round(across * scale)))
    if not picture.any():  # black ink counts as background if the first step is switched off
        return picture
    picture = picture / picture.max()  # strokes thinner than a pixel are faint
    pixel = FINE / BOX
    now = stroke_width(picture)
    wanted = min(max(now, WIDTHS[0] * pixel), WIDTHS[1] * pixel)
    return thickened(picture, (wanted - now) / (1 - wanted / FINE) / 2)  # a wider stroke makes the digit larger too


def stroke_width(picture: Picture) -> float:
    """The mean stroke width, px: twice the area of the ink divided by the length of its outline, which is the integral
    of the grey levels' gradient magnitude. Source: Federer 1959 (coarea formula).
    """
    picture = np.pad(picture, 1).clip(0.25, 0.75)  # else JPEG noise would add a long outline
    picture -= 0.25
    down, right = np.diff(picture, axis=0), np.diff(picture, axis=1)
    outline = np.hypot(down[:, 1:] + down[:, :-1], right[1:] + right[:-1]).sum() / 2
    return float(2 * picture.sum() / outline)


def thickened(picture: Picture, by: float) -> Picture:
    """The picture with its ink grown by `by` px along every outline, or shrunk if negative; its size changes too."""
    from scipy.ndimage import distance_transform_edt  # here, since the import takes a tenth of a second

    if not by:
        return picture
    margin = math.ceil(abs(by))
    grows = np.pad(picture, margin) if by > 0 else 1 - np.pad(picture, margin)  # shrinking ink is growing background
    away = np.asarray(distance_transform_edt(grows <= 0.5))  # px, 0 in what grows
    grown = np.where(away > 1, abs(by) + 1 - away, grows + abs(by)).clip(0, 1).astype(np.float32)
    return grown if by > 0 else crop(1 - grown, 0)


def fit(picture: Picture) -> Picture:
    """The picture scaled to a longer side of 20 px, keeping its aspect ratio, with area averaging."""
    height, width = picture.shape
    scale = BOX / max(height, width)
    return resize(picture, max(1, round(height * scale)), max(1, round(width * scale)))


def centre(picture: Picture) -> Picture:
    """The picture placed on 28 x 28 px, by whole pixels, with its centre of mass at (14, 14), within 0.5 px.

    If that would move ink beyond an edge, the picture stops at the edge.
    """
    picture = crop(picture, 0)  # without its empty margins even a picture of 28 x 28 can be moved
    mass = float(picture.sum())
    if not mass:
        return middle(picture)
    row = float(picture.sum(axis=1) @ np.arange(picture.shape[0])) / mass
    column = float(picture.sum(axis=0) @ np.arange(picture.shape[1])) / mass
    return place(picture, round(CENTRE - row), round(CENTRE - column))


STEPS: dict[str, Callable[[np.ndarray], Picture]] = {
    "ink": ink,
    "crop": crop,
    "width": width,
    "fit": fit,
    "centre": centre,
}
"""The preparation steps, in order.

Source: LeCun, Bottou, Bengio, Haffner (1998), "Gradient-based learning applied to document recognition", section III A:
size-normalised to fit in a 20 x 20 box with the aspect ratio preserved, grey levels from anti-aliasing, then centred in
28 x 28 by the centre of mass. That the digit is moved by whole pixels, to (14, 14), was inferred from the 10,000 test
images. `width` is not a step of the paper, whose digits were written with one kind of pen.
"""


def grey(rgba: np.ndarray) -> Picture:
    """The brightness of each pixel (ITU-R 601) over black, used as ink whatever the background is."""
    if rgba.ndim == 2:
        return rgba.astype(np.float32) / 255
    return np.asarray(over_black(rgba).convert("L"), dtype=np.float32) / 255


def whole(picture: Picture) -> Picture:
    """The unchanged picture."""
    return picture


def squeeze(picture: Picture) -> Picture:
    """The picture resized to 28 x 28, ignoring its aspect ratio."""
    return resize(picture, SIDE, SIDE)


def middle(picture: Picture) -> Picture:
    """The picture placed in the middle of 28 x 28, whatever its centre of mass."""
    return place(picture, (SIDE - picture.shape[0]) // 2, (SIDE - picture.shape[1]) // 2)


INSTEAD: dict[str, Callable[[np.ndarray], Picture]] = {
    "ink": grey,
    "crop": whole,
    "width": whole,
    "fit": squeeze,
    "centre": middle,
}
"""The replacement for each step that is switched off, so that the following steps still work."""


@dataclass(frozen=True)
class Prepared:
    """A prepared drawing, with the result of each step."""

    image: np.ndarray | None  # uint8 (28, 28), 0 background to 255 ink; None if nothing is drawn
    pictures: dict[str, Picture]  # by step, in order: float32 (H, W), 0 background to 1 ink
    without: frozenset[str] = frozenset()  # names of the steps that are left out


def prepare(rgba: np.ndarray, *, without: Collection[str] = ()) -> Prepared:
    """Apply `STEPS` to a picture, replacing the steps in `without` by those of `INSTEAD`.

    Args:
        rgba: uint8 (H, W, 4); or (H, W), which is ink already (0 background, 255 ink), as the drawing pad sends it.
        without: names of steps.
    """
    inked = ink(rgba)
    if not (inked > FAINTEST).any():
        return Prepared(None, {})
    picture = INSTEAD["ink"](rgba) if "ink" in without else inked
    pictures = {"ink": picture}
    for name in list(STEPS)[1:]:
        picture = pictures[name] = (INSTEAD if name in without else STEPS)[name](picture)
    return Prepared((picture * 255).round().astype(np.uint8), pictures, frozenset(without))


def stands_apart(picture: Picture) -> bool:
    """Whether an empty column separates two parts of the ink, each more than half as high as the whole: two digits."""
    inked = crop(picture > FAINTEST, 0)
    return 2 * _lower(inked).max(initial=0) > inked.shape[0]


def closed(drawing: Prepared) -> Prepared | None:
    """The drawing with its two parts moved together that stand side by side, as those of an open 4 do.

    None if they do not, or too far from each other for one digit.
    """
    if drawing.image is None:
        return None
    picture = crop(drawing.pictures["ink"], FAINTEST)
    inked = picture > FAINTEST
    height, lower = inked.shape[0], _lower(inked)
    if not lower.any():
        return None
    gap = int(lower.argmax())
    filled = np.flatnonzero(inked.any(axis=0))
    left, right = int(filled[filled < gap][-1]) + 1, int(filled[filled > gap][0])
    if right - left > NARROW * height:
        return None
    moved = np.zeros_like(picture)
    by = right - left + max(1, round(OVERLAP * height))
    moved[:, max(0, right - by) : -by] = picture[:, max(right, by) :]
    moved[:, :left] = np.maximum(moved[:, :left], picture[:, :left])
    return prepare((moved * 255).round().astype(np.uint8), without=drawing.without)


def _lower(inked: np.ndarray) -> np.ndarray:
    """The height of the lower of both parts of the ink at each column's sides, px (W,); 0 in a column with ink."""
    height, filled = inked.shape[0], inked.any(axis=0)
    tops = np.where(filled, inked.argmax(axis=0), height)
    bottoms = np.where(filled, height - inked[::-1].argmax(axis=0), 0)

    def heights(along: slice) -> np.ndarray:
        """The height of the ink from one end up to each column."""
        return (np.maximum.accumulate(bottoms[along]) - np.minimum.accumulate(tops[along]))[along]

    return np.where(filled, 0, np.minimum(heights(np.s_[:]), heights(np.s_[::-1])))


def resize(picture: Picture, height: int, width: int) -> Picture:
    """The picture resized by area averaging, or by bilinear interpolation if it is enlarged."""
    grows = height > picture.shape[0] or width > picture.shape[1]
    how = Image.Resampling.BILINEAR if grows else Image.Resampling.BOX
    return np.asarray(Image.fromarray(picture).resize((width, height), how))


def place(picture: Picture, top: int, left: int) -> Picture:
    """The picture on an empty 28 x 28, its corner as near to (`top`, `left`) as possible without cutting it off."""
    height, width = picture.shape
    sheet = np.zeros((SIDE, SIDE), dtype=np.float32)
    top, left = min(max(top, 0), SIDE - height), min(max(left, 0), SIDE - width)
    sheet[top : top + height, left : left + width] = picture
    return sheet
