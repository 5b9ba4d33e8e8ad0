"""What chance adds to the best of a search, in words."""

from __future__ import annotations

import functools

from core.measures.selection import Lift, lift_sentence, lift_with_epochs
from core.search import trained_epochs
from core.store import Run
from ui.text import as_written, language, t


def chance(runs: tuple[Run, ...]) -> str:
    """What chance adds to the best of these trained runs, all with the same val images."""
    key, slots = lift_sentence(_lift(runs), len(runs), language())
    return t(key, **as_written(slots))


@functools.lru_cache(maxsize=20)
def _lift(runs: tuple[Run, ...]) -> Lift:
    return lift_with_epochs([trained_epochs(run) for run in runs], runs[0].started().counts["val"])
