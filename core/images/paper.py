"""Ink on a photographed, scanned or drawn ground, found in steps that can be shown and switched off one by one.

Nothing is read off the picture's rim alone: light, shadows, the table, a finger, printed lines and specks are each
modelled and taken away. What is left is ink, as `core.drawing.prepare.prepare` accepts it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.drawing.prepare import Picture, border, grey

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
SMALLEST = 0.12  # of the largest stroke's extent: what is smaller is a speck


@dataclass(frozen=True)
class Cleaned:
    """The ink of a picture, with the result of each step."""

    ink: np.ndarray  # uint8 (H, W), 0 ground to 255 ink
    pictures: dict[str, Picture]  # by step, in order: float32 (H, W), 0 ground to 1 ink


def cleaned(rgba: np.ndarray, *, without: Collection[str] = ()) -> Cleaned:
    """The ink in a picture uint8 (H, W, 4) of any ground; `without` names steps to leave out, or "ink" for all.

    Ink may be darker or brighter than its ground. Without "ink", the brightness counts as ink, whatever the ground.
    """
    if "ink" in without:
        brightness = grey(rgba)
        return Cleaned((brightness * 255).round().astype(np.uint8), {})
    rgba = _on_paper(rgba)
    pictures = {}
    if rgba.ndim == 2:  # on a transparent ground, opacity is ink
        ink, even = rgba.astype(np.float32) / 255, True
    else:
        even = "light" in without or is_even(rgba)
        ink = _differing(rgba) if even else _darkness(rgba)
    pictures["light"] = _shown(ink)
    if "paper" not in without:
        ink = _within_paper(ink)
    pictures["paper"] = _shown(ink)
    if "lines" not in without:
        ink = _without_lines(ink)
    pictures["lines"] = _shown(ink)
    if "threshold" not in without:
        ink = _over_threshold(ink, even)
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
    nearest = distance_transform_edt(~opaque, return_distances=False, return_indices=True)
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


def _darkness(rgba: np.ndarray) -> Picture:
    """How much darker each pixel is than the paper under it in this light, or how much brighter, on a dark ground.

    The paper is what is left when everything dark is closed that is narrower than `WIDEST`, or enclosed by brighter
    ground (morphological closing and reconstruction; Soille 2003, Morphological Image Analysis, chapters 4 and 6).
    """
    from scipy.ndimage import gaussian_filter

    levels = [gaussian_filter(rgba[..., k].astype(np.float32), 0.7) for k in range(3)]
    if _is_bright_ink(levels):
        levels = [255 - level for level in levels]
    darkness = np.zeros(rgba.shape[:2], np.float32)
    for level in levels:
        ground, doubtful = _ground(level)
        darkness = np.maximum(darkness, (ground - level - doubtful) / (ground + 8))
    usual = float(np.median(darkness))
    return (darkness - usual).clip(0, 1)


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
    """Whether the ink is brighter than its ground: more stands out brightly than darkly from a wide median."""
    from scipy.ndimage import label
    from skimage.filters.rank import median
    from skimage.morphology import disk

    low = _low(np.mean(levels, axis=0), "mean").astype(np.uint8)
    residual = low.astype(np.float32) - median(low, disk(max(1, LOW // 5)))
    noise = max(6.0, 4.5 * float(np.median(np.abs(residual))))
    masses = []
    for stands_out in (residual > noise, residual < -noise):
        found, count = label(stands_out)
        mass = np.bincount(found.ravel(), np.abs(residual).ravel(), count + 1)
        mass[np.unique(border(found))] = 0
        mass[0] = 0
        masses.append(mass.sum())
    return bool(masses[0] > masses[1])


def _ground(level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The paper's brightness under the ink (H, W), and by how much it may be too high beside an edge."""
    from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter
    from skimage.morphology import reconstruction

    low = _low(level)
    closed = _closed(low, WIDEST)
    marker = np.full_like(low, low.max())
    marker[0], marker[-1], marker[:, 0], marker[:, -1] = low[0], low[-1], low[:, 0], low[:, -1]
    enclosed = reconstruction(marker, low, method="erosion")
    closed = np.maximum(closed, np.minimum(enclosed, _closed(low, WIDEST_ENCLOSED)))
    doubtful = maximum_filter(closed, 3) - minimum_filter(closed, 3)
    smooth = gaussian_filter(closed, 1)
    return _high(smooth, level.shape), _high(doubtful / 2, level.shape)


def _closed(low: np.ndarray, share: float) -> np.ndarray:
    """Closing with a disc whose diameter is a share of the longer side; beyond the rim lies nothing."""
    from skimage.morphology import closing, disk

    radius = max(1, round(share * max(low.shape) / 2))
    padded = np.pad(low, radius, mode="edge")
    return closing(padded, disk(radius, decomposition="sequence"))[radius:-radius, radius:-radius]


# --- paper ------------------------------------------------------------------------------------------------------------


def _within_paper(ink: Picture) -> Picture:
    """The ink without what reaches the picture's edge: a table, a finger, a frame, a scan's edge."""
    from scipy.ndimage import find_objects, label

    mask = ink > max(FAINTEST, 0.15 * float(ink.max(initial=0)))
    found, count = label(mask, np.ones((3, 3)))
    if not count:
        return ink
    extents = np.array([max(part.stop - part.start for part in box) for box in find_objects(found)])
    at_edge = np.zeros(count, bool)
    at_edge[np.setdiff1d(border(found), [0]) - 1] = True
    if not (extents[~at_edge] > 0.1 * max(ink.shape)).any():
        return ink
    return np.where(np.concatenate([[False], at_edge])[found], 0, ink)


# --- lines ------------------------------------------------------------------------------------------------------------


def _without_lines(ink: Picture) -> Picture:
    """The ink without long straight lines and without boxes around other ink."""
    mask = ink > max(FAINTEST, 0.1 * float(ink.max(initial=0)))
    printed = _ruled(mask) | _ruled(mask.T).T
    ink = np.where(printed, 0, ink)
    return np.where(_boxes(mask & ~printed), 0, ink)


def _ruled(mask: np.ndarray) -> np.ndarray:
    """The pixels of lines through the whole picture that are level within `STEEPEST` degrees."""
    from scipy.ndimage import binary_opening, maximum_filter1d, uniform_filter1d

    low = _low(mask.astype(np.float32))
    height, width = low.shape
    length = round(LONG * width)
    columns, rows = np.arange(width), np.arange(height)[:, None]
    zone = np.zeros(low.shape, bool)
    for degrees in np.arange(-STEEPEST, STEEPEST + 0.1, 0.5):
        shift = np.round(np.tan(np.radians(degrees)) * (columns - width / 2)).astype(int)
        sheared = low[(rows + shift).clip(0, height - 1), columns]
        filled = uniform_filter1d(sheared, length, axis=1, mode="constant") >= 0.9 * LONG
        if filled.any():
            along = maximum_filter1d(filled.astype(np.uint8), 2 * length, axis=1).astype(bool) & (sheared > 0)
            r, c = np.nonzero(along)
            inside = (r + shift[c] >= 0) & (r + shift[c] < height)
            zone[(r + shift[c])[inside], c[inside]] = True
    if not zone.any():
        return np.zeros_like(mask)
    near = _high(maximum_filter1d(zone.astype(np.float32), 3, axis=0), mask.shape) > 0.1
    lines = mask & near
    edges = np.diff(lines.astype(np.int8), axis=0, prepend=0, append=0)
    starts, stops = np.nonzero(edges.T == 1)[1], np.nonzero(edges.T == -1)[1]
    thick = int(1.7 * np.median(stops - starts)) + 2
    crossing = binary_opening(mask, np.ones((thick, 1), bool))
    return lines & ~crossing


def _boxes(mask: np.ndarray) -> np.ndarray:
    """The pixels of boxes, turned by a few degrees at most, that have other ink inside."""
    from scipy.ndimage import find_objects, label

    found, _ = label(mask, np.ones((3, 3)))
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


def _over_threshold(ink: Picture, even: bool) -> Picture:
    """The ink without what is noise, or far weaker than the usual ink."""
    rim = border(ink)
    above = ink[ink > 0]
    typical = float(np.median(above)) if above.size else 0.0  # the paper, darker than usual half of the time
    noise = min(0.5, 8 * float(np.median(rim))) if even else 9 * typical
    least = max(noise, FAINTEST)
    strokes = ink[ink > least]
    if not strokes.size:
        return np.zeros_like(ink)
    if even:
        return np.where(ink > noise, ink, 0)
    usual = float(np.quantile(strokes, 0.8))
    return np.where(ink > max(least, WEAKEST * usual), ink, 0).clip(0, usual)


def _strokes(ink: Picture) -> Picture:
    """The ink without specks: parts much smaller than the largest."""
    from scipy.ndimage import find_objects, label

    found, count = label(ink > 0.1 * float(ink.max(initial=0)), np.ones((3, 3)))
    if count < 2:
        return ink
    extents = np.array([max(part.stop - part.start for part in box) for box in find_objects(found)])
    small = extents < SMALLEST * extents.max()
    return np.where(np.concatenate([[False], small])[found], 0, ink)
