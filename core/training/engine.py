"""How a step is computed: the pieces that make it quick, each with its measured reason. What it computes is `train`'s.

The figures are of `benchmarks/training.py` and `benchmarks/threads.py` on two cores; `benchmarks/RESULTS.md` has them.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from core import settings
from core.networks.layers import Conv, Dense, Layer, Row

if TYPE_CHECKING:
    from core.spec import RunSpec

Item = TypeVar("Item")
Result = TypeVar("Result")
Precision = Literal["float32", "bfloat16"]

LEAST_WORK = {"float32": 8_000_000, "bfloat16": 32_000_000}
"""Multiply-accumulates of the smallest part of a batch; in a smaller one, calling the operations takes as long."""
WIDE = 32  # inputs and outputs of a matrix product from which on bfloat16 is quicker ...
WIDE_WORK = 20_000_000  # ... if a step has as many multiply-accumulates in them; below, casting takes what it saves
MOST_IMAGES = 200  # at once without gradients on a CPU: maps stay near the core; 1,000 take up to twice as long
MOST_IMAGES_ELSEWHERE = 2000
MOST_VALUES = 5_000_000  # in one feature map of all of them: 20 MB, and a part is over before anybody waits for it


class Team:
    """Threads that work at the parts of one batch at the same time, each with operations of one thread.

    torch's own threads meet at the end of every operation, some hundred times a step: as soon as another program uses
    a core they wait for each other, and an epoch takes three to four times as long. These meet once a step: idle they
    are as quick, and beside another program an epoch takes less than twice its time. Which thread takes which part is
    left to chance; what comes out is not.
    """

    def __init__(self, threads: int):
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads - 1, initializer=_compute_alone) if threads > 1 else None

    def run(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """`function` of each item, in their order; the caller's thread works along. Raises: what `function` raises."""
        results: dict[int, Result] = {}
        left = iter(range(len(items)))  # handed out under Python's lock

        def work() -> None:
            for place in left:
                results[place] = function(items[place])

        others = [self._pool.submit(work) for _ in range(min(self.threads, len(items)) - 1)] if self._pool else []
        try:
            work()
        finally:
            wait(others)
        for other in others:
            other.result()
        return [results[place] for place in range(len(items))]


class Engine:
    """A model as it is computed here: its operations in quick order, its batches in parts, its precision."""

    def __init__(self, spec: RunSpec, model: nn.Sequential, rows: Sequence[Row], device: torch.device, threads: int):
        _keep_freed_memory()
        # A forked process makes autograd anew at its first use; if that is two threads' at once, torch crashes.
        torch.ones(1, requires_grad=True).exp()
        self.model = in_quick_order(model)
        self.frozen = first_layers(model, spec.frozen)
        self.parameters = trainable(model)
        self.device = device
        self.precision: Precision = precision(spec, rows, device)
        if device.type == "cuda":
            reduced = self.precision != "float32"
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = reduced
        divisible = device.type == "cpu" and not mixes_images(spec.layers)
        work = spec.batch_size * sum(row.macs for row in rows) // LEAST_WORK[self.precision]
        self.parts = max(1, min(threads, spec.batch_size, work)) if divisible else 1
        self.team = Team(threads if divisible else 1)
        self.images_at_once = part_size(rows, device.type)  # where no gradients are kept
        torch.set_num_threads(1 if divisible else threads)

    def train(self) -> None:
        """Let the model compute as it does in training; its frozen layers go on as they do in evaluation."""
        self.model.train()
        self.frozen.eval()  # no statistics that move, no dropout

    def logits(self, images: Tensor) -> Tensor:
        """Logits float32 (N, K) for images uint8 (N, C, H, W), in the run's precision, for training."""
        if self.precision == "float32":
            return self.model(images)
        with torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False):  # each weight is used once
            return self.model(images).float()

    def evaluated(self, images: Tensor) -> Iterator[Tensor]:
        """Logits (B, K) without gradients for images uint8 (N, C, H, W), B = `images_at_once` at a time."""
        return logits_in_parts(self.model, images, self.images_at_once, self.team)


class Captured:
    """A step on a whole batch as one CUDA graph: one call to the device in the place of some hundred.

    `step` takes the places (B,) of a batch in the train split, makes one step of `model` and `optimizer`, and returns
    a tensor that the next call writes over.
    """

    def __init__(self, step: Callable[[Tensor], Tensor], batch: Tensor, model: nn.Module, optimizer: Optimizer):
        self._batch, self._step = batch.clone(), step  # the graph reads what the step holds, by its place in memory
        warming = torch.cuda.Stream()
        warming.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(warming), rehearsed(model, optimizer, batch.device):
            for _ in range(3):  # what is allocated and chosen at first use must not be captured
                self._step(self._batch)
        torch.cuda.current_stream().wait_stream(warming)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._result = self._step(self._batch)

    def __call__(self, batch: Tensor) -> Tensor:
        """The step on these places."""
        self._batch.copy_(batch)
        self._graph.replay()
        return self._result


@contextmanager
def rehearsed(model: nn.Module, optimizer: Optimizer, device: torch.device) -> Iterator[None]:
    """Leave model, optimizer and chance as they are, whatever steps are made meanwhile.

    Each tensor keeps its place in memory. What the optimizer did not have before is 0 then, which is how it begins.
    """
    before = {name: value.clone() for name, value in model.state_dict().items()}
    states = {id(p): {key: torch.clone(value) for key, value in optimizer.state[p].items()} for p in optimizer.state}
    drawn = torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
    yield
    model.load_state_dict(before)
    for parameter, values in optimizer.state.items():
        for key, value in values.items():
            value.copy_(states.get(id(parameter), {}).get(key, torch.zeros_like(value)))
    torch.cuda.set_rng_state(drawn, device) if device.type == "cuda" else torch.set_rng_state(drawn)


def in_quick_order(model: nn.Sequential) -> nn.Sequential:
    """The same function with the same modules, bit for bit, in an order that moves less memory.

    A max-pool before its ReLU leaves the ReLU a quarter of the values (both only choose among them); a ReLU writes over
    its input where nothing else needs that. Together they make a step of the CNN of report 003 a quarter shorter.
    """
    order = list(_leaves(model))
    for at in range(1, len(order)):
        if isinstance(order[at], nn.MaxPool2d) and isinstance(order[at - 1], nn.ReLU):
            order[at - 1 : at + 1] = order[at], order[at - 1]
    unread = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.MaxPool2d)  # their outputs, going backward
    for at in range(1, len(order)):
        if isinstance(order[at], nn.ReLU) and isinstance(order[at - 1], unread):
            order[at] = nn.ReLU(inplace=True)
    return nn.Sequential(*order)


def first_layers(model: nn.Sequential, count: int) -> nn.Sequential:
    """The first `count` layers of a `train.new_model`, the modules themselves under their own names."""
    network = model.get_submodule("layers")
    assert isinstance(network, nn.Sequential)
    return network[:count]


def weights_of(layers: nn.Sequential) -> dict[str, Tensor]:
    """All that `first_layers` hold, parameters and statistics, by its name in the whole model."""
    return layers.state_dict(prefix="layers.")


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that are not frozen, in the model's order."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def part_size(rows: Sequence[Row], device: str = "cpu") -> int:
    """How many images go through a network of this table at once: as many as its largest feature map allows."""
    most = MOST_IMAGES if device == "cpu" else MOST_IMAGES_ELSEWHERE
    return max(1, min(most, MOST_VALUES // max(math.prod(row.shape) for row in rows)))


def logits_in_parts(model: nn.Module, images: Tensor, part: int, team: Team | None = None) -> Iterator[Tensor]:
    """The logits (B, K) for images uint8 (N, C, H, W), B = `part` at a time: the caller may leave between two.

    A team computes as many parts at the same time as it has threads.
    """

    def logits(some: Tensor) -> Tensor:
        with torch.inference_mode():
            return model(some)

    model.eval()
    parts = images.split(part)
    together = team.threads if team else 1
    for at in range(0, len(parts), together):
        yield from team.run(logits, parts[at : at + together]) if team else map(logits, parts[at : at + together])


def useful_threads(layers: Sequence[Layer], threads: int) -> int:
    """How many threads a new run had better take: a batch that cannot be divided leaves a core free, see `Team`."""
    return max(1, min(threads, settings.cores() - 1)) if mixes_images(layers) else threads


def mixes_images(layers: Sequence[Layer]) -> bool:
    """Whether a network of these layers makes an image's logits depend on the others of its batch."""
    return any(layer.mixes_images for layer in layers)


def precision(spec: RunSpec, rows: Sequence[Row], device: torch.device) -> Precision:
    """The precision that a spec's `auto` means here: `bfloat16` where the device computes in it.

    On a CPU with bfloat16 instructions it makes wide layers up to twice as quick, and narrow ones, as LeNet's, slower.
    """
    if spec.precision != "auto":
        return spec.precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.get_device_capability() >= (8, 0) else "float32"
    wide = spec.batch_size * sum(row.macs for row in rows if _is_wide(row))
    able = torch.cpu.get_capabilities()
    return "bfloat16" if device.type == "cpu" and able.get("avx512_bf16") and wide >= WIDE_WORK else "float32"


def _is_wide(row: Row) -> bool:
    layer = row.layer
    if isinstance(layer, Conv):
        return min(layer.filters, row.shape_before[0] * layer.kernel**2) >= WIDE
    return isinstance(layer, Dense) and min(row.shape[0], row.shape_before[0]) >= WIDE


def _leaves(module: nn.Module) -> Iterator[nn.Module]:
    """The modules of a sequence of sequences, in their order."""
    if type(module) is nn.Sequential:
        for child in module:
            yield from _leaves(child)
    else:
        yield module


def _keep_freed_memory() -> None:
    """Let this process keep what it frees: a step frees and takes again all of its feature maps.

    glibc gives large blocks back to the system and gets them anew, page by page, each set to zero: a quarter of a step
    of the CNN of report 003. Other systems' allocators keep them by themselves.
    """
    with suppress(OSError, AttributeError, TypeError):
        libc = ctypes.CDLL(None)
        trim_threshold, mmap_threshold, largest = -1, -3, 2**25  # larger blocks than 32 MiB are always given back
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(mmap_threshold, largest)


def _compute_alone() -> None:
    torch.set_num_threads(1)
