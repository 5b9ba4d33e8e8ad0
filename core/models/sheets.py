"""Models' answers to the digits on the picture of a sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from core.drawing.prepare import Prepared, prepare
from core.images import sheet
from core.images.sheet import Found, Sheet
from core.models.doubt import lead
from core.models.model import Answer, Model

HARDLY = 0.25  # share of digits without doubt below which a picture hardly shows digits
FEWEST = 3  # digits from which a picture may be turned
TRIED = 40  # digits that are read in each turn
AS_IT_IS = 1.03  # a turn has to be so much better than none: most pictures are upright


@dataclass(frozen=True)
class ReadDigit:
    """A digit on a sheet, and what the models say of it."""

    found: Found
    drawing: Prepared
    answers: tuple[Answer, ...]  # one for each model

    @property
    def label(self) -> int | None:
        """What it is: by its row on the printed sheet, else by the first model; None if that one is in doubt.

        In a row too, what is no single digit for the first model has no label.
        """
        first = self.answers[0] if self.answers else None
        if self.found.written is not None:
            return None if first and first.doubt not in (None, "doubt.unsure") else self.found.written
        return first.best if first else None

    @property
    def guess(self) -> int | None:
        """The label, or the first model's most probable class."""
        if self.found.written is not None:
            return self.found.written
        return int(self.answers[0].values.argmax()) if self.answers else None


@dataclass(frozen=True)
class ReadSheet:
    """A sheet with what the models say of its digits."""

    sheet: Sheet
    digits: tuple[ReadDigit, ...]

    @property
    def is_hardly_digits(self) -> bool:
        """Whether the first model doubts nearly all that was found: the picture probably shows something else."""
        return any(one.answers for one in self.digits) and _sure(self) < HARDLY


def read_sheet(rgba: np.ndarray, models: Sequence[Model]) -> ReadSheet:
    """The digits on a picture uint8 (H, W, 4), answered by each model, and turned so that the first can read most.

    Raises:
        Refusal: as `core.images.sheet.read` does.
    """
    turn = partial(quarters, models[0]) if models else None
    return _answered(sheet.read(rgba, turn), models)


def quarters(model: Model, found: Sequence[Found]) -> int:
    """By how many quarters clockwise digits have to be turned until a digit model can read them best.

    Its mean `lead` over `TRIED` of them tells this better than how often, or how much, it is sure.
    """
    if len(found) < FEWEST:
        return 0
    some = found[:: -(-len(found) // TRIED)]
    seen = [image for one in some if (image := model.seen(prepare(one.pixels))) is not None]
    turned = np.concatenate([np.rot90(np.stack(seen), -turn, axes=(-2, -1)) for turn in range(4)])
    leads = lead(model.probabilities(turned)).reshape(4, -1).mean(axis=1)
    leads[0] *= AS_IT_IS
    return int(leads.argmax())


def again(read: ReadSheet, models: Sequence[Model]) -> ReadSheet:
    """The same digits, answered by other models."""
    return replace(read, digits=tuple(_answers(read.sheet.digits, models)))


def _sure(read: ReadSheet) -> float:
    """The share of digits of which the first model is sure."""
    return float(np.mean([not one.answers[0].doubt for one in read.digits if one.answers] or [0]))


def _answered(sheet: Sheet, models: Sequence[Model]) -> ReadSheet:
    """The digits with their answers; where the first model doubts one, its two halves, if it doubts neither of them.

    Two that touch are parted in doubt too, if what they make is too wide for one.
    """
    whole = _answers(sheet.digits, models)
    halves = {
        place: _answers(one.found.halves, models)
        for place, one in enumerate(whole)
        if one.answers and one.label is None and one.found.halves
    }
    better = {
        place: some
        for place, some in halves.items()
        if whole[place].found.is_wide or all(half.label is not None for half in some)
    }
    digits = tuple(one for place, own in enumerate(whole) for one in better.get(place, [own]))
    return ReadSheet(replace(sheet, digits=tuple(one.found for one in digits)), digits)


def _answers(found: Sequence[Found], models: Sequence[Model]) -> list[ReadDigit]:
    drawings = [prepare(one.pixels) for one in found]
    of_models = [model.answers(drawings) for model in models]
    return [
        ReadDigit(one, drawing, tuple(answer for answers in of_models if (answer := answers[place])))  # none is empty
        for place, (one, drawing) in enumerate(zip(found, drawings, strict=True))
    ]
