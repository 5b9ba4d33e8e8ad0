"""Lines of a table of runs: single runs, or all runs of one setting, which differ in the seed alone."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from core.measures.repeats import Repeats, first_of_each
from core.measures.summary import NUMBERS, Listed
from core.spec import RunSpec


@dataclass(frozen=True)
class Group:
    """One run, or several that differ in the seed alone, as one line."""

    runs: tuple[Listed, ...]  # the newest first, at least one

    @property
    def newest(self) -> Listed:
        """The newest of the runs."""
        return self.runs[0]

    @property
    def spec(self) -> RunSpec | None:
        """The spec of the newest run; None if that is damaged."""
        return self.newest.summary.spec

    @cached_property
    def tested(self) -> dict[int, Listed]:
        """The runs whose accuracies count, by seed: as in `seeds_of`, or one that was ended by hand if it is alone."""
        done = [(one.summary.spec.seed, one) for one in self.runs if one.summary.spec and one.summary.interval]
        return first_of_each(pair for pair in done if len(self.runs) == 1 or not pair[1].summary.by_hand)

    @cached_property
    def repeats(self) -> Repeats | None:
        """Their test accuracies, by seed; None if no run is tested."""
        found = tuple(one.summary.accuracy for one in self.tested.values() if one.summary.accuracy is not None)
        return Repeats(found, next(iter(self.tested.values())).summary.n or 0) if found else None

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of their mean accuracy, see `Repeats`; None if no run is tested."""
        return self.repeats.interval if self.repeats else None

    @cached_property
    def values(self) -> dict[str, Any]:
        """The line's value in each column, see `Listed.values`: of several runs the mean, or what the newest has."""
        if len(self.runs) == 1:
            return self.newest.values
        found = dict(self.newest.values)
        for name in set(NUMBERS) - {"trial"}:  # a place in a search, which has no mean
            known = [value for one in self.runs if (value := one.values[name]) is not None]
            found[name] = statistics.fmean(known) if len(set(known)) > 1 else next(iter(known), None)
        return found | {"accuracy": self.repeats.mean if self.repeats else None}


def singles(listed: Iterable[Listed]) -> list[Group]:
    """Each run as a line of its own."""
    return [Group((one,)) for one in listed]


def by_setting(listed: Sequence[Listed]) -> list[Group]:
    """The runs of each setting as one line, in the order in which the settings first come; damaged ones by themselves.

    A setting is all of a spec but its seed.
    """
    found: dict[str, list[Listed]] = {}
    for one in listed:
        found.setdefault(one.summary.setting or one.summary.run, []).append(one)
    return [Group(tuple(sorted(runs, key=lambda one: one.summary.run, reverse=True))) for runs in found.values()]
