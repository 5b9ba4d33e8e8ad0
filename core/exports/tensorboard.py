"""Export of a run's log as TensorBoard event files: scalars by step and by epoch, histograms, and the spec."""

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
    """Write the run's events so far into a new folder, with wall times that count only training time, without pauses.

    Scalars are stored as float32, as always in TensorBoard. Raises: Refusal, if the folder exists already, or the run
    is damaged or its log is empty.
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
                for place, one in enumerate(event.activities, start=1):  # a dense block has several
                    writer.add_scalar(f"stuck/{place}_{one.function}_of_layer_{one.layer}", one.stuck, event.epoch, now)
                for one in event.histograms:
                    limits = np.linspace(one.low, one.high, len(one.counts) + 1)[1:]
                    writer.add_histogram_raw(
                        f"layer_{one.layer}_{spec.layers[one.layer - 1].kind}/{one.what}",
                        min=one.low,
                        max=one.high,
                        num=sum(one.counts),
                        sum=0,  # our log has neither sum nor squares; 0 is the format's default
                        sum_squares=0,
                        bucket_limits=limits.tolist(),
                        bucket_counts=one.counts,
                        global_step=event.epoch,
                        walltime=now,
                    )
        report = run.report()
        figures = {f"test/{name}": getattr(report, name) for name in ON_TEST} if report else {}
        hparams = {**dict(spec), "layers": text(spec.layers)}
        # Writes a separate event file, with "." into the same folder.
        writer.add_hparams(hparams, figures, run_name=".", global_step=report.best_epoch if report else None)
    for number, file in enumerate(sorted(folder.iterdir(), key=lambda one: int(one.suffix[1:])), start=1):
        file.rename(folder / f"events.out.tfevents.{number}")  # TensorBoard's own name has that of the machine
