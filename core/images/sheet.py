"""Finds the digits on a picture of a sheet: those in the boxes of the printable sheet, or any that stand apart.

Each found digit is cut out as a drawing like the pad's, so that it is prepared, read and kept like one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush

import numpy as np
from PIL import Image

from core.drawing import SHEET
from core.drawing.picture import over_black
from core.drawing.prepare import border
from core.images import printed_sheet as printed
from core.images.folds import without_folds
from core.images.lines import straight, strength, without_lines
from core.images.parts import connected, darkness
from core.refusal import Refusal

BLURRED = 0.12  # of a digit's size: what has wider edges is too blurred to be read
DETAIL = 6.0  # px a mm of the printed sheet seen from straight above; a box has 86 x 108 px
WIDEST_STROKE = 4.0  # mm, of the thickest pen
FAINTEST = 0.2  # of the paper's brightness: the difference of the faintest stroke; the boxes' lines have 0.15
BESIDE_LINE = 0.8  # mm from a box's line in which faint ink counts as the line
FAINT_LINE = 0.3  # ink stronger than this is none
MOSTLY = 0.7  # of a stroke: what has so much of it in one box is that box's, wherever the rest is
LEAST_DIGIT = 3.0  # mm, the longer side of a digit in a box; less is a speck
DRAWN = 84  # px, the longer side of a digit on the drawing's `SHEET`
MOST_DIGITS = 400  # on one picture

WIDEST_SHARE = 1 / 45  # of the picture's longer side: what is wider is no stroke of one of many digits
FAINTEST_STROKE = 0.06  # of the paper's brightness
WEAKEST = 0.35  # of the usual stroke: what is fainter is none
DARKEST_PAPER = 0.35  # of the brightest: what is darker is no paper, even in a shadow
ROUGH = 0.04  # of the brightness: a ground with half of its pixels so much darker is no paper
STEP = 0.8  # of the level on the brighter side: what is darker on the other, 8 px on, is another ground
SHORTEST_EDGE = 0.15  # of the picture's longer side: an edge of the paper is longer
EDGE_GAP = 0.032  # of the picture's longer side: the paper's edge is not seen where a shadow's edge crosses it
SMALLEST_GROUND = 0.03  # of the picture: less is no ground of its own
LEAST_CONTRAST = 0.1  # of the brightest ground: strokes on another one differ more from it
WEAKER = 0.45  # of the contrast of the strokes on another ground: less is the grain of a table
STANDS_OUT = 25  # grey levels by which ink differs at least from its ground
SHORTEST_LINE = 0.25  # of the picture's side: a printed line is longer
THICKEST_LINE = 1 / 220  # of the picture's side: a printed line is no thicker
LINE_STEP = 4  # px: lines are followed on a picture so much smaller
STEEPEST = 20  # degrees by which a printed line is turned

DARK = 64  # grey levels of ink above which a pixel is part of a stroke
SPECK = 0.25  # of the typical height: less is a speck, unless it belongs to a digit
FRAGMENT = 0.6  # of the typical height: what is lower may be a part of the digit beside it
REACH = 0.3  # of a digit's size: a part of it lies no farther beyond it
GAP = 0.16  # of the typical height: the widest gap within a digit; of 1,249 digits of pens none has a wider one
NARROW_GAP = 0.07  # the same between two high parts beside each other, such as those of an open 4
SLIM = 0.9  # width over height of what two high parts beside each other may make
WIDEST_DIGIT = 2.5  # width over height: what is wider is a stroke
PALEST = 0.4  # of the usual strength of a digit: what is paler is none
SPREAD = 0.12  # of the slopes between neighbours: more is no row
LEAST_TURN = 3  # degrees by which a row is turned until its digits are turned back
TOUCHING = 1.0  # width over height from which two touching digits are looked for
WIDE = 1.4  # width over height from which they are likely
HIGH = 0.6  # of the height: each of two touching digits is higher


@dataclass(frozen=True)
class Found:
    """A digit on a picture."""

    corners: np.ndarray  # float64 (4, 2): x, y in px of the picture, clockwise from the upper left of the digit
    pixels: np.ndarray  # uint8 (SHEET, SHEET): its ink, 0 ground to 255 ink
    written: int | None = None  # the label of its row on the printed sheet
    halves: tuple[Found, ...] = ()  # the two digits that it would be if two touch
    is_wide: bool = False  # whether it is so wide, and its halves so high, that it is two unless a model is sure of it


@dataclass(frozen=True)
class Sheet:
    """What is on the picture of a sheet."""

    digits: tuple[Found, ...]  # in reading order
    printed: bool  # whether it is the printable sheet, whose rows tell the labels
    nickname: np.ndarray | None = None  # uint8 (H, W): grey picture of the place for the nickname; None if left empty


def read(rgba: np.ndarray, quarters: Callable[[Sequence[Found]], int] | None = None) -> Sheet:
    """The digits on a picture uint8 (H, W, 4).

    Args:
        rgba: the picture.
        quarters: says of digits by how many quarters clockwise they have to be turned to stand upright; they are then
            looked for once more on the turned picture. Without it they stand upright. The printable sheet shows it.

    Raises:
        Refusal: it is blurred, shows a part of the printable sheet, several of them, no digit, or too many.
    """
    grey = np.asarray(over_black(rgba).convert("L"))
    if place := printed.find(grey):
        sheet = in_boxes(grey, place)
        if not sheet.digits:
            raise Refusal("sheet.boxes_empty")
        return sheet
    strokes = ink(grey)
    digits = apart(strokes)
    if not digits:
        raise Refusal("sheet.no_digit")
    if edge_width(strokes) > BLURRED * np.median([np.ptp(one.corners, axis=0).max() for one in digits]):
        raise Refusal("sheet.blurred")
    if quarters and (turn := quarters(digits)):
        digits = [_turned_back(one, turn, grey.shape) for one in apart(np.rot90(strokes, -turn))]
    return Sheet(tuple(digits), printed=False)


def _turned_back(one: Found, quarters: int, shape: tuple[int, ...]) -> Found:
    """A digit found on a picture of `shape` turned clockwise by so many quarters, with its corners on that picture."""
    height, width = shape
    x, y = one.corners.T
    moved = [(x, y), (y, height - x), (width - x, height - y), (width - y, x)][quarters]
    halves = tuple(_turned_back(half, quarters, shape) for half in one.halves)
    return replace(one, corners=np.stack(moved, axis=1), halves=halves)


def strokes_seen(rgba: np.ndarray) -> np.ndarray:
    """What is taken for ink on a picture uint8 (H, W, 4): uint8 (H, W), 0 ground to 255 ink."""
    return ink(np.asarray(over_black(rgba).convert("L")))


# --- the printable sheet ----------------------------------------------------------------------------------------------


def in_boxes(grey: np.ndarray, place: printed.Place) -> Sheet:
    """The digits in the boxes of a printed sheet on a picture, grey levels (H, W)."""
    from scipy import ndimage

    flat = printed.flattened(grey, place, DETAIL)
    widest = round(WIDEST_STROKE * DETAIL)
    share, paper = darkness(flat, widest)
    boxes = np.zeros(flat.shape, dtype=np.int32)  # the number of the box at each pixel, from 1
    lines = np.zeros(flat.shape, dtype=bool)
    near = round(BESIDE_LINE * DETAIL)
    for row in range(printed.ROWS):
        for column in range(printed.COLUMNS):
            rows, columns = _pixels(printed.box(row, column))
            lines[rows.start - near : rows.stop + near, columns.start - near : columns.stop + near] = True
            lines[rows.start + near : rows.stop - near, columns.start + near : columns.stop - near] = False
    # Half of the way to the next box belongs to a box: people write over the lines.
    for row in range(printed.ROWS):
        for column in range(printed.COLUMNS):
            left, top, width, height = printed.box(row, column)
            beside, above = (printed.BOX_STEP - width) / 2, (printed.BOX_DOWN - height) / 2
            at = _pixels((left - beside, top - above, width + 2 * beside, height + 2 * above))
            boxes[at] = row * printed.COLUMNS + column + 1
    share[lines & (share < FAINT_LINE)] = 0
    share, _ = _again_without_folds(flat, share, paper, np.ones(flat.shape, bool), widest)
    share[lines & (share < FAINT_LINE)] = 0
    parts, count = connected(share > FAINTEST, diagonally=True)
    # A stroke that reaches into the next box stays with its digit; touching digits are cut at the border.
    pairs, sizes = np.unique(parts[parts > 0] * np.int64(boxes.max() + 1) + boxes[parts > 0], return_counts=True)
    part, own_box = np.divmod(pairs, boxes.max() + 1)
    whole = np.bincount(part, sizes, count + 1)
    mostly = (own_box > 0) & (sizes >= MOSTLY * whole[part])
    owner_of = np.full(count + 1, -1)
    owner_of[part[mostly]] = own_box[mostly]
    owner = np.where(owner_of[parts] > 0, owner_of[parts], boxes) * (parts > 0)
    digits = []
    for number, at in enumerate(ndimage.find_objects(owner, printed.ROWS * printed.COLUMNS)):
        if at is None:
            continue
        own = (owner[at] == number + 1) * share[at]
        rows, columns = at
        if max(own.shape) < LEAST_DIGIT * DETAIL:
            continue
        ends = np.array([(columns.start, rows.start), (columns.stop, rows.stop)]) / DETAIL
        corners = place.on_picture(_corners(*ends))
        digits.append(Found(corners, drawing(own), number // printed.COLUMNS))
    at = _pixels(printed.NICKNAME)
    inner = np.s_[at[0].start + near : at[0].stop - near, at[1].start + near : at[1].stop - near]
    is_named = (share[inner] > FAINTEST).sum() > (LEAST_DIGIT * DETAIL)
    return Sheet(tuple(digits), printed=True, nickname=flat[at] if is_named else None)


def _pixels(box: printed.Box) -> tuple[slice, slice]:
    """The rows and columns of a box of the flattened sheet."""
    left, top, width, height = (round(DETAIL * length) for length in box)
    return slice(max(0, top), top + height), slice(max(0, left), left + width)


def edge_width(strokes: np.ndarray) -> float:
    """The width of the edges of strokes, px: their usual strength over their usual steepest slope."""
    from scipy import ndimage

    level = ndimage.gaussian_filter(strokes.astype(np.float32), 0.7)
    slope = ndimage.maximum_filter(ndimage.gaussian_gradient_magnitude(level, 0.5), 5)
    inside = level > 2 * DARK
    return float(np.median(level[inside] / np.maximum(slope[inside], 1))) if inside.any() else 0.0


# --- ink --------------------------------------------------------------------------------------------------------------


def ink(grey: np.ndarray) -> np.ndarray:
    """The strokes on a picture of many digits, grey levels (H, W), as uint8 (H, W), 0 ground to 255 ink.

    `core/images/paper.py` does this for a picture of one digit, whose strokes may be as wide as a shadow.
    """
    from scipy import ndimage

    level = grey if _is_dark_ink(grey) else 255 - grey
    widest = max(9, round(WIDEST_SHARE * max(grey.shape)))
    share, paper = darkness(level, widest)
    share, paper = _again_without_folds(level, share, paper, ~(_is_dark(paper) | _is_rough(share)), widest)
    share[_is_dark(paper)] = 0  # it is a dark table
    share[_is_rough(share)] = 0  # it is a table of wood, or cloth
    step = _is_step(paper)
    share[step] = 0  # it is the paper's edge on a table
    share[~_is_paper(share, paper, step)] = 0
    share[share < max(FAINTEST_STROKE, 6 * float(np.median(share[::4, ::4])))] = 0
    share[_at_edge(share > 0)] = 0
    mask = share > 0
    thickest = max(3, round(THICKEST_LINE * max(grey.shape)))
    thin = mask & (ndimage.grey_opening(mask.astype(np.uint8), size=thickest + 1) == 0)
    share = without_lines(share, mask, _ruled(thin), _ruled(thin.T).T)
    if not share.any():
        return np.zeros(grey.shape, np.uint8)
    usual = strength(share)
    share[share < WEAKEST * usual] = 0
    return (share / usual * 255).clip(0, 255).astype(np.uint8)


def _again_without_folds(
    level: np.ndarray, share: np.ndarray, paper: np.ndarray, is_paper: np.ndarray, widest: int
) -> tuple[np.ndarray, np.ndarray]:
    """The `darkness` of a picture once the light on its folds is evened out; `share` and `paper` if there are none."""
    even = without_folds(level, share, is_paper)
    return (share, paper) if np.array_equal(even, level) else darkness(even, widest)


def _is_dark(paper: np.ndarray) -> np.ndarray:
    """Which pixels (H, W) are of a ground too dark for paper, also between the bright stripes of a table's grain."""
    from scipy import ndimage

    low = ndimage.grey_opening(paper[::4, ::4], size=max(1, max(paper.shape) // 160))
    return _enlarged(low < DARKEST_PAPER * np.quantile(low, 0.9), 4, paper.shape)


def _is_rough(share: np.ndarray) -> np.ndarray:
    """Which pixels (H, W) are of a ground of which half is dark: strokes cover less of the paper around them."""
    from scipy import ndimage

    side = max(1, max(share.shape) // 60)
    rows, columns = (-(-length // side) for length in share.shape)
    padded = np.pad(share, ((0, rows * side - share.shape[0]), (0, columns * side - share.shape[1])), mode="edge")
    middle = np.median(padded.reshape(rows, side, columns, side)[:, ::2, :, ::2], axis=(1, 3))
    rough = ndimage.median_filter(middle, 3) > max(ROUGH, 4 * float(np.quantile(middle, 0.25)))
    rough = ndimage.binary_dilation(ndimage.binary_opening(rough, np.ones((3, 3))))
    return _enlarged(rough, side, share.shape)


def _is_step(paper: np.ndarray) -> np.ndarray:
    """Which pixels (H, W) are near an edge at which the ground's level changes at once: that of a shadow is softer.

    The paper's edge is long; a short step is left where a stroke lies across the edge of a shadow.
    """
    from scipy import ndimage

    low = paper[::2, ::2]
    step = ndimage.minimum_filter(low, 5) < STEP * ndimage.maximum_filter(low, 5)
    parts, count = connected(step, diagonally=True)
    is_long = np.zeros(count + 1, bool)
    for number, at in enumerate(ndimage.find_objects(parts), 1):
        is_long[number] = max(at[0].stop - at[0].start, at[1].stop - at[1].start) >= SHORTEST_EDGE * max(low.shape)
    step = np.asarray(ndimage.binary_dilation(is_long[parts], iterations=2))
    return _enlarged(step, 2, paper.shape)


def _is_paper(share: np.ndarray, paper: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Which pixels (H, W) are of the ground that is the brightest somewhere, or of one whose strokes stand out as much.

    The paper in a shadow with a sharp edge is such a one; the grain of a table stands out less than ink.
    """
    from scipy import ndimage

    # The edges between the grounds are widened, to close their gaps where the edge of a shadow crosses them.
    wider = max(1, round(EDGE_GAP * max(share.shape) / 8))
    edges: np.ndarray = ndimage.binary_dilation(step[::4, ::4], iterations=wider)
    grounds, count = connected(~edges)
    strokes, level = share[::4, ::4], paper[::4, ::4]
    large = [one for one in range(1, count + 1) if (grounds == one).mean() >= SMALLEST_GROUND]
    if not large:
        return np.ones(share.shape, bool)
    bright = {one: float(np.quantile(level[grounds == one], 0.95)) for one in large}
    brightest = max(bright, key=bright.__getitem__)
    contrast = {one: strength(some) for one in large if (some := (strokes * level)[grounds == one]).any()}
    least = max(LEAST_CONTRAST * bright[brightest], WEAKER * max(contrast.values(), default=0))
    own = np.zeros(count + 1, bool)
    own[[brightest, *(one for one in contrast if contrast[one] >= least)]] = True
    is_paper = np.asarray(ndimage.binary_dilation(own[grounds], iterations=wider))
    return _enlarged(is_paper, 4, share.shape)


def _enlarged(low: np.ndarray, times: int, shape: tuple[int, ...]) -> np.ndarray:
    """A picture made larger by repeating its pixels, cut to `shape`."""
    return low.repeat(times, axis=0).repeat(times, axis=1)[: shape[0], : shape[1]]


def _at_edge(strokes: np.ndarray) -> np.ndarray:
    """Which pixels (H, W) hang together with the picture's edge: a table, a finger, a digit that is cut off."""
    parts, count = connected(strokes)
    cut = np.zeros(count + 1, bool)
    cut[border(parts)] = True
    cut[0] = False
    return cut[parts]


def _is_dark_ink(grey: np.ndarray) -> bool:
    """Whether more stands out darkly than brightly from the ground around it.

    Only places count whose ground is even: the grain of a table, the paper's edge and that of a shadow are no ink.
    """
    from scipy import ndimage

    side = max(1, max(grey.shape) // 40)
    rows, columns = (length // side * side for length in grey.shape)
    blocks = grey[:rows, :columns].reshape(rows // side, side, columns // side, side)[:, ::2, :, ::2]
    low, middle, high = np.quantile(blocks, (0.25, 0.5, 0.75), axis=(1, 3))
    even = ndimage.maximum_filter(middle, 3) - ndimage.minimum_filter(middle, 3) < 2 * STANDS_OUT
    away = (blocks - middle[:, None, :, None]) * even[:, None, :, None]
    least = np.maximum(STANDS_OUT, 4 * (high - low))[:, None, :, None]
    return bool((away < -least).sum() >= (away > least).sum())


def _ruled(thin: np.ndarray) -> np.ndarray:
    """Where printed lines lie in a mask of thin strokes that are level within `STEEPEST` degrees, bool (H, W)."""
    from scipy.ndimage import binary_dilation

    height, width = thin.shape
    padded = np.pad(thin, ((0, -height % LINE_STEP), (0, -width % LINE_STEP)))
    low = np.asarray(padded.reshape(len(padded) // LINE_STEP, LINE_STEP, -1, LINE_STEP).any(axis=(1, 3)))
    lines = straight(low, max(1, round(SHORTEST_LINE * low.shape[1])), STEEPEST)
    return _enlarged(binary_dilation(lines, np.ones((3, 1))), LINE_STEP, thin.shape)


# --- digits that stand apart ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Digit:
    """Some connected parts of the ink that are one digit; all numbers in px."""

    parts: tuple[int, ...]
    left: int
    top: int
    right: int
    down: int

    @property
    def height(self) -> int:
        return self.down - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def size(self) -> int:
        return max(self.height, self.width)

    def with_(self, other: _Digit) -> _Digit:
        return _Digit(
            self.parts + other.parts,
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.down, other.down),
        )


def apart(ink: np.ndarray) -> list[Found]:
    """The digits on a picture's ink uint8 (H, W) in reading order: rows from above, in each from the left.

    Raises: Refusal, if there are more than `MOST_DIGITS`.
    """
    from scipy import ndimage

    parts, _ = connected(ink > DARK, diagonally=True)
    area = np.bincount(parts.ravel())[1:]
    ends = np.array([(at[1].start, at[0].start, at[1].stop, at[0].stop) for at in ndimage.find_objects(parts)])
    ends = ends.reshape(-1, 4)
    width, height = (ends[:, 2:] - ends[:, :2]).T
    size = np.maximum(width, height)
    fits = (size >= 4) & ((width < 0.5 * ink.shape[1]) | (height < 0.7 * ink.shape[0]))
    typical = _typical(size[fits], area[fits])
    fits &= (size >= 0.1 * typical) & (size < 4 * typical)
    if fits.sum() > 5 * MOST_DIGITS:
        raise Refusal("sheet.too_many", most=MOST_DIGITS)
    pieces = [_Digit((number + 1,), *ends[number].tolist()) for number in np.flatnonzero(fits).tolist()]
    digits = [one for one in _joined(pieces, parts) if one.height >= SPECK * typical and one.size >= 0.4 * typical]
    digits = [one for one in digits if not _is_cut(one, ink.shape) and one.width <= WIDEST_DIGIT * one.height]
    if len(digits) > MOST_DIGITS:
        raise Refusal("sheet.too_many", most=MOST_DIGITS)
    strongest = {one: np.quantile(_own(one, ink, parts), 0.95) for one in digits}
    usual = np.median(list(strongest.values())) if strongest else 0
    digits = [one for one in digits if strongest[one] >= PALEST * usual]
    rows, slope = rows_of(digits)
    return [_cut_out(one, ink, parts, slope) for row in rows for one in row]


def _typical(sizes: np.ndarray, weights: np.ndarray) -> float:
    """The size that half of the ink has: many specks weigh little."""
    if not len(sizes):
        return 0.0
    order = np.argsort(sizes)
    total = np.cumsum(weights[order], dtype=np.float64)
    return float(sizes[order][np.searchsorted(total, total[-1] / 2)])


def _is_cut(one: _Digit, shape: tuple[int, ...]) -> bool:
    """Whether the picture's edge cuts it off."""
    return min(one.left, one.top) <= 0 or one.right >= shape[1] or one.down >= shape[0]


def _joined(pieces: Sequence[_Digit], parts: np.ndarray) -> list[_Digit]:
    """The pieces of which several may be one digit, put together; the smallest finds its neighbour first."""
    left = dict(enumerate(pieces))
    ends = np.array([(one.left, one.top, one.right, one.down) for one in pieces]).reshape(-1, 4)
    queue = [(one.size, place) for place, one in left.items()]
    heapify(queue)
    done: list[_Digit] = []
    while queue:
        size, place = heappop(queue)
        if place not in left or left[place].size != size:  # it has been put to another, or another to it
            continue
        small = left.pop(place)
        ends[place] = -(10**9)
        beyond = np.maximum(ends[:, :2] - (small.right, small.down), (small.left, small.top) - ends[:, 2:])
        near = np.flatnonzero(
            (beyond <= REACH * np.ptp(ends.reshape(-1, 2, 2), axis=1).max(axis=1)[:, None]).all(axis=1)
        )
        gaps = [(_distance(small, left[n], parts), n) for n in near.tolist() if _may_join(small, left[n])]
        gaps = [(gap, n) for gap, n in gaps if gap <= _widest_gap(small, left[n])]
        if not gaps:
            done.append(small)
            continue
        n = min(gaps)[1]
        large = left[n] = left[n].with_(small)
        ends[n] = large.left, large.top, large.right, large.down
        heappush(queue, (large.size, n))
    return done


def _may_join(small: _Digit, large: _Digit) -> bool:
    """Whether a piece may belong to another, at least as large one, by where they are; `_distance` has to be small too.

    A low one lies within the other's width and height, or a little beyond them, such as the bar of a 5. A high one
    stands within the other's width, such as the second stroke of an open 4, or makes a slim digit with it.
    """
    reach = REACH * large.size
    across = min(small.right, large.right) - max(small.left, large.left)
    down = min(small.down, large.down) - max(small.top, large.top)
    if across < -reach or down < -reach:
        return False
    both = small.with_(large)
    if both.height > 1.5 * large.size or both.width > 1.6 * large.size:
        return False
    if small.height < FRAGMENT * large.height:
        return across >= 0.3 * small.width or down >= 0.9 * small.height
    beside = across >= 0.5 * min(small.width, large.width) or both.width <= SLIM * both.height
    return beside and down >= 0.3 * small.height


def _widest_gap(small: _Digit, large: _Digit) -> float:
    """The widest gap, px, between two parts of a digit: two high ones beside each other nearly touch."""
    across = min(small.right, large.right) - max(small.left, large.left)
    are_beside = small.height >= FRAGMENT * large.height and across < 0.5 * min(small.width, large.width)
    return (NARROW_GAP if are_beside else GAP) * max(small.height, large.height)


def _distance(one: _Digit, other: _Digit, parts: np.ndarray) -> float:
    """The least distance between the ink of two digits, px."""
    from scipy.spatial import KDTree

    both = one.with_(other)
    seen = parts[both.top : both.down, both.left : both.right]
    these, those = (np.argwhere(np.isin(seen, some.parts)) for some in (one, other))
    return float(KDTree(those).query(these)[0].min())


def rows_of(digits: Sequence[_Digit]) -> tuple[list[list[_Digit]], float]:
    """The digits in rows from above, each from the left, and how many px lower the rows get with each px to the right.

    A row may rise or fall, and bend a little.

    Two digits are neighbours in a row if the second is the nearest to the right that is less than half a digit higher
    or lower, seen along the slope that most such neighbours have.
    """
    if not digits:
        return [], 0.0
    centres = np.array([((one.left + one.right) / 2, (one.top + one.down) / 2) for one in digits])
    sizes = np.array([one.size for one in digits], dtype=np.float64)
    slope = _slope(centres, sizes)
    heights = centres[:, 1] - slope * centres[:, 0]
    rows: list[list[int]] = []
    for place in np.argsort(centres[:, 0] + slope * centres[:, 1], kind="stable").tolist():  # from the left
        ends = [(abs(heights[place] - heights[row[-1]]), number) for number, row in enumerate(rows)]
        ends = [(away, n) for away, n in ends if away < 0.5 * (sizes[place] + sizes[rows[n][-1]]) / 2]
        if ends:
            rows[min(ends)[1]].append(place)
        else:
            rows.append([place])
    rows.sort(key=lambda row: float(np.mean(heights[row])))
    return [[digits[place] for place in row] for row in rows], slope


def _slope(centres: np.ndarray, sizes: np.ndarray) -> float:
    """The middle slope from each digit to the nearest at its right; 0 where these differ, as among scattered digits."""
    slopes = []
    for centre, size in zip(centres, sizes, strict=True):
        away = centres - centre
        right = away[(away[:, 0] > 0.3 * size) & (np.abs(away[:, 1]) < 0.6 * away[:, 0]) & (away[:, 0] < 5 * size)]
        if len(right):
            nearest = right[np.hypot(right[:, 0], 2 * right[:, 1]).argmin()]
            slopes.append(nearest[1] / nearest[0])
    middle = float(np.median(slopes)) if slopes else 0.0
    return middle if len(slopes) >= 4 and np.median(np.abs(np.array(slopes) - middle)) < SPREAD else 0.0


def _own(one: _Digit, ink: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """The ink of a digit alone, uint8 (H, W)."""
    at = np.s_[one.top : one.down, one.left : one.right]
    return np.where(np.isin(parts[at], one.parts), ink[at], 0)


def _cut_out(one: _Digit, ink: np.ndarray, parts: np.ndarray, slope: float) -> Found:
    """A digit, turned by as much as its row is."""
    own = _own(one, ink, parts)
    low, high = np.array([(one.left, one.top), (one.right, one.down)])
    halves = _halves(own) if one.width > TOUCHING * one.height else []
    are_high = bool(halves) and all(len(half) > HIGH * one.height for half, _ in halves)
    return Found(
        _corners(low, high),
        _level(own, slope),
        halves=tuple(Found(_corners(*(ends + low)), _level(half, slope)) for half, ends in halves),
        is_wide=are_high and one.width > WIDE * one.height,
    )


def _level(own: np.ndarray, slope: float) -> np.ndarray:
    """The ink uint8 (H, W) of a digit whose row falls by `slope` px each px, as a drawing on a level row."""
    degrees = np.degrees(np.arctan(slope))
    if abs(degrees) < LEAST_TURN:
        return drawing(own)
    turned = Image.fromarray(own).rotate(degrees, Image.Resampling.BILINEAR, expand=True)
    return drawing(np.asarray(turned.crop(turned.getbbox())))


def _halves(own: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The ink uint8 (H, W) of each of two touching digits, and its ends x, y (2, 2).

    They are separated by the path from above to below that crosses the least ink, in the middle half.
    """
    height, width = own.shape
    low, high = round(0.25 * width), round(0.75 * width)
    cost = own[:, low:high] + 2.0
    total = cost.copy()
    for row in range(1, height):
        before = np.pad(total[row - 1], 1, constant_values=np.inf)
        total[row] += np.minimum.reduce([before[:-2], before[1:-1], before[2:]])
    path = [int(total[-1].argmin())]
    for row in range(height - 2, -1, -1):
        around = range(max(0, path[-1] - 1), min(high - low, path[-1] + 2))
        path.append(min(around, key=lambda column: total[row, column]))
    border = np.array(path[::-1])[:, None] + low
    is_left = np.arange(width) < border
    found = []
    for half in (own * is_left, own * ~is_left):
        rows, columns = np.nonzero(half > DARK)
        if not len(rows):
            return []
        ends = np.array([(columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)])
        found.append((half[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1], ends))
    return found


# --- a digit ----------------------------------------------------------------------------------------------------------


def _corners(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.array([low, (high[0], low[1]), high, (low[0], high[1])], dtype=np.float64)


def drawing(own: np.ndarray) -> np.ndarray:
    """The ink (H, W), from 0, of one digit as a drawing, uint8 (SHEET, SHEET), in the middle of the sheet."""
    height, width = own.shape
    factor = DRAWN / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    how = Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC
    strongest = float(np.quantile(own[own > 0], 0.9)) if (own > 0).any() else 1.0
    scaled = (own.astype(np.float32) / strongest * 255).clip(0, 255).astype(np.uint8)
    sheet = Image.new("L", (SHEET, SHEET))
    sheet.paste(Image.fromarray(scaled).resize(size, how), ((SHEET - size[0]) // 2, (SHEET - size[1]) // 2))
    return np.asarray(sheet)
