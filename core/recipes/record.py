"""The data class of recipes: a spec and, for a published experiment, the figures and errata of its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from core.measures.claims import Figure, doubt_accuracy_at_loss
from core.refusal import Refusal
from core.spec import RunSpec, checked

# Common to all published trainings: they computed in float32, so `auto` must not choose otherwise.
AS_PUBLISHED: Mapping[str, Any] = {"precision": "float32"}
Variant = Literal["faithful", "honest", "short"]
"""`faithful`: the report's own protocol; `honest`: a separate val split chooses the epoch, and test is used once;
`short`: the honest variant cut down to about a minute, whose results cannot be compared with published figures."""
VARIANTS: tuple[Variant, ...] = get_args(Variant)
HONEST: Mapping[str, Any] = {"split": "stratified", "best_by": "val_accuracy"}
DECIMALS = 4  # of the accuracies and losses printed in the reports
SHORT_SECONDS = 40  # training time, so that the run's Report comes within a minute on two cores


@dataclass(frozen=True)
class Recipe:
    """A named spec; its title and explanation are the texts `recipe.NAME.title` and `recipe.NAME.help`."""

    values: Mapping[str, Any]  # the spec's fields that differ from their defaults
    # The figures printed in the report, by the names that `Result.figure` accepts; empty for our own recipes.
    figures: Mapping[str, float] = field(default_factory=dict)
    n: int = 10_000  # number of test images in the report
    assumed: tuple[str, ...] = ()  # the spec's fields that the report does not state
    errata: tuple[tuple[str, str], ...] = ()  # (the figure concerned, or "" for none; the text key)
    honest: Mapping[str, Any] = field(default_factory=lambda: HONEST)  # fields that override `values` unless faithful
    short_epochs: int = 3
    weights_from: str = ""  # the recipe from whose run, of the same variant, the first layers are taken

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The variants that can be run; our own recipes have only one."""
        return VARIANTS if self.figures else VARIANTS[:1]

    def spec(self, variant: str = "faithful", **others: Any) -> RunSpec:
        """The variant's spec; `others`, such as a seed, override its field values. Raises: Refusal."""
        if variant not in self.variants:
            raise Refusal("error.variant_unknown", variant=variant[:60], known=", ".join(self.variants))
        values = dict(self.values)
        if variant != "faithful":
            values |= self.honest
        if variant == "short":
            values |= {"epochs": self.short_epochs, "time_limit": SHORT_SECONDS, "precision": "auto"}
        return checked(values | others)

    def is_impossible(self) -> bool:
        """Whether the reported accuracy is impossible with the reported loss, see `doubt_accuracy_at_loss`."""
        if "loss" not in self.figures:
            return False
        loss, accuracy = (Figure(self.figures[name], DECIMALS) for name in ("loss", "accuracy"))
        return doubt_accuracy_at_loss(loss, accuracy) is not None
