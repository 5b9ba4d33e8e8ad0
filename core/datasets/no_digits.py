"""Strokes that are no digit, made at random, so that a model can learn what not to answer.

Source: Hendrycks, Mazeika, Dietterich 2019, ICLR, "Deep anomaly detection with outlier exposure": a model that has seen
some kinds of outliers detects others, too. `benchmarks/drawing.py` measures it on kinds that are not made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
Strokes = tuple[np.ndarray, ...]  # points (n, 2) each: x to the right, y downward
Digit = tuple[int, Strokes]

_QUARTERS, _MIRRORED = (np.array([[0, 1], [-1, 0]]), np.array([[0, -1], [1, 0]])), np.diag([-1, 1])
# How a digit is turned so that it is none: a zero never is, and in a mirror a 2 looks like a 5, a 5 like a 2.
_TURNS = dict.fromkeys(range(1, 10), _QUARTERS) | dict.fromkeys((3, 4, 6, 7), (*_QUARTERS, _MIRRORED))


def no_digit(random: np.random.Generator, digits: Sequence[Digit]) -> Strokes:
    """The strokes of one drawing that is no digit, as fractions of the sheet's side, somewhere on the sheet.

    Curves, figures of a few parts, signs of a few lines, and people's `digits` turned, struck out, or written over
    each other.
    """
    kind = random.random()
    if kind < 0.2:
        strokes = _curves(random)
    elif kind < 0.4:
        strokes = _figure(random)
    elif kind < 0.72:
        strokes = _sign(random)
    elif kind < 0.86:
        strokes = _turned(random, digits)
    elif kind < 0.93:
        strokes = _struck_out(random, digits)
    else:
        strokes = _written_over(random, digits)
    across, down = np.ptp(np.concatenate(strokes), axis=0)
    return placed(strokes, random) if 3 * across > down else no_digit(random, digits)  # an upright line may be a one


def placed(strokes: Sequence[np.ndarray], random: np.random.Generator) -> Strokes:
    """The strokes at a random place of the sheet, their longer side a quarter to four fifths of its side."""
    every = np.concatenate(strokes)
    least, extent = every.min(axis=0), np.ptp(every, axis=0)
    scale = random.uniform(0.25, 0.8) / max(extent.max(), 1e-9)
    at = 0.05 + random.uniform(size=2) * np.maximum(0.9 - extent * scale, 0)
    return tuple((stroke - least) * scale + at for stroke in strokes)


def _one_of(things: Sequence[T], random: np.random.Generator) -> T:
    return things[int(random.integers(len(things)))]


def _curves(random: np.random.Generator) -> list[np.ndarray]:
    """One to three curves whose direction changes at random, some with corners."""
    strokes = []
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        n = random.integers(15, 120)
        turns = np.convolve(random.normal(size=n), np.ones(5) / 5, "same") * random.uniform(0.2, 1.4)
        turns += random.normal() * random.uniform(0, 0.25)
        if random.random() < 0.5:
            turns += (random.random(n) < random.uniform(0, 0.25)) * random.uniform(-3, 3, n)
        direction = turns.cumsum() + random.uniform(0, 2 * np.pi)
        points = np.stack([np.cos(direction), np.sin(direction)], axis=1).cumsum(axis=0)
        points = (points - points.mean(axis=0)) / np.ptp(points, axis=0).max()
        strokes.append(points * random.uniform(0.5, 1) + random.uniform(-0.25, 0.25, 2))
    return strokes


def _figure(random: np.random.Generator) -> list[np.ndarray]:
    """Two to five arcs, lines and bent lines, each of which begins, ends or passes near another, like a letter's."""
    strokes: list[np.ndarray] = []
    for _ in range(random.integers(2, 6)):
        part = _one_of((_arc, _line, _line, _bent), random)(random)
        if strokes:
            other = _one_of(strokes, random)
            shift = other[random.integers(len(other))] - part[random.integers(len(part))]
            part = part + shift + random.normal(size=2) * (0.05 if random.random() < 0.7 else 0.3)
        strokes.append(part)
    return strokes


def _arc(random: np.random.Generator) -> np.ndarray:
    angles = np.linspace(0, random.uniform(0.7, 2 * np.pi), 20) + random.uniform(0, 2 * np.pi)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * random.uniform(0.12, 0.5, 2)


def _line(random: np.random.Generator) -> np.ndarray:
    """A line, mostly nearly upright, level or diagonal."""
    angle = random.uniform(0, 2 * np.pi)
    if random.random() < 0.7:
        angle = random.choice([0, np.pi / 2, np.pi / 4, -np.pi / 4]) + random.normal() * 0.2
    return np.array([[0.0, 0.0], [np.cos(angle), np.sin(angle)]]) * random.uniform(0.25, 1)


def _bent(random: np.random.Generator) -> np.ndarray:
    return random.uniform(-0.5, 0.5, (random.integers(3, 6), 2))


def _sign(random: np.random.Generator) -> list[np.ndarray]:
    """Three to six straight or bowed lines between the points of a grid, most of which begin where another ends."""
    columns, bows = random.integers(2, 4), random.random() < 0.5
    across, down = np.meshgrid(np.linspace(0, random.uniform(0.5, 1), columns), np.linspace(0, 1, 3))
    grid = np.stack([across.ravel(), down.ravel()], axis=1) + random.normal(size=(3 * columns, 2)) * 0.05
    used, lines = [int(random.integers(len(grid)))], set[tuple[int, int]]()
    count = random.integers(3, 7)
    while len(lines) < count:
        start = used[random.integers(len(used))] if random.random() < 0.85 else int(random.integers(len(grid)))
        away = np.linalg.norm(grid - grid[start], axis=1) + random.exponential(0.5, len(grid))
        away[start] = np.inf
        end = int(away.argmin())
        lines.add((min(start, end), max(start, end)))
        used.append(end)
    part, strokes = np.linspace(0, 1, 12)[:, None], []
    for start, end in sorted(lines):
        way = grid[end] - grid[start]
        bow = way[::-1] * (1, -1) * random.normal() * (bows and random.random() < 0.6)
        strokes.append(grid[start] + way * part + bow * 1.6 * part * (1 - part))
    return strokes


def _turned(random: np.random.Generator, digits: Sequence[Digit]) -> list[np.ndarray]:
    digit, strokes = _one_of(digits, random)
    while digit not in _TURNS:
        digit, strokes = _one_of(digits, random)
    turn = _one_of(_TURNS[digit], random)
    return [stroke @ turn for stroke in strokes]


def _struck_out(random: np.random.Generator, digits: Sequence[Digit]) -> list[np.ndarray]:
    """A digit with two to five lines through it: with one it might be a seven or a zero with a bar."""
    strokes = _centred(_one_of(digits, random)[1])
    for _ in range(random.integers(2, 6)):
        angle, at = random.uniform(0, 2 * np.pi), random.normal(size=2) * 0.15
        half = np.array([np.cos(angle), np.sin(angle)]) * random.uniform(0.3, 0.7)
        strokes.append(np.stack([at - half, at + half]))
    return strokes


def _written_over(random: np.random.Generator, digits: Sequence[Digit]) -> list[np.ndarray]:
    """Two or three different digits over each other, none of them a one, which would only be a bar."""
    chosen: dict[int, Strokes] = {}
    count = random.integers(2, 4)
    while len(chosen) < count:
        digit, strokes = _one_of(digits, random)
        if digit != 1:
            chosen.setdefault(digit, strokes)
    shifted = []
    for strokes in chosen.values():
        shift = random.normal(size=2) * 0.15
        shifted += [stroke + shift for stroke in _centred(strokes)]
    return shifted


def _centred(strokes: Strokes) -> list[np.ndarray]:
    """A digit's strokes about (0, 0), its longer side 1."""
    every = np.concatenate(strokes)
    least, most = every.min(axis=0), every.max(axis=0)
    return [(stroke - (least + most) / 2) / max((most - least).max(), 1e-9) for stroke in strokes]
