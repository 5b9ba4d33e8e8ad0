"""BloodMNIST in two sizes; URLs and md5 come from the package medmnist, the files are read by our own code.

Source: Jiancheng Yang and others, MedMNIST v2 (2023); images by Andrea Acevedo and others (2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.datasets.files import Download
from core.datasets.npz import read_npz
from core.datasets.record import Dataset
from core.refusal import Refusal


def _info() -> Mapping[str, Any]:
    """The table of data sets in medmnist, imported only when needed, since that takes seconds.

    Raises:
        Refusal: medmnist is missing or broken.
    """
    try:
        from medmnist import INFO
    except Exception as error:  # importing another package can raise anything
        raise Refusal("error.medmnist_broken", reason=f"{type(error).__name__}: {error}") from error
    return INFO


def _blood(name: str, side: int, size: str) -> Dataset:
    file = f"bloodmnist{size}.npz"

    def md5() -> dict[str, str]:
        return {file: _info()["bloodmnist"][f"MD5{size}"]}

    def downloads() -> tuple[Download, ...]:
        return (Download((_info()["bloodmnist"][f"url{size}"],), md5()[file], file, (file,)),)

    return Dataset(
        name=name,
        shape=(3, side, side),
        class_names={
            "en": (
                "Basophils",
                "Eosinophils",
                "Erythroblasts",
                "Immature granulocytes",
                "Lymphocytes",
                "Monocytes",
                "Neutrophils",
                "Platelets",
            ),
            "pt_BR": (
                "Basófilos",
                "Eosinófilos",
                "Eritroblastos",
                "Granulócitos imaturos",
                "Linfócitos",
                "Monócitos",
                "Neutrófilos",
                "Plaquetas",
            ),
        },
        counts={"train": 11_959, "val": 1_712, "test": 3_421},
        source="Andrea Acevedo et al.; MedMNIST: Jiancheng Yang et al.; https://medmnist.com/",
        licence="CC BY 4.0",
        files=(file,),
        read=lambda folder: read_npz(folder / file),
        md5=md5,
        downloads=downloads,
    )


BLOODMNIST = _blood("bloodmnist", 28, "")
BLOODMNIST_64 = _blood("bloodmnist-64", 64, "_64")
