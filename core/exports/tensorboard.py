"""A run's whole log as TensorBoard's event files: figures by step and by epoch, histograms, and the spec."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np

from core.events import Epoch, Inside, Started, Step
from core.networks.layers import text
from core.refusal import Refusal
from core.store import Run

BY_STEP = ("loss", "accuracy", "images_per_second")
BY_EPOCH = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
ON_TEST = ("accuracy", "balanced_accuracy", "loss")


def write(run: Run, folder: Path) -> None:
    """Write what the run has said so far into a new folder, each event at the second of training in which it came.

    Scalars are float32 there, as TensorBoard has them. Raises: Refusal, if the folder is there already, or the run is
    damaged or has said nothing yet.
    """
    from torch.utils.tensorboard import SummaryWriter

    spec, events = run.spec, run.events()
    started = next((event for event in events if isinstance(event, Started)), None)
    if not started:
        raise Refusal("error.log_empty", run=run.name)
    if folder.exists():
        raise Refusal("error.folder_taken", folder=str(folder))
    now = began = datetime.fromisoformat(started.at).timestamp()
    with SummaryWriter(str(folder)) as writer:
        for event in events:
            if isinstance(event, Step | Epoch):
                now = began + event.seconds
            if isinstance(event, Step):
                for name in BY_STEP:
                    writer.add_scalar(f"step/{name}", getattr(event, name), event.step, now)
            elif isinstance(event, Epoch):
                for name in BY_EPOCH:
                    writer.add_scalar(f"epoch/{name}", getattr(event, name), event.epoch, now)
            elif isinstance(event, Inside):
                for place, one in enumerate(event.activities, start=1):  # a block of layers has several
                    writer.add_scalar(f"stuck/{place}_{one.function}_of_layer_{one.layer}", one.stuck, event.epoch, now)
                for one in event.histograms:
                    limits = np.linspace(one.low, one.high, len(one.counts) + 1)[1:]
                    writer.add_histogram_raw(
                        f"layer_{one.layer}_{spec.layers[one.layer - 1].kind}/{one.what}",
                        min=one.low,
                        max=one.high,
                        num=sum(one.counts),
                        sum=0,  # as for the squares: the log has none, and 0 is how the format leaves a number out
                        sum_squares=0,
                        bucket_limits=limits.tolist(),
                        bucket_counts=one.counts,
                        global_step=event.epoch,
                        walltime=now,
                    )
        report = run.report()
        figures = {f"test/{name}": getattr(report, name) for name in ON_TEST} if report else {}
        hparams = {**dict(spec), "layers": text(spec.layers)}
        # Writes a file of its own, here beside the other one.
        writer.add_hparams(hparams, figures, run_name=".", global_step=report.best_epoch if report else None)
