"""Layers that a run takes over from another one: which run can give them."""

from __future__ import annotations

from core import store
from core.events import Started
from core.networks import layers
from core.networks.layers import Row, shape_text
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run


def giving_run(spec: RunSpec, shape: tuple[int, int, int], classes: int) -> Run | None:
    """The finished run whose first layers the spec takes over; None where it takes none.

    `shape` (C, H, W) and K = `classes` are those of the spec's data.
    Raises: Refusal, where there is no such run, or the layers of both are not alike.
    """
    if not spec.taken:
        return None
    rows = spec.table(shape, classes)
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
    return run, layers.table(run.spec.layers, started.shape, len(started.class_names["en"]))


def _said(row: Row) -> str:
    """`conv(6, 5) (1 x 28 x 28)`: a layer with what it gets."""
    return f"{row.layer} ({shape_text(row.shape_before)})"
