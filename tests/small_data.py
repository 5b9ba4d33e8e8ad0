"""Two small data sets of four classes, 28 x 28: `tiny` (70 train, 20 val, 30 test) and `long-val`."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_small_data(folder: Path) -> None:
    for name, counts in {"tiny": (70, 20, 30), "long-val": (8, 6_000, 8)}.items():
        generator = np.random.default_rng(0)
        arrays = {}
        for part, count in zip(("train", "val", "test"), counts, strict=True):
            labels = np.arange(count) % 4
            images = generator.integers(0, 120, (count, 28, 28), dtype=np.uint8)
            for label in range(4):  # a bright band at a place given by the label, so that there is something to learn
                images[labels == label, 7 * label : 7 * label + 7] += 100
            arrays |= {f"{part}_images": images, f"{part}_labels": labels.astype(np.uint8)}
        np.savez(folder / f"{name}.npz", **arrays)
