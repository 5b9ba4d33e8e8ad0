"""The data sets: a table of the built-in ones, and the .npz files in MedMNIST's layout in the data folders."""

from __future__ import annotations

from dataclasses import replace

from core.datasets.medmnist_sets import BLOODMNIST, BLOODMNIST_64
from core.datasets.mnist_5k import MNIST_5K
from core.datasets.npz import own_datasets
from core.datasets.pen_digits import MNIST_AND_DRAWINGS, PEN_DIGITS
from core.datasets.record import Dataset, Split, Splits
from core.datasets.torchvision_sets import CIFAR10, FASHION_MNIST, MNIST
from core.refusal import Refusal

__all__ = ["DATASETS", "Dataset", "Split", "Splits", "dataset", "datasets"]

DATASETS: dict[str, Dataset] = {
    "mnist-5k": MNIST_5K,
    "mnist": MNIST,
    "pen-digits": PEN_DIGITS,
    "mnist-and-drawings": MNIST_AND_DRAWINGS,
    "fashion-mnist": FASHION_MNIST,
    "cifar10": CIFAR10,
    "bloodmnist": BLOODMNIST,
    "bloodmnist-64": BLOODMNIST_64,
}


def datasets() -> dict[str, Dataset]:
    """All data sets by name: the built-in ones, then the .npz files in the data folders, each named by its stem."""
    known = frozenset(file for one in DATASETS.values() for file in one.files)
    found = dict(DATASETS)
    for one in own_datasets(known):
        named = one if one.name not in DATASETS else replace(one, name=one.files[0])  # built-in names are reserved
        found[named.name] = named
    return found


def dataset(name: str) -> Dataset:
    """The data set of this name.

    Raises:
        Refusal: there is none.
    """
    found = datasets()
    if name not in found:
        raise Refusal("error.data_unknown", name=name, known=", ".join(found))
    return found[name]
