"""Pictures from users: checked before decoding, opened, and fitted to a model's input shape."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from core.refusal import Refusal

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
MOST_MIB = 10  # MiB per file
MOST_SIDE = 8192  # px per side
MOST_PIXELS = 6_000_000  # of a picture decoded in full: 23 MiB, enough for a screenshot of a laptop
MOST_PHOTO_PIXELS = 2**25  # of a JPEG that can be decoded at an eighth of its size: enough for a phone's camera
LONGEST_SIDE = 1024  # px of the returned picture; a digit of 20 px needs no more

# Between its limit and twice that, Pillow only warns. Set for the whole process, since `catch_warnings` is not
# thread-safe.
warnings.simplefilter("error", Image.DecompressionBombWarning)

# What Pillow's decoders raise on damaged files (`UnidentifiedImageError` is an `OSError`).
DAMAGED = (OSError, ValueError, TypeError, SyntaxError, LookupError, EOFError, MemoryError, struct.error, zlib.error)


def open_picture(source: bytes | Path, name: str | None = None) -> np.ndarray:
    """Read a user's picture as uint8 (H, W, 4) RGBA, upright, with sides of at most `LONGEST_SIDE` px.

    `name` is the picture's name in a Refusal, by default the file's name. Of an animation only the first frame is read.

    Raises:
        Refusal: the picture is too large, damaged or not in one of `FORMATS`; wherever the file's header suffices, it
            is refused before its pixels are decoded.
    """
    file = name or (source.name if isinstance(source, Path) else "?")
    size = source.stat().st_size if isinstance(source, Path) else len(source)
    if size > MOST_MIB * 2**20:
        raise Refusal("error.picture_too_heavy", file=file, mebibytes=round(size / 2**20, 1), most=MOST_MIB)
    content = source.read_bytes() if isinstance(source, Path) else source
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            check_size(image, file)
            return np.asarray(upright(image))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as reason:
        raise Refusal("error.picture_too_many_pixels", file=file, most=MOST_SIDE) from reason
    except Refusal:  # a `ValueError` too
        raise
    except DAMAGED as reason:
        raise Refusal("error.picture_unreadable", file=file) from reason


def check_size(image: Image.Image, file: str) -> None:
    """Before decoding, refuse a picture that would take too much memory, and set a large JPEG to be decoded smaller.

    Raises: Refusal.
    """
    most = MOST_PIXELS
    if image.format == "JPEG" and not image.info.get("progressive"):  # a progressive JPEG is always decoded in full
        most = MOST_PHOTO_PIXELS
    if max(image.size) > MOST_SIDE:
        raise Refusal("error.picture_too_many_pixels", file=file, most=MOST_SIDE)
    if image.width * image.height > most:
        raise Refusal("error.picture_too_many_pixels", file=file, most=int(most**0.5))
    image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))


def upright(image: Image.Image) -> Image.Image:
    """The picture as RGBA, rotated by its EXIF orientation, with sides of at most `LONGEST_SIDE` px."""
    image.load()
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip rather than scale
        image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    factor = max(1, max(image.size) // LONGEST_SIDE)
    if factor > 1 and image.mode not in ("1", "P", "PA"):
        image = image.reduce(factor)  # before the conversion, so that only one large copy exists
    small = image.convert("RGBA")
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return ImageOps.exif_transpose(small)


def fit_picture(rgba: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The centre of an RGBA picture uint8 (H, W, 4) fitted to a data set's `shape` (C, H, W), uint8.

    It is cropped to the shape's aspect ratio and resized with anti-aliasing; transparent parts become black.
    C is 3 (RGB) or 1 (grey, ITU-R 601).
    """
    channels, height, width = shape
    image = ImageOps.fit(over_black(rgba), (width, height), Image.Resampling.BICUBIC)
    return np.asarray(image).transpose(2, 0, 1).copy() if channels == 3 else np.asarray(image.convert("L"))[None].copy()


def over_black(rgba: np.ndarray) -> Image.Image:
    """The picture as RGB, with transparent parts black."""
    image = Image.fromarray(rgba)
    return Image.alpha_composite(Image.new("RGBA", image.size, "black"), image).convert("RGB")
