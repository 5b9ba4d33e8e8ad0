"""How much a learning curve swings from epoch to epoch, whatever its trend."""

from __future__ import annotations

from collections.abc import Sequence


def instability(values: Sequence[float]) -> float | None:
    """The mean distance by which an epoch's value lies outside the two values beside it; None for fewer than 3 epochs.

    It has the unit of the values. An epoch between its neighbours adds 0, so a curve that only rises or only falls has
    0; one that turns once, as a loss does in over-fitting, has little, and one that swings up and down has much. The
    first and the last epoch have one neighbour and are not judged.

    Args:
        values: one per epoch in order, all finite: accuracies (0 to 1) or losses (nats).
    """
    triples = list(zip(values, values[1:], values[2:], strict=False))
    if not triples:
        return None
    return sum(max(0.0, here - max(a, b), min(a, b) - here) for a, here, b in triples) / len(triples)
