"""Drawings that are no digit, of kinds that `core/datasets/no_digits.py` does not make: no model has learned from them.

Letters and symbols are those of fonts that come with matplotlib, thinned to lines, bent, and drawn with a pen.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage.morphology import skeletonize

from core.datasets.no_digits import Digit, Strokes, placed

Kind = Callable[[np.random.Generator, Sequence[Digit]], Strokes]

FONTS = ("DejaVuSans", "DejaVuSerif-Italic", "STIXGeneralItalic", "cmtt10", "cmss10", "cmti10")
LIKE_DIGITS = "OoDQIlijZzSsbGgqB"  # that a person, too, may read as 0, 1, 2, 5, 6, 8 or 9; chosen before any was tried
LETTERS = "".join(sorted(set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") - set(LIKE_DIGITS)))
SYMBOLS = "?!&@#%+=*$€<>{}[]~^£¥§¶√∑∞≠≈→←↑♥★✓"
SIZE = 110  # px of the fonts, before a letter is thinned


def _glyph(fonts: Sequence[str], characters: str, random: np.random.Generator) -> Strokes:
    """A character of a font: its lines turned, slanted, made wider or narrower, and bent by waves."""
    points = _lines(fonts[int(random.integers(len(fonts)))], characters[int(random.integers(len(characters)))])
    angle = random.normal() * 0.12
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = points @ np.array([[random.uniform(0.75, 1.25), 0], [random.normal() * 0.15, 1]]) @ turn
    return tuple(placed([_waved(points, random, 0.04)], random)[0][:, None])  # a stroke for each point


@functools.cache
def _lines(font: str, character: str) -> np.ndarray:
    """The points (n, 2) of a character's lines, about (0, 0), as fractions of the font's size."""
    file = Path(mpl.get_data_path(), "fonts", "ttf", f"{font}.ttf")
    sheet = Image.new("L", (2 * SIZE, 2 * SIZE))
    ImageDraw.Draw(sheet).text((SIZE // 2, SIZE // 4), character, fill=255, font=ImageFont.truetype(str(file), SIZE))
    down, across = np.nonzero(skeletonize(np.asarray(sheet) > 127))
    points = np.stack([across, down], axis=1) / SIZE
    return points - points.mean(axis=0)


def _waved(points: np.ndarray, random: np.random.Generator, height: float) -> np.ndarray:
    """Points (n, 2), moved by waves of about this height."""
    heights, pace, phase = (
        random.normal(size=(2, 2)) * height,
        random.uniform(2, 7, (2, 2)),
        random.uniform(0, 7, (2, 2)),
    )
    return points + (heights * np.sin(pace * points[:, None] + phase)).sum(axis=2)


def _random_walk(random: np.random.Generator) -> Strokes:
    """One stroke of 16 to 40 points in part of the sheet: a random walk, or independent random points."""
    points = random.normal(size=(random.integers(16, 41), 2))
    points = points.cumsum(axis=0) if random.random() < 0.5 else points
    return placed([points], random)


def _lissajous(random: np.random.Generator) -> Strokes:
    """A curve that swings to and fro, unlike in both directions."""
    time = np.linspace(0, 2 * np.pi * random.uniform(0.6, 1), 150)
    across, down = random.choice([(2, 3), (3, 4), (3, 5), (4, 5), (5, 2), (1, 3)])
    return placed([np.stack([np.sin(across * time + random.uniform(0, 3)), np.sin(down * time)], axis=1)], random)


def _spiral(random: np.random.Generator) -> Strokes:
    """Two to five turns."""
    angle = np.linspace(0, 2 * np.pi * random.uniform(2, 5), 200)
    radius = (angle / angle[-1]) ** random.uniform(0.6, 1.2)
    points = np.stack([radius * np.cos(angle) * random.uniform(0.6, 1), radius * np.sin(angle)], axis=1)
    return placed([_waved(points, random, 0.05)], random)


def _hatching(random: np.random.Generator) -> Strokes:
    """Four to eleven lines to and fro, in any direction."""
    count = random.integers(4, 12)
    along = np.linspace(0, random.uniform(0.4, 1.3), 2 * count)
    across = np.tile([0, 1], count) + random.normal(size=2 * count) * 0.08
    angle = random.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return placed([np.stack([along, across], axis=1) @ turn], random)


def _cross(random: np.random.Generator) -> Strokes:
    """A + or an x."""
    angle, strokes = random.choice([0, np.pi / 4]) + random.normal() * 0.12, []
    for own in (angle, angle + np.pi / 2 + random.normal() * 0.15):
        half, centre = np.array([np.cos(own), np.sin(own)]) * random.uniform(0.4, 0.6), random.normal(size=2) * 0.06
        strokes.append(np.stack([centre - half, centre + random.normal(size=2) * 0.04, centre + half]))
    return placed(strokes, random)


def _crossed_out(random: np.random.Generator, digits: Sequence[Digit]) -> Strokes:
    """A digit with an x over it."""
    _, strokes = digits[int(random.integers(len(digits)))]
    every = np.concatenate(strokes)
    least, most = every.min(axis=0), every.max(axis=0)
    centre, extent = (least + most) / 2, most - least
    half = np.maximum(extent, 0.6 * extent.max()) * 0.6
    ends = np.array([(-1, -1), (1, 1), (1, -1), (-1, 1)]) * half + random.normal(size=(4, 2)) * 0.07 * extent.max()
    return placed([*strokes, centre + ends[:2], centre + ends[2:]], random)


def _ring(x: float, y: float, radius: float, begin: float = 0, end: float = 2 * np.pi) -> np.ndarray:
    angle = np.linspace(begin, end, 24)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def _path(*points: tuple[float, float]) -> np.ndarray:
    """A line through the points, with five points more on each part, so that it can be bent."""
    ends = np.array(points)
    parts = [np.linspace(one, other, 6)[:-1] for one, other in itertools.pairwise(ends)]
    return np.concatenate([*parts, ends[-1:]])


def _rays(count: int, inner: float, outer: float) -> list[np.ndarray]:
    turns = np.arange(count) * 2 * np.pi / count
    ways = [np.array((np.cos(turn), np.sin(turn))) for turn in turns]
    return [np.linspace(0.5 + inner * way, 0.5 + outer * way, 6) for way in ways]


_FIFTHS = np.arange(6) * 4 * np.pi / 5
_ALONG = np.linspace(0, 1, 40)
DOODLES: dict[str, list[np.ndarray]] = {
    "house": [
        _path((0, 1), (0, 0.4), (0.5, 0), (1, 0.4), (1, 1), (0, 1)),
        _path((0.4, 1), (0.4, 0.6), (0.6, 0.6), (0.6, 1)),
    ],
    "face": [_ring(0.5, 0.5, 0.5), _ring(0.3, 0.4, 0.04), _ring(0.7, 0.4, 0.04), _ring(0.5, 0.5, 0.28, 0.4, 2.7)],
    "tree": [_path((0.45, 1), (0.45, 0.6)), _path((0.55, 1), (0.55, 0.6)), _ring(0.5, 0.35, 0.33)],
    "fish": [np.stack([_ALONG, 0.5 + sign * 0.3 * np.sin(3.6 * _ALONG)], axis=1) for sign in (-1, 1)],
    "person": [
        _ring(0.5, 0.12, 0.12),
        _path((0.5, 0.24), (0.5, 0.65)),
        _path((0.2, 0.4), (0.8, 0.4)),
        _path((0.2, 1), (0.5, 0.65), (0.8, 1)),
    ],
    "sun": [_ring(0.5, 0.5, 0.22), *_rays(8, 0.3, 0.5)],
    "square": [_path((0, 0), (1, 0.05), (1, 1), (0, 0.95), (0, 0))],
    "triangle": [_path((0.5, 0), (1, 1), (0, 1), (0.5, 0))],
    "star": [_path(*zip(0.5 + 0.5 * np.sin(_FIFTHS), 0.5 - 0.5 * np.cos(_FIFTHS), strict=True))],
    "arrow": [_path((0, 0.5), (1, 0.5)), _path((0.7, 0.2), (1, 0.5), (0.7, 0.8))],
    "tick": [_path((0, 0.6), (0.3, 1), (1, 0))],
    "flower": [_ring(0.5, 0.5, 0.15), *(_ring(x, y, 0.16) for x, y in (ray[-1] for ray in _rays(5, 0, 0.3)))],
    "wave": [np.stack([_ALONG, 0.5 + 0.15 * np.sin(20 * _ALONG)], axis=1)],
    "grid": [
        *(_path((third, 0), (third, 1)) for third in (0.33, 0.67)),
        *(_path((0, third), (1, third)) for third in (0.33, 0.67)),
    ],
}


def _doodle(random: np.random.Generator) -> Strokes:
    strokes = list(DOODLES.values())[int(random.integers(len(DOODLES)))]
    angle, waves = random.normal() * 0.12, random.integers(2**32)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turn = np.diag([random.uniform(0.7, 1.3), 1]) @ turn
    return placed([_waved((one - 0.5) @ turn, np.random.default_rng(waves), 0.03) for one in strokes], random)


KINDS: dict[str, Kind] = {
    "a letter unlike digits": lambda random, _: _glyph(FONTS, LETTERS, random),
    f"a letter like a digit ({LIKE_DIGITS})": lambda random, _: _glyph(FONTS, LIKE_DIGITS, random),
    "a symbol": lambda random, _: _glyph(FONTS[:1], SYMBOLS, random),
    "a cross, + or x": lambda random, _: _cross(random),
    "a digit crossed out": _crossed_out,
    "a scribble: random points": lambda random, _: _random_walk(random),
    "a scribble: Lissajous": lambda random, _: _lissajous(random),
    "a scribble: spiral": lambda random, _: _spiral(random),
    "a scribble: hatching": lambda random, _: _hatching(random),
    "a doodle": lambda random, _: _doodle(random),
}
