"""Hostile pictures: bombs, damaged files, and files that keep a decoder busy in as many ways as the formats offer."""

from __future__ import annotations

import io
import itertools
import re
import struct
import time
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from core.drawing import picture
from core.drawing.decoder import MOST_FOR_PIXELS, MOST_PIXELS
from core.drawing.picture import MOST_MIB, open_picture
from core.refusal import Refusal
from tests.faults.fault import Fault, Outcome

ROOM = MOST_MIB * 2**20 - 9000  # bytes that a kind may fill, beside its head
SIDE = int(MOST_PIXELS**0.5) // 16 * 16  # px, of the largest square that is decoded in full
PEAK = 64  # MiB that a refusal may take
MOST_SECONDS, AT_ONCE = 2.0, 0.05  # to read or refuse any picture; to refuse one by its header
PNG = b"\x89PNG\r\n\x1a\n"
EXIF = b"Exif\0\0"


def encoded(image: Image.Image, kind: str, **settings) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def photo(width: int, height: int, noise: float = 6) -> Image.Image:
    """A photograph as far as a decoder can tell: soft shapes, and noise."""
    random = np.random.default_rng(0)
    small = Image.fromarray(random.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8))
    soft = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
    return Image.fromarray((soft + random.normal(0, noise, (height, width, 1))).clip(0, 255).astype(np.uint8))


def filled(part: bytes, room: int = ROOM) -> bytes:
    return part * (room // len(part))


# --- PNG --------------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits=8, colour=0, data: bytes = b"", more: bytes = b"", interlaced=0) -> bytes:
    """A PNG that claims a size, written by hand; `more` are chunks before its pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced))
    return PNG + head + more + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND")


def small_png(more: bytes) -> bytes:
    return png(8, 8, data=bytes(72), more=more)


def png_in_pieces() -> bytes:
    """Each byte of the pixels in a chunk of its own."""
    whole = zlib.compress(np.random.default_rng(0).integers(0, 256, (800, 801), dtype=np.uint8).tobytes())
    pieces = b"".join(chunk(b"IDAT", whole[k : k + 1]) for k in range(min(len(whole), ROOM // 13)))
    return png(800, 800)[: len(PNG) + 25] + pieces + chunk(b"IEND")


def deep_png(interlaced: int) -> bytes:
    """16-bit RGBA in all the pixels that are allowed."""
    values = np.random.default_rng(0).integers(0, 2, (SIDE, SIDE * 8), dtype=np.uint8)
    rows = np.hstack([np.full((SIDE, 1), 4, np.uint8), values])
    return png(SIDE, SIDE, 16, 6, data=rows.tobytes(), interlaced=interlaced)


def apng() -> bytes:
    control = struct.pack(">IIIIIHHBB", 0, 8, 8, 0, 0, 1, 1, 0, 0)
    frames = chunk(b"fcTL", control) + chunk(b"fdAT", struct.pack(">I", 1) + zlib.compress(bytes(72)))
    return small_png(chunk(b"acTL", struct.pack(">II", 100_000, 0)) + filled(frames))


def bombs(kind: bytes, before: bytes) -> bytes:
    """Chunks of text of one MiB each."""
    return filled(chunk(kind, before + zlib.compress(bytes(2**20 - 100), 9)))


# --- JPEG -------------------------------------------------------------------------------------------------------------


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def segments(jpeg: bytes) -> list[tuple[int, bytes]]:
    """A JPEG's segments with their markers; a scan's pixels belong to its segment."""
    at, found = 2, []
    while (marker := jpeg[at + 1]) != 0xD9:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        if marker == 0xDA:
            after = re.compile(rb"\xff[^\x00\xd0-\xd7]").search(jpeg, end)
            assert after
            end = after.start()
        found.append((marker, jpeg[at:end]))
        at = end
    return found


def with_many_scans(jpeg: bytes, which: int, frame: int | None = None) -> bytes:
    """A JPEG in which one scan is repeated until the file is full; `frame` is another marker of its frame."""
    parts = segments(jpeg)
    at = [place for place, (marker, _) in enumerate(parts) if marker == 0xDA][which]
    body = b"\xff\xd8" + b"".join(part for _, part in parts[: at + 1])
    if frame:
        body = body.replace(b"\xff\xc2\0", bytes((0xFF, frame, 0)))
    return body + filled(parts[at][1], ROOM - len(body)) + b"\xff\xd9"


def flat(width: int = SIDE, mode: str = "L") -> Image.Image:
    return Image.new(mode, (width, width))


def scan_by_scan(width: int) -> bytes:
    """A baseline JPEG whose colours come one after another, so that all its coefficients have to be kept."""
    parts = segments(encoded(flat(width, "RGB"), "JPEG", subsampling=0))
    frame = b"".join(part for marker, part in parts if marker != 0xDA)
    scans = b"".join(
        segment(0xDA, bytes((1, k, 0x11 if k > 1 else 0, 0, 63, 0))) + bytes(width * width // 64) for k in (1, 2, 3)
    )
    return b"\xff\xd8" + frame + scans + b"\xff\xd9"


def small_jpeg(more: bytes) -> bytes:
    """A JPEG without a resolution in its head (which would spare Pillow the EXIF), with more segments."""
    jpeg = encoded(photo(64, 64), "JPEG")
    return b"\xff\xd8" + more + b"".join(part for marker, part in segments(jpeg) if marker != 0xE0) + b"\xff\xd9"


def overlapping_exif(entries: int, size: int) -> bytes:
    """EXIF in which each of many entries names the same bytes, so that reading it takes a multiple of its size."""
    table = b"".join(struct.pack("<HHII", tag, 7, size - 100, 50) for tag in range(1, entries + 1))
    return (b"II*\0" + struct.pack("<IH", 8, entries) + table).ljust(size, b"\0")


def in_segments(exif: bytes) -> bytes:
    step = 65_000
    return b"".join(segment(0xE1, EXIF + exif[k : k + step]) for k in range(0, len(exif), step))


# --- WEBP and BMP -----------------------------------------------------------------------------------------------------


def webp(width: int, height: int) -> bytes:
    """A WEBP that claims a canvas size, written by hand."""
    canvas = struct.pack("<I", 2)[:4] + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + canvas
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_with(part: bytes) -> bytes:
    body = encoded(photo(64, 64), "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")[12:]
    body = b"WEBP" + body + filled(part)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def animation() -> bytes:
    frames = [Image.new("RGB", (64, 64), (k % 256, k // 256, 0)) for k in range(2000)]
    return encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, method=0)


def noisy_webp() -> bytes:
    """Lossless noise, as much as the file may hold."""
    noise = np.random.default_rng(0).integers(0, 256, (1800, 1800, 3), dtype=np.uint8)
    return encoded(Image.fromarray(noise), "WEBP", lossless=True, method=0)


def run_lengths(part: bytes, compression: int = 1, room: int = ROOM) -> bytes:
    """A BMP of run lengths, each of which says `part`."""
    bits = 8 if compression == 1 else 4
    data = filled(part, room)
    head = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, bits, compression, len(data), 0, 0, 2**bits, 0)
    palette = bytes(4 * 2**bits)
    before = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", before + len(data), 0, 0, before) + head + palette + data


# --- the corpora ------------------------------------------------------------------------------------------------------

SMALL = photo(96, 96)
DAMAGED, TOO_MANY = "error.picture_unreadable", "error.picture_too_many_pixels"

# Refused by their heads: how each is made, and the reason.
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "a bomb of 60,000 x 60,000": (lambda: png(60_000, 60_000), TOO_MANY),
    "a bomb of 13,000 x 13,000": (lambda: png(13_000, 13_000), TOO_MANY),
    "8,000 x 8,000 of nothing": (lambda: png(8000, 8000, bits=1, data=bytes(8000 * 1001)), TOO_MANY),
    "a strip of 100,000 x 1": (lambda: png(100_000, 1), TOO_MANY),
    "a large progressive JPEG": (lambda: encoded(flat(4000), "JPEG", progressive=True), TOO_MANY),
    "a WEBP of 16,000,000 x 200": (lambda: webp(16_000_000, 200), "error.picture_"),
    "a truncated PNG": (lambda: encoded(SMALL, "PNG")[:-400], DAMAGED),
    "a truncated JPEG": (lambda: encoded(SMALL, "JPEG")[:-400], DAMAGED),
    "a truncated WEBP": (lambda: encoded(SMALL, "WEBP")[:-100], DAMAGED),
    "a truncated BMP": (lambda: encoded(SMALL, "BMP")[:-400], DAMAGED),
    "a PNG of 0 x 0": (lambda: png(0, 0), DAMAGED),
    "a PNG without pixels": (lambda: png(28, 28), DAMAGED),
    "a text chunk of 70 MB": (lambda: small_png(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(70_000_000)))), DAMAGED),
    "a GIF": (lambda: encoded(SMALL, "GIF"), DAMAGED),
    "a TIFF": (lambda: encoded(SMALL, "TIFF"), DAMAGED),
    "an SVG": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>', DAMAGED),
    "an EPS": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", DAMAGED),
    "a text": (lambda: b"I am no picture.", DAMAGED),
    "zero bytes": (lambda: b"", DAMAGED),
    "11 MiB": (lambda: encoded(SMALL, "PNG") + bytes(11 * 2**20), "error.picture_too_heavy"),
}

# What keeps a decoder busy, or takes memory; some of them are read in the end.
LABORIOUS: dict[str, Callable[[], bytes]] = {
    "JPEG of many scans": lambda: with_many_scans(encoded(flat(), "JPEG", progressive=True), -1),
    "JPEG of many overlapping EXIF entries": lambda: small_jpeg(in_segments(overlapping_exif(60_000, 10_000_000))),
    "BMP of many jumps": lambda: run_lengths(b"\0\2\0\0"),
    "PNG of many chunks": lambda: small_png(filled(chunk(b"quIt"))),
    "JPEG of many junk bytes": lambda: small_jpeg(bytes(ROOM)),
    "JPEG of many first scans": lambda: with_many_scans(encoded(flat(), "JPEG", progressive=True), 0),
    "JPEG of many scans with noise": lambda: with_many_scans(encoded(photo(1600, 1600), "JPEG", progressive=True), -1),
    "JPEG of many arithmetic scans": lambda: with_many_scans(encoded(flat(), "JPEG", progressive=True), -1, 0xCA),
    "JPEG of many baseline scans": lambda: with_many_scans(encoded(flat(64), "JPEG"), 0),
    "JPEG of one colour after another": lambda: scan_by_scan(5600),
    "JPEG of many segments": lambda: small_jpeg(filled(segment(0xE5, b""))),
    "JPEG of many comments": lambda: small_jpeg(filled(segment(0xFE, b""))),
    "JPEG of many tables": lambda: small_jpeg(filled(segment(0xDB, bytes((0, *[1] * 64))))),
    "JPEG of many EXIF segments": lambda: small_jpeg(filled(segment(0xE1, EXIF + b"II"))),
    "JPEG of a large colour profile": lambda: small_jpeg(filled(segment(0xE2, b"ICC_PROFILE\0\1\xff" + bytes(60_000)))),
    "JPEG of many Photoshop resources": lambda: small_jpeg(
        filled(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0" * 5000))
    ),
    "JPEG of many restarts": lambda: encoded(photo(1600, 1600), "JPEG", restart_marker_blocks=1),
    "JPEG of a large XMP": lambda: encoded(SMALL, "JPEG", xmp=b'tiff:Orientation="' * 3000),
    "PNG of many text bombs": lambda: small_png(bombs(b"zTXt", b"a\0\0")),
    "PNG of many international text bombs": lambda: small_png(bombs(b"iTXt", b"a\0\1\0\0\0")),
    "PNG of many colour profiles": lambda: small_png(bombs(b"iCCP", b"a\0\0")),
    "PNG of many small texts": lambda: small_png(filled(chunk(b"tEXt", b"a\0b"))),
    "PNG of many overlapping EXIF entries": lambda: small_png(chunk(b"eXIf", overlapping_exif(60_000, 10_000_000))),
    "PNG of a large XMP": lambda: small_png(
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + filled(b'tiff:Orientation="'))
    ),
    "PNG in pieces of a byte": png_in_pieces,
    "PNG of 16 bits and four channels": lambda: deep_png(0),
    "PNG of 16 bits, interlaced": lambda: deep_png(1),
    "PNG of many frames": apng,
    "PNG with more pixels than it says": lambda: png(SIDE, SIDE, data=bytes(500_000_000)),
    "PNG of a palette": lambda: encoded(Image.new("P", (SIDE, SIDE)), "PNG", transparency=bytes(256)),
    "WEBP of many frames": animation,
    "WEBP of noise": noisy_webp,
    "WEBP of many chunks": lambda: webp_with(b"quit\0\0\0\0"),
    "WEBP of many EXIF chunks": lambda: webp_with(b"EXIF\2\0\0\0II"),
    "BMP of many ends of lines": lambda: run_lengths(b"\0\0"),
    "BMP of many runs of nothing": lambda: run_lengths(b"\1\0\0\0"),
    "BMP of many short pieces": lambda: run_lengths(b"\0\3abcd"),
    "BMP of 4 bits": lambda: run_lengths(b"\xff\1", 2),
}

GOOD: dict[str, Callable[[], bytes]] = {
    "a photo of 12 MP": lambda: encoded(photo(4000, 3000), "JPEG", quality=90),
    "a progressive photo of 6 MP": lambda: encoded(photo(2880, 2080), "JPEG", quality=90, progressive=True),
    "a screenshot": lambda: encoded(photo(1440, 900, 0).resize((2880, 1800)), "PNG"),
    "a transparent screenshot": lambda: encoded(photo(1440, 900, 0).resize((2880, 1800)).convert("RGBA"), "PNG"),
    "a WEBP of 6 MP": lambda: encoded(photo(2880, 2080).convert("RGBA"), "WEBP", quality=90, method=0),
    "a lossless WEBP": lambda: encoded(photo(1920, 1080, 0), "WEBP", lossless=True, method=0),
    "a BMP": lambda: encoded(photo(1920, 1080), "BMP"),
    "a photo of 33 MP": lambda: encoded(photo(6600, 5000), "JPEG", quality=75),
}


# --- what happens -----------------------------------------------------------------------------------------------------


def peak() -> int:
    """KiB that the decoder which waits has taken at most; 0 where none waits, or where that cannot be read."""
    path = Path(f"/proc/{picture._waiting[-1].pid}/status") if picture._waiting else Path("/nowhere")
    found = re.search(r"VmHWM:\s+(\d+)", path.read_text()) if path.exists() else None
    return int(found[1]) if found else 0


def outcomes(makers: Iterable[Callable[[], bytes]]) -> tuple[list[str], list[float], float]:
    """For each picture why it is refused ("" if it is read) and the seconds; and the MiB that decoders took at most."""
    reasons, seconds, most = [], [], 0.0
    for make in makers:
        content = make()
        while picture._waiting:  # a decoder of its own for each, so that its memory can be told
            picture._end(picture._waiting.pop())
        refusal_of(b"no picture")
        with_nothing = peak()
        begun = time.perf_counter()
        reasons.append(refusal_of(content))
        seconds.append(time.perf_counter() - begun)
        most = max(most, (peak() - with_nothing) / 1024)
    return reasons, seconds, most


def refusal_of(content: bytes) -> str:
    try:
        open_picture(content, "picture")
    except Refusal as refusal:
        return refusal.key
    return ""


def refused_at_once(_: Path, times: int) -> Outcome:
    """Each picture of `HOSTILE` in turn."""
    chosen = list(itertools.islice(itertools.cycle(HOSTILE.values()), times))
    reasons, seconds, most = outcomes(make for make, _ in chosen)
    right = sum(reason.startswith(key) for reason, (_, key) in zip(reasons, chosen, strict=True))
    median = float(np.median(seconds))
    figure = (
        f"refused for the right reason {right}, in {1000 * median:.0f} ms (median; {1000 * max(seconds):.0f} at most)"
    )
    return Outcome(
        times, f"{figure}; memory at most +{most:.0f} MiB", right == times and median <= AT_ONCE and most <= PEAK
    )


def read_or_refused_in_time(_: Path, times: int) -> Outcome:
    """Each kind of `LABORIOUS` in turn."""
    reasons, seconds, most = outcomes(itertools.islice(itertools.cycle(LABORIOUS.values()), times))
    figure = f"at most {max(seconds):.1f} s; read {reasons.count('')}, refused {times - reasons.count('')}"
    figure += f"; memory of a decoder that was not ended at most +{most:.0f} MiB"
    return Outcome(times, figure, max(seconds) <= MOST_SECONDS and most <= MOST_FOR_PIXELS)


def good_ones_read(_: Path, times: int) -> Outcome:
    """Each picture of `GOOD` in turn."""
    reasons, seconds, most = outcomes(itertools.islice(itertools.cycle(GOOD.values()), times))
    figure = f"read {reasons.count('')}, in at most {max(seconds):.2f} s and +{most:.0f} MiB"
    return Outcome(times, figure, reasons.count("") == times)


FAULTS = (
    Fault(
        "F15",
        "a hostile picture that its head betrays",
        "all refused; 50 ms (median), +64 MiB",
        refused_at_once,
        len(HOSTILE),
        5 * len(HOSTILE),
    ),
    Fault(
        "F15",
        f"a picture that keeps its decoder busy, {len(LABORIOUS)} kinds",
        "read or refused in 2 s",
        read_or_refused_in_time,
        3,
        len(LABORIOUS),
    ),
    Fault("F15", "good pictures of up to 33 megapixels", "all read", good_ones_read, 1, 2 * len(GOOD)),
)
