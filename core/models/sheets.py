"""Models' answers to the digits on the picture of a sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.drawing.prepare import Prepared, prepare
from core.images import sheet
from core.images.sheet import Found, Sheet
from core.models.model import Answer, Model
from core.refusal import Refusal

UPRIGHT = 0.85  # share of digits without doubt from which the picture need not be turned
HARDLY = 0.25  # share of digits without doubt below which a picture hardly shows digits
FEWEST = 3  # digits from which a picture may be turned


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
    """The digits on a picture uint8 (H, W, 4), answered by each model.

    Where most digits are in doubt for the first model, the picture is turned by each quarter: the turn with the fewest
    doubts counts. The rows of the printed sheet need no turning.

    Raises:
        Refusal: as `core.images.sheet.read` does.
    """
    found = _answered(sheet.read(rgba), models)
    if found.sheet.printed or not models or _sure(found) >= UPRIGHT or len(found.digits) < FEWEST:
        return found
    for quarters in (1, 2, 3):
        try:
            other = _answered(sheet.turned(rgba, quarters), models)
        except Refusal:  # it was not turned to be refused
            continue
        found = max(found, other, key=_sure)
    return found


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
