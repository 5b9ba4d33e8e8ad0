"""Exploration of a data set before training: class balance, mean images and samples."""

from __future__ import annotations

import numpy as np

from core.datasets import Split
from core.measures.measures import Measures, measures


def class_counts(labels: np.ndarray, classes: int) -> np.ndarray:
    """The number of images of each class, int64 (K,), from labels (N,)."""
    return np.bincount(labels, minlength=classes)


def majority_baseline(counts: np.ndarray) -> Measures:
    """The measures of a classifier that always predicts the most frequent class, from counts of images (K,)."""
    matrix = np.zeros((len(counts), len(counts)), np.int64)
    matrix[:, counts.argmax()] = counts
    return measures(matrix)


def mean_images(split: Split, classes: int) -> np.ndarray:
    """The mean image of each class, uint8 (K, C, H, W), rounded; black for a class without images."""
    means = np.zeros((classes, *split.images.shape[1:]), np.uint8)
    for k in np.unique(split.labels):
        means[k] = np.rint(split.images[split.labels == k].mean(axis=0))
    return means


def samples_per_class(labels: np.ndarray, classes: int, count: int, seed: int) -> list[np.ndarray]:
    """For each class, the indices in `labels` (N,) of at most `count` random images, without repetition."""
    generator = np.random.default_rng(seed)
    return [generator.permutation(np.flatnonzero(labels == k))[:count] for k in range(classes)]


def minibatch(n: int, size: int, seed: int) -> np.ndarray:
    """At most `size` random indices below `n`, without repetition: a batch as one training step gets it."""
    return np.random.default_rng(seed).permutation(n)[:size]
