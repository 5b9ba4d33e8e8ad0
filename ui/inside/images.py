"""The images of a run of which the page Inside may show what its model makes."""

from __future__ import annotations

from typing import Literal

from core.datasets import Split
from core.models.model import shown_splits
from core.store import Run, not_shown
from ui import server
from ui.data_card import answered_images

Name = Literal["val", "test"]


def images(run: Run, name: Name) -> Split:
    """A split of the run, one of `shown_splits`.

    Raises: Refusal, if it is not shown before the run is done, or if its images are not on this machine or have changed
    since the run was tested.
    """
    if name not in shown_splits(run):
        raise not_shown(run)
    if run.report() and (answers := server.answers(run, "test")):
        answered_images(run, answers)  # val comes from the same file
    return server.splits(run.spec).parts()[name]
