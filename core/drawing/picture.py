"""Pictures from users: decoded in another process, and fitted to a model's input shape.

A process of `core/drawing/decoder.py` decodes one picture after another; one that takes too long ends it.
"""

from __future__ import annotations

import contextlib
import json
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, cast

import numpy as np
from PIL import Image, ImageOps

from core import settings
from core.drawing.decoder import LONGEST_SIDE
from core.refusal import Refusal

MOST_MIB = 10  # MiB per file
MOST_SECONDS = 1.8  # until a picture of `LONGEST_SIDE` is decoded or given up; a larger one has more in proportion

DARK, LIGHT = 96, 159  # grey levels: a darker ground is dark, a brighter one is light
MOST_ALIKE = 0.8  # share of a set's images whose ground is so, from which the set's is

LOOKED_AT = 192  # px of the longer side at which it is seen whether a picture is cut to its ink
CONTRAST = 24  # grey levels between ground and ink of a picture that is cut to it
SHADOW, SOFT = 0.4, 0.7  # of the ground's light, and px across an edge: a shadow is brighter, with softer edges
MOST_RIM = 0.35  # of its rim is ink: a dark edge around it is more
NEAR = 0.02  # of its longer side: what is nearer to a side touches it, since the edges of strokes are faint
MOST_ENDS = 3  # places in which a digit touches a side of it
THICKEST = 0.4  # of its longer side: no stroke is wider
SLIM = 1.5  # times as high as wide: a picture that is cut to a straight stroke
INNER = 0.1  # of its inner part: no more of the ground is there
SPAN = 0.6  # of both its sides: what spans so much is no ground beside a straight stroke

_waiting: list[subprocess.Popen[bytes]] = []  # decoders; as many as there ever were pictures at the same time


def open_picture(source: bytes | Path, name: str | None = None, *, longest: int = LONGEST_SIDE) -> np.ndarray:
    """Read a user's picture as uint8 (H, W, 4) RGBA, upright, with sides of at most `longest` px.

    `name` is the picture's name in a Refusal, by default the file's name. Takes `MOST_SECONDS` at most, for a
    sheet twice as long, whatever the file holds.

    Raises:
        Refusal: the file cannot be read, or the picture is too large, damaged, not of a known format, or takes too
            long or too much memory to decode.
    """
    file = name or (source.name if isinstance(source, Path) else "?")
    try:
        content = _content(source, file) if isinstance(source, Path) else source
        if len(content) > MOST_MIB * 2**20:
            raise _too_heavy(file, len(content))
        return _decoded(content, file, longest)
    except OSError as reason:
        raise Refusal("error.file_unreadable", file=file, reason=reason.strerror or str(reason)) from reason


def _content(path: Path, file: str) -> bytes:
    """What is in a file of at most `MOST_MIB`. Raises: Refusal, also for a pipe or a device; OSError."""
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise Refusal("error.picture_unreadable", file=file)
    if facts.st_size > MOST_MIB * 2**20:
        raise _too_heavy(file, facts.st_size)
    return path.read_bytes()


def _too_heavy(file: str, size: int) -> Refusal:
    return Refusal("error.picture_too_heavy", file=file, mebibytes=round(size / 2**20, 1), most=MOST_MIB)


def _decoded(content: bytes, file: str, longest: int) -> np.ndarray:
    """The picture, from a decoder that is ended in time. Raises: Refusal; OSError, without a decoder."""
    with _decoder() as process:
        assert process.stdin
        assert process.stdout
        begun = time.monotonic()
        patience = MOST_SECONDS * max(1, longest / LONGEST_SIDE)
        end = threading.Timer(patience, process.kill)
        end.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # it has ended, and gives no answer
                process.stdin.write(json.dumps([file, len(content), longest]).encode() + b"\n" + content)
                process.stdin.flush()
            words = process.stdout.readline()
            answer = json.loads(words) if words.endswith(b"\n") else {}
            width, height = answer.get("size", (0, 0))
            pixels = process.stdout.read(width * height * 4)
        finally:
            end.cancel()
        if not answer or len(pixels) < width * height * 4:  # it was killed, or has crashed
            late = time.monotonic() - begun >= patience
            raise Refusal("error.picture_takes_too_much" if late else "error.picture_unreadable", file=file)
    if "refusal" in answer:
        raise Refusal(answer["refusal"], **answer["slots"])
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 4)


@contextlib.contextmanager
def _decoder() -> Iterator[subprocess.Popen[bytes]]:
    """A process that decodes pictures; it waits for the next one afterwards, or is killed when something is raised.

    It ends by itself when its standard input closes, thus when this process ends. Raises: OSError.
    """
    try:
        while (process := _waiting.pop()).poll() is not None:
            _end(process)  # it has been killed meanwhile
    except IndexError:  # none waits
        process = subprocess.Popen(
            [sys.executable, "-m", "core.drawing.decoder"],
            cwd=settings.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    try:
        yield process
    except BaseException:
        _end(process)
        raise
    _waiting.append(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and close its pipes."""
    process.kill()
    with contextlib.suppress(BrokenPipeError), process:  # what it has not read is lost
        pass


def fit_picture(rgba: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The centre of an RGBA picture uint8 (H, W, 4) fitted to a data set's `shape` (C, H, W), uint8.

    It is cropped to the shape's aspect ratio and resized with anti-aliasing; transparent parts become black.
    C is 3 (RGB) or 1 (grey, ITU-R 601).
    """
    channels, height, width = shape
    image = ImageOps.fit(over_black(rgba), (width, height), Image.Resampling.BICUBIC)
    return np.asarray(image).transpose(2, 0, 1).copy() if channels == 3 else np.asarray(image.convert("L"))[None].copy()


def with_margin(picture: np.ndarray, share: float) -> np.ndarray:
    """A picture of strokes, uint8 (H, W) or (H, W, C), with a margin of its ground if it is cut to its ink.

    The margin is a `share` of its longer side, all around. A fourth channel is no colour.
    """
    ground = _beside_ink(picture if picture.ndim == 2 else picture[..., :3].mean(axis=2))
    if ground is None:
        return picture
    wide = max(1, round(share * max(ground.shape)))
    larger = np.empty((ground.shape[0] + 2 * wide, ground.shape[1] + 2 * wide, *picture.shape[2:]), np.uint8)
    larger[:] = np.median(picture[ground], axis=0)
    larger[wide:-wide, wide:-wide] = picture
    return larger


def _beside_ink(level: np.ndarray) -> np.ndarray | None:
    """Where the ground is, bool (H, W), of a picture, grey levels (H, W), that is cut to its ink; None if it is not.

    The ink of a digit touches all four sides, each in few places, and is nowhere as wide as a shadow; its largest part
    touches one. Or it is one straight stroke, which is most of the rim, and the ground is only along two sides.
    """
    level = level.astype(np.float32)
    if np.ptp(_rim(level)) < CONTRAST or min(level.shape) < 3:
        return None
    from scipy.ndimage import distance_transform_edt  # here, since the import takes a tenth of a second
    from skimage.filters import threshold_otsu

    step = -(-max(level.shape) // LOOKED_AT)
    low = level[::step, ::step]
    threshold = threshold_otsu(low)
    dark = low <= threshold
    darker, lighter = float(low[dark].mean()), float(low[~dark].mean())
    edges = sum(int((dark[1:] != dark[:-1]).sum()) for dark in (dark, dark.T))
    between = int((np.abs(low - (darker + lighter) / 2) < (lighter - darker) / 4).sum())
    if lighter - darker < CONTRAST or (darker > SHADOW * lighter and between > SOFT * edges):
        return None
    ink = dark if _rim(dark).mean() < 0.5 else ~dark
    if _is_beside_stroke(ink):
        ink = ~ink
    else:
        near = max(2, round(NEAR * max(ink.shape)))
        sides = [ink[:near].any(0), ink[-near:].any(0), ink[:, :near].any(1), ink[:, -near:].any(1)]
        places = [int((np.diff(np.pad(side, 1).astype(np.int8)) == 1).sum()) for side in sides]
        thickest = 2 * float(np.asarray(distance_transform_edt(np.pad(ink, 1))).max())
        few = min(places) > 0 and max(places) <= MOST_ENDS and _rim(ink).mean() < MOST_RIM
        if not few or thickest > THICKEST * max(ink.shape) or _is_inside(ink, near):
            return None
    lightest = level.max() if (ink == dark).all() else level.min()
    return np.abs(level - lightest) <= abs(threshold - lightest) / 2  # what is nearer to the ink is an edge of it


def _is_inside(ink: np.ndarray, near: int) -> bool:
    """Whether the largest part of the ink, bool (H, W), comes no nearer than that, px, to a side.

    Then it is the digit, and what touches the sides are fingers that hold the paper.
    """
    rows, columns = max(_parts(ink), key=lambda box: max(part.stop - part.start for part in box))
    height, width = ink.shape
    return min(rows.start, columns.start) >= near and rows.stop <= height - near and columns.stop <= width - near


def _parts(mask: np.ndarray) -> list[tuple[slice, slice]]:
    """The rows and columns of each connected part of a mask, bool (H, W), diagonals included."""
    from scipy import ndimage

    numbered, _ = cast("tuple[np.ndarray, int]", ndimage.label(mask, np.ones((3, 3))))
    return ndimage.find_objects(numbered)


def _rim(pictures: np.ndarray) -> np.ndarray:
    """The pixels (..., 2 H + 2 W) along the four sides of pictures (..., H, W)."""
    sides = (pictures[..., 0, :], pictures[..., -1, :], pictures[..., 0], pictures[..., -1])
    return np.concatenate(sides, axis=-1)


def _is_beside_stroke(ground: np.ndarray) -> bool:
    """Whether all of a picture but the `ground`, bool (H, W), is one straight stroke along its longer side."""
    if ground.shape[0] < ground.shape[1]:
        ground = ground.T
    height, width = ground.shape
    opposite = (ground[:, 0].any() and ground[:, -1].any()) or (ground[0].any() and ground[-1].any())
    if height < SLIM * width or not opposite:
        return False
    inner = ground[height // 8 : height - height // 8, width // 4 : max(width // 4 + 1, width - width // 4)]
    spans = [
        min((rows.stop - rows.start) / height, (columns.stop - columns.start) / width)
        for rows, columns in _parts(ground)
    ]
    return bool(inner.mean() < INNER and max(spans) < SPAN)


def ground(images: np.ndarray) -> Literal["dark", "light", ""]:
    """Whether most images uint8 (N, C, H, W) have a dark or a light ground; "" where neither, as with photographs."""
    levels = rims(images)
    if (levels < DARK).mean() >= MOST_ALIKE:
        return "dark"
    return "light" if (levels > LIGHT).mean() >= MOST_ALIKE else ""


def rims(images: np.ndarray) -> np.ndarray:
    """The grey level (N,) of each image's ground, 0 to 255, of images uint8 (N, C, H, W): the median of its rim.

    A figure that reaches the rim here and there does not change it.
    """
    return np.median(_rim(images).mean(axis=1), axis=1)


def over_black(rgba: np.ndarray) -> Image.Image:
    """The picture as RGB, with transparent parts black."""
    image = Image.fromarray(rgba)
    return Image.alpha_composite(Image.new("RGBA", image.size, "black"), image).convert("RGB")
