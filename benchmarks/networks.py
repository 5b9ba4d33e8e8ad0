"""The networks that `benchmarks/training.py` trains: those of the reports' recipes, on MNIST, for one epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.contestants.turn import Order
from core import settings
from core.datasets import dataset
from core.networks.layers import Conv, Layer, Row
from core.recipes import RECIPES
from core.spec import RunSpec, checked

CLASSES = 10  # of MNIST


@dataclass(frozen=True)
class Network:
    """A recipe's network and its settings, with the number of channels of the recipe's pictures."""

    recipe: str
    words: str
    channels: int = 1

    @property
    def spec(self) -> RunSpec:
        """The spec that trains it for one epoch, in the precision that the engine chooses."""
        of_recipe = RECIPES[self.recipe].spec()
        kept = ("architecture", "layers", "optimizer", "learning_rate", "batch_size", "defaults")
        return checked({"data": "mnist", "epochs": 1} | {name: getattr(of_recipe, name) for name in kept})

    @property
    def table(self) -> list[Row]:
        """The table of its layers."""
        return self.spec.table((self.channels, 28, 28), CLASSES)

    def order(self, variant: str) -> Order:
        """What a contestant has to train."""
        spec, files = self.spec, dataset("mnist").files
        assert not spec.momentum, "no peer has it"
        folders = settings.data_folders()
        folder = next(folder for folder in folders if all((folder / file).is_file() for file in files))
        return Order(
            layers=[_for_all(layer.resolved(CLASSES)) for layer in spec.layers],
            channels=self.channels,
            batch=spec.batch_size,
            optimizer=spec.optimizer,
            rate=spec.learning_rate,
            parameters=sum(row.parameters for row in self.table),
            spec=spec.model_dump(mode="json"),
            folder=str(Path(folder).resolve()),
            variant=variant,
        )


def _for_all(layer: Layer) -> dict[str, Any]:
    """A layer as every contestant understands it: convolutions have stride 1 and, if `same`, keep height and width."""
    words = layer.model_dump(mode="json")
    if isinstance(layer, Conv):
        assert layer.stride == 1
        assert layer.padding in (0, "same", layer.kernel // 2)
        words["same"] = layer.padding != 0
    return words


NETWORKS = {
    one.recipe: one
    for one in (
        Network("000-c", "MLP 128, batch 256, Adam"),
        Network("000-d", "MLP 256, batch 256, Adam"),
        Network("001-b", "LeNet, batch 64, SGD"),
        Network("001-c", "LeNet of sigmoid and tanh on 3 channels, batch 64, SGD", 3),
        Network("002-d", "64 filters of 9 x 9 on 3 channels, batch 32, SGD", 3),
        Network("003-d", "convolutions 32 and 64 of 3 x 3, dense 64, batch 128, Adam"),
        Network("003-f", "convolutions 16 of 5 x 5 and 32 of 3 x 3, dense 64, batch 128, Adam"),
        Network("004-a", "convolutions 32, 64 and 64 of 3 x 3, dense 128, batch 32, Adam"),
        Network("004-b", "convolutions 32 and 64 of 3 x 3, dense 64 and 32, batch 32, Adam"),
    )
}
