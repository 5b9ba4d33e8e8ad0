"""Pictures of a digit on paper as people take them, made from pen strokes: light, pens, papers and what lies about.

Each scene is a file's content, so that it is decoded like anybody's. Everything is drawn by chance from a generator
that is handed in. `UNTRIED` were written down with the others, but nothing was adjusted to them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates, zoom

from core.drawing.strokes import inked

Strokes = Sequence[np.ndarray]  # points (n, 2) each, x to the right and y downward
Random = np.random.Generator

PENS = {  # colours of the ink, and widths as shares of the picture's side
    "fineliner": (((30, 30, 36), (20, 22, 70)), (0.010, 0.022)),
    "ballpoint": (((28, 36, 110), (24, 24, 28), (150, 30, 36)), (0.006, 0.012)),
    "felt pen": (((20, 20, 24), (20, 60, 150), (170, 24, 30), (16, 110, 60)), (0.035, 0.075)),
    "pencil": (((96, 96, 100), (120, 120, 122)), (0.008, 0.018)),
}


# --- parts ------------------------------------------------------------------------------------------------------------


def coverage(strokes: Strokes, random: Random, width: float, side: int, tallest: float = 0.65) -> np.ndarray:
    """How much ink covers each pixel, float32 (side, side), 0 to 1: the digit somewhere about the middle."""
    if not strokes:
        return np.zeros((side, side), np.float32)
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = random.uniform(0.4, tallest) / max(high - low)
    middle = 0.5 + random.uniform(-0.08, 0.08, 2)
    placed = [((stroke - (low + high) / 2) * scale + middle).astype(np.float32) for stroke in strokes]
    return np.asarray(inked(placed, max(1.0, width * side), side), np.float32) / 255


def waves(random: Random, side: int, coarse: int) -> np.ndarray:
    """Smooth noise of unit deviation with about `coarse` bumps a side, float32 (side, side)."""
    bumps = zoom(random.normal(size=(coarse + 3, coarse + 3)), (side + 2 * side / coarse) / (coarse + 3), order=3)
    bumps = np.asarray(bumps, np.float32)[:side, :side]
    return (bumps - bumps.mean()) / bumps.std()


def sheet(random: Random, side: int, colour: Sequence[float] | None = None) -> np.ndarray:
    """Paper with its fibres, float32 (side, side, 3), 0 to 255."""
    colour = random.choice([(236, 233, 226), (246, 246, 244), (226, 224, 220)]) if colour is None else colour
    fibres = gaussian_filter(random.normal(size=(side, side)), 1.5) * random.uniform(2, 6)
    return np.asarray(colour, np.float32) + fibres[..., None].astype(np.float32)


def written(
    paper: np.ndarray, strokes: Strokes, random: Random, pen: str = "fineliner", **settings: float
) -> np.ndarray:
    """The paper with the digit written on it; a pencil's ink follows the paper's grain."""
    colours, widths = PENS[pen]
    side = len(paper)
    share = coverage(strokes, random, random.uniform(*widths), side, **settings)
    if pen == "pencil":
        grain = gaussian_filter(random.normal(size=share.shape), side / 700)
        share = share * (0.85 + 0.25 * grain / grain.std()).clip(0.3, 1)
    share = share[..., None] * random.uniform(0.85, 1)
    return paper * (1 - share) + share * np.asarray(random.choice(colours), np.float32)


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel's place to the right and downward, -0.5 to 0.5."""
    places = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    return np.broadcast_to(places, (side, side)), np.broadcast_to(places[:, None], (side, side))


def fall_off(random: Random, side: int, share: float) -> np.ndarray:
    """Light that falls off by a share from one side to the other, with a little vignette, (side, side, 1)."""
    x, y = grid(side)
    angle = random.uniform(0, 2 * np.pi)
    along = np.cos(angle) * x + np.sin(angle) * y
    along = (along - along.min()) / np.ptp(along)
    return (1 - share * along ** random.uniform(0.8, 1.8) - random.uniform(0, 0.1) * (x**2 + y**2))[..., None]


def edge(random: Random, side: int, soft: float, least: float = -0.3, most: float = 0.3) -> np.ndarray:
    """A half of the picture beyond a straight edge in any direction, 0 to 1, (side, side)."""
    x, y = grid(side)
    angle, distance = random.uniform(0, 2 * np.pi), random.uniform(least, most)
    beyond = (np.cos(angle) * x + np.sin(angle) * y - distance) / max(soft, 1 / side)
    return (beyond + 0.5).clip(0, 1)


def shadow(random: Random, side: int) -> np.ndarray:
    """A shadow's light, (side, side, 1): 35 to 55 % are missing beyond one straight edge or two."""
    dark = edge(random, side, random.uniform(0.005, 0.12))
    if random.random() < 0.4:
        dark = dark * edge(random, side, random.uniform(0.005, 0.12), -0.35, 0)
    return (1 - random.uniform(0.35, 0.55) * dark)[..., None]


def ruled(paper: np.ndarray, random: Random, *, squared: bool = False) -> np.ndarray:
    """The paper with printed lines, turned by up to 3 degrees, some with a margin."""
    side = len(paper)
    x, y = grid(side)
    turn = np.radians(random.uniform(-3, 3))
    across, down = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    period = random.uniform(0.05, 0.09) if squared else random.uniform(0.1, 0.18)
    thick = random.uniform(0.8, 2.2) / side
    start = random.uniform(0, period, 2)

    def lines(place: np.ndarray) -> np.ndarray:
        away = np.abs((place + period / 2) % period - period / 2)
        return ((thick / 2 - away) * side + 0.5).clip(0, 1)

    share = lines(down + start[0])
    if squared:
        share = np.maximum(share, lines(across + start[1]))
    colour = random.choice([(176, 196, 226), (160, 170, 180), (150, 200, 180), (226, 180, 180), (130, 150, 200)])
    paper = paper + share[..., None] * (np.asarray(colour, np.float32) - paper)
    if not squared and random.random() < 0.4:
        margin = ((thick - np.abs(across + random.uniform(0.34, 0.42))) * side + 0.5).clip(0, 1)[..., None]
        paper = paper + margin * (np.asarray((226, 120, 120), np.float32) - paper)
    return paper


def boxed(paper: np.ndarray, random: Random) -> np.ndarray:
    """The paper with a printed box, some with round corners, turned by up to 4 degrees."""
    side = len(paper)
    x, y = grid(side)
    turn = np.radians(random.uniform(-4, 4))
    across, down = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    half = random.uniform(0.36, 0.44, 2)
    corner = random.choice([0, 0.03])
    over_x, over_y = np.abs(across) - half[0] + corner, np.abs(down) - half[1] + corner
    away = np.hypot(over_x.clip(0), over_y.clip(0)) + np.minimum(np.maximum(over_x, over_y), 0) - corner
    thick = random.uniform(1.5, 5) / side
    share = ((thick / 2 - np.abs(away)) * side + 0.5).clip(0, 1)[..., None]
    colour = random.choice([(30, 30, 34), (120, 120, 124), (40, 70, 160), (190, 60, 60)])
    return paper + share * (np.asarray(colour, np.float32) - paper)


def finger(picture: np.ndarray, random: Random, corners: Sequence[int] | None = None) -> np.ndarray:
    """The picture with a finger tip that comes in from a corner or a side, in any colour of skin."""
    side = len(picture)
    x, y = grid(side)
    angle = random.uniform(0, 2 * np.pi) if corners is None else np.pi / 4 + np.pi / 2 * random.choice(corners)
    reach, half = random.uniform(0.34, 0.42), random.uniform(0.06, 0.1)
    reach = reach if corners is None else reach * 1.25
    along, across = np.cos(angle) * x + np.sin(angle) * y, -np.sin(angle) * x + np.cos(angle) * y
    across = across - random.uniform(-0.1, 0.1)
    away = np.where(along > reach + half, np.abs(across), np.hypot(along - reach - half, across)) - half
    skin = np.asarray(random.choice([(206, 152, 128), (232, 190, 168), (140, 92, 66), (88, 58, 44)]), np.float32)
    round_ = (1 - 0.35 * (1 - np.sqrt((-away / half).clip(0, 1))))[..., None]
    dark = 1 - 0.35 * np.exp(-((away.clip(0) / 0.02) ** 2))[..., None]  # its shadow
    share = (0.5 - away * side / 2).clip(0, 1)[..., None]
    return picture * dark * (1 - share) + skin * round_ * share


def table(picture: np.ndarray, random: Random, sides: int | None = None) -> np.ndarray:
    """The picture with a table's wood, cloth or metal at one to four sides; the paper lies a little askew."""
    side = len(picture)
    x, y = grid(side)
    chosen = random.permutation(4)[: sides or random.integers(1, 5)]
    colour = random.choice([(92, 60, 40), (150, 110, 74), (60, 62, 66), (180, 176, 170), (40, 60, 52)])
    stripes = waves(random, side, 6)[:1].repeat(side, 0) + 0.5 * waves(random, side, 40)[:1].repeat(side, 0)
    stripes = stripes.T if random.random() < 0.5 else stripes
    wood = np.asarray(colour, np.float32) * (1 + 0.08 * stripes[..., None])
    outside = np.zeros((side, side), np.float32)
    for one in chosen:
        turn = np.radians(random.uniform(-4, 4)) + one * np.pi / 2
        away = np.cos(turn) * x + np.sin(turn) * y - (0.5 - random.uniform(0.03, 0.1))
        outside = np.maximum(outside, (away * side + 0.5).clip(0, 1))
    return picture + outside[..., None] * (wood - picture)


def taken(picture: np.ndarray, random: Random, quality: int = 88, noise: float = 3, blur: float = 0.7) -> bytes:
    """The picture as a camera's JPEG: blurred, with noise, float (H, W, 3) to a file."""
    picture = gaussian_filter(picture, (blur, blur, 0))
    picture = picture + random.normal(0, noise, picture.shape)
    return encoded(picture.clip(0, 255).astype(np.uint8), "JPEG", quality=quality)


def encoded(picture: np.ndarray, kind: str, **settings: int) -> bytes:
    """The picture, uint8 or uint16, as a file's content."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **settings)
    return file.getvalue()


# --- scenes -----------------------------------------------------------------------------------------------------------


def size(random: Random) -> int:
    """A picture's side, px."""
    return int(random.choice([480, 600, 800]))


def even_light(strokes: Strokes, random: Random) -> bytes:
    """A fineliner on paper."""
    return taken(written(sheet(random, size(random)), strokes, random), random)


def with_pen(pen: str) -> Callable[[Strokes, Random], bytes]:
    """A pen in a light that falls off a little."""

    def one(strokes: Strokes, random: Random) -> bytes:
        side = size(random)
        picture = written(sheet(random, side), strokes, random, pen)
        return taken(picture * fall_off(random, side, random.uniform(0, 0.2)), random)

    return one


def light(strokes: Strokes, random: Random) -> bytes:
    """A pencil in a light that falls off by 15 to 50 %."""
    side = size(random)
    picture = written(sheet(random, side), strokes, random, "pencil")
    return taken(picture * fall_off(random, side, random.uniform(0.15, 0.5)), random)


def in_shadow(strokes: Strokes, random: Random) -> bytes:
    """A pen or a pencil, partly or wholly in a shadow."""
    side = size(random)
    picture = written(sheet(random, side), strokes, random, str(random.choice(["fineliner", "ballpoint", "pencil"])))
    return taken(picture * shadow(random, side), random)


def on_ruled(strokes: Strokes, random: Random) -> bytes:
    """Ruled paper."""
    side = size(random)
    paper = ruled(sheet(random, side), random)
    picture = written(paper, strokes, random, str(random.choice(["fineliner", "ballpoint"])))
    return taken(picture * fall_off(random, side, random.uniform(0, 0.2)), random)


def on_squared(strokes: Strokes, random: Random) -> bytes:
    """Squared paper."""
    side = size(random)
    paper = ruled(sheet(random, side), random, squared=True)
    picture = written(paper, strokes, random, str(random.choice(["fineliner", "ballpoint"])))
    return taken(picture * fall_off(random, side, random.uniform(0, 0.2)), random)


def in_box(strokes: Strokes, random: Random) -> bytes:
    """A printed box around the digit."""
    side = size(random)
    picture = written(boxed(sheet(random, side), random), strokes, random, tallest=0.55)
    return taken(picture * fall_off(random, side, random.uniform(0, 0.15)), random)


def in_frame(strokes: Strokes, random: Random) -> bytes:
    """A screenshot with a line along its rim."""
    side = size(random)
    picture = written(np.full((side, side, 3), 255, np.float32), strokes, random)
    thick, colour = random.integers(1, 6), random.choice([0, 60, 128, 200])
    inner = np.s_[thick:-thick, thick:-thick]
    framed = np.full_like(picture, colour)
    framed[inner] = picture[inner]
    return encoded(framed.astype(np.uint8), "PNG")


def with_finger(strokes: Strokes, random: Random) -> bytes:
    """A finger that holds the paper."""
    side = size(random)
    picture = written(sheet(random, side), strokes, random, tallest=0.5)
    picture = picture * fall_off(random, side, random.uniform(0, 0.15))
    return taken(finger(picture, random), random)


def on_table(strokes: Strokes, random: Random) -> bytes:
    """The table shows at some sides."""
    side = size(random)
    picture = table(written(sheet(random, side), strokes, random, tallest=0.55), random)
    return taken(picture * fall_off(random, side, random.uniform(0, 0.15)), random)


def transparent_margin(strokes: Strokes, random: Random) -> bytes:
    """A cut-out of a scan: an opaque sheet within a transparent margin."""
    side = size(random)
    picture = written(np.full((side, side, 3), 252, np.float32), strokes, random, tallest=0.5)
    opacity = np.zeros((side, side), np.uint8)
    margin = (random.uniform(0.04, 0.14, 4) * side).astype(int)
    opacity[margin[0] : -margin[1], margin[2] : -margin[3]] = 255
    picture[opacity == 0] = random.choice([0, 255])
    return encoded(np.dstack([picture.astype(np.uint8), opacity]), "PNG")


def faint(strokes: Strokes, random: Random) -> bytes:
    """Ink of 8 to 18 grey levels on the white of a scan; half of them are JPEGs with a scanner's noise."""
    side = size(random)
    share = coverage(strokes, random, random.uniform(0.01, 0.02), side)
    picture = np.repeat((255 - share * random.uniform(8, 18))[..., None], 3, axis=2)
    if random.random() < 0.5:
        return encoded(picture[..., 0].round().astype(np.uint8), "PNG")
    return taken(picture - 3, random, quality=92, noise=0.7, blur=0.4)


def with_specks(strokes: Strokes, random: Random) -> bytes:
    """Specks of dirt."""
    side = size(random)
    picture = written(sheet(random, side), strokes, random, tallest=0.55)
    x, y = grid(side)
    for _ in range(random.integers(2, 9)):
        away = np.hypot(x - random.uniform(-0.48, 0.48), y - random.uniform(-0.48, 0.48))
        radius = random.uniform(0.002, 0.008)
        picture = picture * (1 - 0.8 * ((radius - away) * side + 0.5).clip(0, 1))[..., None]
    return taken(picture, random)


def scan_edge(strokes: Strokes, random: Random) -> bytes:
    """A scan, put in askew: black or grey wedges beyond the paper, and the shadow of its edge."""
    side = size(random)
    picture = written(sheet(random, side, (250, 250, 250)), strokes, random, tallest=0.55)
    x, y = grid(side)
    for one in random.permutation(4)[: random.integers(1, 3)]:
        turn = np.radians(random.uniform(-5, 5)) + one * np.pi / 2
        away = np.cos(turn) * x + np.sin(turn) * y - (0.5 - random.uniform(0.01, 0.06))
        picture = picture * (1 - 0.25 * np.exp(-((np.minimum(away, 0) / 0.01) ** 2)))[..., None]
        outside = (away * side + 0.5).clip(0, 1)[..., None]
        picture = picture * (1 - outside) + outside * random.choice([0, 20, 90])
    return taken(picture, random, quality=90, noise=1.5)


def deep(strokes: Strokes, random: Random) -> bytes:
    """10, 12 or 14 bits, or a part of the range, in a file of 16 bits."""
    side = size(random)
    share = coverage(strokes, random, random.uniform(0.01, 0.03), side)
    low, high = [(0, 1023), (0, 4095), (300, 16383), (30000, 31000), (0, 250)][random.integers(5)]
    noise = random.normal(0, 0.004, share.shape)
    return encoded((high - (share + noise).clip(0, 1) * (high - low)).round().astype(np.uint16), "PNG")


def chalk(strokes: Strokes, random: Random) -> bytes:
    """Chalk on a board that is not wiped well, in a light that falls off."""
    side = size(random)
    board = np.asarray(random.choice([(44, 62, 54), (40, 42, 46), (30, 50, 80)]), np.float32)
    board = board * (1 + 0.12 * waves(random, side, 5))[..., None] + 3 * random.normal(size=(side, side, 1))
    share = coverage(strokes, random, random.uniform(0.018, 0.035), side)
    grain = gaussian_filter(random.normal(size=share.shape), 1)
    share = (share * (0.8 + 0.25 * grain / grain.std()).clip(0.2, 1))[..., None]
    picture = board * (1 - share) + share * np.asarray((226, 226, 220), np.float32)
    return taken(picture * fall_off(random, side, random.uniform(0.05, 0.3)), random)


def poor_jpeg(strokes: Strokes, random: Random) -> bytes:
    """A JPEG that was packed too much."""
    side = size(random)
    pen = str(random.choice(["fineliner", "ballpoint", "pencil"]))
    picture = written(sheet(random, side), strokes, random, pen) * fall_off(random, side, random.uniform(0, 0.3))
    return taken(picture, random, quality=int(random.integers(15, 45)), noise=4)


def large_photograph(strokes: Strokes, random: Random) -> bytes:
    """A photograph of 4000 x 3000 px, upright or not, with shadow, light or a table."""
    side = 1000
    picture = written(sheet(random, side), strokes, random, tallest=0.5)
    picture = picture * fall_off(random, side, random.uniform(0, 0.3))
    what = random.integers(3)
    picture = picture * shadow(random, side) if what == 0 else table(picture, random) if what == 1 else picture
    picture = gaussian_filter(picture, (1, 1, 0)).clip(0, 255).astype(np.uint8)[125:875]
    large = np.asarray(Image.fromarray(picture).resize((4000, 3000), Image.Resampling.BICUBIC))
    grain = random.integers(-6, 7, (600, 4000, 3), dtype=np.int16)  # laid on five times, which is quicker
    large = np.concatenate([large[k : k + 600] + grain for k in range(0, 3000, 600)]).clip(0, 255).astype(np.uint8)
    return encoded(large, "JPEG", quality=85)


SCENES: dict[str, Callable[[Strokes, Random], bytes]] = {
    "even light": even_light,
    "ballpoint": with_pen("ballpoint"),
    "felt pen": with_pen("felt pen"),
    "pencil": with_pen("pencil"),
    "light": light,
    "shadow": in_shadow,
    "ruled": on_ruled,
    "squared": on_squared,
    "box": in_box,
    "frame": in_frame,
    "finger": with_finger,
    "table": on_table,
    "transparent margin": transparent_margin,
    "faint": faint,
    "specks": with_specks,
    "scan's edge": scan_edge,
    "16 bits": deep,
    "chalk": chalk,
    "poor JPEG": poor_jpeg,
    "12 MP": large_photograph,
}


# --- scenes that nothing was adjusted to ------------------------------------------------------------------------------


def round_shadow(strokes: Strokes, random: Random) -> bytes:
    """The shadow of a head or a hand: an ellipse that reaches in from a side."""
    side = size(random)
    x, y = grid(side)
    angle = random.uniform(0, 2 * np.pi)
    along, across = np.cos(angle) * x + np.sin(angle) * y, -np.sin(angle) * x + np.cos(angle) * y
    away = np.hypot((along - 0.5) / random.uniform(0.4, 0.7), across / random.uniform(0.15, 0.35)) - 1
    dark = (0.5 - away / random.uniform(0.03, 0.3)).clip(0, 1)
    picture = written(sheet(random, side), strokes, random)
    return taken(picture * (1 - random.uniform(0.3, 0.5) * dark)[..., None], random)


def blinds(strokes: Strokes, random: Random) -> bytes:
    """Stripes of light that falls through a blind."""
    side = size(random)
    x, y = grid(side)
    angle = random.uniform(0, np.pi)
    along = np.cos(angle) * x + np.sin(angle) * y
    dark = (2.5 * np.sin(2 * np.pi * along / random.uniform(0.3, 0.5) + random.uniform(0, 6)) + 0.5).clip(0, 1)
    picture = written(sheet(random, side), strokes, random)
    return taken(picture * (1 - random.uniform(0.25, 0.45) * gaussian_filter(dark, side / 80))[..., None], random)


def two_fingers(strokes: Strokes, random: Random) -> bytes:
    """Two fingers, at two corners."""
    side = size(random)
    picture = written(sheet(random, side), strokes, random, tallest=0.45)
    corners = random.permutation(4)[:2].tolist()
    picture = finger(finger(picture, random, corners[:1]), random, corners[1:])
    return taken(picture * fall_off(random, side, random.uniform(0, 0.15)), random)


def coloured_paper(strokes: Strokes, random: Random) -> bytes:
    """Paper in five colours."""
    side = size(random)
    colour = random.choice([(250, 226, 120), (160, 210, 240), (250, 180, 190), (180, 225, 170), (190, 160, 120)])
    picture = written(sheet(random, side, colour), strokes, random, str(random.choice(["fineliner", "felt pen"])))
    return taken(picture * fall_off(random, side, random.uniform(0, 0.25)), random)


def crumpled(strokes: Strokes, random: Random) -> bytes:
    """Paper that was crumpled and smoothed: facets, each with a light of its own, and their creases."""
    side = size(random)
    x, y = grid(side)
    heights = np.full((side, side), -np.inf, np.float32)
    for _ in range(24):
        slope = random.normal(0, 1, 2)
        centre = random.uniform(-0.6, 0.6, 2)
        heights = np.maximum(
            heights,
            slope[0] * (x - centre[0]) + slope[1] * (y - centre[1]) - 6 * np.hypot(x - centre[0], y - centre[1]),
        )
    slopes = np.gradient(gaussian_filter(heights, side / 300))
    lit = slopes[0] + slopes[1]
    picture = written(sheet(random, side), strokes, random)
    return taken(picture * (1 + 0.09 * ((lit - lit.mean()) / lit.std()).clip(-2, 2))[..., None], random)


def askew_on_table(strokes: Strokes, random: Random) -> bytes:
    """A small sheet that lies on a table, turned by up to 20 degrees, seen at a slant."""
    side = size(random)
    x, y = grid(side)
    picture = written(sheet(random, side), strokes, random, tallest=0.5)
    turn, slant = np.radians(random.uniform(-20, 20)), random.uniform(-0.3, 0.3, 2)
    depth = (1 + slant[0] * x + slant[1] * y) / random.uniform(0.62, 0.75)
    across, down = (np.cos(turn) * x - np.sin(turn) * y) * depth, (np.sin(turn) * x + np.cos(turn) * y) * depth
    places = [(down + 0.5) * side - 0.5, (across + 0.5) * side - 0.5]
    seen = np.dstack([map_coordinates(picture[..., k], places, order=1, mode="nearest") for k in range(3)])
    outside = ((np.maximum(np.abs(across), np.abs(down)) - 0.5) * side + 0.5).clip(0, 1)[..., None]
    wood = np.asarray(random.choice([(92, 60, 40), (60, 62, 66)]), np.float32)
    wood = wood * (1 + 0.06 * waves(random, side, 30)[:1].repeat(side, 0)[..., None])
    return taken(seen * (1 - outside) + wood * outside, random)


UNTRIED: dict[str, Callable[[Strokes, Random], bytes]] = {
    "round shadow": round_shadow,
    "blinds": blinds,
    "two fingers": two_fingers,
    "coloured paper": coloured_paper,
    "crumpled paper": crumpled,
    "sheet on a table": askew_on_table,
}


# --- a digit that fills its picture, or hardly any of it --------------------------------------------------------------


def cut_to_strokes(strokes: Strokes, random: Random) -> bytes:
    """A picture that somebody has cut to its digit: ink on all four sides, and no margin."""
    side, pen = size(random), str(random.choice(list(PENS)))
    ink = coverage(strokes, random, random.uniform(*PENS[pen][1]), side)
    rows, columns = (np.flatnonzero((ink > 0.4).any(axis=axis)) for axis in (1, 0))
    at = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    share = ink[at][..., None] * random.uniform(0.85, 1)
    picture = sheet(random, side)[at] * (1 - share) + share * np.asarray(random.choice(PENS[pen][0]), np.float32)
    return taken(picture * fall_off(random, side, random.uniform(0, 0.2))[at], random)


def small_at_side(strokes: Strokes, random: Random) -> bytes:
    """A digit of 3 to 7 % of the picture's side that stands near one of its sides, in even light."""
    side, tall, pen = 1000, random.uniform(0.03, 0.07), str(random.choice(["fineliner", "ballpoint"]))
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = tall / max(high - low)
    width = max(1.2, side * tall * random.uniform(0.05, 0.1))
    extent, gap = (high - low) * scale, width / side / 2 + random.uniform(0.003, 0.02)
    corner = random.uniform(0.03, 0.97 - extent)
    axis = random.integers(2)
    corner[axis] = gap if random.random() < 0.5 else 1 - gap - extent[axis]
    placed = [((stroke - low) * scale + corner).astype(np.float32) for stroke in strokes]
    share = np.asarray(inked(placed, width, side), np.float32)[..., None] / 255
    picture = sheet(random, side) * (1 - share) + share * np.asarray(random.choice(PENS[pen][0]), np.float32)
    return taken(picture * fall_off(random, side, random.uniform(0, 0.25)), random)


FRAMED: dict[str, Callable[[Strokes, Random], bytes]] = {
    "cut to its strokes": cut_to_strokes,
    "small, near a side": small_at_side,
}


# --- nothing to read --------------------------------------------------------------------------------------------------


def without_digit(scene: Callable[[Strokes, Random], bytes]) -> Callable[[Random], bytes]:
    """A scene on which nobody wrote."""

    def one(random: Random) -> bytes:
        return scene((), random)

    return one
