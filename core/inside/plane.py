"""The map of the data: images as points of a plane, by PCA or t-SNE of what the last layer gets of them.

Distances between clusters on a map by t-SNE mean little; how much of the neighbourhoods it keeps, `neighbour_accuracy`
tells.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from core import settings
from core.datasets import cache
from core.inside.network import Network, Progress
from core.measures.answers import Measure
from core.measures.measures import proportion

MOST_IMAGES = 2_000
MOST_VALUES = 25_000_000  # in all activations together: 100 MB
NEIGHBOURS = 10
ITERATIONS = 1_000  # of t-SNE
SUBSPACE, SUBSPACE_ITERATIONS = 16, 6  # vectors, and how often they are multiplied, in a PCA


def spread(network: Network, total: int) -> np.ndarray:
    """The indices, int64 (N,), of images of a split of `total`, at equal distances, since the first may be easier.

    N is at most `MOST_IMAGES`, and less where the activations would take more than `MOST_VALUES`.
    """
    count = min(total, max(1, min(MOST_IMAGES, MOST_VALUES // _last(network)[1])))
    return np.arange(count) * total // max(1, count)


def _last(network: Network) -> tuple[int, int]:
    """The number of the last layer with weights, and how many values it gets."""
    last = max((row.number for row in network.rows if row.macs), default=len(network.rows))
    return last, int(np.prod(network.row(last).shape_before))


def penultimate(network: Network, images: np.ndarray, progress: Progress | None = None) -> np.ndarray:
    """What the last layer with weights gets, float32 (N, D), for images uint8 (N, C, H, W)."""
    last, size = _last(network)
    found = np.empty((len(images), size), np.float32)
    for at in range(0, len(images), network.part):
        some = images[at : at + network.part]
        found[at : at + len(some)] = network.before(some, last).reshape(len(some), -1).numpy()
        if progress:
            progress(at + len(some), len(images))
    return found


@dataclass(frozen=True)
class Pca:
    """The two directions in which values vary most. Source: Pearson 1901; Hotelling 1933."""

    mean: np.ndarray  # float32 (D,)
    directions: np.ndarray  # float32 (2, D), of length 1; zeros for a direction in which nothing varies
    share: tuple[float, float]  # of the whole variance, 0 to 1, in each direction

    def place(self, values: np.ndarray) -> np.ndarray:
        """The points float32 (N, 2) of values float32 (N, D), also of a new drawing: their projection."""
        return (values - self.mean) @ self.directions.T


def pca(values: np.ndarray) -> Pca:
    """The PCA of values float32 (N, D), N at least 1; each direction points where its largest part is positive.

    By subspace iteration, which takes a bounded time and no D x D matrix. Source: Halko, Martinsson, Tropp 2011.
    """
    mean = values.mean(axis=0)
    apart = values - mean
    basis = np.random.default_rng(0).normal(size=(values.shape[1], min(SUBSPACE, *values.shape))).astype(np.float32)
    for _ in range(SUBSPACE_ITERATIONS):
        basis = np.linalg.qr(apart.T @ (apart @ basis))[0]
    _, lengths, within = np.linalg.svd(apart @ basis, full_matrices=False)
    found = within @ basis.T
    variance = float(np.square(apart).sum(axis=1).sum(dtype=np.float64))
    directions, share = np.zeros((2, values.shape[1]), np.float32), [0.0, 0.0]
    for place, length in enumerate(lengths[:2].tolist()):
        if length**2 > 1e-9 * variance:
            directions[place] = found[place] * np.sign(found[place][np.abs(found[place]).argmax()])
            share[place] = length**2 / variance
    return Pca(mean, directions, (share[0], share[1]))


def tsne(values: np.ndarray, seed: int = 0, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
    """The points float32 (N, 2) of values float32 (N, D), N at least 5, by t-SNE that begins with their PCA.

    Source: van der Maaten, Hinton 2008. It takes seconds: for a process of its own, since `progress`, called with the
    iterations done and their number, reads what scikit-learn prints, and standard output belongs to the whole process.
    """
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(values) - 1) / 3)
    method = TSNE(perplexity=perplexity, init="pca", random_state=seed, max_iter=ITERATIONS, verbose=2)
    with contextlib.redirect_stdout(_Reader(progress)):
        return method.fit_transform(values).astype(np.float32)


class _Reader(io.TextIOBase):
    """Standard output for scikit-learn, which tells every 50th iteration; it offers no other way to follow it."""

    def __init__(self, progress: Callable[[int, int], None] | None):
        self.progress = progress

    def write(self, text: str, /) -> int:
        found = re.search(r"Iteration (\d+): error", text)
        if found and self.progress:
            self.progress(int(found[1]), ITERATIONS)
        return len(text)


def tsne_aside(values: np.ndarray, progress: Callable[[int, int], None]) -> np.ndarray:
    """`tsne` in a process of its own, and from the cache if these values have been laid out before.

    What `progress` raises ends it. Raises: RuntimeError, if the process fails.
    """
    sha256 = hashlib.sha256(repr(values.shape).encode() + np.ascontiguousarray(values).tobytes()).hexdigest()
    if kept := cache.get(f"tsne-{sha256[:16]}", sha256):
        return kept["points"]
    with tempfile.TemporaryDirectory() as folder:
        given, found = (Path(folder) / name for name in ("values.npy", "points.npy"))
        np.save(given, values)
        command = [sys.executable, "-m", "core.inside.plane", str(given), str(found)]
        with subprocess.Popen(command, cwd=settings.ROOT, stdout=subprocess.PIPE, text=True) as process:
            # As for an estimate: a training gets three times as much processor time.
            psutil.Process(process.pid).nice(15 if os.name == "posix" else psutil.IDLE_PRIORITY_CLASS)
            try:
                assert process.stdout
                for line in process.stdout:
                    progress(int(line), ITERATIONS)
            finally:
                if process.poll() is None:
                    process.kill() if sys.exc_info()[0] else process.wait()
        if process.returncode:
            raise RuntimeError(f"t-SNE ended with {process.returncode}")
        points = np.load(found)
    cache.put(f"tsne-{sha256[:16]}", sha256, {"points": points})
    return points


def placed(values: np.ndarray, points: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Where new values float32 (M, D) belong among `points` (N, 2) of `values` (N, D): float32 (M, 2).

    A map by t-SNE has no formula for them: it is the median of the points of the ten nearest images, as openTSNE
    begins, which a few neighbours in another cluster do not move. Source: Poličar, Stražar, Zupan 2023.
    """
    near = _nearest(_distances(new, values), min(NEIGHBOURS, len(values)))
    return np.median(points[near], axis=1).astype(np.float32)


def neighbour_accuracy(values: np.ndarray, labels: np.ndarray) -> Measure:
    """The share of images whose class is the commonest among their ten nearest other images, with its interval.

    Of equally common classes, the one whose image is nearest. It measures how far classes are apart in values (N, D),
    be they raw pixels, activations or points of a map; labels int64 (N,), N at least 2. Source: Cover, Hart 1967.
    """
    values = values.reshape(len(values), -1).astype(np.float32)
    distances = _distances(values, values)
    np.fill_diagonal(distances, np.inf)
    near = labels[_nearest(distances, min(NEIGHBOURS, len(values) - 1))]  # (N, 10), the nearest first
    votes = (near[:, :, None] == near[:, None, :]).sum(axis=2)
    found = near[np.arange(len(near)), votes.argmax(axis=1)]
    return proportion(int((found == labels).sum()), len(labels))


def _distances(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The squared distances float32 (M, N) of values (M, D) and (N, D)."""
    middle = others.mean(axis=0)  # without it, large values would take the digits of small distances
    some, others = some - middle, others - middle
    return (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * some @ others.T


def _nearest(distances: np.ndarray, count: int) -> np.ndarray:
    """The indices (M, count) of the smallest distances in each row (M, N), the smallest first."""
    near = np.argpartition(distances, count - 1, axis=1)[:, :count]
    order = np.take_along_axis(distances, near, axis=1).argsort(axis=1, kind="stable")
    return np.take_along_axis(near, order, axis=1)


def _write_points(given: str, found: str) -> None:
    """Lay out the values in one file, write their points into another, and print how many iterations are done."""
    values = np.load(given)
    np.save(found, tsne(values, progress=lambda done, _: print(done, file=sys.__stdout__, flush=True)))


if __name__ == "__main__":
    _write_points(*sys.argv[1:])
