"""What the reports and their authors' public notebooks state of each training: curves, matrices, tables, with sources.

The files `report_NNN.json` hold figures only. Nothing in them was measured by us.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, TypeAdapter

FOLDER = Path(__file__).parent
REPORTS = ("000", "001", "002", "003", "004")

Origin = Literal["report", "notebook"]
"""`report`: printed in the report; `notebook`: read in its author's public notebook or its history."""
Part = Literal["test", "curves", "seconds", "confusion_matrix", "classes", "parameters", "examples"]
Series = Literal["train_accuracy", "train_loss", "val_accuracy", "val_loss", "train_share_of_class_0"]


class Stated(NamedTuple):
    """A figure that nobody here has measured, and where it stands."""

    value: float
    origin: Origin


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Data):
    """Where figures stand: lines of a report's text, or a cell of a notebook in a public repository."""

    report: str | None = None
    lines: tuple[int, ...] = ()
    repository: str | None = None
    file: str | None = None
    commit: str | None = None
    cells: tuple[int, ...] = ()  # numbers of the notebook's cells, from 0

    @property
    def address(self) -> str | None:
        """The file's web address; None for a report."""
        if not self.repository:
            return None
        return f"https://{self.repository}/blob/{self.commit or 'main'}/{self.file}"


class AtEpoch(_Data):
    """The val measures of one epoch."""

    epoch: int | None = None  # from 1; None where it is not told
    val_accuracy: float
    val_loss: float | None = None


class Unknown(_Data):
    """Cells of a row of a confusion matrix that the report's text has lost; their sum is known."""

    row: int
    columns: tuple[int, ...]
    sum: int
    each_at_most: int


class Example(_Data):
    """The answer to one test image; probabilities from 0 to 1, empty where only that of the prediction is known."""

    index: int  # place in the test split
    true: int
    predicted: int
    confidence: float | None = None
    probabilities: tuple[float, ...] = ()
    shown: tuple[float, ...] = ()  # probabilities in the report's own figure, where they are those of another network


class Reported(_Data):
    """What is known of one published training. Accuracies and shares are from 0 to 1, losses in nats."""

    name: str  # of the recipe; `RECIPE-second` of a repetition; `SEARCH/STAGE/OPTION` of a training of a search
    origin: Mapping[Part, Origin]  # where each part below comes from
    sources: tuple[Source, ...]
    device: str | None = None  # None where it is not told
    # By series, a value an epoch from `first_epoch` on; None where it is lost. `val` is what was watched after each
    # epoch: the test split in reports 001 and 003.
    curves: Mapping[Series, tuple[float | None, ...]] = {}
    first_epoch: int = 1
    # Keras 3's progress bar averages, over the batches, means that are running means already: such a train curve lags
    # behind and must not be compared with measured ones. The val curves are exact.
    train_is_running_mean: bool = False
    seconds: tuple[float | None, ...] = ()  # of each epoch, as printed: whole ones
    confusion_matrix: tuple[tuple[int | None, ...], ...] | None = None  # [true][predicted]; None where it is lost
    unknown: tuple[Unknown, ...] = ()  # what is known of the lost cells
    repaired: tuple[tuple[int, int], ...] = ()  # cells [row, column] misprinted or misread, found by their row's sum
    # Pairs of cells of a row that could as well be exchanged: [row, column, column].
    exchangeable: tuple[tuple[int, int, int], ...] = ()
    classes: tuple[tuple[float, float], ...] = ()  # (precision, recall) of each class, as they should be headed
    columns_swapped: bool = False  # whether the report's table heads each of these columns with the other's name
    confusions: tuple[tuple[int, int, int], ...] = ()  # the report's sentences: (true, most often taken for, times)
    examples: tuple[Example, ...] = ()
    parameters: Mapping[str, int] = {}  # `total`, `trainable`, `frozen`, or the name of a layer
    kept: AtEpoch | None = None  # the epoch whose weights were kept and tested: that of the least val loss in 002
    best: AtEpoch | None = None  # the epoch of the greatest val accuracy
    # `n`, `accuracy`, `loss`, `errors`, `balanced_accuracy`, `share_of_class_0` (of the predictions: 003-b calls it
    # accuracy), `batches_per_second`; `running_mean_accuracy` and `running_mean_loss` as in `train_is_running_mean`.
    test: Mapping[str, int | float] = {}

    @property
    def epochs(self) -> range:
        """The numbers of the epochs that `curves` and `seconds` cover."""
        length = max([len(self.seconds), *map(len, self.curves.values())])
        return range(self.first_epoch, self.first_epoch + length)

    def points(self, series: Series) -> list[tuple[float, float]]:
        """The known (epoch, value) pairs of a series; empty where there are none."""
        values = enumerate(self.curves.get(series, ()), start=self.first_epoch)
        return [(epoch, value) for epoch, value in values if value is not None]

    @property
    def figures(self) -> dict[str, Stated]:
        """The figures that are stated or follow from those that are, by the names that `Result.figure` has for them."""
        test: dict[str, float] = dict(self.test)
        if "share_of_class_0" in test:
            test["accuracy"] = test["share_of_class_0"]  # as it is printed
        rows = enumerate(self.confusion_matrix or ())
        recalls = {f"recall_{k}": (row[k] or 0) / sum(filter(None, row)) for k, row in rows if None not in row}
        sizes = {f"{part}_parameters": self.parameters.get(part) for part in ("trainable", "frozen")}
        # `total` also counts the means and variances of batch normalisation.
        sizes["parameters"] = sum(filter(None, sizes.values())) or None
        found: dict[Part, Mapping[str, float | None]] = {"test": test, "confusion_matrix": recalls, "parameters": sizes}
        train = [] if self.train_is_running_mean else self.points("train_accuracy")
        found["curves"] = self._ends() | {f"train_accuracy_{epoch}": value for epoch, value in train}
        return {
            name: Stated(value, self.origin[part])
            for part, values in found.items()
            for name, value in values.items()
            if value is not None
        }

    def _ends(self) -> dict[str, float | None]:
        """What the val curve comes to; empty where there is none."""
        val = self.points("val_accuracy")
        if not val:
            return {}
        epoch, accuracy = max(val, key=lambda point: point[1])
        best = self.best or AtEpoch(epoch=int(epoch), val_accuracy=accuracy)
        kept = self.kept or best
        return {
            "first_accuracy": val[0][1],
            "last_accuracy": val[-1][1],
            "epochs_to_98": first_epoch_at(0.98, val),
            "best_epoch": kept.epoch,
            "kept_val_accuracy": kept.val_accuracy,
            "max_val_epoch": best.epoch,
            "max_val_accuracy": best.val_accuracy,
        }


def first_epoch_at(target: float, points: Iterable[tuple[float, float]]) -> int | None:
    """The first epoch of a curve's (epoch, value) pairs whose value is at least `target`; None if there is none."""
    return next((int(epoch) for epoch, value in points if value >= target), None)


@functools.cache
def all_reported() -> Mapping[str, Reported]:
    """All published trainings by name: those of the recipes, second trainings, and those of the searches."""
    every = TypeAdapter(list[Reported])
    found = [one for report in REPORTS for one in every.validate_json((FOLDER / f"report_{report}.json").read_bytes())]
    return {one.name: one for one in found}


def reported(name: str) -> Reported | None:
    """What is known of the training of this name, e.g. `002-d` or `002-a/dropout/0.25`; None if nothing is."""
    return all_reported().get(name)
