"""Diagnosis of common training problems from a run's events; thresholds are set to avoid false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.events import Epoch, Event, Inside, Started
from core.spec import RunSpec

CHANCE = 0.1  # fraction of the way from chance accuracy to 1: below it, a network has learned almost nothing
STUCK = 0.9  # fraction of a layer's units or values that have to be dead or saturated
RISING = 5  # overfitting: in each of this many last epochs the val loss ...
WORSE = 1.1  # ... is at least this multiple of its minimum; lower thresholds would flag merely noisy trainings


@dataclass(frozen=True)
class Finding:
    """A sentence about a training: a text key and the values of its slots."""

    key: str
    slots: dict[str, Any]


def diagnose(spec: RunSpec, events: Sequence[Event]) -> list[Finding]:
    """The problems found in the epochs so far; empty before the end of the first epoch.

    Divergence is not among them: a diverged run ends with a Failure event.
    """
    epochs = [event for event in events if isinstance(event, Epoch)]
    started = next((event for event in events if isinstance(event, Started)), None)
    if not epochs or not started:
        return []
    inside = next((event for event in reversed(events) if isinstance(event, Inside)), None)
    findings = [_chance(spec, epochs[-1], started.class_count), _overfitting(epochs)]
    return [finding for finding in findings if finding] + (_stuck(inside) if inside else [])


def _chance(spec: RunSpec, last: Epoch, classes: int) -> Finding | None:
    if last.val_accuracy >= 1 / classes + CHANCE * (1 - 1 / classes):
        return None
    functions = {getattr(layer, field, "none") for layer in spec.layers for field in ("activation", "function")}
    key = "diagnosis.chance_squashed" if functions & {"sigmoid", "tanh"} else "diagnosis.chance"
    slots = {"accuracy": last.val_accuracy, "epoch": last.epoch, "learning_rate": spec.learning_rate}
    return Finding(key, slots | {"classes": classes})


def _overfitting(epochs: Sequence[Epoch]) -> Finding | None:
    best, last = min(epochs, key=lambda epoch: epoch.val_loss), epochs[-1]
    least = min(epoch.val_loss for epoch in epochs[-RISING:])
    if least < WORSE * best.val_loss or last.train_loss >= best.train_loss:
        return None
    return Finding("diagnosis.overfitting", {"best": best.epoch, "low": best.val_loss, "now": last.val_loss})


def _stuck(inside: Inside) -> list[Finding]:
    """A finding for each kind (dead ReLU, saturated sigmoid or tanh) with a layer stuck by more than `STUCK`."""
    findings = []
    for kind, functions in (("dead", ("relu",)), ("saturated", ("sigmoid", "tanh"))):
        stuck = [one for one in inside.activities if one.function in functions and one.stuck > STUCK]
        if stuck:
            worst = max(stuck, key=lambda one: one.stuck)
            findings.append(Finding(f"diagnosis.{kind}", {"layer": worst.layer, "share": worst.stuck}))
    return findings
