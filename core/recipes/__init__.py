"""Recipes: whole specs with a name and a reason, to be repeated with one click or one command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.recipes.ours import DRAWING, DRAWING_MNIST_ONLY, MNIST_BEST, MNIST_FAST
from core.refusal import Refusal
from core.spec import RunSpec, checked

__all__ = ["RECIPES", "Recipe", "recipe"]


@dataclass(frozen=True)
class Recipe:
    """A spec worth repeating; its title and its reason are words, `recipe.NAME.title` and `recipe.NAME.help`."""

    values: dict[str, Any]  # the fields of the spec that differ from the defaults

    def spec(self, **others: Any) -> RunSpec:
        """The spec, with `others`, a seed say, in the place of its own values. Raises: Refusal."""
        return checked(self.values | others)


RECIPES: dict[str, Recipe] = {
    "mnist-fast": Recipe(MNIST_FAST),
    "mnist-best": Recipe(MNIST_BEST),
    "drawing": Recipe(DRAWING),
    "drawing-mnist-only": Recipe(DRAWING_MNIST_ONLY),
}


def recipe(name: str) -> Recipe:
    """The recipe of this name. Raises: Refusal."""
    if name not in RECIPES:
        raise Refusal("error.recipe_unknown", name=name[:60], known=", ".join(RECIPES))
    return RECIPES[name]
