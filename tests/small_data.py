"""Small data sets, 28 x 28, made up: `tiny` (70 train, 20 val, 30 test) and `long-val` of four classes, and `blood`."""

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


def write_blood(folder: Path) -> None:
    """`blood` has BloodMNIST's layout: in colour, eight classes, with a val split."""
    generator, arrays = np.random.default_rng(0), {}
    for part, count in {"train": 64, "val": 24, "test": 16}.items():
        labels = np.arange(count) % 8
        arrays[f"{part}_images"] = generator.integers(0, 200, (count, 28, 28, 3), dtype=np.uint8)
        arrays[f"{part}_images"][np.arange(count), labels] += 55
        arrays[f"{part}_labels"] = labels.astype(np.uint8)
    np.savez(folder / "blood.npz", **arrays)
