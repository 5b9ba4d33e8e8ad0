"""Connected parts and dark lines of a picture, by which paper, sheets and their digits are found."""

from __future__ import annotations

from typing import cast

import numpy as np


def connected(mask: np.ndarray, *, diagonally: bool = False) -> tuple[np.ndarray, int]:
    """The number of the connected part at each pixel of a mask (H, W), from 1, 0 outside, and how many there are."""
    from scipy import ndimage

    return cast("tuple[np.ndarray, int]", ndimage.label(mask, np.ones((3, 3)) if diagonally else None))


def darkness(level: np.ndarray, widest: int) -> tuple[np.ndarray, np.ndarray]:
    """How much darker than the paper around it each pixel is, as a share of the paper's level, and that level.

    What is darker and narrower than `widest` px is ink; a shadow is wider. Both are float32 (H, W).
    """
    from scipy import ndimage

    level = ndimage.gaussian_filter(level.astype(np.float32), 0.7)
    paper = ndimage.grey_closing(level, size=widest)
    return (1 - level / np.maximum(paper, 1)).clip(0, 1), paper
