"""Drawings that are no digit, of kinds that `core/datasets/no_digits.py` does not make: no model has learned from them.

Letters and symbols are those of fonts that come with matplotlib, thinned to lines, bent, and drawn with a pen. Logos
are pictures of filled shapes and of words in letters made of bars and bows, drawn without any font.
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
LOGO = 240  # px, side of a logo's picture
FINER = 3  # px of which each pixel of a logo is the mean, in either direction
COLOURS = ((24, 24, 28), (196, 30, 44), (20, 80, 170), (12, 130, 90), (240, 150, 20), (110, 50, 140))
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


# --- logos ------------------------------------------------------------------------------------------------------------

Colour = tuple[int, int, int]
Shape = list[tuple[float, float]]  # the corners of a filled shape, within -1 to 1


def _regular(corners: int, *, inner: float = 1, turn: float = 0.0) -> Shape:
    """A polygon; with `inner` below 1 a star, with many corners a disc."""
    count = corners if inner == 1 else 2 * corners
    angles = turn - np.pi / 2 + np.arange(count) * 2 * np.pi / count
    radii = np.where(np.arange(count) % 2, inner, 1)
    return list(zip((radii * np.cos(angles)).tolist(), (radii * np.sin(angles)).tolist(), strict=True))


SHIELD: Shape = [(-0.85, -1), (0.85, -1), (0.85, 0.1), (0.55, 0.65), (0, 1), (-0.55, 0.65), (-0.85, 0.1)]
EMBLEMS: dict[str, Shape] = {
    "disc": _regular(60),
    "square": _regular(4, turn=np.pi / 4),
    "diamond": _regular(4),
    "hexagon": _regular(6),
    "triangle": _regular(3),
    "shield": SHIELD,
    "star": _regular(5, inner=0.45),
    "seal": _regular(16, inner=0.86),
}
# What is cut out of an emblem, or stands on it.
SIGNS: dict[str, list[Shape]] = {
    "star": [_regular(5, inner=0.42)],
    "bolt": [[(0.2, -1), (-0.6, 0.15), (-0.05, 0.15), (-0.25, 1), (0.6, -0.25), (0.05, -0.25)]],
    "chevrons": [
        [(-0.9, y), (0, y - 0.7), (0.9, y), (0.9, y + 0.35), (0, y - 0.35), (-0.9, y + 0.35)] for y in (0, 0.6)
    ],
    "bars": [
        [(x, top), (x + 0.4, top), (x + 0.4, 0.8), (x, 0.8)] for x, top in ((-0.9, 0.2), (-0.2, -0.3), (0.5, -0.9))
    ],
    "leaf": [
        [(np.sin(t) * 0.6, -np.cos(t)) for t in np.linspace(0.4, 5.9, 12)] + [(0, -1)],
        [(0.1, 1), (0, 1), (0, 0)],
    ],
    "waves": [
        [
            (x, y + 0.15 * np.sin(5 * x) + down)
            for down in (0, 0.25)
            for x in np.linspace(-1, 1, 30)[:: 1 if not down else -1]
        ]
        for y in (-0.6, -0.1, 0.4)
    ],
    "petals": [
        [
            (np.cos(t) * a - np.sin(t) * b, np.sin(t) * a + np.cos(t) * b)
            for a, b in ((0.1, 0), (0.6, 0.25), (1, 0), (0.6, -0.25))
        ]
        for t in np.arange(5) * 2 * np.pi / 5
    ],
    "cross": [
        [(-0.25, -0.9), (0.25, -0.9), (0.25, 0.9), (-0.25, 0.9)],
        [(-0.9, -0.25), (0.9, -0.25), (0.9, 0.25), (-0.9, 0.25)],
    ],
}
# Letters on a field of 1 x 1, of lines (x, y, x, y) and bows (left, top, right, bottom, and two angles in degrees).
STEM, BOTTOM, TOP, MIDDLE = (0, 0, 0, 1), (0, 1, 1, 1), (0, 0, 1, 0), (0, 0.5, 0.8, 0.5)
LETTER_LINES: dict[str, list[tuple[float, ...]]] = {
    "A": [(0, 1, 0.5, 0), (0.5, 0, 1, 1), (0.25, 0.65, 0.75, 0.65)],
    "C": [(0, 0, 1, 1, 50, 310)],
    "D": [STEM, (-1, 0, 1, 1, -90, 90)],
    "E": [STEM, TOP, MIDDLE, BOTTOM],
    "F": [STEM, TOP, MIDDLE],
    "H": [STEM, (1, 0, 1, 1), (0, 0.5, 1, 0.5)],
    "K": [STEM, (0, 0.5, 1, 0), (0, 0.5, 1, 1)],
    "M": [STEM, (0, 0, 0.5, 0.7), (0.5, 0.7, 1, 0), (1, 0, 1, 1)],
    "N": [STEM, (0, 0, 1, 1), (1, 0, 1, 1)],
    "O": [(0, 0, 1, 1, 0, 360)],
    "P": [STEM, (-0.8, 0, 0.8, 0.55, -90, 90)],
    "R": [STEM, (-0.8, 0, 0.8, 0.55, -90, 90), (0.2, 0.55, 1, 1)],
    "T": [TOP, (0.5, 0, 0.5, 1)],
    "U": [(0, 0, 0, 0.6), (1, 0, 1, 0.6), (0, 0.2, 1, 1, 0, 180)],
    "V": [(0, 0, 0.5, 1), (0.5, 1, 1, 0)],
    "X": [(0, 0, 1, 1), (1, 0, 0, 1)],
}


def logo(random: np.random.Generator) -> np.ndarray:
    """A picture uint8 (LOGO, LOGO, 4): an emblem with a sign, a figure of equal parts, a word, or emblem and word."""
    ground, first, second = _colours(random)
    side = LOGO * FINER
    picture = Image.new("RGB", (side, side), ground)
    draw = ImageDraw.Draw(picture)
    kind = ("emblem", "turned parts", "word", "emblem and word")[int(random.integers(4))]
    if kind == "turned parts":
        _turned_parts(draw, random, (first, second))
    if kind in ("emblem", "emblem and word"):
        above = 0.36 if kind == "emblem and word" else 0.5
        size = random.uniform(0.2, 0.26) if kind == "emblem and word" else random.uniform(0.28, 0.42)
        shape = list(EMBLEMS.values())[int(random.integers(len(EMBLEMS)))]
        _fill(draw, shape, (0.5, above), size, first)
        for part in list(SIGNS.values())[int(random.integers(len(SIGNS)))]:
            _fill(
                draw, part, (0.5, above), size * random.uniform(0.5, 0.6), second if random.random() < 0.5 else ground
            )
    if kind in ("word", "emblem and word"):
        count = int(random.integers(3, 7))
        width = random.uniform(0.6, 0.85)
        middle = 0.78 if kind == "emblem and word" else 0.5
        _word(draw, random, (0.5 - width / 2, middle, width, count), first)
    small = np.asarray(picture.reduce(FINER))
    return np.dstack([small, np.full(small.shape[:2], 255, np.uint8)])


def _colours(random: np.random.Generator) -> tuple[Colour, Colour, Colour]:
    """The colours of the ground, mostly white, and of two kinds of parts."""
    first, second, third = (COLOURS[k] for k in random.permutation(len(COLOURS))[:3])
    return ((255, 255, 255), first, second) if random.random() < 0.7 else (third, (255, 255, 255), (250, 220, 90))


def _fill(draw: ImageDraw.ImageDraw, shape: Shape, middle: tuple[float, float], size: float, colour: Colour) -> None:
    points = (np.array(shape) * size + middle) * LOGO * FINER
    draw.polygon([tuple(point) for point in points.tolist()], fill=colour)


def _turned_parts(draw: ImageDraw.ImageDraw, random: np.random.Generator, colours: Sequence[Colour]) -> None:
    """Three to eight equal parts about a middle, as the wings of a mill."""
    count, wide = int(random.integers(3, 9)), random.uniform(0.15, 0.45)
    near, lean = random.uniform(0.1, 0.35), random.uniform(-0.4, 0.4)
    part = np.array([(near, 0), (0.6, wide + lean), (1, lean), (0.6, -wide + lean)])
    for k in range(count):
        turn = 2 * np.pi * k / count
        matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        _fill(draw, (part @ matrix).tolist(), (0.5, 0.5), 0.4, colours[k % 2])


def _word(
    draw: ImageDraw.ImageDraw, random: np.random.Generator, place: tuple[float, float, float, int], colour: Colour
) -> None:
    """So many letters of one weight, in a row of this left end, middle and width."""
    left, middle, width, count = place
    step = width / count
    across, high = step * 0.62, min(0.5, step * random.uniform(0.8, 1.6))
    thick = step * random.uniform(0.1, 0.22)
    for k in range(count):
        x, y = left + k * step + step * 0.19, middle - high / 2
        lines = list(LETTER_LINES.values())[int(random.integers(len(LETTER_LINES)))]
        for ends in lines:
            corners = (np.array(ends[:4]).reshape(2, 2) * (across, high) + (x, y)) * LOGO * FINER
            pixels = max(1, round(thick * LOGO * FINER))
            if len(ends) == 4:
                draw.line([tuple(point) for point in corners.tolist()], fill=colour, width=pixels)
            else:
                draw.arc([tuple(point) for point in corners.tolist()], ends[4], ends[5], fill=colour, width=pixels)


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
