"""A stored model and pictures: what it answers.

The model is the run's best one; of a run that is not done, the newest checkpoint's, and it says so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from core import store
from core.datasets import datasets
from core.datasets.pen_digits import MNIST_AND_DRAWINGS, PEN_DIGITS
from core.drawing.collection import LabelledDrawing
from core.drawing.picture import fit_picture
from core.drawing.prepare import Prepared, prepare
from core.images.splits import resized
from core.measures.answers import Answers, stored_answers
from core.models.doubt import FAMILIAR, doubt, lead
from core.refusal import Refusal
from core.store import Run

if TYPE_CHECKING:
    from torch import nn

DRAWN = (MNIST_AND_DRAWINGS.name, PEN_DIGITS.name)  # the data sets of what people drew


@dataclass(frozen=True)
class Model:
    """A model that can be asked, and what it needs to be asked rightly."""

    run: str
    module: nn.Module
    shape: tuple[int, int, int]  # (C, H, W) of the images that it takes
    class_names: dict[str, tuple[str, ...]]  # by language
    digits: bool  # a drawing is prepared as MNIST's authors prepared theirs
    epoch: int  # whose weights these are
    done: bool  # False: of a run that has not finished
    least_lead: float = 0.0  # nats, see `FAMILIAR`; 0 of a run that is not done, or has stored no answers on val

    def names(self, language: str) -> tuple[str, ...]:
        """The names of the K classes; English where the language had none yet."""
        return self.class_names.get(language, self.class_names["en"])

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Probabilities float32 (N, K) for images uint8 (N, C, H, W) of the model's shape."""
        import torch

        from core.training.engine import logits_in_parts

        parts = logits_in_parts(self.module, torch.tensor(images), 100)
        return torch.cat([logits.softmax(dim=1) for logits in parts]).numpy()

    def image(self, rgba: np.ndarray, *, without: Collection[str] = ()) -> np.ndarray | None:
        """The image uint8 (C, H, W) that the model sees of a picture uint8 (H, W, 4); None, if nothing is drawn.

        `without` names steps of the preparation of a digit that are left out.
        """
        return self.seen(prepare(rgba, without=without)) if self.digits else fit_picture(rgba, self.shape)

    def seen(self, drawing: Prepared) -> np.ndarray | None:
        """The image uint8 (C, H, W) that a model of digits sees of a drawing; None, if nothing is drawn."""
        if drawing.image is None:
            return None
        return resized(drawing.image[None, None], self.shape[1])[0]

    def answer(self, drawing: Prepared) -> Answer | None:
        """What a model of digits says of a drawing; None, if nothing is drawn."""
        image = self.seen(drawing)
        if image is None:
            return None
        values = self.probabilities(image[None])[0]
        return Answer(self, image, values, doubt(drawing, values, self.least_lead))


@dataclass(frozen=True)
class Answer:
    """What one model says of one drawing."""

    model: Model
    image: np.ndarray  # uint8 (C, H, W), as the model sees it
    values: np.ndarray  # probabilities (K,)
    doubt: str | None = None  # text key of why it had better not name a digit

    @property
    def best(self) -> int | None:
        """The class that it may be taken for; None where there is doubt."""
        return None if self.doubt else int(self.values.argmax())


def answers_to(model: Model, drawings: Sequence[LabelledDrawing], *, without: Collection[str] = ()) -> Answers:
    """What a model of digits says of drawings, at least one; `without` names steps of the preparation left out."""
    images = [model.image(one.pixels, without=without) for one in drawings]
    labels = np.array([one.label for one in drawings], dtype=np.int64)
    return Answers(labels, model.probabilities(np.stack(cast("list[np.ndarray]", images))))  # each of them has ink


def reads_digits(run: Run) -> bool:
    """Whether the run's data are handwritten digits, so that a drawing can be made to look like one of its images."""
    known = datasets().get(run.spec.data)
    return bool(known and known.digits)


def can_be_drawn_for(run: Run) -> bool:
    """Whether the run has a model of handwritten digits, finished or not; a damaged run has none."""
    try:
        return reads_digits(run) and (run.is_done() or bool(run.checkpoints()))
    except Refusal:
        return False


def offered() -> list[str]:
    """The names of the runs that can be drawn for: those that have learned from drawings first, then the newest."""
    runs = [run for run in store.runs() if can_be_drawn_for(run)]
    return [run.name for run in sorted(runs, key=lambda run: run.spec.data not in DRAWN)]


def open_model(run: Run) -> Model:
    """The run's model on the CPU. Raises: Refusal, if it has none yet or a file is damaged or of an early version."""
    from core.training.train import below, new_model

    report, saved = run.report(), run.checkpoints()
    if not report and not saved:
        raise Refusal("error.no_model_yet", run=run.name)
    started = run.started()
    least_lead = 0.0
    if report:
        file, epoch = report.model, report.best_epoch
        weights, _ = run.load(file, report.model_sha256)
        if val := stored_answers(run, "val"):
            least_lead = float(np.quantile(lead(val.probabilities), 1 - FAMILIAR))
    else:
        file, epoch = saved[-1].checkpoint, saved[-1].epoch
        tensors, _ = run.load(file, saved[-1].sha256)
        weights = below("model.", tensors)
    classes = started.class_count
    module = new_model(run.spec, started.shape, classes)
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise Refusal("error.run_damaged", run=run.name, file=file) from error
    module.eval()
    return Model(
        run=run.name,
        module=module,
        shape=started.shape,
        class_names=dict(started.class_names),
        digits=reads_digits(run),
        epoch=epoch,
        done=bool(report),
        least_lead=least_lead,
    )
