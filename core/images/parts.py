"""The connected parts of a picture, by which paper, sheets and their digits are found."""

from __future__ import annotations

from typing import cast

import numpy as np


def connected(mask: np.ndarray, *, diagonally: bool = False) -> tuple[np.ndarray, int]:
    """The number of the connected part at each pixel of a mask (H, W), from 1, 0 outside, and how many there are."""
    from scipy import ndimage

    return cast("tuple[np.ndarray, int]", ndimage.label(mask, np.ones((3, 3)) if diagonally else None))
