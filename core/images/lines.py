"""Printed lines of ruled and squared paper, found and taken out of the ink on it."""

from __future__ import annotations

import numpy as np

from core.images.parts import connected

STRONGER = 1.5  # times as strong as the lines: a pen by which the lines can be told from it
OF_LINES, NEAR_LINES = 1.6, 1.3  # of their strength: what is weaker is of the lines where they are, and elsewhere
HIGHER = 1.7  # times as high as a line: strokes that cross it


def straight(inked: np.ndarray, length: int, steepest: float, beyond: np.ndarray | None = None) -> np.ndarray:
    """Which pixels of a mask (H, W) are on straight lines that are level within `steepest` degrees.

    A line is `length` px long at least, and inked for the most part; where `beyond` is true it is not seen.
    """
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    height, width = inked.shape
    columns, rows = np.arange(width), np.arange(height)[:, None]
    found = np.zeros_like(inked)
    for degrees in np.arange(-steepest, steepest + 0.1, 0.5):
        shift = np.round(np.tan(np.radians(degrees)) * (columns - width / 2)).astype(int)
        places = (rows + shift).clip(0, height - 1), columns
        drawn = inked[places].astype(np.float32)
        filled = drawn if beyond is None else np.maximum(drawn, beyond[places])
        lines = uniform_filter1d(filled, length, axis=1, mode="constant") >= 0.9
        if beyond is not None:
            lines &= uniform_filter1d(drawn, length, axis=1, mode="constant") >= 0.6
        if lines.any():
            r, c = np.nonzero(maximum_filter1d(lines.astype(np.uint8), length, axis=1).astype(bool) & (drawn > 0))
            found[(r + shift[c]).clip(0, height - 1), c] = True
    return found


def without_lines(ink: np.ndarray, mask: np.ndarray, level: np.ndarray, upright: np.ndarray) -> np.ndarray:
    """The ink (H, W), of which `mask` is seen, without the printed lines that lie in two zones, level and upright.

    Strokes that cross them stay, and all that is much stronger than they are.
    """
    lines = (level & ~_crossing(mask, level)) | (upright & ~_crossing(mask.T, upright.T).T)
    if not (mask & lines).any():
        return ink
    is_all = (mask & ~lines).sum() < 0.05 * mask.sum()
    if is_all and connected(mask, diagonally=True)[1] == 1:  # a stroke and nothing else is the digit
        return ink
    usual, others = strength(ink[mask & lines]), ink[mask & ~(level | upright)]
    if others.any() and strength(others) > STRONGER * usual:
        lines = ((lines | level & upright) & (ink < OF_LINES * usual)) | (ink < NEAR_LINES * usual)
    return np.where(lines, 0, ink)


def strength(ink: np.ndarray) -> float:
    """The usual strength of some ink: its mean, weighted by itself, since the edges of strokes are faint."""
    return float((ink**2).sum() / ink.sum())


def _crossing(mask: np.ndarray, zone: np.ndarray) -> np.ndarray:
    """What of the mask is higher than the level lines in the zone: strokes that cross them."""
    from scipy.ndimage import binary_opening

    edges = np.diff((mask & zone).astype(np.int8), axis=0, prepend=0, append=0).T
    heights = np.nonzero(edges == -1)[1] - np.nonzero(edges == 1)[1]
    if not heights.size:
        return np.zeros_like(mask)
    return np.asarray(binary_opening(mask, np.ones((int(HIGHER * np.median(heights)) + 2, 1), bool)))
