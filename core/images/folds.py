"""Folds of paper, found and evened out: long straight lines at which its light changes.

A fold is a thin shade, and its two sides differ in light. All of that hardly changes along it, while strokes only cross
it: so the light on a fold is known from its other places, and is taken away below the strokes, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.images.parts import connected

BLOCK = 4  # px: folds are looked for on a picture so much smaller
STEP = 16  # px along a fold from one place at which its light is known to the next
NEAR = 8  # px from a fold at which there is nothing of its shade
BESIDE = 20  # px from a line at which there is nothing of the shade of the fold that is found by it
SLACK = 10  # px by which a fold may lie beside the straight line that was found
WIDE = 60  # px from a fold to which the light changes slowly afterwards
SHORTEST = 0.25  # of the picture's longer side: a fold is longer
HIDDEN = 0.06  # of it: no longer part of a fold is hidden
EDGE = 5  # steps before the edge of the paper to which a fold is sure to be seen
SEEN = 0.7  # of a fold: not hidden
WINDOW = 0.08  # of it: the part of a fold by which the light in its middle is known; strokes cover less than half of it
FAINTEST, DARKEST = 0.03, 0.45  # of the paper's brightness: the shade of a fold
LEAST_RATIO = 0.72  # of the light on both sides: what differs more is the paper's edge on a table
SMALLEST = 100  # px: folds are not looked for on a smaller picture
MOST = 40  # lines that are looked at
ALIKE, MOST_ALIKE = 8, 5  # degrees between directions, or from a right angle, and lines: if more are so, it is printed


@dataclass(frozen=True)
class _Fold:
    """A fold that is more upright than level; one that is more level is such a one on the transposed picture."""

    is_level: bool
    line: np.ndarray  # float64 (H,): its column in each row
    own: np.ndarray  # bool (N,): at which steps it is seen

    @property
    def degrees(self) -> float:
        """How it is turned, 0 to 180."""
        slope = float(np.degrees(np.arctan(self.line[1] - self.line[0])))
        return (90 - slope if self.is_level else slope) % 180


def without_folds(level: np.ndarray, share: np.ndarray, paper: np.ndarray) -> np.ndarray:
    """The picture, grey levels (H, W), with the light on its folds evened out, float32.

    `share` (H, W) is how much darker than what is around it each pixel is, and `paper` (H, W) whether that is paper.
    """
    level = level.astype(np.float32)
    if min(level.shape) < SMALLEST:
        return level
    found = _folds(level.copy(), np.where(paper, share, 0), paper.astype(np.float32))
    degrees = np.array([fold.degrees for fold in found])
    apart = np.abs((degrees[:, None] - degrees + 45) % 90 - 45)  # lines of squared paper are of one kind
    folds = [fold for fold, alike in zip(found, (apart < ALIKE).sum(axis=1), strict=True) if alike <= MOST_ALIKE]
    for reach in (NEAR, BESIDE, WIDE):
        for fold in folds:
            _even_out(level.T if fold.is_level else level, fold, reach)
    return level


def _folds(level: np.ndarray, share: np.ndarray, paper: np.ndarray) -> list[_Fold]:
    """All that may be folds on a picture, which they are evened out on, so that none is found twice."""
    from scipy.ndimage import binary_dilation

    found = []
    for angle, distance in _lines(_shade(share)):
        is_level = abs(np.sin(angle)) > abs(np.cos(angle))
        picture = level.T if is_level else level
        one, other = (np.sin(angle), np.cos(angle)) if is_level else (np.cos(angle), np.sin(angle))
        middle = (BLOCK - 1) / 2 * (one + other)  # of a block
        line = (BLOCK * distance + middle - other * np.arange(len(picture))) / one
        beside, own = _seen(_light(picture, line, BESIDE), max(level.shape))
        if own.any():
            line += _through(np.flatnonzero(own), beside[own], len(picture))
            _, own = _seen(_light(picture, line, BESIDE), max(level.shape))
            on_paper = _light(paper.T if is_level else paper, line, 0)[:, 0] > 0.5
            own &= binary_dilation(on_paper, iterations=EDGE)  # the edge of the paper may be taken for none
        if own.any():
            found.append(_Fold(is_level, line, own))
            _even_out(picture, found[-1], NEAR)
    return found


def _shade(share: np.ndarray) -> np.ndarray:
    """Which blocks (H', W') of a picture are darker than is usual for its paper."""
    height, width = (length // BLOCK * BLOCK for length in share.shape)
    low = share[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).mean(axis=(1, 3))
    usual = float(np.median(low))
    return low > usual + max(FAINTEST, 4 * float(np.median(np.abs(low - usual))))


def _lines(shade: np.ndarray) -> list[tuple[float, float]]:
    """The straight lines with the most shade: the angle of their normal, and their distance from the corner, blocks.

    Source: Duda and Hart 1972 (the Hough transform with normal parameters).
    """
    from skimage.transform import hough_line, hough_line_peaks

    votes, angles, distances = hough_line(shade, np.linspace(-np.pi / 2, np.pi / 2, 720, endpoint=False))
    least = SHORTEST * max(shade.shape) / 2
    _, found, away = hough_line_peaks(votes, angles, distances, 4, 8, threshold=least, num_peaks=MOST)
    return list(zip(np.asarray(found).tolist(), np.asarray(away).tolist(), strict=True))


def _light(picture: np.ndarray, line: np.ndarray, reach: int) -> np.ndarray:
    """The usual brightness along a line that is at the column `line` (H,) in each row, float32 (N, 2 `reach` + 1).

    It is that of every `STEP` rows, in each column up to `reach` px beside the line; 0 beyond the picture.
    """
    from scipy.ndimage import median_filter

    rows, left = np.arange(len(picture))[:, None], np.floor(line).astype(int)
    columns = left[:, None] + np.arange(-reach, reach + 1)
    part = (line - left)[:, None].astype(np.float32)
    at = columns.clip(0, picture.shape[1] - 2)
    seen = (1 - part) * picture[rows, at] + part * picture[rows, at + 1]
    seen[(columns[:, 0] < 0) | (columns[:, -1] > picture.shape[1] - 2)] = 0
    steps = len(seen) // STEP
    of_steps = np.median(seen[: steps * STEP].reshape(steps, STEP, -1), axis=1)
    window = round(WINDOW * max(picture.shape) / STEP / 2) * 2 + 1
    return median_filter(of_steps, size=(window, 1), mode="nearest").astype(np.float32)


def _seen(light: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """How many px beside a line its shade is at each step (N,), and which steps are of a fold, of their `_light`."""
    from scipy.ndimage import binary_closing

    middle = light[:, BESIDE - SLACK : BESIDE + SLACK + 1]
    around = np.minimum(light[:, : 2 * SLACK + 1], light[:, -2 * SLACK - 1 :])
    shades = 1 - middle / np.maximum(around, 1)
    shade = shades.max(axis=1)
    seen = (shade > FAINTEST) & (shade < DARKEST)
    hidden = max(1, round(HIDDEN * longest / STEP))
    own = seen & _is_paper(light)
    parts, count = connected(binary_closing(np.pad(own, hidden), np.ones(hidden + 1))[hidden:-hidden])
    lengths = np.bincount(parts, minlength=count + 1)[1:]
    shares = np.bincount(parts, own, count + 1)[1:] / np.maximum(1, lengths)
    is_long = lengths * STEP > SHORTEST * longest
    return shades.argmax(axis=1) - SLACK, seen & bool((is_long & (shares > SEEN)).any())


def _is_paper(light: np.ndarray) -> np.ndarray:
    """At which steps (N,) both sides of a line are of paper, of their `_light`."""
    one, other = light[:, 0], light[:, -1]
    return np.minimum(one, other) > LEAST_RATIO * np.maximum(one, other)


def _through(steps: np.ndarray, beside: np.ndarray, length: int) -> np.ndarray:
    """The straight line through most of the points that are `beside` px (N,) away at these steps, px (length,).

    Source: Theil 1950 (the middle one of the slopes between all pairs).
    """
    rows = STEP * (steps + 0.5)
    one, other = np.triu_indices(len(rows), 1)
    slope = np.median((beside[other] - beside[one]) / (rows[other] - rows[one]))
    return np.median(beside - slope * rows) + slope * np.arange(length)


def _even_out(picture: np.ndarray, fold: _Fold, reach: int) -> None:
    """Let the light change evenly from one side of a fold to the other, `reach` px beside it, in place."""
    from scipy.ndimage import map_coordinates, minimum_filter1d

    line, light = fold.line, _light(picture, fold.line, reach)
    even = light[:, :1] + (light[:, -1:] - light[:, :1]) * np.linspace(0, 1, light.shape[1], dtype=np.float32)
    own = fold.own & minimum_filter1d(_is_paper(light), 2 * round(reach / STEP) + 1)
    factor = np.where(own[:, None], even / np.maximum(light, 1), 1)
    rows, left = np.arange(len(picture))[:, None], np.floor(line).astype(int)
    columns = left[:, None] + np.arange(-reach, reach + 1)
    places = np.broadcast_to((rows + 0.5) / STEP - 0.5, columns.shape), columns - line[:, None] + reach
    factors = map_coordinates(factor, places, order=1, mode="nearest")
    inside = (columns >= 0) & (columns < picture.shape[1])
    picture[np.broadcast_to(rows, columns.shape)[inside], columns[inside]] *= factors[inside]
