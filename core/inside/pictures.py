"""Maps as pictures: diverging colours symmetric around 0, one pixel a place, never interpolated."""

from __future__ import annotations

import math

import numpy as np

# Blue, white, orange: told apart also with red-green blindness; white is the colour of neither sign.
BELOW, MIDDLE, ABOVE = (5, 80, 160), (255, 255, 255), (180, 75, 0)
DARKER = 0.5  # share of its brightness that a map's colour loses where the image is black
EDGE = (128, 128, 128)  # between the maps of a layer


def diverging(values: np.ndarray, reach: float) -> np.ndarray:
    """Values (H, W) from -reach to reach as colours uint8 (3, H, W): blue below 0, white at 0, orange above.

    White everywhere for a reach of 0; values beyond it get the end's colour.
    """
    share = np.clip(values / reach, -1, 1)[None] if reach > 0 else np.zeros((1, *values.shape))
    below, middle, above = (np.array(colour, float)[:, None, None] for colour in (BELOW, MIDDLE, ABOVE))
    ends = np.where(share < 0, below, above)
    return np.rint(middle + (ends - middle) * np.abs(share)).astype(np.uint8)


def over(image: np.ndarray, values: np.ndarray, reach: float) -> np.ndarray:
    """A map (H, W) over its image uint8 (C, H, W), uint8 (3, H, W): its colours, darker where the image is darker."""
    grey = image.mean(axis=0) / 255
    return np.rint(diverging(values, reach) * (1 - DARKER * (1 - grey))).astype(np.uint8)


def tiled(maps: np.ndarray, reach: float, columns: int | None = None) -> np.ndarray:
    """Maps (N, H, W) in lines of `columns` on one scale, uint8 (3, ...), with a grey pixel between them.

    By default they are about as many as make a square.
    """
    count, height, width = maps.shape
    square = math.ceil(math.sqrt(count * height / width))
    across = min(count, columns or square)
    lines = math.ceil(count / across)
    picture = np.empty((3, lines * (height + 1) + 1, across * (width + 1) + 1), np.uint8)
    picture[:] = np.array(EDGE, np.uint8)[:, None, None]
    for place, one in enumerate(maps):
        top, left = place // across * (height + 1) + 1, place % across * (width + 1) + 1
        picture[:, top : top + height, left : left + width] = diverging(one, reach)
    return picture


def as_maps(output: np.ndarray) -> np.ndarray:
    """A layer's output as maps (N, H, W): feature maps as they are, each value of a vector as one pixel."""
    return output if output.ndim == 3 else output.reshape(-1, 1, 1)
