"""What a recipe is: a training worth repeating, and for a published one what its report says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from core.measures.claims import Figure, doubt_accuracy_at_loss
from core.refusal import Refusal
from core.spec import RunSpec, checked

# What all published trainings have in common: they computed in float32, and we leave no doubt about that.
AS_PUBLISHED: Mapping[str, Any] = {"precision": "float32"}
Variant = Literal["faithful", "honest", "short"]
"""`faithful`: the report's own protocol; `honest`: a val split of its own chooses and test is read once; `short`: the
honest one cut down to a minute, which no figure can be compared with."""
VARIANTS: tuple[Variant, ...] = get_args(Variant)
HONEST: Mapping[str, Any] = {"split": "stratified", "best_by": "val_accuracy"}
DECIMALS = 4  # of the accuracies and losses that the reports print
SHORT_SECONDS = 40  # of training, so that its report is there within a minute on two cores


@dataclass(frozen=True)
class Recipe:
    """A spec worth repeating; its title and its reason are words, `recipe.NAME.title` and `recipe.NAME.help`."""

    values: Mapping[str, Any]  # the fields of the spec that differ from the defaults
    # What the report prints, by the name that `Result.figures` gives to what is measured; of our own recipes nothing.
    figures: Mapping[str, float] = field(default_factory=dict)
    n: int = 10_000  # test images of the report
    assumed: tuple[str, ...] = ()  # fields of the spec that the report leaves open
    errata: tuple[tuple[str, str], ...] = ()  # (the figure that it concerns, or "" for none; its text key)
    honest: Mapping[str, Any] = field(default_factory=lambda: HONEST)  # what is put in the place of values
    short_epochs: int = 3
    weights_from: str = ""  # the recipe whose run, of the same variant, the first layers are taken from

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What can be run of it: our own recipes are as they are."""
        return VARIANTS if self.figures else VARIANTS[:1]

    def spec(self, variant: str = "faithful", **others: Any) -> RunSpec:
        """The variant's spec, with `others`, a seed say, in the place of its own values. Raises: Refusal."""
        if variant not in self.variants:
            raise Refusal("error.variant_unknown", variant=variant[:60], known=", ".join(self.variants))
        values = dict(self.values)
        if variant != "faithful":
            values |= self.honest
        if variant == "short":
            values |= {"epochs": self.short_epochs, "time_limit": SHORT_SECONDS, "precision": "auto"}
        return checked(values | others)

    def is_impossible(self) -> bool:
        """Whether the reported accuracy cannot be, beside the reported loss."""
        if "loss" not in self.figures:
            return False
        loss, accuracy = (Figure(self.figures[name], DECIMALS) for name in ("loss", "accuracy"))
        return doubt_accuracy_at_loss(loss, accuracy) is not None
