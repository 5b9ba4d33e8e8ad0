"""A network as a program: instructions with the places of their numbers in one memory, for `interpreter` to run.

A block of images, 16 to 64, goes through the whole network and back before the next one, so that its feature maps stay
in the processor's cache. The images are innermost, `[channel][row][column][image]`: an operation on a value of a map is
one on whole vectors, whatever the kernel, the stride and the odd sizes of a map. Nothing but places depends on the
network, so that one compiled interpreter runs all programs.

All numbers that a program changes lie in one array, `memory`: feature maps, gradients of feature maps and those of the
parameters. A place is an index of it, or of the array of all parameters, in the model's order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from core.networks.activations import Activation
from core.networks.layers import (
    ActivationLayer,
    AvgPool,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    MaxPool,
    Pool,
    Row,
)

LAYERS = (Conv, MaxPool, AvgPool, GlobalAvgPool, Flatten, Dense, Dropout, ActivationLayer)
FUNCTIONS: tuple[Activation, ...] = ("none", "relu", "sigmoid", "tanh")
"""What is covered; an instruction names an activation by its place here."""
BLOCK = 16
"""Images in a block of a network with feature maps: one AVX-512 vector, so that LeNet's maps take 0.9 MB of a cache.
For 64 images they take four times as much, and a step 1.02 to 1.17 times as long (`benchmarks/tiles.py`)."""
DENSE_BLOCK = 64
"""Images in a block of a network without: each weight read from memory then serves more images. With 16 or 128 images a
step takes 1.05 to 1.14 times as long, with 256 1.16 to 1.19 times, with 32 0.98 to 1.09 (`benchmarks/tiles.py`)."""
ALIGNED = 16  # numbers: what begins at a multiple of this begins a cache line
TOGETHER = 4  # filters in a tile of `Correlate`
NEAR = 24 * 1024
"""Bytes of gradients that a `Correlate` goes over again and again: they stay in a first-level cache of 32 kB, and a sum
rounds less. With vectors of 8, sums of all at once make a step of a CNN 2 to 4 % longer; with 16 it takes as long
(`benchmarks/tiles.py`)."""


# --- places -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Map:
    """A feature map of a block of images, or its gradient, in memory. A vector of values is a map of 1 x 1."""

    start: int
    channels: int
    rows: int  # without padding
    columns: int
    before: int  # padding above and on the left
    after: int
    block: int

    @property
    def row_step(self) -> int:
        """The distance from a row to the next."""
        return (self.before + self.columns + self.after) * self.block

    @property
    def step(self) -> int:
        """The distance from a channel to the next."""
        return (self.before + self.rows + self.after) * self.row_step

    @property
    def size(self) -> int:
        """The number of numbers, padding included."""
        return self.channels * self.step

    @property
    def values(self) -> int:
        """The number of values of one image."""
        return self.channels * self.rows * self.columns

    @property
    def first(self) -> int:
        """The distance from the start to the first value that is not padding."""
        return self.before * (self.row_step + self.block)

    def __str__(self) -> str:
        """Shape and place."""
        return f"{self.channels} x {self.rows} x {self.columns} at {self.start}"


class Table(NamedTuple):
    """Some numbers in a program's tables: where each vector of LANES images begins, relative to a map, and the like."""

    start: int
    length: int

    def parts(self, most: int) -> list[Table]:
        """The table in parts of at most so many numbers."""
        return [Table(self.start + at, min(most, self.length - at)) for at in range(0, self.length, most)]

    def __str__(self) -> str:
        """The number of numbers."""
        return f"{self.length}"


class Weights(NamedTuple):
    """Where a product's weights lie: among the parameters, or in memory."""

    start: int
    step: int  # from a filter to the next
    tap_step: int
    in_memory: bool = False

    def __str__(self) -> str:
        """Place and steps."""
        return f"at {self.start} of {'memory' if self.in_memory else 'parameters'}, by {self.step} and {self.tap_step}"


NUMBERS: dict[str, dict[str, Callable[..., int]]] = {
    "Map": {
        "": lambda map: map.start + map.first,
        "_start": lambda map: map.start,
        "_size": lambda map: map.size,
        "_step": lambda map: map.step,
        "_row_step": lambda map: map.row_step,
        "_channels": lambda map: map.channels,
        "_values": lambda map: map.values,
        "_rows": lambda map: map.rows,
        "_columns": lambda map: map.columns,
    },
    "Table": {"": lambda table: table.start, "_count": lambda table: table.length},
    "Weights": {
        "": lambda weights: weights.start,
        "_step": lambda weights: weights.step,
        "_tap_step": lambda weights: weights.tap_step,
        "_in_memory": lambda weights: weights.in_memory,
    },
    "int": {"": int},
}
"""What the interpreter reads of a field of an instruction, by the field's type: what is added to its name, and the
number. So it finds the distance of a map's rows in `x_row_step`, if the field is `x`."""


# --- instructions -----------------------------------------------------------------------------------------------------
# In the formulas x, y, dx and dy are maps [c, i, j, image], or [c, p] with p a place (i, j); v is one of all values
# (c, i, j). A product has weights [f, t]: f is a filter or unit, t a tap, the distance to a value that it sees from p.
# Each docstring ends with the order of the loops, from the outermost; the images are innermost, a vector at a time,
# unless it says otherwise.


@dataclass(frozen=True)
class Instruction:
    """One line of a program."""

    formula: ClassVar[str]


@dataclass(frozen=True)
class Gather(Instruction):
    """The block's images, normalised; a place after the last image of a part takes that one again.

    Loops: c, i, image, j; then, for `by_image`, c, image, (i, j).
    """

    formula: ClassVar = "x[c, i, j, image] = pixel[image, c, i, j] * scale[c] + shift[c]"
    x: Map
    by_image: int  # where they are put as [image][value] too, for a dense layer, or -1


@dataclass(frozen=True)
class Product(Instruction):
    """Convolution and dense layer forward, their input's gradient, and a dense layer's weight gradient.

    Of that, p are the inputs, a vector at a time, and t the images. Loops: tiles of filters, tiles of places, t.
    """

    formula: ClassVar = "y[f, p] = (bias[f] or y[f, p]) + sum over t of w[f, t] * x[p + t]"
    x: int
    x_places: Table  # of p
    taps: Table  # of t
    w: Weights
    bias: int  # place among the parameters, or -1: add to y
    y: int
    y_step: int  # from f to the next
    y_places: Table
    filters: int


@dataclass(frozen=True)
class Correlate(Instruction):
    """Weight gradient of a convolution, and what is left of a dense layer's. Loops: tiles of filters, of taps, p."""

    formula: ClassVar = "g[f, t] += sum over p and images of dy[f, p] * x[p + t]"
    x: int
    x_places: Table
    taps: Table
    y: int
    y_step: int
    y_places: Table
    g: int
    g_step: int
    filters: int


@dataclass(frozen=True)
class Total(Instruction):
    """Gradient of the biases. Loops: f, p."""

    formula: ClassVar = "g[f] += sum over p and images of dy[f, p]"
    y: int
    y_step: int
    y_places: Table
    g: int
    filters: int


@dataclass(frozen=True)
class Activate(Instruction):
    """An activation function in place; padding stays 0. Loops: c, i, j."""

    formula: ClassVar = "y = f(y)"
    function: int  # of FUNCTIONS
    y: Map


@dataclass(frozen=True)
class Derive(Instruction):
    """Back through an activation function, whose derivative follows from its value. Loop: v, and padding."""

    formula: ClassVar = "dx = dx * f'(x)"
    function: int
    x: Map
    dx: Map


@dataclass(frozen=True)
class Pooling(Instruction):
    """Mean or maximum of windows side by side. Loops: c, p, t."""

    formula: ClassVar = "y[c, p] = mean or largest over t of x[c, p + t]"
    is_mean: int
    x: Map
    x_places: Table  # of the windows
    taps: Table  # of the values in one
    y: Map
    y_places: Table


@dataclass(frozen=True)
class PoolingBack(Pooling):
    """Back through a pooling and the activation before it; the gradient takes the place of the values.

    Of equal largest values the first gets the gradient, as in PyTorch; what no window covers gets 0. `y` is the
    gradient of what was pooled. Loops: c, p, t twice for a maximum, which has to be found first; then `rest`.
    """

    formula: ClassVar = "x[c, p + t] = dy[c, p] * f'(x[c, p + t]) * (1 / size of window, or 1 for the largest, else 0)"
    rest: Table  # of what no window covers
    function: int


@dataclass(frozen=True)
class Drop(Instruction):
    """Dropout, and back from the gradient of y to that of x; PyTorch has drawn the factors 0 or 1 / (1 - rate).

    Loops: image, c, i, j; number by number.
    """

    formula: ClassVar = "y[v, image] = x[v, image] * factor[image, v]"
    x: Map
    y: Map
    factors: int  # the first column of this layer's


@dataclass(frozen=True)
class Transpose(Instruction):
    """The input of a dense layer, for its weight gradient, which is a sum over images. Loops: image, v, by numbers."""

    formula: ClassVar = "by_image[image, v] = x[v, image]"
    x: Map
    by_image: int


@dataclass(frozen=True)
class Zero(Instruction):
    """Before products are added to a gradient. Loop: v, and padding."""

    formula: ClassVar = "dx = 0"
    dx: Map


@dataclass(frozen=True)
class Loss(Instruction):
    """Softmax, cross-entropy and their gradient; 0 for places after the last image of a part.

    Loops: image, and there k for the largest logit, for the sum and for the gradient; number by number.
    """

    formula: ClassVar = "loss += -log softmax(x)[label]; dx = (softmax(x) - [label]) / batch size"
    x: Map
    dx: Map


@dataclass(frozen=True)
class Logits(Instruction):
    """The logits, for the caller. Loops: image, k; number by number."""

    formula: ClassVar = "logits[image, k] = x[k, image]"
    x: Map


KINDS = (Gather, Product, Correlate, Total, Activate, Derive, Pooling, PoolingBack, Drop, Transpose, Zero, Loss, Logits)
_names = [field.name + suffix for kind in KINDS for field in fields(kind) for suffix in NUMBERS[str(field.type)]]
LINE = np.dtype([(name, np.int64) for name in dict.fromkeys(["kind", *_names])])
"""An instruction as the interpreter reads it: its place in `KINDS`, its numbers, and 0 for those of others."""


# --- layers -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """A layer that is computed, with the activation after it; to flatten is to compute nothing."""

    number: int  # of the layer, from 1
    layer: Conv | Dense | Pool | GlobalAvgPool | Dropout | ActivationLayer
    before: tuple[int, int, int]  # shapes (C, H, W)
    after: tuple[int, int, int]
    activation: Activation

    @property
    def padding(self) -> tuple[int, int]:
        """The padding of its input, above and left, and below and right: one more there for an even kernel's `same`."""
        if not isinstance(self.layer, Conv):
            return 0, 0
        if self.layer.padding == "same":
            return (self.layer.kernel - 1) // 2, self.layer.kernel // 2
        return self.layer.padding, self.layer.padding

    @property
    def pools(self) -> bool:
        """Whether it is computed as a pooling: an activation after another one is one with windows of 1 x 1."""
        return isinstance(self.layer, Pool | GlobalAvgPool | ActivationLayer)

    @property
    def parameters(self) -> int:
        """The number of weights and biases."""
        if isinstance(self.layer, Conv):
            return self.layer.parameters(self.before)
        return self.layer.parameters((math.prod(self.before),)) if isinstance(self.layer, Dense) else 0


def covers(rows: Iterable[Row], frozen: int = 0) -> bool:
    """Whether there are instructions for all layers of a network, of which the first are frozen, and any is trained."""
    rows = list(rows)
    if not any(row.parameters for row in rows[frozen:]):
        return False
    used = [(row.layer, getattr(row.layer, "activation", getattr(row.layer, "function", "none"))) for row in rows]
    return all(isinstance(layer, LAYERS) and function in FUNCTIONS for layer, function in used)


def stages(rows: Sequence[Row], *, trains: bool, frozen: int) -> list[Stage]:
    """The stages of a network, in training or not; its first `frozen` layers are as in evaluation."""
    found: list[Stage] = []
    shape = _picture(rows[0].shape_before)  # flattening changes no place, so that it is kept until a dense layer
    for row in rows:
        layer = row.layer
        if isinstance(layer, ActivationLayer) and found and found[-1].activation == "none":
            found[-1] = replace(found[-1], activation=layer.function)
        elif isinstance(layer, ActivationLayer):
            found.append(Stage(row.number, layer, shape, shape, layer.function))
        elif isinstance(layer, Dropout) and trains and row.number > frozen:
            found.append(Stage(row.number, layer, shape, shape, "none"))
        elif isinstance(layer, Conv | Dense | Pool | GlobalAvgPool):
            activation = layer.activation if isinstance(layer, Conv | Dense) else "none"
            found.append(Stage(row.number, layer, shape, _picture(row.shape), activation))
            shape = found[-1].after
    return found


def _picture(shape: tuple[int, ...]) -> tuple[int, int, int]:
    channels, height, width = shape if len(shape) == 3 else (shape[0], 1, 1)
    return channels, height, width


# --- programs ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Program:
    """What the interpreter needs beside weights and images; see `written`."""

    instructions: tuple[tuple[int, Instruction], ...]  # with the number of the layer, 0 for what is before and after
    tables: np.ndarray  # int64: the places and distances that instructions refer to
    block: int
    lanes: int
    memory: int  # float32 that a part of a batch needs, a multiple of `ALIGNED`
    parameters: int  # whose gradients memory begins with; 0 if the program does not train

    @cached_property
    def lines(self) -> np.ndarray:
        """The instructions as the interpreter reads them."""
        lines = np.zeros(len(self.instructions), LINE)
        for line, (_, one) in zip(lines, self.instructions, strict=True):
            line["kind"] = KINDS.index(type(one))
            for field in fields(one):
                for suffix, number in NUMBERS[str(field.type)].items():
                    line[field.name + suffix] = number(getattr(one, field.name))
        return lines

    def __str__(self) -> str:
        """Two lines for each instruction: layer, name, formula; fields."""
        mebibytes = 4 * self.memory / 2**20
        head = f"{self.block} images at once, {self.lanes} lanes, {mebibytes:.2f} MiB for each part of a batch"
        lines = [head, f"{'layer':>5}  instruction"]
        for number, one in self.instructions:
            said = ", ".join(f"{field.name} {getattr(one, field.name)}" for field in fields(one))
            lines += [f"{number or '':>5}  {type(one).__name__.lower():12} {one.formula}", f"{'':20}{said}"]
        return "\n".join(lines)


def written(
    rows: Sequence[Row], *, trains: bool, frozen: int = 0, images: int = DENSE_BLOCK, lanes: int = 16
) -> Program:
    """The program of a network.

    Args:
        rows: the network's table.
        trains: whether it computes loss and gradients; otherwise logits.
        frozen: the number of first layers without gradients.
        images: of a part of a batch, for smaller blocks than usual if they are few.
        lanes: float32 in a vector.
    """
    pictures = any(isinstance(row.layer, Conv | Pool | GlobalAvgPool) for row in rows)
    block = min(BLOCK if pictures else DENSE_BLOCK, images + -images % BLOCK)
    return _Writer(block, lanes).program(rows, trains, frozen)


class _Writer:
    """Makes the program of one network."""

    def __init__(self, block: int, lanes: int):
        self.block, self.lanes = block, lanes
        self.most_places = NEAR // (TOGETHER * lanes * 4)  # of `Correlate`
        self.memory = 0
        self.tables: list[int] = []
        self.known: dict[tuple[int, ...], Table] = {}

    def room(self, count: int) -> int:
        """The place of `count` numbers more in memory."""
        place = self.memory
        self.memory += count + -count % ALIGNED
        return place

    def map(self, shape: tuple[int, int, int], padding: tuple[int, int] = (0, 0)) -> Map:
        """A new map."""
        made = Map(self.memory, *shape, *padding, self.block)
        self.room(made.size)
        return made

    def table(self, numbers: Iterable[int]) -> Table:
        """These numbers in the tables."""
        listed = tuple(numbers)
        if listed not in self.known:
            self.known[listed] = Table(len(self.tables), len(listed))
            self.tables += listed
        return self.known[listed]

    def program(self, rows: Sequence[Row], trains: bool, frozen: int) -> Program:
        """See `written`."""
        chain = stages(rows, trains=trains, frozen=frozen)
        first = chain[0]
        parameters = sum(stage.parameters for stage in chain) if trains else 0
        self.room(parameters)  # for their gradients, which have their places
        x = self.map(first.before, first.padding)
        dx: Map | None = None  # none before anything that is trained
        by_image = -1
        if trains and isinstance(first.layer, Dense) and first.number > frozen:
            by_image = self.room(x.values * self.block)
        forward: list[tuple[int, Instruction]] = [(0, Gather(x, by_image))]
        backward: list[list[tuple[int, Instruction]]] = []
        function, weights, dropped = 0, 0, 0  # what x has gone through; parameters and dropped values so far
        for stage, after in zip(chain, [*chain[1:], None], strict=True):
            y = self.map(stage.after, after.padding if after else (0, 0))
            is_trained = trains and stage.number > frozen and stage.parameters > 0
            dy = None
            if is_trained or dx:  # a pooling's gradient takes the place of what it has pooled
                dy = y if after and after.pools else self.map(stage.after, (y.before, y.after))
            there: list[Instruction]
            back: list[Instruction] = []
            if isinstance(stage.layer, Conv | Dense):
                there, back = self.linear(stage.layer, x, y, dx, dy, weights, is_trained, by_image)
            elif isinstance(stage.layer, Dropout):
                there = [Drop(x, y, dropped)]
                if dx and dy:
                    back = [Drop(dy, dx, dropped)]
                dropped += x.values
            else:
                there, back = self.pooling(stage.layer, x, y, dx, dy, function)
            if dx and function and not stage.pools:
                back.append(Derive(function, x, dx))
            function, by_image = FUNCTIONS.index(stage.activation), -1
            if function:
                there.append(Activate(function, y))
            forward += [(stage.number, one) for one in there]
            backward.append([(stage.number, one) for one in back])
            weights += stage.parameters
            x, dx = y, dy
        if dx:
            forward.append((0, Loss(x, dx)))
            if function:
                forward.append((chain[-1].number, Derive(function, x, dx)))
        else:
            forward.append((0, Logits(x)))
        instructions = (*forward, *(one for back in reversed(backward) for one in back))
        return Program(instructions, np.array(self.tables), self.block, self.lanes, self.memory, parameters)

    def windows(self, x: Map, y: Map, size: tuple[int, int], stride: int) -> tuple[Table, Table, list[int]]:
        """The places of the vectors of all windows of x and of their values in y, and those of a window's values."""
        spots = [(i, j, v) for i in range(y.rows) for j in range(y.columns) for v in range(0, self.block, self.lanes)]
        of = self.table(stride * (i * x.row_step + j * x.block) + v for i, j, v in spots)
        to = self.table(y.first + i * y.row_step + j * y.block + v for i, j, v in spots)
        return of, to, [i * x.row_step + j * x.block for i in range(size[0]) for j in range(size[1])]

    def pooling(
        self, layer: Pool | GlobalAvgPool | ActivationLayer, x: Map, y: Map, dx: Map | None, dy: Map | None, before: int
    ) -> tuple[list[Instruction], list[Instruction]]:
        """Forward, and back through the activation before it, too."""
        stride = layer.size if isinstance(layer, Pool) else 1
        size = (x.rows, x.columns) if isinstance(layer, GlobalAvgPool) else (stride, stride)
        is_mean = not isinstance(layer, MaxPool)
        of, to, window = self.windows(x, y, size, stride)
        taps = self.table(window)
        there: list[Instruction] = [Pooling(is_mean, x, of, taps, y, to)]
        if not (dx and dy):
            return there, []
        covered = (y.rows * size[0], y.columns * size[1])
        left = [(i, j) for i in range(x.rows) for j in range(x.columns) if i >= covered[0] or j >= covered[1]]
        rest = self.table(i * x.row_step + j * x.block + v for i, j in left for v in range(0, self.block, self.lanes))
        return there, [PoolingBack(is_mean, x, of, taps, dy, to, rest, before)]

    def linear(
        self,
        layer: Conv | Dense,
        x: Map,
        y: Map,
        dx: Map | None,
        dy: Map | None,
        weights: int,
        is_trained: bool,
        by_image: int,
    ) -> tuple[list[Instruction], list[Instruction]]:
        """Forward and back of a convolution, or of a dense layer, which is one of 1 x 1 on a map of 1 x 1.

        `weights`: the place of weights (F, C, k, k) or (units, inputs), then biases (F,), and of their gradients.
        """
        kernel, stride = (layer.kernel, layer.stride) if isinstance(layer, Conv) else (1, 1)
        if isinstance(layer, Dense):
            x = replace(x, channels=x.values, rows=1, columns=1)
            dx = dx and replace(dx, channels=x.values, rows=1, columns=1)
        filters, depth = y.channels, x.channels * kernel**2
        of, to, seen = self.windows(x, y, (kernel, kernel), stride)
        taps = self.table(c * x.step + tap for c in range(x.channels) for tap in seen)
        w, bias = Weights(weights, depth, 1), weights + filters * depth
        there: list[Instruction] = [Product(x.start, of, taps, w, bias, y.start, y.step, to, filters)]
        back: list[Instruction] = []
        if dy and is_trained:
            whole = depth - depth % self.lanes if isinstance(layer, Dense) else 0
            if whole:
                # In vectors along the inputs, which lie side by side in the gradient as in the weights.
                if by_image < 0:
                    by_image = self.room(self.block * depth)
                    back.append(Transpose(x, by_image))
                along = self.table(range(0, whole, self.lanes))
                images = self.table(range(0, self.block * depth, depth))
                w = Weights(dy.start, dy.step, 1, in_memory=True)
                back.append(Product(by_image, along, images, w, -1, weights, depth, along, filters))
            if whole < depth:
                rest, g = Table(taps.start + whole, depth - whole), weights + whole
                for some, same in zip(of.parts(self.most_places), to.parts(self.most_places), strict=True):
                    back.append(Correlate(x.start, some, rest, dy.start, dy.step, same, g, depth, filters))
            back.append(Total(dy.start, dy.step, to, bias, filters))
        if dy and dx:
            # Each tap of the kernel adds the gradient at all spots to the inputs that it has seen from there.
            back.append(Zero(dx))
            over_filters = self.table(f * dy.step for f in range(filters))
            for number, tap in enumerate(seen):
                w, g = Weights(weights + number, kernel**2, depth), dx.start + tap
                back.append(Product(dy.start, to, over_filters, w, -1, g, dx.step, of, x.channels))
        return there, back
