"""Decodes pictures of unknown origin in a process of its own, which can be ended: `python -m core.drawing.decoder`.

A file of a few MiB can keep a decoder busy for minutes or make it take gigabytes, in more ways than can be checked
beforehand, and a decoder may crash. Here this costs the one picture. For each picture on standard input, the answer on
standard output is a line of JSON, and the pixels. Only Pillow is imported, so that the process starts in some 40 ms.
"""

from __future__ import annotations

import io
import json
import mmap
import struct
import sys
import time
import warnings
import zlib
from pathlib import Path

from PIL import BmpImagePlugin, Image, ImageOps, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from core.refusal import Refusal

PLUGINS = (PngImagePlugin, JpegImagePlugin, WebPImagePlugin, BmpImagePlugin)  # imported while no picture waits
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
MOST_SIDE = 8192  # px per side
MOST_PIXELS = 9_000_000  # of a picture decoded in full: 35 MiB, enough for a page scanned at 300 dpi
MOST_PHOTO_PIXELS = 2**25  # of a JPEG that can be decoded at an eighth of its size: enough for a phone's camera
LONGEST_SIDE = 1024  # px of the returned picture; a digit of 20 px needs no more
LONGEST_SHEET = 2000  # px of the picture of a whole sheet: 50 px for a digit of 8 mm
MOST_FOR_WORDS, MOST_FOR_PIXELS = 64, 128  # MiB to read what a file says beside its pixels, and to decode these
MOST_SECONDS = 3  # of processor time, for when the caller is gone; it waits for less

# Between its limit and twice that, Pillow only warns.
warnings.simplefilter("error", Image.DecompressionBombWarning)

# What Pillow's decoders raise on damaged files (`UnidentifiedImageError` is an `OSError`).
DAMAGED = (OSError, ValueError, TypeError, SyntaxError, LookupError, EOFError, struct.error, zlib.error)


def memory() -> int | None:
    """Bytes of this process's address space; None where that cannot be read, which is everywhere but on Linux."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * mmap.PAGESIZE
    except OSError:
        return None


AT_START = memory()


def main() -> None:
    """Answer the pictures on standard input, each with a line of JSON: its name, number of bytes and longest side."""
    while line := sys.stdin.buffer.readline():
        file, length, longest = json.loads(line)
        answer, pixels = {}, b""
        try:
            image = decoded(sys.stdin.buffer.read(length), file, longest)
            answer, pixels = {"size": image.size}, image.tobytes()
        except Refusal as refusal:
            answer = {"refusal": refusal.key, "slots": refusal.slots}
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + pixels)
        sys.stdout.buffer.flush()


def decoded(content: bytes, file: str, longest: int) -> Image.Image:
    """The picture as RGBA, upright, with sides of at most `longest` px; of an animation only the first frame.

    Raises:
        Refusal: the picture is too large, damaged or not in one of `FORMATS`, or takes too much memory; wherever the
            file's header suffices, it is refused before its pixels are decoded.
    """
    try:
        limit(MOST_FOR_WORDS)
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            check_size(image, file, longest)
            limit(MOST_FOR_PIXELS)
            small = reduced(image, longest)
        limit(MOST_FOR_WORDS)
        return ImageOps.exif_transpose(small)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as reason:
        raise Refusal("error.picture_too_many_pixels", file=file, most=MOST_SIDE) from reason
    except MemoryError as reason:
        raise Refusal("error.picture_takes_too_much", file=file) from reason
    except Refusal:  # a `ValueError` too
        raise
    except DAMAGED as reason:
        raise Refusal("error.picture_unreadable", file=file) from reason


def limit(mebibytes: int) -> None:
    """Let this process take that much more memory than at its start, and a few seconds more; only on Linux."""
    if AT_START is not None:
        bound(AT_START + mebibytes * 2**20, int(time.process_time()) + MOST_SECONDS)


def bound(size: int, seconds: int) -> None:
    """Let this process take so many bytes of memory and so many seconds of processor time in all; only on Linux."""
    if AT_START is not None:
        import resource

        most = {resource.RLIMIT_AS: size, resource.RLIMIT_CPU: seconds}
        for kind, value in most.items():
            _, hard = resource.getrlimit(kind)
            resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def check_size(image: Image.Image, file: str, longest: int) -> None:
    """Refuse a picture of too many pixels before they are decoded; a large JPEG is set to be decoded smaller."""
    most = MOST_PIXELS
    if image.format == "JPEG" and not image.info.get("progressive"):  # a progressive JPEG is always decoded in full
        most = MOST_PHOTO_PIXELS
    if max(image.size) > MOST_SIDE:
        raise Refusal("error.picture_too_many_pixels", file=file, most=MOST_SIDE)
    if image.width * image.height > most:
        raise Refusal("error.picture_too_many_pixels", file=file, most=int(most**0.5))
    scale = longest / max(*image.size, longest)
    image.draft("RGB", (int(scale * image.width), int(scale * image.height)))


def reduced(image: Image.Image, longest: int) -> Image.Image:
    """The picture as RGBA with sides of at most `longest` px."""
    image.load()
    if image.mode.startswith("I"):
        image = in_eight_bits(image)
    factor = max(1, max(image.size) // longest)
    if factor > 1 and image.mode not in ("1", "P", "PA"):
        image = image.reduce(factor)  # before the conversion, so that only one large copy exists
    small = image.convert("RGBA")
    small.thumbnail((longest, longest))
    return small


def in_eight_bits(image: Image.Image) -> Image.Image:
    """A picture of 16-bit grey levels, which Pillow would clip rather than scale, in 256 levels.

    A camera's or scanner's 10 or 12 bits count as the whole range. A picture that has less than a quarter of its range
    is stretched to all of it, since too few levels would be left of its ink.
    """
    image = image.convert("I")
    low, high = image.getextrema()
    assert isinstance(low, int)
    assert isinstance(high, int)
    whole = 2 ** max(8, high.bit_length()) - 1
    if high - low < whole / 4:
        whole = max(1, high - low)
    else:
        low = 0
    return image.point(lambda value: value * (255 / whole) - low * (255 / whole)).convert("L")


if __name__ == "__main__":
    main()
