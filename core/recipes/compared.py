"""A published training beside measured ones: their curves, matrices, recalls by class and seconds, made comparable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from core.events import Epoch, Event, Report, Started
from core.measures.answers import Measure
from core.measures.measures import measures, proportion
from core.recipes.reported import Reported, Series, all_reported
from core.recipes.results import Result, recalls
from core.store import Run

Points = Sequence[tuple[float, float]]  # (epoch, value)


@dataclass(frozen=True)
class Measured:
    """What was measured of one training of a recipe; accuracies and shares are from 0 to 1, losses in nats."""

    seed: int
    device: str
    curves: Mapping[Series, Points] = field(default_factory=dict)
    seconds: tuple[float, ...] = ()  # of each epoch; their mean alone for a stored result
    kept: int | None = None  # the epoch whose weights were tested; None while the run trains
    recall: tuple[float | None, ...] = ()  # by class
    matrix: np.ndarray | None = None  # [true][predicted]; None while the run trains, and for an old stored result
    run: Run | None = None  # None for a stored result


@dataclass(frozen=True)
class ReportedClass:
    """The figures of one class in a report; a measure is None where the report does not tell it."""

    recall: Measure  # with its Wilson interval
    precision: float | None


def trainings_of(recipe: str) -> list[Reported]:
    """What is known of a recipe's published training, followed by that of its further trainings."""
    return [one for name, one in all_reported().items() if name == recipe or name.startswith(f"{recipe}-")]


def of_events(run: Run, events: Iterable[Event]) -> Measured | None:
    """What the events of a run, finished or not, tell of its training; None before its first epoch."""
    events = list(events)
    epochs = [event for event in events if isinstance(event, Epoch)]
    started = next((event for event in events if isinstance(event, Started)), None)
    report = next((event for event in reversed(events) if isinstance(event, Report)), None)
    if not epochs or not started:
        return None
    told = [name for name in get_args(Series) if name in Epoch.model_fields]
    matrix = np.array(report.confusion_matrix) if report else None
    return Measured(
        seed=run.spec.seed,
        device=started.device_name,
        curves={name: [(event.epoch, getattr(event, name)) for event in epochs] for name in told},
        seconds=tuple(np.diff([0.0, *(event.seconds for event in epochs)]).tolist()),
        kept=report.best_epoch if report else None,
        recall=recalls(report.confusion_matrix) if report else (),
        matrix=matrix,
        run=run,
    )


def of_result(result: Result) -> Measured:
    """What a stored result tells of its training; its matrix and train accuracy only if they were stored with it."""
    curves: dict[Series, Points] = {"val_accuracy": list(enumerate(result.val_accuracy, start=1))}
    if result.train_accuracy:
        curves["train_accuracy"] = list(enumerate(result.train_accuracy, start=1))
    return Measured(
        seed=result.seed,
        device=result.machine,
        curves=curves,
        seconds=(result.seconds / len(result.val_accuracy),),
        kept=result.best_epoch,
        recall=result.recall,
        matrix=np.array(result.confusion_matrix) if result.confusion_matrix else None,
    )


def reported_matrix(one: Reported) -> np.ndarray | None:
    """The reported confusion matrix, float64 (K, K), NaN in cells that are lost; None if there is none."""
    if one.confusion_matrix is None:
        return None
    return np.array([[np.nan if cell is None else cell for cell in row] for row in one.confusion_matrix], dtype=float)


def images_of_classes(one: Reported) -> np.ndarray | None:
    """The number of test images of each class, float64 (K,), by the reported matrix with the sums of its lost cells."""
    matrix = reported_matrix(one)
    if matrix is None:
        return None
    lost = np.zeros(len(matrix))
    for unknown in one.unknown:
        lost[unknown.row] += unknown.sum
    return np.nansum(matrix, axis=1) + lost


def matrix_difference(one: Reported, measured: np.ndarray) -> tuple[np.ndarray, bool] | None:
    """The measured matrix minus the reported one, float64 (K, K), NaN in lost cells, and whether it was scaled.

    Where a class has another number of images, the measured row is scaled to the reported number, so that the
    difference compares shares of the class. None if there is no reported matrix of this size.
    """
    matrix, images = reported_matrix(one), images_of_classes(one)
    if matrix is None or images is None or matrix.shape != measured.shape:
        return None
    own = measured.sum(axis=1)
    scale = images / np.maximum(1, own)
    return measured * scale[:, None] - matrix, bool((own != images).any())


def reported_classes(one: Reported) -> list[ReportedClass]:
    """The figures of each class: those of the report's table or, without one, computed from its matrix.

    A recall is certain even if its row has lost cells, whose sum is known; a precision is not. Empty without a matrix.
    """
    matrix, images = reported_matrix(one), images_of_classes(one)
    if matrix is None or images is None:
        return []
    predicted = matrix.sum(axis=0)  # NaN for a column with a lost cell
    found = []
    for k, (right, n) in enumerate(zip(matrix.diagonal(), images, strict=True)):
        if one.classes:
            precision: float | None = one.classes[k][0]
        else:
            precision = float(right / predicted[k]) if predicted[k] > 0 else None
        found.append(ReportedClass(proportion(int(right), int(n)), precision))
    return found


def summary(matrix: np.ndarray) -> tuple[float, float] | None:
    """Macro F1 and Cohen's kappa of a confusion matrix (K, K); None if cells of it are lost."""
    if np.isnan(matrix).any():
        return None
    found = measures(matrix.astype(int))
    return found.macro_f1.value, found.kappa.value
