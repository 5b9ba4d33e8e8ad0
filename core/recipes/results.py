"""Results of repeating the recipes, from the file `results.json` and from runs, and the verdicts on them."""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from core.events import Epoch, Started, TestUse
from core.files import locked, written_aside
from core.measures.verdict import Verdict, judged
from core.recipes import PUBLISHED, RECIPES, VARIANTS, Variant, recipe, repeated_by
from core.recipes.reported import first_epoch_at
from core.refusal import Refusal, writing
from core.spec import RunSpec
from core.store import Run

RESULTS = Path(__file__).with_name("results.json")


class Result(BaseModel):
    """The result of one run of a recipe's variant; accuracies are from 0 to 1."""

    model_config = ConfigDict(frozen=True)

    recipe: str
    variant: Variant
    data: str  # the recipe's own data set, unless another was requested
    seed: int
    n: int  # number of test images
    test_use: TestUse
    accuracy: float  # this, `loss`, `balanced_accuracy` and `recall` are those of the best epoch on test
    val_accuracy: tuple[float, ...]  # on val after each epoch
    train_accuracy: tuple[float, ...] = ()  # of each epoch, see `Epoch`; empty in the results of earlier versions
    best_epoch: int
    loss: float  # nats
    balanced_accuracy: float
    recall: tuple[float | None, ...]  # by class; None for a class without test images
    confusion_matrix: tuple[tuple[int, ...], ...] = ()  # [true][predicted]; empty in the results of earlier versions
    parameters: int  # number of parameters, frozen ones included
    frozen_parameters: int = 0
    seconds: float  # training time
    processor_seconds: float | None = None  # see `Epoch`
    machine: str
    versions: dict[str, str]
    date: str  # YYYY-MM-DD, UTC

    @property
    def trainable_parameters(self) -> int:
        """The number of parameters that are not frozen."""
        return self.parameters - self.frozen_parameters

    def figure(self, name: str) -> float | None:
        """The measured value of a figure, named as in `Recipe.figures`; None if not reached, kept or for no class."""
        if name == "errors":
            return round(self.n * (1 - self.accuracy))
        if name == "first_accuracy":
            return self.val_accuracy[0]
        if name == "last_accuracy":
            return self.val_accuracy[-1]
        if name == "epochs_to_98":
            return epochs_to(0.98, self.val_accuracy)
        if name == "kept_val_accuracy":
            return dict(enumerate(self.val_accuracy, start=1)).get(self.best_epoch)
        if name == "max_val_accuracy":
            return max(self.val_accuracy)
        if name == "max_val_epoch":
            return self.val_accuracy.index(max(self.val_accuracy)) + 1
        if name == "share_of_class_0":
            return sum(row[0] for row in self.confusion_matrix) / self.n if self.confusion_matrix else None
        if name.startswith("train_accuracy_"):
            return dict(enumerate(self.train_accuracy, start=1)).get(int(name.removeprefix("train_accuracy_")))
        if name.startswith("recall_"):
            return dict(enumerate(self.recall)).get(int(name.removeprefix("recall_")))  # other data: other classes
        return getattr(self, name)


@dataclass(frozen=True)
class Row:
    """The results of one variant of a recipe on one data set, one per seed."""

    recipe: str
    variant: Variant
    data: str
    results: tuple[Result, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The verdict on the reported accuracy, if any; `not_comparable` for the short variant and for other data."""
        if not self.results:
            return Verdict("not_measured")
        one, measured = RECIPES[self.recipe], [result.accuracy for result in self.results]
        found = judged(one.figures.get("accuracy"), one.n, measured, self.results[0].n)
        if self.variant == "short" or not self.is_own:
            return replace(found, word="not_comparable", tolerance=None)
        return replace(found, word="impossible", tolerance=None) if one.is_impossible() else found

    @property
    def is_own(self) -> bool:
        """Whether the data set is the recipe's own."""
        return self.data == RECIPES[self.recipe].values["data"]

    def measured(self, figure: str) -> float | None:
        """The mean of a figure over the seeds that have it, see `Result.figure`; None if none has."""
        values = [value for one in self.results if (value := one.figure(figure)) is not None]
        return statistics.mean(values) if values else None


def of_seeds(spec: RunSpec) -> Row | None:
    """The stored results of the recipe's variant that a spec repeats, with a spread over the seeds.

    None if it repeats none, or one that has too few seeds, or one whose length depends on the machine. Raises: Refusal.
    """
    repeated = repeated_by(spec)
    if not repeated or spec.time_limit:
        return None
    (row,) = (one for one in rows(stored()) if (one.recipe, one.variant, one.data) == (*repeated, spec.data))
    return row if row.verdict.spread is not None else None


def ready_spec(name: str, variant: str, runs: Iterable[Run], **others: Any) -> RunSpec:
    """The spec of a recipe's variant, ready to run: like `Recipe.spec`, but with `weights_from` filled in if needed.

    That is, unless given in `others`, the newest finished run of the source recipe's same variant among `runs` (newest
    first). Raises: Refusal, if there is none.
    """
    source = recipe(name).weights_from
    if source and "weights_from" not in others:
        giving = next((run for run in runs if _is_done(run, (source, variant))), None)
        if not giving:
            raise Refusal("error.recipe_first", name=name, source=source, variant=variant, python=sys.executable)
        others["weights_from"] = giving.name
    return recipe(name).spec(variant, **others)


def _is_done(run: Run, repeats: tuple[str, str]) -> bool:
    """Whether the run is a finished run of this recipe and variant, not ended by hand; False for a damaged run."""
    with contextlib.suppress(Refusal):
        report = run.report() if repeated_by(run.spec) == repeats else None
        return report is not None and not report.is_by_hand
    return False


def epochs_to(target: float, accuracies: Sequence[float]) -> int | None:
    """The first epoch, from 1, whose accuracy (0 to 1) is at least `target`; None if there is none."""
    return first_epoch_at(target, enumerate(accuracies, start=1))


def of_run(run: Run, repeats: tuple[str, Variant] | None = None) -> Result | None:
    """The result of a finished run; None if it is not done, was ended by hand or belongs to no recipe.

    `repeats` is its recipe and variant; by default they are looked up by the run's spec, see `repeated_by`.
    Raises: Refusal, if the run is damaged.
    """
    repeated = repeats or repeated_by(run.spec)
    report, started = run.report(), run.last(Started)
    epochs = list(run.events(Epoch))
    if not repeated or not report or not started or not epochs:  # a Report without Epochs: a damaged log
        return None
    if report.is_by_hand:
        return None
    return Result(
        recipe=repeated[0],
        variant=repeated[1],
        data=run.spec.data,
        seed=run.spec.seed,
        n=report.n,
        test_use=report.test_use,
        accuracy=report.accuracy,
        val_accuracy=tuple(round(event.val_accuracy, 6) for event in epochs),
        train_accuracy=tuple(round(event.train_accuracy, 6) for event in epochs),
        best_epoch=report.best_epoch,
        loss=round(report.loss, 6),
        balanced_accuracy=round(report.balanced_accuracy, 6),
        recall=tuple(one if one is None else round(one, 6) for one in recalls(report.confusion_matrix)),
        confusion_matrix=report.confusion_matrix,
        parameters=started.parameters,
        frozen_parameters=started.frozen,
        seconds=round(report.seconds, 1),
        processor_seconds=None if report.processor_seconds is None else round(report.processor_seconds, 1),
        machine=f"{started.device_name}, {started.threads} x {started.device}, {started.precision}",
        versions=started.versions,
        date=started.at[:10],
    )


def recalls(matrix: Sequence[Sequence[int]]) -> tuple[float | None, ...]:
    """The recall (0 to 1) of each class by a confusion matrix (K, K); None for a class without images."""
    return tuple(row[k] / sum(row) if sum(row) else None for k, row in enumerate(matrix))


def stored(path: Path = RESULTS) -> list[Result]:
    """The results stored in a file, by default `results.json`, in file order. Raises: Refusal, if it is damaged."""
    try:
        return TypeAdapter(list[Result]).validate_json(path.read_bytes()) if path.exists() else []
    except ValidationError as error:
        raise Refusal("error.results_damaged", file=str(path)) from error


def keep(results: Iterable[Result], path: Path = RESULTS) -> None:
    """Add results to the file, one line each, replacing older results of the same row and seed. Raises: Refusal."""
    with writing(path.parent, "error.output_unwritable"), locked(path):
        kept = [one for row in rows([*stored(path), *results]) for one in row.results]
        lines = ",\n".join(
            json.dumps(one.model_dump(exclude_defaults=True), ensure_ascii=False, allow_nan=False) for one in kept
        )
        with written_aside(path) as file:
            file.write(f"[\n{lines}\n]\n".encode())


def rows(results: Iterable[Result]) -> list[Row]:
    """Results grouped by recipe, variant and data set, in the recipes' order; of two with the same seed, the later.

    Each variant of a published recipe has a row for its own data, with or without results, before rows for other data.
    """
    found: dict[tuple[str, Variant, str], dict[int, Result]] = {
        (name, variant, RECIPES[name].values["data"]): {} for name in PUBLISHED for variant in VARIANTS
    }
    for one in results:
        if one.recipe in PUBLISHED:  # else of a recipe that no longer exists
            found.setdefault((one.recipe, one.variant, one.data), {})[one.seed] = one
    table = [Row(*key, tuple(seeds[seed] for seed in sorted(seeds))) for key, seeds in found.items()]
    return sorted(
        table, key=lambda row: (PUBLISHED.index(row.recipe), VARIANTS.index(row.variant), not row.is_own, row.data)
    )
