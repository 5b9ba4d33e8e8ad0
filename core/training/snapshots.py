"""What a run keeps of each epoch, to be looked into later: the weights and the answers on val, and of which epochs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from core.training.engine import in_quick_order, logits_in_parts
from core.training.train import Data, ValAnswers

FIRST = 10  # the epochs in which the most changes: all of them are kept, and epoch 0, the initial weights
MOST = 50  # snapshots of a run ...
MOST_BYTES = 1 << 26  # ... and bytes of them: 64 MiB
# Whether float16 changes an answer is computed for the val images that are nearest to another answer, one in `NEAR`
# but at least `LEAST_NEAR`; of the others it is concluded from `SAFE` times the largest change of a lead among these.
# To answer all val images again would take as long as the evaluation itself. `tests/test_snapshots.py` does.
NEAR, LEAST_NEAR, SAFE = 50, 10, 10


class Twin:
    """A copy of a run's model, which answers as it would with other weights, while the model itself is trained on."""

    def __init__(self, model: nn.Sequential):
        self._model = copy.deepcopy(model)
        self._quick = in_quick_order(self._model).eval()

    def arrays_of(self, weights: dict[str, Tensor], data: Data, answers: ValAnswers) -> dict[str, Tensor]:
        """The arrays of a snapshot: `model.` and a weight's name, `val.predicted` and `val.labels` (N,).

        The parameters among the weights are in float16 if that changes none of the `answers`, else in float32; a batch
        norm's statistics and the like are as they were.
        """
        parameters = dict(self._model.named_parameters())
        halves = {name: weights[name].to(torch.float16) for name in parameters}
        if self._keeps_answers(weights | halves, data.val_images, answers):
            weights = weights | halves
        kind = torch.uint8 if answers.classes <= 256 else torch.int16
        on_val = {"val.predicted": answers.predicted.to(kind), "val.labels": data.val_labels.to(kind)}
        return {f"model.{name}": value for name, value in weights.items()} | on_val

    def _keeps_answers(self, weights: Mapping[str, Tensor], images: Tensor, answers: ValAnswers) -> bool:
        """Whether these weights give the same `answers` to the val images, see `NEAR`."""
        order = answers.lead.argsort()
        count = min(len(order), max(LEAST_NEAR, len(order) // NEAR))
        near, far = order[:count], order[count:]
        self._model.load_state_dict(weights)  # as float32 again
        changed = ValAnswers.of(list(logits_in_parts(self._quick, images[near], 100)))
        if not torch.equal(changed.predicted, answers.predicted[near]):
            return False
        change = (changed.lead - answers.lead[near]).abs().max()
        return bool((answers.lead[far] > SAFE * change).all())


def precision_of(arrays: Mapping[str, Tensor]) -> Literal["float16", "float32"]:
    """The precision of the weights in `arrays_of`."""
    return "float16" if any(value.dtype == torch.float16 for value in arrays.values()) else "float32"


def size_of(arrays: Mapping[str, Tensor]) -> int:
    """The bytes that arrays take."""
    return sum(value.nbytes for value in arrays.values())


def dropped(sizes: Mapping[int, int], best: int) -> list[int]:
    """The epochs that cannot be kept any more: at most `MOST` are, of at most `MOST_BYTES` together.

    `sizes`: the bytes of each epoch kept so far. The newest, epoch 0 and the best one go last; before them, if at least
    twice as many fit, the first ten. Of the others the one goes that the fewest powers of two divide, of several the
    oldest. So the epochs left are evenly spaced, up to a factor of two, whenever the training ends, and none goes
    before its place is needed.
    """
    newest = max(sizes)
    firsts = FIRST if 2 * FIRST * max(sizes.values()) <= MOST_BYTES else 0

    def rank(epoch: int) -> tuple[int, int, int]:
        kept_longest = {best: 2, 0: 3, newest: 4}
        return kept_longest.get(epoch, int(epoch <= firsts)), epoch & -epoch, epoch

    gone: list[int] = []
    left = sorted(sizes, key=rank)
    while len(left) > MOST or sum(sizes[epoch] for epoch in left) > MOST_BYTES:
        gone.append(left.pop(0))
    return gone
