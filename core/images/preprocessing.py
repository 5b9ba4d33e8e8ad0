"""Normalisation of pixels for a network, its inverse for display, and the stages in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.images.splits import resized

if TYPE_CHECKING:
    from core.spec import RunSpec


def normalisation(spec: RunSpec, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift, float32 (1, C, 1, 1), of the spec's normalisation, for images uint8 (N, C, H, W).

    They map pixels to 0..1 (`unit`), to -1..1 (`half`), or to mean 0 and variance 1 over `images` (`standard`).
    """
    channels = images.shape[1]
    mean, deviation = np.zeros(channels), np.ones(channels)
    if spec.normalisation == "half":
        mean, deviation = mean + 0.5, deviation * 0.5
    if spec.normalisation == "standard":
        values = np.arange(256) / 255
        for channel in range(channels):
            share = np.bincount(images[:, channel].ravel(), minlength=256) / images[:, channel].size
            mean[channel] = share @ values
            deviation[channel] = max(1e-6, np.sqrt(share @ (values - mean[channel]) ** 2))
    scale, shift = (1 / (255 * deviation)), (-mean / deviation)
    return scale.astype(np.float32).reshape(1, -1, 1, 1), shift.astype(np.float32).reshape(1, -1, 1, 1)


def restored(values: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The images uint8 (N, C, H, W) from which scale and shift produced these values: the inverse normalisation."""
    return np.rint((values - shift) / scale).clip(0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Stage:
    """An image at one stage of preprocessing."""

    name: str  # "raw", "resized", "scaled" or "normalised"
    values: np.ndarray  # (C, H, W): uint8, or float32 for "scaled" and "normalised"
    picture: np.ndarray  # uint8 (C, H, W): the values converted back to pixels


def stages(spec: RunSpec, image: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> list[Stage]:
    """The stages that the spec uses, for an image uint8 (C, H, W), with scale and shift from `normalisation`."""
    images = image[None]
    found = [Stage("raw", image, image)]
    if spec.image_size:
        images = resized(images, spec.image_size)
        found.append(Stage("resized", images[0], images[0]))
    steps = {"scaled": (np.float32(1 / 255), np.float32(0)), "normalised": (scale, shift)}
    if spec.normalisation == "unit":  # then both are the same
        del steps["normalised"]
    for name, (by, plus) in steps.items():
        values = images.astype(np.float32) * by + plus
        found.append(Stage(name, values[0], restored(values, by, plus)[0]))
    return found
