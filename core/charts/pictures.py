"""Images as PNG files, enlarged by integer factors without interpolation."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

GAP = 128  # grey level between the images of a sheet: visible in both themes, and next to black and to white images


def sheet(images: np.ndarray, *, columns: int, scale: int) -> bytes:
    """Many images as one PNG, row by row with gaps, each enlarged by an integer factor without interpolation.

    Args:
        images: uint8 (N, C, H, W), N at least 1, C 1 or 3.
        columns: images per row.
        scale: the factor.
    """
    n, channels, high, wide = images.shape
    columns = min(columns, n)
    lines = math.ceil(n / columns)
    gap = max(1, scale)
    canvas = np.full((lines, high * scale + gap, columns, wide * scale + gap, channels), GAP, dtype=np.uint8)
    large = images.transpose(0, 2, 3, 1).repeat(scale, axis=1).repeat(scale, axis=2)  # (N, H * scale, W * scale, C)
    for line in range(lines):
        row = large[line * columns : (line + 1) * columns]
        canvas[line, : high * scale, : len(row), : wide * scale] = row.transpose(1, 0, 2, 3)
    pixels = canvas.reshape(lines * (high * scale + gap), columns * (wide * scale + gap), channels)[:-gap, :-gap]
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def enlarge(image: np.ndarray, scale: int) -> bytes:
    """One image, uint8 (C, H, W), as a PNG, enlarged by an integer factor without interpolation."""
    return sheet(image[None], columns=1, scale=scale)
