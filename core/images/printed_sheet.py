"""A sheet to print, with ten rows of boxes for the digits 0 to 9, and where on a photograph its boxes are.

All lengths are millimetres from the top left of a frame of `WIDTH` x `HEIGHT`, which fits on A4 and on Letter paper. In
its corners are marks, and between the upper two a code that says which side is up and which layout it is. Reading only
looks at places relative to the marks, so that the scale of the print does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import combinations

import numpy as np
from PIL import Image

from core.images.parts import connected, darkness
from core.refusal import Refusal
from core.words import text

WIDTH, HEIGHT = 180.0, 250.0  # of the frame
ROWS, COLUMNS = 10, 10  # a row for each digit
MODULE = 1.6  # a mark is 7 x 7 modules: a black ring, a white one, and a black square of 3 x 3, as in a QR code
MARK = 7 * MODULE
CELL, PITCH, CELLS_LEFT = 5.0, 6.0, 60.0  # of the code: side and distance of its squares, left end
START = (1, 0, 1, 1)  # of the code; then three bits of the layout's number, then these inverted
LAYOUT = 1  # the number of this layout: a later one may differ
LABEL_LEFT, LABEL_WIDTH = 0.0, 14.0
BOX_LEFT, BOX_WIDTH, BOX_STEP = 16.4, 14.4, 16.4
BOX_TOP, BOX_HEIGHT, BOX_DOWN = 29.0, 18.0, 20.7
NICKNAME = (16.4, 12.5, 147.2, 12.5)  # left, top, width, height of the place for the nickname
LINE = 0.25  # width of the boxes' lines
LINE_GREY = 0xD8  # of the lines: light enough to vanish, dark enough to write by
MOST_MARKS = 12  # on one picture; more are a pattern and no sheets
MOST_RINGS = 100  # of which it is looked whether they are marks
MARK_SIZE = 1.4  # by which a mark may be larger or smaller than its sheet
QR_CODE = 85  # modules: three marks that are nearer to each other are those of a QR code; a sheet's are 105 and more
BLACK = 0.35  # of the paper's brightness: what is so much darker is printed black
WIDEST_BLACK = 1 / 30  # of the picture's longer side: a code's square, or a mark's, is no wider

Box = tuple[float, float, float, float]  # left, top, width, height, mm


def box(row: int, column: int) -> Box:
    """The box of a row and a column."""
    return BOX_LEFT + column * BOX_STEP, BOX_TOP + row * BOX_DOWN, BOX_WIDTH, BOX_HEIGHT


def marks() -> list[tuple[float, float]]:
    """The left top corners of the four marks, clockwise from the upper left."""
    right, low = WIDTH - MARK, HEIGHT - MARK
    return [(0.0, 0.0), (right, 0.0), (right, low), (0.0, low)]


def black() -> Iterator[Box]:
    """The black rectangles of the marks, each with the white one inside it left out, and those of the code."""
    for left, top in marks():
        long, short = 7 * MODULE, 5 * MODULE
        yield left, top, long, MODULE
        yield left, top + long - MODULE, long, MODULE
        yield left, top + MODULE, MODULE, short
        yield left + long - MODULE, top + MODULE, MODULE, short
        yield left + 2 * MODULE, top + 2 * MODULE, 3 * MODULE, 3 * MODULE
    for place, bit in enumerate(code(LAYOUT)):
        if bit:
            yield CELLS_LEFT + place * PITCH, 0.0, CELL, CELL


def code(layout: int) -> tuple[int, ...]:
    """The bits of a layout's number (0 to 7), from the left; 1 is a black square."""
    bits = tuple(layout >> shift & 1 for shift in (2, 1, 0))
    return (*START, *bits, *(1 - bit for bit in bits))


# --- to print ---------------------------------------------------------------------------------------------------------

STYLE = f"""
@page {{ margin: 10mm; }}
body {{ margin: 0; }}
svg {{ display: block; width: {WIDTH}mm; height: {HEIGHT}mm; margin: 0 auto; font-family: sans-serif; }}
"""


def page(language: str) -> str:
    """The sheet as one HTML page to print, without scripts and files beside it."""

    def said(key: str) -> str:
        return escape(text(language, f"sheet.print.{key}"))

    def rectangle(at: Box, style: str) -> str:
        left, top, width, height = (f"{length:g}" for length in at)
        return f'<rect x="{left}" y="{top}" width="{width}" height="{height}" {style}/>'

    line = f'fill="none" stroke="#{LINE_GREY:02x}{LINE_GREY:02x}{LINE_GREY:02x}" stroke-width="{LINE}"'
    parts = [rectangle(at, "") for at in black()]
    parts += [rectangle(box(row, column), line) for row in range(ROWS) for column in range(COLUMNS)]
    parts.append(rectangle(NICKNAME, line))
    left, top, _, height = NICKNAME
    parts.append(f'<text x="{left}" y="{top - 1.5:g}" font-size="4">{said("nickname")}</text>')
    for row in range(ROWS):
        _, top, _, height = box(row, 0)
        middle = LABEL_LEFT + LABEL_WIDTH / 2
        parts.append(
            f'<text x="{middle:g}" y="{top + 0.78 * height:g}" font-size="15" text-anchor="middle">{row}</text>'
        )
    for place, key in enumerate(("how", "empty", "photograph")):
        y = HEIGHT - 8 + 3.7 * place
        parts.append(f'<text x="{WIDTH / 2:g}" y="{y:g}" font-size="3" text-anchor="middle">{said(key)}</text>')
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}">{"".join(parts)}</svg>'
    head = f'<meta charset="utf-8"><title>{said("title")}</title><style>{STYLE}</style>'
    return (
        f'<!DOCTYPE html>\n<html lang="{language.replace("_", "-")}"><head>{head}</head><body>{drawing}</body></html>\n'
    )


# --- to read ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where a printed sheet is on a picture."""

    homography: np.ndarray  # float64 (3, 3): from mm on the sheet to px on the picture, both x, y, 1
    layout: int

    def on_picture(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 2) on the sheet, mm, as points on the picture, px."""
        return through(self.homography, points)


def find(grey: np.ndarray) -> Place | None:
    """Where the printed sheet is on a picture, grey levels (H, W); None if it has not one mark of such a sheet.

    It may lie in perspective, turned in any way, and mirrored, as some cameras do.

    Raises:
        Refusal: there are marks, but not the four of one sheet.
    """
    black = darkness(grey, max(3, round(WIDEST_BLACK * max(grey.shape))))[0] > BLACK
    found = find_marks(black)
    if len(found) > MOST_MARKS:
        raise Refusal("sheet.several", count=len(found))
    away = np.hypot(*(found[:, None, :2] - found[:, :2]).transpose(2, 0, 1))
    found = found[(away < QR_CODE * found[:, 2:]).sum(axis=1) <= 2]  # two of our sheets may lie side by side
    sheets = [place for four in combinations(found, 4) if (place := _sheet_of(black, np.array(four)))]
    if not sheets:
        if not len(found):
            return None
        if len(found) < 4:
            raise Refusal("sheet.marks_missing", count=len(found))
        raise Refusal("sheet.marks_wrong", count=len(found))
    if len(sheets) > 1:
        raise Refusal("sheet.several", count=len(found))
    if sheets[0].layout != LAYOUT:
        raise Refusal("sheet.layout", layout=sheets[0].layout)
    return sheets[0]


def find_marks(black: np.ndarray) -> np.ndarray:
    """The corner marks on a picture, of which bool (H, W) is black: centre x, y and side of a module, px (N, 3)."""
    from scipy import ndimage

    parts, count = connected(black)
    boxes = ndimage.find_objects(parts)
    area = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    top, down, left, right = (
        np.array([(one[0].start, one[0].stop, one[1].start, one[1].stop) for one in boxes], dtype=np.int64)
        .reshape(-1, 4)
        .T
    )
    height, width = down - top, right - left
    smaller, larger = np.minimum(height, width), np.maximum(height, width)
    fits = (smaller >= 3) & (2.2 * smaller >= larger) & (larger < max(black.shape) / 4)
    dot = parts[(top + down) // 2, (left + right) // 2] - 1  # what lies in the middle of each
    is_dot = np.append(fits & (area > 0.42 * height * width), False)
    rings = fits & (smaller >= 9) & (area < 0.8 * height * width) & is_dot[dot] & (dot != np.arange(count))
    rings &= (top[dot] > top) & (down[dot] < down) & (left[dot] > left) & (right[dot] < right)
    rings &= area[dot] > 0.15 * area
    largest = np.flatnonzero(rings)[np.argsort(-area[rings], kind="stable")][:MOST_RINGS]
    marks = [
        (left[ring] + mark[0], top[ring] + mark[1], mark[2] / 7)
        for ring in largest.tolist()
        if (mark := _mark(parts[boxes[ring]], ring + 1, int(dot[ring]) + 1))
    ]
    return np.array(marks, dtype=np.float64).reshape(-1, 3)


def _mark(parts: np.ndarray, ring: int, dot: int) -> tuple[float, float, float] | None:
    """The centre x, y and the side of a mark among numbered parts (H, W); None if two parts have not its proportions.

    The proportions of areas stay the same in perspective, apart from a few per cent.
    """
    from scipy import ndimage

    filled = np.asarray(ndimage.binary_fill_holes(parts == ring))
    whole, of_ring, of_dot = filled.sum(), (parts == ring).sum(), (parts == dot).sum()
    if not (0.3 < of_ring / whole < 0.68 and 0.08 < of_dot / whole < 0.36):  # 24 and 9 of 49 modules
        return None
    outer, inner = (np.array(ndimage.center_of_mass(one))[::-1] for one in (filled, parts == dot))
    side = np.sqrt(whole)
    if np.hypot(*(outer - inner)) > 0.1 * side:
        return None
    # A parallelogram's area is 12 times the root of the determinant of its covariance.
    rows, columns = np.nonzero(filled)
    spread = np.cov(np.stack([columns, rows]))
    if not 0.9 < whole / (12 * np.sqrt(max(float(np.linalg.det(spread)), 1e-9))) < 1.1:
        return None
    x, y = inner if of_dot > 30 else (outer + inner) / 2
    return float(x), float(y), float(side)


def _sheet_of(black: np.ndarray, found: np.ndarray) -> Place | None:
    """The sheet with these four marks, (4, 3) as from `find_marks`, in any order; None if they do not make one.

    Its code has to be where it belongs, and each mark has to be as large as the distance of the others says: those of
    two sheets, one above the other, may also have a code between them.
    """
    around = found[:, :2] - found[:, :2].mean(axis=0)
    ordered = found[np.argsort(np.arctan2(around[:, 1], around[:, 0]))]  # clockwise, as y goes down
    if not _is_convex(ordered[:, :2]):
        return None
    own = np.array(marks()) + MARK / 2
    for mirrored in (False, True):
        for turn in range(4):
            corners = np.roll(ordered[::-1] if mirrored else ordered, turn, axis=0)
            homography = through_four(own, corners[:, :2])
            if (layout := _layout(black, homography)) is None:
                continue
            ends = through(homography, np.concatenate([own + MODULE / 2, own - MODULE / 2])).reshape(2, 4, 2)
            across = np.hypot(*(ends[0] - ends[1]).T) / np.sqrt(2)
            if (np.abs(np.log(across / corners[:, 2])) < np.log(MARK_SIZE)).all():
                return Place(homography, layout)
    return None


def _is_convex(corners: np.ndarray) -> bool:
    sides = np.roll(corners, -1, axis=0) - corners
    after = np.roll(sides, -1, axis=0)
    return bool((sides[:, 0] * after[:, 1] - sides[:, 1] * after[:, 0] > 0).all())


def _layout(black: np.ndarray, homography: np.ndarray) -> int | None:
    """The layout's number in the code; None if there is no code. A square is black if more than half of it is."""
    steps = np.linspace(-1, 1, 5)
    inner = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) * CELL / 4
    centres = np.array([(CELLS_LEFT + place * PITCH + CELL / 2, CELL / 2) for place in range(len(code(0)))])
    columns, rows = np.rint(through(homography, (centres[:, None] + inner).reshape(-1, 2))).astype(int).T
    if min(rows.min(), columns.min()) < 0 or rows.max() >= black.shape[0] or columns.max() >= black.shape[1]:
        return None
    bits = (black[rows, columns].reshape(len(centres), -1).mean(axis=1) > 0.5).astype(int).tolist()
    layout = int("".join(map(str, bits[4:7])), 2)
    return layout if tuple(bits) == code(layout) else None


def through(homography: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (N, 2) moved by a homography (3, 3)."""
    moved = np.column_stack([points, np.ones(len(points))]) @ homography.T
    return moved[:, :2] / moved[:, 2:]


def through_four(these: np.ndarray, those: np.ndarray) -> np.ndarray:
    """The homography float64 (3, 3) that moves four points (4, 2) to four others."""
    rows, values = [], []
    for (x, y), (u, v) in zip(these, those, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(rows, dtype=np.float64), np.array(values)), 1).reshape(3, 3)


def flattened(picture: np.ndarray, place: Place, scale: float) -> np.ndarray:
    """The sheet seen from straight above, `scale` px a mm, of a picture uint8 (H, W) or (H, W, C)."""
    to_mm = np.diag([1 / scale, 1 / scale, 1])
    moved = place.homography @ to_mm
    size = round(WIDTH * scale), round(HEIGHT * scale)
    coefficients = (moved / moved[2, 2]).ravel()[:8].tolist()
    how = Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(picture).transform(size, Image.Transform.PERSPECTIVE, coefficients, how))
