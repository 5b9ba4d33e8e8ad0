"""Ink on a photographed, scanned or drawn ground, found in steps that can be shown and switched off one by one.

Nothing is read off the picture's rim alone: light, shadows, the table, a finger, printed lines and specks are each
modelled and taken away. What is left is ink, as `core.drawing.prepare.prepare` accepts it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

import numpy as np
from PIL import Image

from core.drawing.picture import with_margin
from core.drawing.prepare import Picture, Prepared, border, grey, prepare
from core.images.lines import straight, without_lines
from core.images.parts import connected

STEPS = ("light", "paper", "lines", "threshold", "strokes")

LOW = 192  # px of the longer side at which light and paper are modelled
EVEN = 0.9  # share of the rim within `SAME` of its median colour, from which the ground has one colour, as on a screen
SAME = 3  # grey levels
FAINTEST = 0.03  # of the whole range: weaker ink is none
WIDEST = 0.12  # of the longer side: wider strokes are told from shadows by being enclosed by brighter ground
WIDEST_ENCLOSED = 0.25  # the same for enclosed strokes
LONG = 0.85  # of the picture's side: from which a straight stroke is a printed line
STEEPEST = 8  # degrees by which a printed line may be turned
WEAKEST = 0.3  # of the usual ink: weaker ink is no stroke
JUMP = 0.12  # of the ground's logarithm between neighbours: an edge of the paper, or of a hard shadow
COLOURED = 0.12  # by which the factors of red, green and blue differ: not a shadow
DARKEST = 0.35  # of the paper's light is left in its shadow
ALONG = 0.08  # of the picture's side: all that is left lies so near to a side, so it may be left of an edge
BESIDE = 0.004  # of the picture's side: what is so near to it is at it
SLIM = 3.0  # times as long along a side as across
LEAST = 0.015  # of the longer side: nothing that is left is larger, so it is specks or crossings of lines
MARGIN = 0.4  # of the longer side of a picture that is cut to its ink: what it gets around it
SMALLEST = 0.12  # of the largest stroke's extent: what is smaller is a speck


@dataclass(frozen=True)
class Cleaned:
    """The ink of a picture, with the result of each step."""

    ink: np.ndarray  # uint8 (H, W), 0 ground to 255 ink
    pictures: dict[str, Picture]  # by step, in order: float32 (H, W), 0 ground to 1 ink


def prepared(picture: np.ndarray, *, without: Collection[str] = ()) -> Prepared:
    """A picture uint8 (H, W, 4), cleaned and prepared like MNIST's digits, with the results of all steps.

    The steps' pictures are there also if no ink is found. A picture (H, W) is ink already.
    """
    if picture.ndim == 2:
        return prepare(picture, without=without)
    paper = cleaned(picture, without=without)
    drawing = prepare(paper.ink, without=without)
    return Prepared(drawing.image, {**paper.pictures, **drawing.pictures}, frozenset(without))


def cleaned(rgba: np.ndarray, *, without: Collection[str] = ()) -> Cleaned:
    """The ink in a picture uint8 (H, W, 4) of any ground; `without` names steps to leave out, or "ink" for all.

    Ink may be darker or brighter than its ground. Without "ink", the brightness counts as ink, whatever the ground.
    """
    if "ink" in without:
        brightness = grey(rgba)
        return Cleaned((brightness * 255).round().astype(np.uint8), {})
    rgba = with_margin(_on_paper(rgba), MARGIN)
    pictures = {}
    paper = np.ones(rgba.shape[:2], bool)
    if rgba.ndim == 2:  # on a transparent ground, opacity is ink
        ink = rgba.astype(np.float32) / 255
    elif "light" in without or is_even(rgba):
        ink = _differing(rgba)
    else:
        ink, ground = _darkness(rgba)
        if "paper" not in without:
            paper = _paper(ground, ink)
    pictures["light"] = _shown(ink)
    ink = np.where(paper, ink, 0)
    pictures["paper"] = _shown(ink)
    if "lines" not in without:
        ink = _without_lines(ink, paper)
    pictures["lines"] = _shown(ink)
    if "threshold" not in without:
        ink = _over_threshold(ink)
    pictures["threshold"] = _shown(ink)
    if "strokes" not in without:
        ink = _strokes(ink)
    pictures["strokes"] = _shown(ink)
    return Cleaned((pictures["strokes"] * 255).round().astype(np.uint8), pictures)


def _shown(ink: Picture) -> Picture:
    """The ink relative to the strongest."""
    strongest = float(ink.max(initial=0))
    return (ink / strongest if strongest > FAINTEST else np.zeros_like(ink)).astype(np.float32)


# --- light ------------------------------------------------------------------------------------------------------------


def _on_paper(rgba: np.ndarray) -> np.ndarray:
    """The picture with its transparent margin painted over; or its opacity (H, W), if that is the drawing."""
    from scipy.ndimage import distance_transform_edt

    opaque = rgba[..., 3] >= 128
    if opaque.all():
        return rgba
    inside = np.flatnonzero(opaque.any(axis=1)), np.flatnonzero(opaque.any(axis=0))
    if not inside[0].size:
        return np.zeros(opaque.shape, np.uint8)
    box = np.s_[inside[0][0] : inside[0][-1] + 1, inside[1][0] : inside[1][-1] + 1]
    seen = rgba[..., :3][opaque].astype(np.int16)
    if np.median(border(rgba[..., 3])) < 128 and (
        opaque[box].mean() < 0.6 or np.ptp(seen, axis=0).max() < 255 * FAINTEST
    ):
        return rgba[..., 3]
    nearest = cast("np.ndarray", distance_transform_edt(~opaque, return_distances=False, return_indices=True))
    return rgba[tuple(nearest)]


def is_even(rgba: np.ndarray) -> bool:
    """Whether rim and ground have one colour and no noise, as in a drawing on a screen."""
    ground = np.median(border(rgba[..., :3]), axis=0)

    def share(colours: np.ndarray) -> float:
        return float((np.abs(colours - ground).max(axis=-1) <= SAME).mean())

    return share(border(rgba[..., :3])) >= EVEN and share(rgba[::4, ::4, :3]) >= 0.3


def _differing(rgba: np.ndarray) -> Picture:
    """Each pixel's difference from the rim's median colour, as a share of the largest possible difference."""
    ground = np.median(border(rgba[..., :3]), axis=0).astype(np.float32)
    colours = np.moveaxis(rgba[..., :3], 2, 0)
    difference = np.maximum.reduce([np.abs(colour - level) for colour, level in zip(colours, ground, strict=True)])
    return difference / max(ground.max(), 255 - ground.min())


def _darkness(rgba: np.ndarray) -> tuple[Picture, np.ndarray]:
    """How much darker each pixel is than the paper under it in this light, or how much brighter, on a dark ground.

    The paper is what is left when everything dark is closed that is narrower than `WIDEST`, or enclosed by brighter
    ground (morphological closing and reconstruction; Soille 2003, Morphological Image Analysis, chapters 4 and 6).
    The second array is the ground, reduced, float32 (H', W', 3), 0 to 255: brighter than the ink.
    """
    from scipy.ndimage import gaussian_filter

    levels = [gaussian_filter(rgba[..., k].astype(np.float32), 0.7) for k in range(3)]
    if _is_bright_ink(levels):
        levels = [255 - level for level in levels]
    darkness, grounds = np.zeros(rgba.shape[:2], np.float32), []
    for level in levels:
        low = _ground(level)
        uncertain = _range(low) / 2
        ground = _high(gaussian_filter(low, 1), level.shape)
        darkness = np.maximum(darkness, (ground - level - _high(uncertain, level.shape)) / (ground + 8))
        grounds.append(low)
    usual = float(np.median(darkness))  # of paper, which has noise
    return (darkness - usual).clip(0, 1), np.stack(grounds, axis=-1)


def _range(low: np.ndarray) -> np.ndarray:
    """The difference between the brightest and the darkest of each pixel's nine neighbours."""
    from scipy.ndimage import maximum_filter, minimum_filter

    return maximum_filter(low, 3) - minimum_filter(low, 3)


def _low(level: np.ndarray, how: str = "max") -> np.ndarray:
    """The picture reduced to `LOW` px by blocks: the brightest or the mean of each."""
    height, width = level.shape
    block = max(1, -(-max(height, width) // LOW))
    padded = np.pad(level, ((0, -height % block), (0, -width % block)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // block, block, padded.shape[1] // block, block)
    return blocks.max(axis=(1, 3)) if how == "max" else blocks.mean(axis=(1, 3))


def _high(low: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The reverse of `_low`, interpolated."""
    height, width = shape
    block = max(1, -(-max(height, width) // LOW))
    size = (low.shape[1] * block, low.shape[0] * block)
    large = Image.fromarray(low.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(large)[:height, :width]


def _is_bright_ink(levels: list[np.ndarray]) -> bool:
    """Whether the ink is brighter than its ground: more stands out brightly than darkly.

    It has to stand out both from a wide median, as what lies between strokes does not, and from what is left when
    everything is closed or opened that is narrower than `WIDEST`, as a shadow does not.
    """
    from skimage.filters.rank import median
    from skimage.morphology import disk

    low = _low(np.mean(levels, axis=0), "mean").astype(np.uint8)
    residual = low.astype(np.float32) - median(low, disk(max(1, LOW // 5)))
    noise = max(6.0, 4.5 * float(np.median(np.abs(residual))))
    below = _closed(low, WIDEST).astype(np.float32) - low
    above = _closed(255 - low, WIDEST).astype(np.float32) - (255 - low)
    brightly, darkly = np.minimum(residual, above), np.minimum(-residual, below)
    return bool(brightly[brightly > noise].sum() > darkly[darkly > noise].sum())


def _ground(level: np.ndarray) -> np.ndarray:
    """The paper's brightness under the ink, reduced."""
    from skimage.morphology import reconstruction

    low = _low(level)
    marker = np.full_like(low, low.max())
    marker[0], marker[-1], marker[:, 0], marker[:, -1] = low[0], low[-1], low[:, 0], low[:, -1]
    enclosed = reconstruction(marker, low, method="erosion")
    return np.maximum(_closed(low, WIDEST), np.minimum(enclosed, _closed(low, WIDEST_ENCLOSED)))


def _closed(low: np.ndarray, share: float) -> np.ndarray:
    """Closing with a disc whose diameter is a share of the longer side; beyond the rim lies nothing."""
    from skimage.morphology import closing, disk

    radius = max(1, round(share * max(low.shape) / 2))
    padded = np.pad(low, radius, mode="edge")
    return closing(padded, disk(radius, decomposition="sequence"))[radius:-radius, radius:-radius]


# --- paper ------------------------------------------------------------------------------------------------------------


def _paper(ground: np.ndarray, ink: Picture) -> np.ndarray:
    """Where the paper is, bool (H, W): the largest even part of the ground, and what may be its shadow.

    Regions end where the ground's colour jumps. A region is in the paper's shadow if it differs from the paper by a
    factor, not by its colour; a table, a finger and a cover have a colour or a pattern of their own.
    """
    from scipy.ndimage import maximum_filter, mean

    jumps = np.max([_range(np.log(ground[..., k] + 8)) for k in range(3)], axis=0) > JUMP
    regions, count = connected(~jumps)
    if count < 2:
        return np.ones(ink.shape, bool)
    numbers = np.arange(1, count + 1)
    down, right = (np.abs(np.linspace(-1, 1, n)) for n in regions.shape)
    central = (1.2 - down[:, None]) * (1.2 - right)
    main = numbers[np.argmax(np.bincount(regions.ravel(), central.ravel(), count + 1)[1:])]
    colours = np.stack([mean(ground[..., k], regions, numbers) for k in range(3)], axis=1)
    factors = (colours + 8) / (colours[main - 1] + 8)
    patterned = mean(_low((ink > 0.06).astype(np.float32)), regions, numbers) > 0.5
    other = (np.ptp(factors, axis=1) > COLOURED) | (factors.max(axis=1) < DARKEST) | patterned
    other &= numbers != main
    off = np.concatenate([[False], other])[regions]
    sizes = np.bincount(regions.ravel(), minlength=count + 1)[1:]
    off &= np.concatenate([[False], sizes > 20])[regions]
    return _high(maximum_filter(off.astype(np.float32), 7), ink.shape) < 0.5


# --- lines ------------------------------------------------------------------------------------------------------------


def _without_lines(ink: Picture, paper: np.ndarray) -> Picture:
    """The ink without long straight lines and without boxes around other ink."""
    mask = ink > max(FAINTEST, 0.1 * float(ink.max(initial=0)))
    boxes = _boxes(mask)
    ink, mask = np.where(boxes, 0, ink), mask & ~boxes
    level, upright = _ruled(mask, paper), _ruled(mask.T, paper.T).T
    return without_lines(ink, mask, level, upright)


def _ruled(mask: np.ndarray, paper: np.ndarray) -> np.ndarray:
    """Where lines through the whole paper lie that are level within `STEEPEST` degrees, bool (H, W)."""
    from scipy.ndimage import binary_dilation

    low, off = _low(mask.astype(np.float32)) > 0, _low((~paper).astype(np.float32)) > 0
    zone = straight(low, round(LONG * low.shape[1]), STEEPEST, off)
    if not zone.any():
        return np.zeros_like(mask)
    return _high(binary_dilation(zone, np.ones((3, 1), bool)).astype(np.float32), mask.shape) > 0.1


def _boxes(mask: np.ndarray) -> np.ndarray:
    """The pixels of boxes, turned by a few degrees at most, that have other ink inside."""
    from scipy.ndimage import find_objects

    found, _ = connected(mask, diagonally=True)
    boxes = np.zeros_like(mask)
    for number, box in enumerate(find_objects(found), 1):
        own = found[box] == number
        height, width = own.shape
        if min(height, width) < 0.1 * max(mask.shape):
            continue
        near = max(2, round(0.12 * min(height, width)))
        sides = own[:near].any(0).mean(), own[-near:].any(0).mean()
        sides += own[:, :near].any(1).mean(), own[:, -near:].any(1).mean()
        inner = np.s_[near:-near, near:-near]
        if min(sides) > 0.9 and own[inner].mean() < 0.02 and (found[box][inner] > 0).mean() > 0.01:
            boxes[box] |= own
    return boxes


# --- threshold and strokes --------------------------------------------------------------------------------------------


def _over_threshold(ink: Picture) -> Picture:
    """The ink without noise, and without what is far weaker than the usual ink and not beside such."""
    from scipy.ndimage import maximum_filter

    noise = min(0.5, 6 * float(np.quantile(ink, 0.75)) / 0.67)  # of paper it is the deviation: half of it is clipped
    strokes = ink[ink > max(noise, FAINTEST)]
    if not strokes.size:
        return np.zeros_like(ink)
    usual = float((strokes**2).sum() / strokes.sum())  # weighted by its strength
    strong = ink > max(noise, FAINTEST, WEAKEST * usual)
    kept = np.where((ink > noise / 2) & np.asarray(maximum_filter(strong, 5), dtype=bool), ink, 0)
    return kept.clip(0, usual) if noise else kept  # what is drawn on a screen has no noise


def _strokes(ink: Picture) -> Picture:
    """The ink without what is no stroke: specks, much smaller than the largest part, and what reaches in from the rim.

    What reaches the rim stays if there is nothing else. Specks alone, and what is only along the sides, are no digit.
    """
    from scipy.ndimage import find_objects, maximum_filter

    found, count = connected(ink > 0, diagonally=True)
    boxes = find_objects(found)
    extents = np.array([max(part.stop - part.start for part in box) for box in boxes])
    large = [box for box, extent in zip(boxes, extents, strict=True) if extent >= extents.max() / 2]
    is_edge = all(_is_near_a_side(box, ink.shape) for box in boxes) and all(_is_edge(box, ink.shape) for box in large)
    if extents.max(initial=0) < LEAST * max(ink.shape) or is_edge:
        return np.zeros_like(ink)
    if count < 2:
        return ink
    at_rim = np.zeros(count, bool)
    at_rim[np.setdiff1d(border(found), [0]) - 1] = True
    if (extents[~at_rim] > 0.1 * max(ink.shape)).any():
        reach = 1 + round(0.03 * max(ink.shape))
        from_rim = np.asarray(maximum_filter(np.concatenate([[False], at_rim])[found], reach), dtype=bool)
        extents *= np.bincount(found[~from_rim], minlength=count + 1)[1:] > 0  # also the splinters beside it
    dropped = extents < SMALLEST * extents.max()
    return np.where(np.concatenate([[False], dropped])[found], 0, ink)


def _is_near_a_side(box: tuple[slice, ...], shape: tuple[int, ...]) -> bool:
    """Whether a box lies within `ALONG` of one of the four sides of a picture (H, W)."""
    return any(
        part.stop < ALONG * side or part.start > (1 - ALONG) * side for part, side in zip(box, shape, strict=True)
    )


def _is_edge(box: tuple[slice, ...], shape: tuple[int, ...]) -> bool:
    """Whether a box is at one of the four sides of a picture (H, W), or slim along it, as what is left of an edge is.

    A digit near a side has paper on all of its own sides; only a 1 along it is slim, too.
    """
    rows, columns = box
    height, width = rows.stop - rows.start, columns.stop - columns.start
    at_side = any(min(part.start, side - part.stop) < BESIDE * side for part, side in zip(box, shape, strict=True))
    level, upright = _is_near_a_side((rows,), shape[:1]), _is_near_a_side((columns,), shape[1:])
    return at_side or (level and width > SLIM * height) or (upright and height > SLIM * width)
