"""Stored models and their predictions for pictures and drawings.

A finished run's model has the weights of its best epoch; that of an unfinished run has the weights of the newest
undamaged checkpoint and `done` False.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from core.datasets import DATASETS
from core.datasets.pen_digits import MNIST_AND_DRAWINGS, PEN_DIGITS
from core.drawing.collection import LabelledDrawing
from core.drawing.picture import fit_picture, ground
from core.drawing.prepare import Prepared, closed
from core.images.paper import prepared
from core.images.splits import resized
from core.measures.answers import Answers, stored_answers
from core.models.doubt import FAMILIAR, FAMILIAR_KNOWING_NONE, SURE, SURE_KNOWING_NONE, doubt, lead
from core.refusal import Refusal
from core.store import Run, no_model

if TYPE_CHECKING:
    from torch import Tensor, nn

OPEN = 4  # the only digit of two parts side by side, each more than half as high as the whole
POLARITY = "polarity"  # the step that turns a picture to the brightness of the ground that a model has learned from
DRAWN = (MNIST_AND_DRAWINGS.name, PEN_DIGITS.name)  # the data sets that contain pen drawings


@dataclass(frozen=True)
class Model:
    """A loaded model, with what is needed to prepare its input and interpret its output."""

    run: str
    module: nn.Module
    shape: tuple[int, int, int]  # (C, H, W) of its input images
    class_names: dict[str, tuple[str, ...]]  # by language
    digits: bool  # trained on handwritten digits, so drawings are prepared as MNIST's authors prepared theirs
    epoch: int  # the epochs that were finished when it had these weights
    step: int | None  # the batches it had learned from, maybe within an epoch; None for a finished run: an epoch's end
    sha256: str  # of the file of its weights
    done: bool  # False if the run is not finished
    least_lead: float = 0.0  # nats, see `FAMILIAR`; 0 for a snapshot, and without stored predictions on val
    knows_none: bool = False  # has learned from drawings that are no digit, too
    ground: Literal["dark", "light", ""] = ""  # of the images it has learned from; "" if that is neither or not known

    @property
    def sure(self) -> float:
        """The least confidence of an accepted prediction for a drawing."""
        return SURE_KNOWING_NONE if self.knows_none else SURE

    def names(self, language: str) -> tuple[str, ...]:
        """The names of the K classes in a language, or in English if the run has none in it."""
        return self.class_names.get(language, self.class_names["en"])

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Probabilities float32 (N, K) for images uint8 (N, C, H, W) of the model's shape."""
        import torch

        from core.training.engine import logits_in_parts

        parts = logits_in_parts(self.module, torch.tensor(images), 100)
        return torch.cat([logits.softmax(dim=1) for logits in parts]).numpy()

    def image(self, rgba: np.ndarray, *, without: Collection[str] = ()) -> np.ndarray | None:
        """The model's input image uint8 (C, H, W) for a picture uint8 (H, W, 4); None if nothing is drawn.

        `without` names steps to leave out: `POLARITY`, and those of the preparation of a digit, see `prepared`.
        """
        if self.digits:
            return self.seen(prepared(rgba, without=without))
        image = fit_picture(rgba, self.shape)
        return 255 - image if POLARITY not in without and self.polarity(image) == "turned" else image

    def polarity(self, image: np.ndarray) -> Literal["turned", "unclear", ""]:
        """What becomes of an image (C, H, W) that is not turned yet: it is `turned` if its ground is light and that of
        the training images dark, or the reverse; `unclear` if its ground is neither though theirs is; else "".

        A prepared digit has a dark ground.
        """
        own = ground(image[None])
        if not self.ground or own == self.ground:
            return ""
        return "turned" if own else "unclear"

    def seen(self, drawing: Prepared) -> np.ndarray | None:
        """A digit model's input image uint8 (C, H, W) for a drawing; None if nothing is drawn."""
        if drawing.image is None:
            return None
        image = resized(drawing.image[None, None], self.shape[1])[0]
        return 255 - image if self.ground == "light" and POLARITY not in drawing.without else image

    def answer(self, drawing: Prepared) -> Answer | None:
        """A digit model's answer to a drawing; None if nothing is drawn."""
        return self.answers([drawing])[0]

    def answers(self, drawings: Sequence[Prepared]) -> list[Answer | None]:
        """A digit model's answer to each drawing, all computed together; None where nothing is drawn.

        Where a model that knows what is no digit doubts two parts side by side, and reads a 4 without doubt when they
        are moved together, it is an open 4.
        """
        answers = self._answers(drawings)
        if not self.knows_none:
            return answers
        parted = {
            k: one for k, answer in enumerate(answers) if answer and answer.doubt and (one := closed(drawings[k]))
        }
        for k, answer in zip(parted, self._answers(list(parted.values())), strict=True):
            if answer and answer.best == OPEN:
                answers[k] = answer
        return answers

    def _answers(self, drawings: Sequence[Prepared]) -> list[Answer | None]:
        """The answers to the drawings as they are."""
        seen = [self.seen(drawing) for drawing in drawings]
        images = [image for image in seen if image is not None]
        values = iter(self.probabilities(np.stack(images)) if images else ())

        def answer(drawing: Prepared, image: np.ndarray) -> Answer:
            own = next(values)
            return Answer(self, image, own, doubt(drawing, own, self.least_lead, knows_none=self.knows_none))

        return [
            None if image is None else answer(drawing, image) for drawing, image in zip(drawings, seen, strict=True)
        ]


@dataclass(frozen=True)
class Answer:
    """One model's prediction for one drawing."""

    model: Model
    image: np.ndarray  # uint8 (C, H, W), the model's input
    values: np.ndarray  # probabilities (K,)
    doubt: str | None = None  # text key of the reason to abstain; None if there is none

    @property
    def best(self) -> int | None:
        """The predicted class; None if the model should abstain."""
        return None if self.doubt else int(self.values.argmax())


def answers_to(model: Model, drawings: Sequence[LabelledDrawing], *, without: Collection[str] = ()) -> Answers:
    """A digit model's predictions for one or more drawings; `without` names preparation steps to leave out."""
    images = [model.image(one.pixels, without=without) for one in drawings]
    labels = np.array([one.label for one in drawings], dtype=np.int64)
    return Answers(labels, model.probabilities(np.stack(cast("list[np.ndarray]", images))))  # none is empty


def shown_splits(run: Run) -> tuple[Literal["val", "test"], ...]:
    """The splits of which it may be seen what the run's model makes of their images: test only once the run is done.

    Where val is the test split, that holds for val too. Raises: Refusal, if the run's log is damaged.
    """
    if run.report():
        return "val", "test"
    return () if run.spec.split == "test" else ("val",)


def reads_digits(run: Run) -> bool:
    """Whether the run's data are handwritten digits, so that drawings can be prepared to resemble its images."""
    known = DATASETS.get(run.spec.data)
    if known:
        return known.digits
    with contextlib.suppress(Refusal):  # it has not started
        return run.started().digits  # a set of one's own may be marked so, see `core/datasets/npz.py`
    return False


def _knows_none(run: Run) -> bool:
    """Whether the run has learned from drawings that are no digit, too; older runs of these data had fewer images."""
    counts, today = run.started().counts, MNIST_AND_DRAWINGS
    return run.spec.data == today.name and counts["train"] + counts["val"] >= today.counts["train"]


def can_be_opened(run: Run) -> bool:
    """Whether the run has a model, finished or not; False for a damaged run."""
    try:
        return run.is_done() or bool(run.checkpoints())
    except Refusal:
        return False


def can_be_drawn_for(run: Run) -> bool:
    """Whether the run has a digit model, finished or not; False for a damaged run."""
    try:
        return reads_digits(run) and can_be_opened(run)
    except Refusal:
        return False


def why_not_offered(run: Run) -> Refusal:
    """Why a page for drawings does not offer a run that is not damaged."""
    return no_model(run) if reads_digits(run) else Refusal("draw.not_offered", run=run.name)


def open_model(run: Run) -> Model:
    """The run's model on the CPU. Raises: Refusal, if it has none yet or a file is damaged or from an old version."""
    from core.training.train import below

    report = run.report()
    saved = [] if report else run.checkpoints()
    if not report and not saved:
        run.check_exists()
        raise no_model(run)
    least_lead = 0.0
    if report:
        file, sha256, epoch = report.model, report.model_sha256, report.best_epoch
        step = None  # to know it, all of the log would have to be read
        weights, _ = run.load(file, sha256)
        if val := stored_answers(run, "val"):
            familiar = FAMILIAR_KNOWING_NONE if _knows_none(run) else FAMILIAR
            least_lead = float(np.quantile(lead(val.probabilities), 1 - familiar))
    else:
        newest = run.newest()
        if not newest:
            raise run.damaged(saved[-1].checkpoint)
        event, tensors, _ = newest
        file, sha256, weights = event.checkpoint, event.sha256, below("model.", tensors)
        epoch, step = event.epoch, event.step
    at = {"epoch": epoch, "step": step}
    return model_of(run, weights, file, sha256, **at, done=bool(report), least_lead=least_lead)


def model_of(
    run: Run,
    weights: Mapping[str, Tensor],
    file: str,
    sha256: str,
    *,
    epoch: int,
    step: int | None,
    done: bool,
    least_lead: float = 0.0,
) -> Model:
    """The run's model on the CPU with these weights, read from `file`. Raises: Refusal, if they do not fit it."""
    from core.training.train import new_model

    started = run.started()
    module = new_model(run.spec, started.shape, started.class_count)
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise run.damaged(file) from error
    if not all(weights[name].dtype == own.dtype and own.isfinite().all() for name, own in module.state_dict().items()):
        raise run.damaged(file)  # torch would convert them, and answer NaN
    module.eval()
    return Model(
        run=run.name,
        module=module,
        shape=started.shape,
        class_names=dict(started.class_names),
        digits=reads_digits(run),
        epoch=epoch,
        step=step,
        sha256=sha256,
        done=done,
        least_lead=least_lead,
        knows_none=_knows_none(run),
        ground=started.ground,
    )
