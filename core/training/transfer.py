"""Checks that a spec can be trained, including the layers that it takes over from another run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from core import store
from core.datasets import Dataset, dataset
from core.events import Started
from core.networks import layers
from core.networks.layers import Row, in_words, shape_text
from core.refusal import Refusal
from core.spec import RunSpec, field_value, option_words
from core.store import Run
from core.words import InWords

if TYPE_CHECKING:  # a page that checks a spec does not wait for torch
    from torch import Tensor, nn


class Fit(NamedTuple):
    """A spec's data set, its network's layer table for that data, and the run whose first layers it takes over."""

    source: Dataset
    rows: list[Row]
    giver: Run | None


def fits(spec: RunSpec) -> Fit:
    """Check that a spec can be trained, without loading its images or importing torch; returns its parts.

    Raises: Refusal, if there is no such data set or its file cannot be used, the layers do not fit its images, or no
    finished run has the layers to take over.
    """
    source = dataset(spec.data)
    if source.unfit:  # nothing is known of its images
        raise Refusal(source.unfit, name=source.name)
    rows = spec.table(source.shape, source.class_count)
    giver = _giving_run(spec, rows)
    if spec.frozen > len(rows):
        raise field_value("layers_taken", spec.frozen, most=len(rows))
    if not any(row.parameters for row in rows[spec.frozen :]):
        raise Refusal("error.nothing_trains", frozen=spec.frozen)
    return Fit(source, rows, giver)


def take_over(spec: RunSpec, model: nn.Sequential) -> dict[str, Tensor]:
    """Copy the first layers of another run into the model, if the spec takes any over; returns these weights.

    They, or the random ones that stay frozen, are returned by their names in the model; empty if there are neither.
    Raises: Refusal, as `fits`, or if the other run's file is damaged.
    """
    from core.training.engine import first_layers, weights_of

    kept = weights_of(first_layers(model, spec.taken or spec.frozen))
    if giver := fits(spec).giver:
        report = giver.report()
        assert report
        tensors, _ = giver.load(report.model, report.model_sha256)
        kept = {name: tensors[name] for name in kept}
        model.load_state_dict(kept, strict=False)
    return kept


def _giving_run(spec: RunSpec, rows: list[Row]) -> Run | None:
    """The finished run whose first layers the spec takes over; None if it takes none. Raises: Refusal."""
    if not spec.taken:
        return None
    run, given = _finished(spec.weights_from)
    for ours, theirs in zip(rows[: spec.taken], given, strict=False):
        if (ours.layer, ours.parameters) != (theirs.layer, theirs.parameters):
            layer, other = _said(ours), _said(theirs)
            raise Refusal("error.layers_differ", number=ours.number, layer=layer, run=run.name, other=other)
    if spec.taken > (most := min(len(rows), len(given))):
        raise field_value("layers_taken", spec.taken, most=most)
    if run.spec.normalisation != spec.normalisation:
        pixels = option_words([run.spec.normalisation])
        raise Refusal("error.other_normalisation", run=run.name, normalisation=pixels)
    return run


def _finished(name: str) -> tuple[Run, list[Row]]:
    """The run of that name and its network's layer table. Raises: Refusal, if it does not exist or is not done."""
    if not name:
        raise Refusal("error.weights_from_none")
    try:
        run = store.find(name)
    except Refusal:
        raise Refusal("error.weights_from_unknown", run=name[:80]) from None
    started = run.last(Started)
    if not started or not run.report():
        raise Refusal("error.weights_from_unfinished", run=run.name)
    return run, layers.table(run.spec.layers, started.shape, started.class_count)


def _said(row: Row) -> InWords:
    """A layer with its input shape: `conv(6, 5) (1 x 28 x 28)`."""
    layer, shape = in_words(row.layer), shape_text(row.shape_before)
    return InWords(f"{layer} ({shape})", lambda language: f"{layer.say(language)} ({shape})")
