"""MNIST, Fashion-MNIST and CIFAR-10, with torchvision's URLs, folder layout and readers."""

from __future__ import annotations

import functools
import shutil
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import numpy as np

from core.datasets.files import Download, checksum, is_file, unpack
from core.datasets.record import NOT_STATED, Dataset, Pitfall, Split, Splits
from core.files import written_aside
from core.refusal import Refusal

DIGIT_NAMES = {
    "en": ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"),
    "pt_BR": ("Zero", "Um", "Dois", "Três", "Quatro", "Cinco", "Seis", "Sete", "Oito", "Nove"),
}


def torchvision_datasets() -> ModuleType:
    """`torchvision.datasets`, imported only when needed, since that takes seconds.

    Raises:
        Refusal: torchvision is missing or incompatible with the installed torch.
    """
    try:
        from torchvision import datasets
    except Exception as error:  # an incompatible torchvision can raise anything
        raise Refusal("error.torchvision_broken", reason=f"{type(error).__name__}: {error}") from error
    return datasets


# ---- MNIST and Fashion-MNIST: four idx files each. torchvision has the md5 of the archives; these are of the contents,
# and so are the CRC-32, by which a copy is told from the other set's file of the same name without unpacking it.

MNIST_MD5 = {
    "MNIST/raw/train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "MNIST/raw/train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "MNIST/raw/t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "MNIST/raw/t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
FASHION_MNIST_MD5 = {
    "FashionMNIST/raw/train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "FashionMNIST/raw/train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "FashionMNIST/raw/t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "FashionMNIST/raw/t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}

MNIST_CRC = dict(zip(MNIST_MD5, (0xE9F4D8B3, 0xE0CB4AD2, 0x91373BDF, 0x4AB9EFF9), strict=True))
FASHION_MNIST_CRC = dict(zip(FASHION_MNIST_MD5, (0xB4F29F28, 0x741A4657, 0x678FE0B1, 0x80142C1F), strict=True))


def idx_copies(crc: Mapping[str, int]) -> Callable[[Path], dict[str, Path]]:
    """What `Dataset.copies` needs: the files, packed or not, in their folder, the one above it or the data folder."""

    def copies(folder: Path) -> dict[str, Path]:
        found, listed = {}, functools.cache(_listed)
        for file, known in crc.items():
            raw, name = (folder / file).parent, Path(file).name
            names = [f"{base}{end}" for base in (name, name.replace("-idx", ".idx")) for end in (".gz", "")]
            places = [place / one for place in (raw, raw.parent, folder) for one in names if one in listed(place)]
            places = [place for place in places if place != raw / name]
            if copy := next((place for place in places if is_file(place) and checksum(place) == known), None):
                found[file] = copy
        return found

    return copies


def _listed(folder: Path) -> frozenset[str]:
    """The names in a folder; none if there is none. A page asks at each visit, and mostly there is nothing."""
    try:
        return frozenset(path.name for path in folder.iterdir())
    except OSError:
        return frozenset()


def _read_idx(name: str) -> Callable[[Path], Splits]:
    def read(folder: Path) -> Splits:
        # Not by torchvision's class, which prefers the unverified `processed` folder of older versions.
        mnist = torchvision_datasets().mnist

        def split(part: str) -> Split:
            images = mnist.read_image_file(str(folder / name / "raw" / f"{part}-images-idx3-ubyte"))  # (N, H, W)
            labels = mnist.read_label_file(str(folder / name / "raw" / f"{part}-labels-idx1-ubyte"))  # (N,)
            return Split(images.numpy()[:, None], labels.numpy())

        return Splits(split("train"), None, split("t10k"))

    return read


def _idx_downloads(name: str) -> Callable[[], tuple[Download, ...]]:
    def downloads() -> tuple[Download, ...]:
        official = getattr(torchvision_datasets(), name)
        return tuple(
            Download(
                urls=tuple(mirror + archive for mirror in official.mirrors),
                md5=md5,
                path=f"{name}/raw/{archive}",
                gives=(f"{name}/raw/{archive.removesuffix('.gz')}",),
                unpack=_gunzip,
            )
            for archive, md5 in official.resources
        )

    return downloads


def _gunzip(archive: Path, folder: Path) -> None:  # noqa: ARG001
    unpack(archive, archive.with_suffix(""))


# Test images whose label fewer than three of five people confirmed, when asked whether the image belongs to the given
# class, to another named class or to neither; with the class that a majority chose. Source: Northcutt, Athalye, Mueller
# 2021, the file mturk/mnist_mturk.json of https://github.com/cleanlab/label-errors.
MNIST_LABEL_ERRORS = {
    **{947: 9, 1621: 6, 1901: 4, 2130: None, 2462: 0, 2597: 3, 2654: None, 3520: None},
    **{3558: 0, 5937: 3, 6651: 6, 6783: 6, 8527: None, 9679: None, 9729: 6},
}

MNIST = Dataset(
    name="mnist",
    shape=(1, 28, 28),
    class_names=DIGIT_NAMES,
    counts={"train": 60_000, "val": 0, "test": 10_000},
    source="Yann LeCun, Corinna Cortes, Christopher J. C. Burges; http://yann.lecun.com/exdb/mnist/",
    licence=NOT_STATED,
    files=tuple(MNIST_MD5),
    read=_read_idx("MNIST"),
    md5=MNIST_MD5.copy,
    copies=idx_copies(MNIST_CRC),
    downloads=_idx_downloads("MNIST"),
    digits=True,
    pitfalls=(
        Pitfall("pitfall.mnist_labels", "Northcutt, Athalye, Mueller 2021", "https://github.com/cleanlab/label-errors"),
    ),
    label_errors=MNIST_LABEL_ERRORS,
)
FASHION_MNIST = Dataset(
    name="fashion-mnist",
    shape=(1, 28, 28),
    class_names={
        "en": (
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        "pt_BR": (
            *("Camiseta", "Calça", "Suéter", "Vestido", "Casaco"),
            *("Sandália", "Camisa", "Tênis", "Bolsa", "Bota"),
        ),
    },
    counts={"train": 60_000, "val": 0, "test": 10_000},
    source="Han Xiao, Kashif Rasul, Roland Vollgraf (Zalando Research); "
    "https://github.com/zalandoresearch/fashion-mnist",
    licence="MIT, copyright Zalando SE",
    files=tuple(FASHION_MNIST_MD5),
    read=_read_idx("FashionMNIST"),
    md5=FASHION_MNIST_MD5.copy,
    copies=idx_copies(FASHION_MNIST_CRC),
    downloads=_idx_downloads("FashionMNIST"),
    pitfalls=(Pitfall("pitfall.fashion_duplicates", "Geier 2019", "https://arxiv.org/abs/1906.08255"),),
)


# ---- CIFAR-10: its files are pickles, so only torchvision opens them, after checking their md5.

CIFAR10_FOLDER = "cifar-10-batches-py"
CIFAR10_FILES = tuple(
    f"{CIFAR10_FOLDER}/{file}" for file in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta")
)


def _cifar10_md5() -> Mapping[str, str]:
    official = torchvision_datasets().CIFAR10
    pairs = [*official.train_list, *official.test_list, (official.meta["filename"], official.meta["md5"])]
    return {f"{CIFAR10_FOLDER}/{file}": md5 for file, md5 in pairs}


def _read_cifar10(folder: Path) -> Splits:
    def split(train: bool) -> Split:
        official = torchvision_datasets().CIFAR10(folder, train=train)  # .data uint8 (N, H, W, C)
        return Split(np.ascontiguousarray(official.data.transpose(0, 3, 1, 2)), np.array(official.targets, np.int64))

    return Splits(split(True), None, split(False))


def _cifar10_downloads() -> tuple[Download, ...]:
    official = torchvision_datasets().CIFAR10
    return (Download((official.url,), official.tgz_md5, official.filename, CIFAR10_FILES, _untar),)


def _untar(archive: Path, folder: Path) -> None:
    """Extract only the known files from the verified archive, by name, so that no other path is written."""
    (folder / CIFAR10_FOLDER).mkdir(exist_ok=True)
    with tarfile.open(archive) as packed:
        for name in CIFAR10_FILES:
            member = packed.extractfile(name)
            if member is None:
                raise OSError(f"{archive.name} holds no file {name}")
            with member, written_aside(folder / name) as file:
                shutil.copyfileobj(member, file)


CIFAR10 = Dataset(
    name="cifar10",
    shape=(3, 32, 32),
    class_names={
        "en": ("Airplane", "Automobile", "Bird", "Cat", "Deer", "Dog", "Frog", "Horse", "Ship", "Truck"),
        "pt_BR": (
            *("Avião", "Automóvel", "Pássaro", "Gato", "Veado"),
            *("Cachorro", "Sapo", "Cavalo", "Navio", "Caminhão"),
        ),
    },
    counts={"train": 50_000, "val": 0, "test": 10_000},
    source="Alex Krizhevsky, Vinod Nair, Geoffrey Hinton; https://www.cs.toronto.edu/~kriz/cifar.html",
    licence=NOT_STATED,
    files=CIFAR10_FILES,
    read=_read_cifar10,
    md5=_cifar10_md5,
    downloads=_cifar10_downloads,
    pitfalls=(Pitfall("pitfall.cifar10_duplicates", "Barz, Denzler 2020", "https://arxiv.org/abs/1902.00423"),),
)
