"""A canvas picture made into the 28 x 28 that MNIST's authors would have made of it, one small step after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.drawing.picture import over_black

Picture = np.ndarray  # float32 (H, W), 0 ground to 1 ink

SIDE = 28  # px of MNIST's pictures
BOX = 20  # px of the box inside it that a digit fills
CENTRE = 14  # index of the row and column in which every MNIST test image has its centre of mass, within 0.5
WIDTHS = (2.0, 2.8)  # px of a stroke in that box: between them are half of MNIST's 60,000 training images
FINE = 60  # px of the longer side at which strokes are made wider or narrower: three to each of the box
FAINTEST = 0.08  # share of the strongest ink; what is fainter is the noise of JPEG
OUTLINE = 0.25  # share of the strongest ink at which a box begins: what is fainter, enlarging and cameras spread around


def ink(rgba: np.ndarray) -> Picture:
    """How much each pixel differs from the ground, which is what most of the border shows: 0 ground, 1 strongest ink.

    Any colour on any ground gives the same picture; on a transparent ground all that is not transparent is ink.

    Args:
        rgba: uint8 (H, W, 4); or (H, W), which is ink already (0 ground, 255 ink), as the drawing pad sends it.
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
    noise = min(0.5, 8 * float(np.median(border(difference))))  # paper has some, a screen none
    strongest = float(difference.max())
    if strongest <= max(noise, FAINTEST):
        return np.zeros_like(difference)
    return np.where(difference > noise, difference / strongest, 0).astype(np.float32)


def border(picture: np.ndarray) -> np.ndarray:
    """The pixels along the four edges, (N, ...)."""
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def crop(picture: Picture, least: float = OUTLINE) -> Picture:
    """The smallest rectangle that holds all ink above that share of the strongest; a picture without ink as it is."""
    inked = picture > least * picture.max()
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if not rows.size:
        return picture
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def width(picture: Picture) -> Picture:
    """The picture with its strokes as wide as MNIST's will be in the box; those of `WIDTHS` stay as they are.

    A drawing's are as wide as the pen that the visitor chose, against digits of any size. It comes back at `FINE` px.
    """
    height, across = picture.shape
    scale = FINE / max(height, across)
    picture = resize(picture, max(1, round(height * scale)), max(1, round(across * scale)))
    if not picture.any():  # black ink that was taken for ground, where the first step is switched off
        return picture
    picture = picture / picture.max()  # a pen thinner than a pixel leaves it faint
    pixel = FINE / BOX
    now = stroke_width(picture)
    wanted = min(max(now, WIDTHS[0] * pixel), WIDTHS[1] * pixel)
    return thickened(picture, (wanted - now) / (1 - wanted / FINE) / 2)  # a wider stroke makes the digit larger too


def stroke_width(picture: Picture) -> float:
    """The mean width of the strokes, px: twice the ink, divided by the length of its outline, which is a sum over the
    grey levels' slopes. Source: Federer 1959 (coarea formula).
    """
    picture = np.pad(picture, 1).clip(0.25, 0.75)  # the noise of JPEG has a long outline
    picture -= 0.25
    down, right = np.diff(picture, axis=0), np.diff(picture, axis=1)
    outline = np.hypot(down[:, 1:] + down[:, :-1], right[1:] + right[:-1]).sum() / 2
    return float(2 * picture.sum() / outline)


def thickened(picture: Picture, by: float) -> Picture:
    """The picture with `by` px more ink along every outline, or less where it is negative; its frame follows."""
    from scipy.ndimage import distance_transform_edt  # takes a tenth of a second, which only who draws should wait

    if not by:
        return picture
    margin = math.ceil(abs(by))
    grows = np.pad(picture, margin) if by > 0 else 1 - np.pad(picture, margin)  # where ink shrinks, the ground grows
    away = np.asarray(distance_transform_edt(grows <= 0.5))  # px, 0 in what grows
    grown = np.where(away > 1, abs(by) + 1 - away, grows + abs(by)).clip(0, 1).astype(np.float32)
    return grown if by > 0 else crop(1 - grown, 0)


def fit(picture: Picture) -> Picture:
    """The picture scaled to a longer side of 20 px, its proportions kept, each pixel the mean of what it covers."""
    height, width = picture.shape
    scale = BOX / max(height, width)
    return resize(picture, max(1, round(height * scale)), max(1, round(width * scale)))


def centre(picture: Picture) -> Picture:
    """The picture moved by whole pixels onto 28 x 28 so that its centre of mass is at (14, 14), within 0.5 px.

    Ink is never pushed over the edge: where one end is so heavy that it would be, the picture stops at the edge.
    """
    picture = crop(picture, 0)  # so that a picture of 28 x 28 can move too, over its empty margins
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
"""The steps from a canvas picture to MNIST's 28 x 28, in their order.

Source: LeCun, Bottou, Bengio, Haffner (1998), "Gradient-based learning applied to document recognition", section III A:
size-normalised to fit in a 20 x 20 box with the aspect ratio preserved, grey levels from anti-aliasing, then centred in
28 x 28 by the centre of mass. That it moves by whole pixels, to (14, 14), was read off the 10,000 test images. The
width is no step of theirs, who had only one kind of pen.
"""


def grey(rgba: np.ndarray) -> Picture:
    """The brightness of each pixel (ITU-R 601) over black, taken for ink whatever the ground is."""
    if rgba.ndim == 2:
        return rgba.astype(np.float32) / 255
    return np.asarray(over_black(rgba).convert("L"), dtype=np.float32) / 255


def whole(picture: Picture) -> Picture:
    """The picture as it is, with its empty margins and its strokes' width."""
    return picture


def squeeze(picture: Picture) -> Picture:
    """The picture resized to 28 x 28, whatever its proportions."""
    return resize(picture, SIDE, SIDE)


def middle(picture: Picture) -> Picture:
    """The picture in the middle of 28 x 28, wherever its ink lies."""
    return place(picture, (SIDE - picture.shape[0]) // 2, (SIDE - picture.shape[1]) // 2)


INSTEAD: dict[str, Callable[[np.ndarray], Picture]] = {
    "ink": grey,
    "crop": whole,
    "width": whole,
    "fit": squeeze,
    "centre": middle,
}
"""What is done in place of a step that is switched off, so that the others can follow."""


@dataclass(frozen=True)
class Prepared:
    """A drawing ready for a model, with the picture that each step left behind."""

    image: np.ndarray | None  # uint8 (28, 28), 0 ground to 255 ink; None where nothing is drawn
    pictures: dict[str, Picture]  # step -> float32 (H, W), 0 ground to 1 ink, in the order of the steps


def prepare(rgba: np.ndarray, *, without: Collection[str] = ()) -> Prepared:
    """Send a picture through `STEPS`, except for those in `without`, for which `INSTEAD` stands in.

    Args:
        rgba: uint8 (H, W, 4); or (H, W), which is ink already (0 ground, 255 ink), as the drawing pad sends it.
        without: names of steps.
    """
    inked = ink(rgba)
    if not (inked > FAINTEST).any():
        return Prepared(None, {})
    picture = INSTEAD["ink"](rgba) if "ink" in without else inked
    pictures = {"ink": picture}
    for name in list(STEPS)[1:]:
        picture = pictures[name] = (INSTEAD if name in without else STEPS)[name](picture)
    return Prepared((picture * 255).round().astype(np.uint8), pictures)


def stands_apart(picture: Picture) -> bool:
    """Whether an empty column parts the ink in two, each more than half as high as all of it: digits side by side."""
    inked = crop(picture > FAINTEST, 0)
    height, filled = inked.shape[0], inked.any(axis=0)
    tops = np.where(filled, inked.argmax(axis=0), height)
    bottoms = np.where(filled, height - inked[::-1].argmax(axis=0), 0)

    def heights(along: slice) -> np.ndarray:
        """How high the ink is from an end to each column."""
        return (np.maximum.accumulate(bottoms[along]) - np.minimum.accumulate(tops[along]))[along]

    lower = np.minimum(heights(np.s_[:]), heights(np.s_[::-1]))
    return 2 * lower[~filled].max(initial=0) > height


def resize(picture: Picture, height: int, width: int) -> Picture:
    """The picture at another size, each pixel the mean of what it covers; a larger one is interpolated."""
    grows = height > picture.shape[0] or width > picture.shape[1]
    how = Image.Resampling.BILINEAR if grows else Image.Resampling.BOX
    return np.asarray(Image.fromarray(picture).resize((width, height), how))


def place(picture: Picture, top: int, left: int) -> Picture:
    """The picture on an empty 28 x 28, its corner as near to `top`, `left` as leaves it whole."""
    height, width = picture.shape
    sheet = np.zeros((SIDE, SIDE), dtype=np.float32)
    top, left = min(max(top, 0), SIDE - height), min(max(left, 0), SIDE - width)
    sheet[top : top + height, left : left + width] = picture
    return sheet
