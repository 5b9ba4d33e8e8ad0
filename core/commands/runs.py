"""Commands of finished runs: listed, evaluated, exported, asked about pictures."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core import store
from core.commands.terminal import USES, find, frozen_lines, say, sentence
from core.recipes.searches import belongs_to
from core.refusal import Refusal

if TYPE_CHECKING:
    import numpy as np

    from core.models.model import Model


def list_runs(options: argparse.Namespace) -> int:
    """A line for each run in the store, newest first."""
    for run in store.runs():
        facts = run.facts()
        facts["recipe"], facts["variant"] = (facts["data"] and belongs_to(run.spec)) or (None, None)
        recipe = " ".join(filter(None, (facts["recipe"], facts["variant"])))
        accuracy = "" if facts["accuracy"] is None else f"{facts['accuracy']:.4f}"
        accuracy += "  selected on test" if facts["test_use"] == "selected" else ""
        say(options, facts, f"{facts['run']:50}  {facts['status']:12}  {recipe:28}  {accuracy}".rstrip())
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """What the stored report says, class by class; the test split is not looked at again."""
    from core.measures.measures import measures

    run = find(options.run)
    report = run.report()
    if not report:
        raise Refusal("error.no_report", run=run.name)
    result = measures(report.confusion_matrix)
    classes = [
        {
            "class": name,
            "precision": one.precision.value if one.precision.n else None,
            "recall": one.recall.value if one.recall.n else None,
            "f1": one.f1.value if one.f1.n else None,
            "support": one.support,
        }
        for name, one in zip(run.class_names("en"), result.classes, strict=True)
    ]
    facts = {
        "run": run.name,
        "n": report.n,
        "test_use": report.test_use,
        "accuracy": report.accuracy,
        "accuracy_interval": report.accuracy_interval,
        "balanced_accuracy": report.balanced_accuracy,
        "loss": report.loss,
        "frozen_before": report.frozen_before,
        "frozen_after": report.frozen_after,
        "errors": result.errors,
        "macro_f1": result.macro_f1.value,
        "weighted_f1": result.weighted_f1.value,
        "kappa": result.kappa.value if math.isfinite(result.kappa.value) else None,
        "intervals": {
            name: [measure.low, measure.high] if math.isfinite(measure.low) else None
            for name in ("balanced_accuracy", "macro_f1", "weighted_f1", "kappa")
            if (measure := getattr(result, name))
        },
        "classes": classes,
        "confusion_matrix": report.confusion_matrix,
    }
    lines = [f"{run.name}: accuracy {report.accuracy:.4f}, balanced {report.balanced_accuracy:.4f}, n {report.n}"]
    lines[0] += USES[report.test_use]
    lines += ["precision  recall  f1      support  class"]
    for one in result.classes:
        lines += [f"{one.precision.value:9.4f}  {one.recall.value:.4f}  {one.f1.value:.4f}  {one.support:7}  "]
    lines[2:] = [line + str(one["class"]) for line, one in zip(lines[2:], classes, strict=True)]
    lines += ["confusion matrix, a row for each true class:"]
    lines += [" ".join(f"{count:5}" for count in row) for row in report.confusion_matrix]
    lines += frozen_lines(report)
    say(options, facts, "\n".join(lines))
    return 0


def tensorboard(options: argparse.Namespace) -> int:
    """Write a run's whole log as event files for TensorBoard, into a folder of the run's name."""
    from core.exports.tensorboard import write

    run = find(options.run)
    folder = options.out / run.name
    write(run, folder)
    words = f"{folder}: look at it with: {sys.executable} -m tensorboard.main --logdir {options.out}"
    say(options, {"run": run.name, "folder": str(folder)}, words)
    return 0


def predict(options: argparse.Namespace) -> int:
    """What a run's model answers to picture files."""
    from core.models.model import open_model

    model = open_model(find(options.run))
    names = model.class_names["en"]
    failed = False
    for file in options.images:
        try:
            values = model.probabilities(_image(model, file)[None])[0]
        except Refusal as refusal:
            failed = True
            why = sentence(refusal.key, refusal.slots)
            say(options, {"file": file, "error": why}, why)
            continue
        label = int(values.argmax())
        facts = {"file": file, "label": label, "class": names[label], "probabilities": [float(v) for v in values]}
        say(options, facts, f"{file}: {names[label]} ({values[label]:.4f})")
    return int(failed)


def _image(model: Model, file: str) -> np.ndarray:
    """The image uint8 (C, H, W) that the model sees of a picture file. Raises: Refusal."""
    from core.drawing.picture import open_picture

    try:
        image = model.image(open_picture(Path(file)))
    except OSError as error:
        raise Refusal("error.file_unreadable", file=file, reason=error.strerror or str(error)) from error
    if image is None:
        raise Refusal("error.picture_empty", file=file)
    return image
