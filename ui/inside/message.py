"""What the browser is told of a layer's output, by the page and, while the pen is down, by the live answers.

Values are sent as whole numbers from -127 to 127, of which 127 stands for the layer's `reach`: one scale, symmetric
around 0, for all maps of a layer, and no picture has more shades.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from core import words
from core.inside.network import reach

MOST_MAPS, MOST_VALUES = 32, 128  # shown of a layer
WRITTEN = 12  # values of a vector of at most so many are written below their bars
STEPS = 127
MOST_LIVE = 60_000  # bytes of the layers that are sent while the pen is down, beside the chosen one


def shown(output: np.ndarray) -> int:
    """How many of a layer's maps (C, H, W) or values (D,) the strip has room for."""
    return min(len(output), MOST_MAPS if output.ndim == 3 else MOST_VALUES)


def of_layer(output: np.ndarray, language: str) -> dict[str, Any]:
    """The values of the maps float32 (C, H, W), or of a vector (D,), that are shown, and the ends of their scale."""
    end, some = reach(output), output[: shown(output)]
    steps = np.rint(some * (STEPS / end)) if end > 0 else np.zeros_like(some)
    message: dict[str, Any] = {
        "values": base64.b64encode(steps.astype(np.int8).tobytes()).decode(),
        "reach": f"±{words.number(end, 2, language=language)}",
    }
    if output.ndim == 1 and len(output) <= WRITTEN:
        message["texts"] = [words.number(float(value), 2, language=language) for value in output]
    return message


def of_softmax(logits: np.ndarray, language: str) -> dict[str, Any]:
    """The same of the probabilities of the logits float32 (K,), on a scale to 1."""
    powers = np.exp(logits - logits.max())
    shares = (powers / powers.sum())[: shown(logits)]
    message: dict[str, Any] = {"values": base64.b64encode(np.rint(shares * STEPS).astype(np.int8).tobytes()).decode()}
    message["reach"] = ""
    if len(logits) <= WRITTEN:
        message["texts"] = [words.percent(float(share), 0, language=language) for share in shares]
    return message


def live(maps: Sequence[np.ndarray], chosen: int, language: str) -> dict[str, Any]:
    """The messages of the chosen layer (from 1), of the softmax as layer 0, and of the others that are small enough."""
    found = {str(chosen): of_layer(maps[chosen - 1], language), "0": of_softmax(maps[-1], language)}
    left = MOST_LIVE
    for number, output in enumerate(maps, start=1):
        left -= output[: shown(output)].size
        if left >= 0:
            found.setdefault(str(number), of_layer(output, language))
    return found
