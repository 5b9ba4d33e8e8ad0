"""Pictures that people hand in: opened, checked before they are decoded, and fitted to what a model takes."""

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
MOST_MIB = 10  # MiB of a file
MOST_SIDE = 8192  # px of a side
MOST_PIXELS = 6_000_000  # decoded at once: 23 MiB, enough for a laptop's whole screen
MOST_PHOTO_PIXELS = 2**25  # of a JPEG that can be decoded at an eighth of its size: enough for a telephone's camera
LONGEST_SIDE = 1024  # px of what is given back; a digit's 20 need no more

# Pillow only warns between its limit and twice that. For the whole process: a filter in a block is not thread-safe.
warnings.simplefilter("error", Image.DecompressionBombWarning)

# What Pillow's decoders raise on damaged files (`UnidentifiedImageError` is an `OSError`).
DAMAGED = (OSError, ValueError, TypeError, SyntaxError, LookupError, EOFError, MemoryError, struct.error, zlib.error)


def open_picture(source: bytes | Path, name: str | None = None) -> np.ndarray:
    """Read a picture that somebody hands in, as uint8 (H, W, 4) RGBA, upright, sides at most `LONGEST_SIDE` px.

    `name` is what a refusal calls it, by default the file's name. Only the first frame of a moving picture is read.

    Raises:
        Refusal: it is too large, damaged or of another format than `FORMATS`; refused before its pixels are decoded
            wherever its head tells.
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
    """Refuse what would take too much memory, and have a large JPEG decoded small, before any pixel is decoded."""
    most = MOST_PIXELS
    if image.format == "JPEG" and not image.info.get("progressive"):  # a progressive one is held in full in any case
        most = MOST_PHOTO_PIXELS
    if max(image.size) > MOST_SIDE:
        raise Refusal("error.picture_too_many_pixels", file=file, most=MOST_SIDE)
    if image.width * image.height > most:
        raise Refusal("error.picture_too_many_pixels", file=file, most=int(most**0.5))
    image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))


def upright(image: Image.Image) -> Image.Image:
    """The picture as RGBA, turned as its camera was held (EXIF), at most `LONGEST_SIDE` px a side."""
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
    """The middle of a picture at the size and in the colours of another data set: uint8 `shape` (C, H, W).

    Cut to the shape's proportions, resized with anti-aliasing, transparency over black.
    C is 3 (RGB) or 1 (grey, ITU-R 601).
    """
    channels, height, width = shape
    image = ImageOps.fit(over_black(rgba), (width, height), Image.Resampling.BICUBIC)
    return np.asarray(image).transpose(2, 0, 1).copy() if channels == 3 else np.asarray(image.convert("L"))[None].copy()


def over_black(rgba: np.ndarray) -> Image.Image:
    """The picture as RGB, its transparent parts black."""
    image = Image.fromarray(rgba)
    return Image.alpha_composite(Image.new("RGBA", image.size, "black"), image).convert("RGB")
