"""The data class of recipes: a spec and, for a published experiment, the figures and errata of its report."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from core.datasets import DATASETS
from core.measures.claims import Figure, doubt_accuracy_at_loss
from core.recipes.reported import REPORTS, Source, Stated, reported
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

    name: str
    values: Mapping[str, Any]  # the spec's fields that differ from their defaults
    shows: tuple[str, ...] = ()  # the figures to compare, of `Reported.figures`; those that are not stated are left out
    assumed: Mapping[str, str] = field(default_factory=dict)  # by field that no source states: text key of the reason
    errata: tuple[tuple[str, str], ...] = ()  # (the figure concerned, or "" for none; the text key)
    warning: str = ""  # text key of a few words that say why the accuracy is not what it seems; "" if it is
    notes: tuple[str, ...] = ()  # text keys of what else a reader has to know
    honest: Mapping[str, Any] = field(default_factory=lambda: HONEST)  # fields that override `values` unless faithful
    short_epochs: int = 3
    weights_from: str = ""  # the recipe from whose run, of the same variant, the first layers are taken

    @property
    def report(self) -> str | None:
        """The report to whose experiments this belongs; None for our own recipes."""
        return self.name[:3] if self.name[:3] in REPORTS else None

    @functools.cached_property
    def stated(self) -> Mapping[str, Stated]:
        """The figures that the report prints, or a public notebook of its author's, each with its origin.

        Empty for our own recipes, and for those that a report should have run but did not.
        """
        one = reported(self.name)
        return {name: one.figures[name] for name in self.shows if name in one.figures} if one else {}

    @property
    def figures(self) -> Mapping[str, float]:
        """The values of `stated`."""
        return {name: one.value for name, one in self.stated.items()}

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where the figures stand."""
        one = reported(self.name)
        return one.sources if one else ()

    @property
    def n(self) -> int | None:
        """The number of test images in the report; None if it states no such figures."""
        one = reported(self.name)
        return int(one.test["n"]) if one else None

    @functools.cached_property
    def computed(self) -> Mapping[str, int]:
        """The numbers of parameters that no source states, computed from the network."""
        spec, known = self.spec(), DATASETS[self.values["data"]]
        counts = [row.parameters for row in spec.table(known.shape, known.class_count)]
        frozen, all_of_them = sum(counts[: spec.frozen]), sum(counts)
        found = {"frozen_parameters": frozen, "trainable_parameters": all_of_them - frozen}
        if not frozen:
            found = {"parameters": all_of_them}
        return {name: count for name, count in found.items() if name not in self.stated}

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The variants that can be run; our own recipes have only one."""
        return VARIANTS if self.report else VARIANTS[:1]

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
