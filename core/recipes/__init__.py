"""Recipes: named, documented specs, our own and those of published experiments, to be run with one click."""

from __future__ import annotations

import functools

from core.recipes.ours import DRAWING, DRAWING_MNIST_ONLY, FASHION_BEST, MNIST_BEST, MNIST_FAST
from core.recipes.record import VARIANTS, Recipe, Variant
from core.recipes.report_000 import REPORT_000
from core.recipes.report_001 import REPORT_001
from core.recipes.report_002 import REPORT_002
from core.recipes.report_003 import REPORT_003
from core.recipes.report_004 import REPORT_004
from core.refusal import Refusal
from core.spec import RunSpec

__all__ = ["PUBLISHED", "RECIPES", "VARIANTS", "Recipe", "Variant", "recipe", "repeated_by"]

RECIPES: dict[str, Recipe] = {
    one.name: one
    for one in (
        Recipe("mnist-fast", MNIST_FAST),
        Recipe("mnist-best", MNIST_BEST),
        Recipe("fashion-best", FASHION_BEST),
        Recipe("drawing", DRAWING),
        Recipe("drawing-mnist-only", DRAWING_MNIST_ONLY),
        *REPORT_000,
        *REPORT_001,
        *REPORT_002,
        *REPORT_003,
        *REPORT_004,
    )
}
PUBLISHED = tuple(name for name, one in RECIPES.items() if one.report)


def recipe(name: str) -> Recipe:
    """The recipe of this name. Raises: Refusal."""
    if name not in RECIPES:
        raise Refusal("error.recipe_unknown", name=name[:60], known=", ".join(RECIPES))
    return RECIPES[name]


def repeated_by(spec: RunSpec) -> tuple[str, Variant] | None:
    """The published recipe and variant with this spec, ignoring `seed` and `weights_from`; None if there is none."""
    return _variants().get(spec.model_copy(update={"seed": 0, "weights_from": ""}))


@functools.cache
def _variants() -> dict[RunSpec, tuple[str, Variant]]:
    return {RECIPES[name].spec(variant, seed=0): (name, variant) for name in PUBLISHED for variant in VARIANTS}
