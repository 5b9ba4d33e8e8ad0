"""The weights of a run's past epochs, and what they answer on val.

`snapshots` lists the epochs that are kept, `answers_at` and `open_at` read one; only the last imports torch. Epoch 0
has the initial weights. There are none in the runs of earlier versions, in those of a search, and where the form says
so; of a long run, or of a large network, some epochs are missing, see `training.snapshots.dropped`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.events import Snapshot
from core.measures.answers import confusion_matrix
from core.models.model import Model, model_of
from core.refusal import Refusal
from core.store import Run


@dataclass(frozen=True)
class AnswersAt:
    """What an epoch's weights answer to the val images, in their order."""

    labels: np.ndarray  # int64 (N,)
    predicted: np.ndarray  # int64 (N,)
    classes: int  # K

    @property
    def confusion_matrix(self) -> np.ndarray:
        """Counts of images, int64 (K, K), `[true][predicted]`."""
        return confusion_matrix(self.labels, self.predicted, self.classes)


def snapshots(run: Run) -> list[Snapshot]:
    """The epochs that are kept, the earliest first: `epoch`, `val_accuracy`, `val_loss`, `precision`, `size` in bytes.

    A run that is training has them too. Raises: Refusal, if the run's log is damaged.
    """
    return run.snapshots()


def answers_at(run: Run, epoch: int) -> AnswersAt:
    """What the weights of an epoch answer to the val images; val accuracy is right answers / N to the last bit.

    Raises: Refusal, if that epoch is not kept, or if its file is damaged or missing.
    """
    snapshot, classes = _kept(run, epoch), run.started().class_count
    with _named(run, snapshot):
        stored = run.arrays(snapshot.file, snapshot.sha256)
        labels, predicted = (stored.get(f"val.{name}", np.empty(0)) for name in ("labels", "predicted"))
        for values in (labels, predicted):
            fits = values.ndim == 1 and len(values) == len(labels) > 0 and values.dtype.kind in "ui"
            if not fits or values.min() < 0 or values.max() >= classes:
                raise run.damaged(snapshot.file)
    return AnswersAt(labels.astype(np.int64), predicted.astype(np.int64), classes)


def open_at(run: Run, epoch: int) -> Model:
    """The run's model with the weights of an epoch, in float32 on the CPU.

    Raises: Refusal, if that epoch is not kept, or if its file is damaged or missing.
    """
    import torch

    from core.training.train import below

    snapshot = _kept(run, epoch)
    with _named(run, snapshot):
        stored = below("model.", run.load(snapshot.file, snapshot.sha256)[0])
        weights = {name: value.float() if value.dtype == torch.float16 else value for name, value in stored.items()}
        at = {"epoch": epoch, "step": snapshot.step}
        return model_of(run, weights, snapshot.file, snapshot.sha256, **at, done=run.report() is not None)


def _kept(run: Run, epoch: int) -> Snapshot:
    run.check_exists()
    kept = run.snapshots()
    found = next((one for one in kept if one.epoch == epoch), None)
    if found is None:
        raise Refusal("error.no_snapshot" if kept else "error.no_snapshots", run=run.name, epoch=epoch)
    return found


@contextlib.contextmanager
def _named(run: Run, snapshot: Snapshot) -> Iterator[None]:
    """Say, where a snapshot's file is damaged, that the other epochs are not affected."""
    try:
        yield
    except Refusal as refusal:
        if refusal.slots.get("file") != snapshot.file:
            raise  # of another file, without which no epoch can be opened
        epoch, file = snapshot.epoch, snapshot.file
        raise Refusal("error.snapshot_damaged", run=run.name, epoch=epoch, file=file) from refusal
