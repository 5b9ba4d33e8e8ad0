"""Layers that a run takes over from another one, and whether a spec can be trained at all."""

from __future__ import annotations

from typing import NamedTuple

from core import store
from core.datasets import Dataset, dataset
from core.events import Started
from core.networks import layers
from core.networks.layers import Row, shape_text
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run


class Fit(NamedTuple):
    """A spec's data set, the table of its network for it, and the run whose first layers it takes over, if it does."""

    source: Dataset
    rows: list[Row]
    giver: Run | None


def fits(spec: RunSpec) -> Fit:
    """What a training of the spec would be made of; its images need not be on this machine, and torch is not imported.

    Raises: Refusal, where there is no such data set, the layers do not fit its images, or no finished run can give the
    layers that are taken over.
    """
    source = dataset(spec.data)
    rows = spec.table(source.shape, source.class_count)
    return Fit(source, rows, _giving_run(spec, rows))


def _giving_run(spec: RunSpec, rows: list[Row]) -> Run | None:
    """The finished run whose first layers the spec takes over; None where it takes none. Raises: Refusal."""
    if not spec.taken:
        return None
    run, given = _finished(spec.weights_from)
    for ours, theirs in zip(rows[: spec.taken], given, strict=False):
        if (ours.layer, ours.parameters) != (theirs.layer, theirs.parameters):
            layer, other = _said(ours), _said(theirs)
            raise Refusal("error.layers_differ", number=ours.number, layer=layer, run=run.name, other=other)
    if spec.taken > (most := min(len(rows), len(given))):
        raise Refusal("error.field_value", field="layers_taken", value=spec.taken, allowed=f"1 ... {most}")
    if not any(row.parameters for row in rows[spec.frozen :]):
        raise Refusal("error.nothing_trains", frozen=spec.frozen)
    if run.spec.normalisation != spec.normalisation:
        raise Refusal("error.other_normalisation", run=run.name, normalisation=run.spec.normalisation)
    return run


def _finished(name: str) -> tuple[Run, list[Row]]:
    """The run of that name and the table of its network. Raises: Refusal, if it is not there or not done."""
    if not name:
        raise Refusal("error.weights_from_none")
    try:
        run = store.find(name)
    except Refusal:
        raise Refusal("error.weights_from_unfinished", run=name[:80]) from None
    started = run.last(Started)
    if not started or not run.report():
        raise Refusal("error.weights_from_unfinished", run=run.name)
    return run, layers.table(run.spec.layers, started.shape, started.class_count)


def _said(row: Row) -> str:
    """`conv(6, 5) (1 x 28 x 28)`: a layer with what it gets."""
    return f"{row.layer} ({shape_text(row.shape_before)})"
