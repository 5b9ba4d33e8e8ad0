"""Performance optimisations of a training step, each with its measured gain; `train` defines what a step computes.

The figures were measured with `benchmarks/training.py`, `benchmarks/threads.py` and `benchmarks/choice.py` on two cores
and are in `benchmarks/RESULTS.md`.
"""

from __future__ import annotations

import ctypes
import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from core import settings
from core.events import ComputedBy, SlowerBecause
from core.networks.layers import Conv, Dense, Layer, Row
from core.training.kernels import compiled, program
from core.training.team import Team, denormal_as_zero

if TYPE_CHECKING:
    from core.spec import RunSpec
    from core.training.kernels.kernels import Kernels

Precision = Literal["float32", "bfloat16"]

LEAST_WORK = {"float32": 8_000_000, "bfloat16": 32_000_000}
"""Least multiply-accumulates in a part of a batch; in a smaller part, the overhead of the calls takes as long."""
WIDE = 32  # least inputs and outputs of a matrix product with which bfloat16 is faster ...
WIDE_WORK = 20_000_000  # ... in steps with at least this many multiply-accumulates in such products, despite casting
BFLOAT16_WORK = 3_000_000
"""Multiply-accumulates for an image in such products from which torch in bfloat16, where the processor has instructions
for it, is faster than the kernels in float32: 1.1 to 1.6 times. Below, it takes 0.9 to 1.9 times as long."""
BIG_CHANNELS, BIG_UNITS = 64, 1_024
"""Least inputs and outputs of a convolution, and of a dense layer, whose products torch computes faster in float32 too:
1.1 to 1.6 times with AVX2. With AVX-512 that is so from 128 channels on, or not at all, depending on the processor."""
LEAST_BATCH = 4
"""The kernels compute a whole block of images, however few there are: with fewer than this, torch is 1.2 to 3.3 times
as fast for the CNN of report 003. LeNet would be faster by the kernels with any number."""
MOST_IMAGES = 200  # per part in evaluation on a CPU: feature maps stay in cache; 1,000 take up to twice as long
MOST_IMAGES_ELSEWHERE = 2000
MOST_VALUES = 5_000_000  # in one feature map of a whole part: 20 MB, and a part short enough to react to a request


class Engine:
    """How a model is computed on a device: by kernels or by torch, batches divided among threads, and precision.

    `by`: by what a run that is resumed was computed before, see `computed_by`.
    """

    def __init__(
        self,
        spec: RunSpec,
        model: nn.Sequential,
        rows: Sequence[Row],
        device: torch.device,
        threads: int,
        by: ComputedBy | None = None,
    ):
        _keep_freed_memory()
        _spare_the_compiler()
        # A forked process reinitialises autograd at its first use; torch crashes if two threads do that at once.
        torch.ones(1, requires_grad=True).exp()
        self.model = in_quick_order(model)
        self.frozen = first_layers(model, spec.frozen)
        self.parameters = trainable(model)
        self.device = device
        self.computed_by: ComputedBy
        self.slower_because: SlowerBecause
        self.computed_by, self.slower_because = computed_by(spec, rows, device, by)
        if self.computed_by == "kernels" and not compiled.compile_here():
            self.computed_by, self.slower_because = "torch", "numba"
        self.precision: Precision = "float32" if self.computed_by == "kernels" else precision(spec, rows, device)
        if device.type == "cuda":
            reduced = self.precision != "float32"
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = reduced
        divisible = device.type == "cpu" and not mixes_images(spec.layers)
        work = spec.batch_size * sum(row.macs for row in rows) // LEAST_WORK[self.precision]
        self.parts = max(1, min(threads, spec.batch_size, work)) if divisible else 1
        self.kernels: Kernels | None = None
        if self.computed_by == "kernels":
            from core.training.kernels.kernels import Kernels

            self.parts = parts_for_kernels(spec.batch_size, threads)
            self.kernels = Kernels(model, rows, spec.frozen, math.ceil(spec.batch_size / self.parts), self.parts)
        self.team = Team(threads if divisible else 1)
        self.images_at_once = part_size(rows, device.type)  # in evaluation, without gradients
        if self.kernels and self.images_at_once > program.DENSE_BLOCK:  # whole blocks
            self.images_at_once -= self.images_at_once % program.DENSE_BLOCK
        torch.set_num_threads(1 if divisible else threads)

    def train(self) -> None:
        """Set the model to training mode, except for its frozen layers, which stay in evaluation mode."""
        self.model.train()
        self.frozen.eval()  # batch-norm statistics stay fixed, no dropout

    def logits(self, images: Tensor) -> Tensor:
        """Training logits float32 (N, K) for images uint8 (N, C, H, W), computed in the run's precision."""
        if self.precision == "float32":
            return self.model(images)
        # Each weight is used once per step, so caching its cast would gain nothing.
        with torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False):
            return self.model(images).float()

    def evaluated(self, images: Tensor) -> Iterator[Tensor]:
        """Yields logits (B, K) for images uint8 (N, C, H, W), B = `images_at_once` at a time, without gradients."""
        if self.kernels:
            return in_parts(self.kernels.logits, images, self.images_at_once, self.team)
        return logits_in_parts(self.model, images, self.images_at_once, self.team)

    def divided(self, batch: Tensor) -> Sequence[Tensor]:
        """The parts of a batch of indices (B,) that torch computes."""
        return batch.tensor_split(min(self.parts, len(batch)))


class Captured:
    """A step on a full batch, captured as one CUDA graph: one launch instead of some hundred.

    `step` takes the indices (B,) of a batch's images in the train split, makes one step of `model` and `optimizer`, and
    returns a tensor, which the next call overwrites.
    """

    def __init__(self, step: Callable[[Tensor], Tensor], batch: Tensor, model: nn.Module, optimizer: Optimizer):
        self._batch, self._step = batch.clone(), step  # the graph reads their tensors by address: keep them alive
        warming = torch.cuda.Stream()
        warming.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(warming), rehearsed(model, optimizer, batch.device):
            for _ in range(3):  # allocations and algorithm choices at first use must not be captured
                self._step(self._batch)
        torch.cuda.current_stream().wait_stream(warming)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._result = self._step(self._batch)

    def __call__(self, batch: Tensor) -> Tensor:
        """Make the step on the images with the indices `batch` (B,)."""
        self._batch.copy_(batch)
        self._graph.replay()
        return self._result


@contextmanager
def rehearsed(model: nn.Module, optimizer: Optimizer, device: torch.device) -> Iterator[None]:
    """Restore the states of model, optimizer and random generator after the block, in which steps may be made.

    Tensors keep their addresses. Optimizer state created within the block is set to 0, its initial value.
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
    """The same modules, bit-identical in their result, in an order that needs less memory traffic.

    A ReLU moved behind its max-pool has a quarter of the values to process (they commute exactly, since both only
    select values); a ReLU works in place where no other operation needs its input. Together they make a step of the
    CNN of report 003 a quarter shorter.
    """
    order = list(_leaves(model))
    for at in range(1, len(order)):
        if isinstance(order[at], nn.MaxPool2d) and isinstance(order[at - 1], nn.ReLU):
            order[at - 1 : at + 1] = order[at], order[at - 1]
    # Modules whose backward pass does not read their output, so that a ReLU may overwrite it.
    unread = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.MaxPool2d)
    for at in range(1, len(order)):
        if isinstance(order[at], nn.ReLU) and isinstance(order[at - 1], unread):
            order[at] = nn.ReLU(inplace=True)
    return nn.Sequential(*order)


def first_layers(model: nn.Sequential, count: int) -> nn.Sequential:
    """The first `count` layers of a model made by `train.new_model`: the same modules, with their names."""
    network = model.get_submodule("layers")
    assert isinstance(network, nn.Sequential)
    return network[:count]


def weights_of(layers: nn.Sequential) -> dict[str, Tensor]:
    """The parameters and statistics of `first_layers`, by their names in the whole model."""
    return layers.state_dict(prefix="layers.")


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that are not frozen, in the model's order."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def part_size(rows: Sequence[Row], device: str = "cpu") -> int:
    """The number of images per part in evaluation, limited by the largest feature map in the network's table."""
    most = MOST_IMAGES if device == "cpu" else MOST_IMAGES_ELSEWHERE
    return max(1, min(most, MOST_VALUES // max(math.prod(row.shape) for row in rows)))


def logits_in_parts(model: nn.Module, images: Tensor, part: int, team: Team | None = None) -> Iterator[Tensor]:
    """Yields logits (B, K) for images uint8 (N, C, H, W), as `in_parts`; the model is in evaluation mode then."""

    def logits(some: Tensor) -> Tensor:
        with torch.inference_mode():
            return model(some)

    model.eval()
    return in_parts(logits, images, part, team)


def in_parts(
    function: Callable[[Tensor], Tensor], images: Tensor, part: int, team: Team | None = None
) -> Iterator[Tensor]:
    """Yields `function` of images (N, C, H, W), `part` at a time, so that the caller can stop in between.

    A team computes as many parts in parallel as it has threads.
    """
    parts = images.split(part)
    together = team.threads if team else 1
    for at in range(0, len(parts), together):
        yield from team.run(function, parts[at : at + together]) if team else map(function, parts[at : at + together])


def parts_for_kernels(batch_size: int, threads: int) -> int:
    """The number of parts of a batch: one call computes a part, so that any block of images is worth it."""
    return max(1, min(threads, batch_size // program.BLOCK))


def useful_threads(layers: Sequence[Layer], threads: int) -> int:
    """The number of threads for a new run: one core stays free if the batches cannot be divided, see `Team`."""
    return max(1, min(threads, settings.cores() - 1)) if mixes_images(layers) else threads


def mixes_images(layers: Sequence[Layer]) -> bool:
    """Whether, in training, an image's logits depend on the other images of its batch."""
    return any(layer.mixes_images for layer in layers)


def computed_by(
    spec: RunSpec, rows: Sequence[Row], device: torch.device, by: ComputedBy | None = None
) -> tuple[ComputedBy, SlowerBecause]:
    """By what a run's steps and its evaluation are computed; `by`: as it began, if it is resumed.

    The kernels compute it where they cover all its layers in the precision asked for, are faster, and are compiled:
    nobody waits for that, but a run that began with them, or that `BANCADA_KERNELS` asks it of.
    """
    wanted = settings.kernels()
    possible = device.type == "cpu" and spec.precision != "bfloat16" and program.covers(rows, spec.frozen)
    if not possible or by == "torch" or wanted == "never":
        return "torch", ""
    if not by and wanted != "always" and not _are_faster(spec, rows, device):
        return "torch", ""
    if not compiled.is_usable():
        return "torch", "numba"
    if not (by or wanted == "always" or compiled.is_ready()):
        return "torch", "compiling"
    return "kernels", ""


def _are_faster(spec: RunSpec, rows: Sequence[Row], device: torch.device) -> bool:
    """Whether the kernels mostly compute a step faster: by `BIG_CHANNELS`, `LEAST_BATCH` and `BFLOAT16_WORK`."""
    big = sum(row.macs for row in rows if _is_big(row))
    if spec.batch_size < LEAST_BATCH or 2 * big > sum(row.macs for row in rows):
        return False
    is_wide = sum(row.macs for row in rows if _is_wide(row)) >= BFLOAT16_WORK
    return not is_wide or precision(spec, rows, device) == "float32"


def precision(spec: RunSpec, rows: Sequence[Row], device: torch.device) -> Precision:
    """The spec's precision; `auto` means `bfloat16` where the device supports it and gains from it.

    On a CPU with bfloat16 instructions, wide layers get up to twice as fast, but narrow ones, such as LeNet's, slower.
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


def _is_big(row: Row) -> bool:
    layer = row.layer
    if isinstance(layer, Conv):
        return min(layer.filters, row.shape_before[0]) >= BIG_CHANNELS
    return isinstance(layer, Dense) and min(row.shape[0], row.shape_before[0]) >= BIG_UNITS


def _leaves(module: nn.Module) -> Iterator[nn.Module]:
    """The modules of nested `nn.Sequential`s, in order."""
    if type(module) is nn.Sequential:
        for child in module:
            yield from _leaves(child)
    else:
        yield module


def _keep_freed_memory() -> None:
    """Make glibc keep freed memory in this process, since every step frees and allocates all of its feature maps.

    By default glibc returns large blocks to the system and requests them again, page by page, each zeroed: this takes a
    quarter of a step of the CNN of report 003. Other systems' allocators keep freed memory by default.
    """
    with suppress(OSError, AttributeError, TypeError):
        libc = ctypes.CDLL(None)
        trim_threshold, mmap_threshold, largest = -1, -3, 2**25  # blocks above 32 MiB are always returned
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(mmap_threshold, largest)


def optimize(optimizer: Optimizer) -> None:
    """As `optimizer.step()`, without its wrappers: one of them imports torch's compiler, see `_spare_the_compiler`."""
    with torch.no_grad(), denormal_as_zero():
        inspect.unwrap(type(optimizer).step)(optimizer)


def _spare_the_compiler() -> None:
    """Keep torch's optimizers from importing torch's compiler, at their first use, only to tell it to leave them alone.

    That takes 1.1 of the 3.3 seconds of processor time from the start of a process to its first step, and 130 MiB.
    torch keeps what the compiler makes of a method in an attribute of the method; where it does not, it imports it.
    """
    for name in ("add_param_group", "state_dict", "load_state_dict", "zero_grad"):
        if method := getattr(getattr(Optimizer, name), "__wrapped__", None):
            method.__dict__.setdefault("__dynamo_disable", method)
