"""Renders pen strokes as the drawing pad does: round ends, round corners, smooth edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from core.drawing import SHEET

PENS = (3, 5, 8, 11, 16)  # px wide on a sheet of `SHEET` px: the thinnest of the pad's pens, its default, its thickest
FINER = 8  # supersampling factor, since Pillow draws without anti-aliasing


def inked(strokes: Sequence[np.ndarray], width: float = PENS[1], side: int = SHEET) -> np.ndarray:
    """The strokes as ink, uint8 (side, side), 0 background to 255 ink.

    Args:
        strokes: points (n, 2) each, x to the right and y downward, as fractions of the sheet's side.
        width: of the pen, px.
        side: of the sheet, px.
    """
    every, margin = np.concatenate(strokes) * side, width / 2 + 1
    left, top = np.clip(np.floor(every.min(axis=0) - margin), 0, side).astype(int)
    right, bottom = np.clip(np.ceil(every.max(axis=0) + margin), 0, side).astype(int)
    part = Image.new("L", (max(1, right - left) * FINER, max(1, bottom - top) * FINER))  # the rest stays empty
    pen, radius = ImageDraw.Draw(part), width * FINER / 2
    for stroke in strokes:
        points = (stroke * side - (left, top)) * FINER - 0.5  # Pillow's origin is the centre of the first pixel
        pen.line(points.ravel().tolist(), fill=255, width=round(2 * radius))
        for x, y in points.tolist():
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    sheet = np.zeros((side, side), dtype=np.uint8)
    sheet[top:bottom, left:right] = np.asarray(part.reduce(FINER))[: bottom - top, : right - left]
    return sheet


def bent(strokes: Sequence[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
    """The strokes as another hand might write them: larger or smaller, slanted, wider or narrower, bent by waves.

    Stroke by stroke, before the pen's width closes a loop or leaves it open; later, pixels can only be moved.
    """
    every = np.concatenate(strokes)
    least, most = every.min(axis=0), every.max(axis=0)
    centre, extent = (least + most) / 2, max((most - least).max(), 1e-9)
    slant = np.array([[np.exp(random.normal() * 0.12), 0], [random.normal() * 0.12, 1]])
    size = np.exp(random.uniform(-0.2, 0.2))
    height, pace, phase = random.normal(size=(2, 2)) * 0.025, random.uniform(2, 7, (2, 2)), random.uniform(0, 7, (2, 2))

    def moved(stroke: np.ndarray) -> np.ndarray:
        points = (stroke - centre) / extent @ slant
        waves = height * np.sin(pace * points[:, None] + phase)  # (n, 2, 2): of each point, along both axes, by x and y
        return (points + waves.sum(axis=2)) * extent * size + centre

    return [moved(stroke) for stroke in strokes]
