"""Sheets of paper with digits, and photographs of them, made from strokes, for the tests and `benchmarks/sheets.py`.

A sheet is written at `SCALE` px a mm, and photographed by a camera that is tilted, turned, noisy and badly lit.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from core.images import printed_sheet as printed

SCALE = 8  # px a mm
PAPER = (210, 297)  # mm, A4
FRAME = (15.0, 23.5)  # mm, where the printed frame begins on it
Strokes = Sequence[np.ndarray]  # points (n, 2) each, x to the right and y downward, in any unit

# Digits as people write them on a grid of 4 x 6, a list of strokes each.
DIGITS: dict[int, list[list[tuple[float, float]]]] = {
    0: [[(2.2, 0), (0.7, 0.8), (0, 3), (0.7, 5.2), (2, 6), (3.4, 5.2), (4, 3), (3.4, 0.8), (2.2, 0)]],
    1: [[(1, 1.2), (2.2, 0), (2.2, 6)]],
    2: [[(0.2, 1.2), (1, 0.2), (2.4, 0), (3.5, 0.9), (3.4, 2.2), (2, 4), (0, 6), (4, 6)]],
    3: [[(0.2, 0.5), (1.8, 0), (3.4, 0.7), (3.3, 2), (1.8, 2.8), (3.6, 3.6), (3.8, 5), (2.2, 6), (0.2, 5.4)]],
    4: [[(2, 0), (0, 4), (4, 4)], [(3, 2.2), (2.9, 6)]],
    5: [[(0.6, 0.3), (0.4, 2.6), (2.2, 2.3), (3.7, 3.2), (3.6, 5), (2.2, 6), (0.2, 5.5)], [(0.6, 0.2), (3.6, 0)]],
    6: [[(3, 0), (1.2, 1.6), (0.1, 4), (0.8, 5.7), (2.4, 6), (3.7, 4.9), (3.2, 3.5), (1.6, 3.2), (0.2, 4.4)]],
    7: [[(0, 0.1), (4, 0), (2.6, 2.8), (1.6, 6)]],
    8: [[(2, 2.8), (0.5, 1.8), (0.7, 0.5), (2, 0), (3.4, 0.6), (3.4, 1.8), (0.3, 4.2), (2, 6), (3.8, 4.2), (2, 2.8)]],
    9: [[(3.7, 1.2), (2.4, 0), (0.8, 0.5), (0.4, 2), (1.6, 3.1), (3.2, 2.5), (3.7, 1.2), (3.5, 3.4), (2.8, 6)]],
}


def strokes(digit: int, random: np.random.Generator) -> list[np.ndarray]:
    """A digit as strokes, no two alike: slanted, stretched and shaken a little."""
    shape = np.array([[random.uniform(0.85, 1.15), random.uniform(-0.15, 0.15)], [random.uniform(-0.05, 0.05), 1]])
    return [
        smoothed(np.array(one) @ shape.T + random.normal(0, 0.08, (len(one), 2))).astype(np.float32)
        for one in DIGITS[digit]
    ]


def smoothed(points: np.ndarray) -> np.ndarray:
    """A line through the points with its corners cut twice. Source: Chaikin 1974."""
    for _ in range(2):
        if len(points) > 2:
            early, late = 0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]
            points = np.concatenate([points[:1], np.stack([early, late], axis=1).reshape(-1, 2)[1:-1], points[-1:]])
    return points


@dataclass
class Paper:
    """A sheet of paper that is written on; all lengths in mm."""

    size: tuple[float, float] = PAPER
    pixels: Image.Image = field(init=False)
    ends: list[tuple[int, np.ndarray]] = field(default_factory=list)  # each digit and its corners x, y (2, 2)

    def __post_init__(self) -> None:
        self.pixels = Image.new("RGB", (round(self.size[0] * SCALE), round(self.size[1] * SCALE)), (250, 250, 248))

    def write(
        self,
        digit: int,
        lines: Strokes,
        left: float,
        top: float,
        height: float,
        *,
        pen: float = 0.7,
        colour: tuple[int, int, int] = (35, 35, 60),
    ) -> None:
        """Write a digit of this height with its left top corner there."""
        every = np.concatenate(list(lines))
        low, high = every.min(axis=0), every.max(axis=0)
        factor = height / max(high[1] - low[1], (high[0] - low[0]) / 1.5, 1e-6)
        draw = ImageDraw.Draw(self.pixels)
        for line in lines:
            points = ((line - low) * factor + (left, top)) * SCALE
            draw.line([tuple(point) for point in points], fill=colour, width=max(1, round(pen * SCALE)), joint="curve")
            radius = pen * SCALE / 2
            for x, y in points[[0, -1]]:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        self.ends.append((digit, np.array([(left, top), (high - low) * factor + (left, top)])))

    def scribble(self, left: float, top: float, width: float, height: float, random: np.random.Generator) -> None:
        """Scribble over a place."""
        across = np.tile([0.0, 1.0], 6) + random.normal(0, 0.08, 12)
        points = np.stack([left + width * across, top + height * np.linspace(0, 1, 12)], axis=1) * SCALE
        ImageDraw.Draw(self.pixels).line([tuple(point) for point in points], (35, 35, 60), round(0.8 * SCALE), "curve")

    def rule(self, step: float, *, squared: bool = False) -> None:
        """Print thin blue lines, so far apart."""
        draw, (width, height) = ImageDraw.Draw(self.pixels), self.pixels.size
        for at in np.arange(step, self.size[1], step) * SCALE:
            draw.line((0, at, width, at), fill=(170, 190, 225), width=round(0.2 * SCALE))
        for at in np.arange(step, self.size[0], step) * SCALE if squared else ():
            draw.line((at, 0, at, height), fill=(170, 190, 225), width=round(0.2 * SCALE))

    def print_sheet(self) -> None:
        """Print the marks, the code, the labels and the boxes of the printable sheet."""
        draw = ImageDraw.Draw(self.pixels)

        def place(box: printed.Box) -> list[float]:
            left, top, width, height = box
            at = np.array([left, top, left + width, top + height]).reshape(2, 2) + FRAME
            return (at * SCALE).ravel().tolist()

        for one in printed.black():
            left, top, right, down = place(one)
            draw.rectangle((round(left), round(top), round(right) - 1, round(down) - 1), fill=(20, 20, 20))
        grey = (printed.LINE_GREY,) * 3
        boxes = [printed.box(row, column) for row in range(printed.ROWS) for column in range(printed.COLUMNS)]
        for one in [*boxes, printed.NICKNAME]:
            draw.rectangle(tuple(place(one)), outline=grey, width=round(printed.LINE * SCALE))
        for row in range(printed.ROWS):
            left, top, _, _ = place((printed.LABEL_LEFT + 3, printed.box(row, 0)[1] + 2, 0, 0))
            draw.text((left, top), str(row), fill=(20, 20, 20), font=ImageFont.load_default(15 * SCALE))

    def write_in_box(self, row: int, column: int, lines: Strokes, height: float, **pen) -> None:
        """Write a digit of this height about into the middle of a box."""
        left, top, width, tall = printed.box(row, column)
        every = np.concatenate(list(lines))
        spread = np.ptp(every, axis=0)
        factor = height / max(spread[1], spread[0] / 1.5, 1e-6)
        at = np.array([left + width / 2, top + tall / 2]) - spread * factor / 2 + FRAME
        self.write(row, lines, at[0], at[1], height, **pen)


@dataclass(frozen=True)
class View:
    """How a sheet is photographed."""

    size: tuple[int, int] = (1600, 1200)  # px of the picture, width and height
    tilt: float = 0.0  # degrees
    tilt_towards: float = 0.0  # degrees, the direction in which the sheet falls back
    turn: float = 0.0  # degrees, clockwise
    fill: float = 0.9  # of the picture's side that the sheet takes
    shift: tuple[float, float] = (0.0, 0.0)  # of the sheet, as a fraction of the picture
    fall_off: float = 0.0  # by which the light is less at one end
    shadow: float = 0.0  # by which it is less in the shadow of a hand
    creases: int = 0  # folds of the paper, each with a light of its own on either side
    noise: float = 2.0  # standard deviation, grey levels
    blur: float = 0.0  # px
    table: tuple[int, int, int] | None = (110, 80, 60)


def homography(size: tuple[float, float], view: View) -> np.ndarray:
    """From mm on a sheet of this size to px on the picture, float64 (3, 3): a pinhole camera at 1.6 sheets' height."""
    width, height = size
    towards, tilt, turn = np.radians((view.tilt_towards, view.tilt, view.turn))
    axis = np.array([np.cos(towards), np.sin(towards), 0])
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    tilted = np.eye(3) + np.sin(tilt) * cross + (1 - np.cos(tilt)) * cross @ cross
    turned = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    rotation = tilted @ turned
    to_middle = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    plane = np.column_stack([rotation[:, 0], rotation[:, 1], (0, 0, 1.6 * height)]) @ to_middle
    corners = printed.through(plane, np.array([(0, 0), (width, 0), (width, height), (0, height)]))
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = view.fill * min(np.array(view.size) / (high - low))
    middle = np.array(view.size) * (0.5 + np.array(view.shift)) - scale * (low + high) / 2
    return np.array([[scale, 0, middle[0]], [0, scale, middle[1]], [0, 0, 1]]) @ plane


def photograph(paper: Paper, view: View, random: np.random.Generator) -> np.ndarray:
    """The photograph uint8 (H, W, 3) of a sheet on a table."""
    back = np.linalg.inv(homography(paper.size, view)) @ np.diag([1, 1, 1])
    back = np.diag([SCALE, SCALE, 1]) @ back
    coefficients = (back / back[2, 2]).ravel()[:8].tolist()
    how = Image.Transform.PERSPECTIVE
    shrink = max(1, round(SCALE * paper.size[1] / (view.fill * max(view.size)) / 1.2))
    pixels = paper.pixels
    if shrink > 1:  # as a lens does, and the resampling does not
        pixels = pixels.reduce(shrink)
        back = np.diag([1 / shrink, 1 / shrink, 1]) @ back
        coefficients = (back / back[2, 2]).ravel()[:8].tolist()
    seen = np.asarray(pixels.transform(view.size, how, coefficients, Image.Resampling.BICUBIC)).astype(np.float32)
    mask = Image.new("L", pixels.size, 255).transform(view.size, how, coefficients, Image.Resampling.BILINEAR)
    share = np.asarray(mask, dtype=np.float32)[..., None] / 255
    ground = np.array(view.table or (250, 250, 248), dtype=np.float32)
    if view.table:
        grain = random.normal(0, 8, (view.size[1] // 16 + 1, 1, 1)).repeat(16, axis=0)[: view.size[1]]
        ground = ground + grain.astype(np.float32)
    picture = share * seen + (1 - share) * ground
    down, across = np.mgrid[0 : view.size[1], 0 : view.size[0]].astype(np.float32)
    down, across = down / view.size[1], across / view.size[0]
    towards = random.uniform(0, 2 * np.pi)
    light = 1 - view.fall_off * np.clip(0.5 + (across - 0.5) * np.cos(towards) + (down - 0.5) * np.sin(towards), 0, 1)
    if view.shadow:
        edge = random.uniform(0.3, 0.7) + 0.2 * np.sin(5 * across + random.uniform(0, 6)) - down
        light = light * (1 - view.shadow * (1 + np.tanh(75 * edge)) / 2)
    for _ in range(view.creases):
        angle = random.uniform(0, np.pi)
        away = np.cos(angle) * (across - random.uniform(0.2, 0.8)) + np.sin(angle) * (down - random.uniform(0.2, 0.8))
        near = np.exp(-np.abs(away) / 0.05)
        light = light * (1 + 0.12 * np.sign(away) * near - 0.2 * np.exp(-((away / 0.0012) ** 2)))
    picture = picture * light[..., None]
    if view.blur:
        from scipy.ndimage import gaussian_filter

        picture = gaussian_filter(picture, (view.blur, view.blur, 0))
    picture = picture + random.normal(0, view.noise, picture.shape).astype(np.float32)
    return picture.clip(0, 255).astype(np.uint8)


def rgba(picture: np.ndarray) -> np.ndarray:
    """The picture as `open_picture` returns it, uint8 (H, W, 4)."""
    return np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])


def encoded(picture: np.ndarray, kind: str = "JPEG", **options: int) -> bytes:
    """The picture as a file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return file.getvalue()


def filled_in(written: Mapping[tuple[int, int], Strokes], *, height: float = 11, **pen) -> Paper:
    """A printed sheet with digits in some of its boxes, by row and column."""
    paper = Paper()
    paper.print_sheet()
    for (row, column), lines in written.items():
        paper.write_in_box(row, column, lines, height, **pen)
    return paper


def places(kind: str, count: int, random: np.random.Generator) -> list[tuple[float, float, float]]:
    """Left, top and height, mm, of so many digits on a paper: in slanted rows, in a grid, or scattered."""
    if kind == "scattered":
        found: list[tuple[float, float, float]] = []
        for _ in range(200 * count):
            height = random.uniform(10, 28)
            left, top = random.uniform(12, PAPER[0] - 12 - height), random.uniform(12, PAPER[1] - 12 - height)
            apart = [
                max(abs(left - x + (height - h) / 2), abs(top - y + (height - h) / 2)) > 0.62 * (height + h)
                for x, y, h in found
            ]
            if all(apart):
                found.append((left, top, height))
            if len(found) == count:
                break
        return found
    size = random.uniform(9, 14)
    step, down = size * (random.uniform(1.25, 1.5) if kind == "rows" else 1.7), size * random.uniform(1.7, 2.2)
    slant = random.uniform(-0.06, 0.06) if kind == "rows" else 0.0
    found = []
    top = 20 + max(0, -slant * PAPER[0])
    while top < PAPER[1] - 30 and len(found) < count:
        left = 15 + random.uniform(0, 8)
        while left < PAPER[0] - 15 - size and len(found) < count:
            shake = random.normal(0, 0.05 * size) if kind == "rows" else 0.0
            height = size * (random.uniform(0.85, 1.15) if kind == "rows" else 1)
            found.append((left, top + slant * left + shake, height))
            left += step
        top += down
    return found
