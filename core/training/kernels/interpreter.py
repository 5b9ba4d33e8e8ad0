"""The interpreter of a `Program`, compiled by Numba when this module is imported, or fetched from the disk.

It needs no lock of Python's, so that threads run side by side. It checks no index: what a program says is done.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np

from core.training.kernels import program, tiles
from core.training.kernels.compiled import registers, use_folder
from core.training.kernels.program import (
    KINDS,
    Activate,
    Correlate,
    Derive,
    Drop,
    Gather,
    Logits,
    Loss,
    Pooling,
    PoolingBack,
    Product,
    Total,
    Transpose,
    Zero,
)
from core.training.kernels.steps import inner, meet, njit, optimize
from core.training.kernels.tiles import LANES, entries, load, not_inlined, store, zeros

_is_kept = use_folder()
GATHER, PRODUCT, CORRELATE, TOTAL = map(KINDS.index, (Gather, Product, Correlate, Total))
ACTIVATE, DERIVE, POOLING, POOLING_BACK = map(KINDS.index, (Activate, Derive, Pooling, PoolingBack))
DROP, TRANSPOSE, ZERO, LOSS, LOGITS = map(KINDS.index, (Drop, Transpose, Zero, Loss, Logits))
CACHE_LINE = 4 * program.ALIGNED  # bytes
RELU, SIGMOID, TANH = (program.FUNCTIONS.index(name) for name in ("relu", "sigmoid", "tanh"))


# --- products ---------------------------------------------------------------------------------------------------------


# A tile of R x C vectors needs R x C + C registers and one for a weight: with 32 registers at most 24 sums, with 16 at
# most 12. (A tile of one filter has fewer sums, and may read its x from memory.) Eight sums or more hide the time that
# an addition takes. Of eight filters six and then two single ones would be slow, so that they are taken as four and
# four. Each further size costs 0.3 s to compile, so that there are few: without tiles of six filters, the products of
# LeNet, whose first layer has as many, took 0.81 and 0.84 s of processor time for 60,000 images instead of 0.62 and
# 0.67 (by hand, 16 lanes, a shared machine, n = 2).


def _products(rows: int, columns: int):
    """`Product` for `rows` filters from f on and the places from `start` to before `stop`, `columns` at a time."""

    @inner
    def products(line, memory, tables, parameters, f, start, stop):
        not_inlined()
        # The fields that loops use, since a field is read again after each number that is written.
        x, x_places, y_places = line.x, line.x_places, line.y_places
        y, y_step, bias = line.y + f * line.y_step, line.y_step, line.bias
        w_start, w_step, w_tap_step = line.w + f * line.w_step, line.w_step, line.w_tap_step
        first_tap, last_tap = line.taps, line.taps + line.taps_count
        w = memory if line.w_in_memory else parameters
        for p in range(start, stop, columns):
            of, to = entries(tables, x_places + p, columns), entries(tables, y_places + p, columns)
            if bias >= 0:
                tile = tiles.spread(parameters, bias + f, 1, rows, columns)
            else:
                tile = load(memory, y, y_step, to, rows)
            at = w_start
            for tap in range(first_tap, last_tap):
                tile = tiles.add_products(tile, memory, x + tables[np.uint64(tap)], of, w, at, w_step)
                at += w_tap_step
            store(tile, memory, y, y_step, to)

    return products


def _correlations(rows: int, columns: int):
    """`Correlate` for `rows` filters from f on and the taps from `start` to before `stop`, `columns` at a time."""

    @inner
    def correlations(line, memory, tables, _parameters, f, start, stop):
        not_inlined()
        dy, g = line.y + f * line.y_step, line.g + f * line.g_step
        for t in range(start, stop, columns):
            taps, tile = entries(tables, line.taps + t, columns), zeros(rows, columns)
            for p in range(line.y_places_count):
                x = line.x + tables[np.uint64(line.x_places + p)]
                at = dy + tables[np.uint64(line.y_places + p)]
                tile = tiles.add_products_of_vectors(tile, memory, x, taps, memory, at, line.y_step)
            tiles.add_lanes(tile, memory, g + t, line.g_step)

    return correlations


def _along(tiled: Any, rows: int, columns: int):
    """All places (or taps) for `rows` filters: in tiles of `columns`, and of one for what is left."""
    wide, single, places = tiled(rows, columns), tiled(rows, 1), tiled is _products

    @inner
    def along(line, memory, tables, parameters, f):
        count = line.y_places_count if places else line.taps_count
        whole = count - count % columns
        wide(line, memory, tables, parameters, f, 0, whole)
        single(line, memory, tables, parameters, f, whole, count)

    return along


def _tiled(tiled: Any, most: tuple[int, int], some: tuple[int, int], one: int, halved: int = 0):
    """All filters: in tiles of the most (rows, columns), of some, and of one filter; `halved` ones in two of some."""
    of_most, of_some, of_one = (_along(tiled, *size) for size in (most, some, (1, one)))
    most_filters, some_filters = most[0], some[0]

    @inner
    def all_tiles(line, memory, tables, parameters):
        f = 0
        while f < line.filters:
            left = line.filters - f
            if left >= most_filters and left != halved:
                of_most(line, memory, tables, parameters, f)
                f += most_filters
            elif left >= some_filters:
                of_some(line, memory, tables, parameters, f)
                f += some_filters
            else:
                of_one(line, memory, tables, parameters, f)
                f += 1

    return all_tiles


_columns = 4 if registers() >= 32 else 2
_product = _tiled(_products, (6, _columns), (4, _columns), one=8, halved=8)
# Neither larger nor smaller tiles are better here (`benchmarks/RESULTS.md`).
_correlate = _tiled(_correlations, (4, _columns), (2, 5), one=8)


@inner
def _total(line, memory, tables):
    for f in range(line.filters):
        sums = zeros(1, 1)
        for p in range(line.y_places_count):
            sums = tiles.plus(sums, _vector(memory, line.y + f * line.y_step + tables[np.uint64(line.y_places + p)]))
        tiles.add_lanes(sums, memory, line.g + f, 0)


# --- vector by vector -------------------------------------------------------------------------------------------------


@inner
def _vector(array, place):
    return load(array, place, 0, (0,), 1)


@inner
def _put(vector, array, place):
    store(vector, array, place, 0, (0,))


@inner
def _derivative(function, value, gradient):
    """The gradient before an activation: from that after it, and the activation's value."""
    if function == RELU:
        return tiles.where_positive(value, gradient)
    if function == SIGMOID:
        return tiles.times(gradient, tiles.minus(value, tiles.times(value, value)))
    if function == TANH:
        return tiles.minus(gradient, tiles.times(gradient, tiles.times(value, value)))
    return gradient


@inner
def _activate(line, memory, block):
    for c in range(line.y_channels):
        for i in range(line.y_rows):
            row = line.y + c * line.y_step + i * line.y_row_step
            for at in range(row, row + line.y_columns * block, LANES):
                value = _vector(memory, at)
                if line.function == RELU:
                    _put(tiles.relu(value), memory, at)
                elif line.function == SIGMOID:
                    _put(tiles.sigmoid(value), memory, at)
                else:
                    _put(tiles.tanh(value), memory, at)


@inner
def _derive(line, memory):
    for at in range(0, line.x_size, LANES):
        gradient = _vector(memory, line.dx_start + at)
        _put(_derivative(line.function, _vector(memory, line.x_start + at), gradient), memory, line.dx_start + at)


@inner
def _share(line):
    """What each value of a window counts in its mean."""
    return tiles.spread(np.array([1 / line.taps_count], np.float32), 0, 0, 1, 1)


@inner
def _largest(memory, tables, x, taps, count):
    """The largest values of a window from x on."""
    most = _vector(memory, x)
    for t in range(taps + 1, taps + count):
        most = tiles.larger(most, _vector(memory, x + tables[np.uint64(t)]))
    return most


@inner
def _pooling(line, memory, tables):
    share, is_mean, taps, count = _share(line), line.is_mean, line.taps, line.taps_count
    x_places, y_places = line.x_places, line.y_places
    for c in range(line.x_channels):
        x, y = line.x + c * line.x_step, line.y_start + c * line.y_step
        for p in range(line.y_places_count):
            of = x + tables[np.uint64(x_places + p)]
            if is_mean:
                value = _vector(memory, of)
                for t in range(taps + 1, taps + count):
                    value = tiles.plus(value, _vector(memory, of + tables[np.uint64(t)]))
                value = tiles.times(value, share)
            else:
                value = _largest(memory, tables, of, taps, count)
            _put(value, memory, y + tables[np.uint64(y_places + p)])


@inner
def _pooling_back(line, memory, tables):
    share, is_mean, taps, count = _share(line), line.is_mean, line.taps, line.taps_count
    x_places, y_places, function, zero = line.x_places, line.y_places, line.function, zeros(1, 1)
    for c in range(line.x_channels):
        x, y = line.x + c * line.x_step, line.y_start + c * line.y_step
        for p in range(line.y_places_count):
            of, gradient = x + tables[np.uint64(x_places + p)], _vector(memory, y + tables[np.uint64(y_places + p)])
            if is_mean:
                gradient = tiles.times(gradient, share)
                for t in range(taps, taps + count):
                    here = of + tables[np.uint64(t)]
                    _put(_derivative(function, _vector(memory, here), gradient), memory, here)
            else:
                most = _largest(memory, tables, of, taps, count)
                gradient = _derivative(function, most, gradient)
                for t in range(taps, taps + count):
                    here = of + tables[np.uint64(t)]
                    value = _vector(memory, here)
                    _put(tiles.where_equal(value, most, gradient, zero), memory, here)
                    gradient = tiles.where_equal(value, most, zero, gradient)
        for p in range(line.rest, line.rest + line.rest_count):
            _put(zero, memory, x + tables[np.uint64(p)])


# --- image by image ---------------------------------------------------------------------------------------------------


@inner
def _normalised(pixels, first, count, factor, addend, memory, to, step):
    for pixel in range(count):
        memory[np.uint64(to + pixel * step)] = np.float32(pixels[np.uint64(first + pixel)]) * factor + addend


@inner
def _gather(line, memory, pixels, scale, shift, block):
    x_step, x_row_step, columns, size = line.x_step, line.x_row_step, line.x_columns, line.x_rows * line.x_columns
    whole = block // LANES * LANES if columns >= LANES else 0
    for c in range(line.x_channels):
        x, by_image = line.x + c * x_step, line.by_image + c * size
        factor, addend = tiles.spread(scale, c, 0, LANES, 1), tiles.spread(shift, c, 0, LANES, 1)
        for i in range(line.x_rows):  # all images' before the next, since a row of the map stays near
            for image in range(0, whole, LANES):
                for some in range(0, columns, LANES):
                    j = min(some, columns - LANES)
                    at = image * pixels.shape[1] + c * size + i * columns + j
                    values = tiles.plus(tiles.times(tiles.transposed(pixels, at, pixels.shape[1]), factor), addend)
                    store(values, memory, x + i * x_row_step + j * block + image, block, (0,))
            for image in range(whole, block):
                to = x + i * x_row_step + image
                _normalised(pixels[image], c * size + i * columns, columns, scale[c], shift[c], memory, to, block)
        if line.by_image >= 0:
            for image in range(block):
                to = by_image + image * line.x_values
                _normalised(pixels[image], c * size, size, scale[c], shift[c], memory, to, 1)


@inner
def _drop(line, memory, factors, first, block):
    for image in range(block):
        row, column = factors[min(first + image, len(factors) - 1)], line.factors
        for c in range(line.x_channels):
            for i in range(line.x_rows):
                for j in range(line.x_columns):
                    x = line.x + c * line.x_step + i * line.x_row_step + j * block + image
                    y = line.y + c * line.y_step + i * line.y_row_step + j * block + image
                    memory[np.uint64(y)] = memory[np.uint64(x)] * row[np.uint64(column)]
                    column += 1


@inner
def _transpose(line, memory, block):
    values = line.x_size // block
    for image in range(block):
        for v in range(values):
            memory[np.uint64(line.by_image + image * values + v)] = memory[np.uint64(line.x + v * block + image)]


@inner
def _loss(line, memory, labels, places, first, batch, block):
    loss, right = 0.0, 0.0
    for image in range(block):
        x, dx = line.x + image, line.dx + image
        if first + image >= len(places):
            for k in range(line.x_values):
                memory[dx + k * block] = 0
            continue
        label = labels[places[first + image]]
        best = 0
        for k in range(1, line.x_values):
            if memory[x + k * block] > memory[x + best * block]:
                best = k
        most, total = memory[x + best * block], np.float32(0)
        for k in range(line.x_values):
            power = np.float32(math.exp(memory[x + k * block] - most))
            memory[dx + k * block] = power
            total += power
        loss += math.log(total) - (memory[x + label * block] - most)
        right += best == label
        for k in range(line.x_values):
            memory[dx + k * block] = (memory[dx + k * block] / total - (k == label)) / np.float32(batch)
    return loss, right


@inner
def _logits(line, memory, logits, first, block):
    for image in range(min(block, len(logits) - first)):
        for k in range(line.x_values):
            logits[first + image, k] = memory[line.x + k * block + image]


# --- the interpreter --------------------------------------------------------------------------------------------------


@inner
def _copy(numbers, to):
    for i in range(len(to)):  # to assign a slice would have the words of its errors compiled, for two seconds
        to[i] = numbers[i]


@inner
def _fetch(pixels, places):
    """Have these images on their way to the cache: in a big array each is far from the others."""
    size = pixels.shape[1]
    for place in places:
        for at in range(place * size, (place + 1) * size, CACHE_LINE):
            tiles.fetch(pixels, at)


@inner
def _part(model, memory, data, some, following, batch, logits):
    """Run the program on the places `some`; returns the sums of losses and right answers. `following` are the next."""
    start, end = some
    parameters, tables, block, places = model.parameters, model.tables, model.block, data.places[start:end]
    if len(data.labels):
        memory[: len(parameters)] = 0
    loss, right = 0.0, 0.0
    pixels, factors = np.empty((block, data.pixels.shape[1]), np.uint8), data.factors
    for first in range(0, len(places), block):
        for image in range(block):
            _copy(data.pixels[places[min(first + image, len(places) - 1)]], pixels[image])
        more = places[first + block : first + 2 * block]
        _fetch(data.pixels, more if len(more) else following[:block])
        for at in range(len(model.lines)):
            line = model.lines[at]
            kind = line.kind
            if kind == PRODUCT:
                _product(line, memory, tables, parameters)
            elif kind == CORRELATE:
                _correlate(line, memory, tables, parameters)
            elif kind == TOTAL:
                _total(line, memory, tables)
            elif kind == POOLING:
                _pooling(line, memory, tables)
            elif kind == POOLING_BACK:
                _pooling_back(line, memory, tables)
            elif kind == ACTIVATE:
                _activate(line, memory, block)
            elif kind == DERIVE:
                _derive(line, memory)
            elif kind == ZERO:
                memory[line.dx_start : line.dx_start + line.dx_size] = 0
            elif kind == TRANSPOSE:
                _transpose(line, memory, block)
            elif kind == DROP:
                _drop(line, memory, factors[start:end], first, block)
            elif kind == GATHER:
                _gather(line, memory, pixels, data.scale, data.shift, block)
            elif kind == LOSS:
                of_block, right_of_block = _loss(line, memory, data.labels, places, first, batch, block)
                loss += of_block
                right += right_of_block
            elif kind == LOGITS:
                _logits(line, memory, logits[start:end], first, block)
    return loss, right


class Threads(NamedTuple):
    """One of the threads that make the same steps at the same time."""

    number: Any  # int64: of this one, from 0
    count: Any  # int64
    meeting: Any  # int64 (1,): 0 at first, see `meet`


class Model(NamedTuple):
    """A program, and the numbers that threads change."""

    lines: Any  # of the program
    tables: Any  # of the program
    block: Any  # of the program
    parameters: Any  # float32 (P,): of the model, in its order
    trained: Any  # int64: the first parameter that is trained; all after it are
    # float32 (Q, M): of each part of a batch; the padding of its maps is 0. A program that trains begins them with
    # gradients: after the last step the first one's are those of the whole batch.
    memories: Any


class Data(NamedTuple):
    """The images of some steps."""

    pixels: Any  # uint8 (N, C x H x W)
    labels: Any  # int64 (N,), or (0,) for a program that does not train
    places: Any  # int64 (L,): of the images to compute, step after step
    ends: Any  # int64 (S, Q + 1): a part of a step has the places between two of these. Empty parts come last.
    scale: Any  # float32 (C,): a pixel becomes pixel * scale + shift
    shift: Any  # float32 (C,)
    factors: Any  # float32 (L, V): of dropout, for its V values of an image


class Rule(NamedTuple):
    """An optimizer, see `optimize`."""

    name: Any  # int64: its place in `RULES`
    constants: Any  # float64 (4,)
    step: Any  # int64: the number of steps before these
    rates: Any  # float64 (S,): of learning, or (0,) for a program that does not train
    moments: Any  # float32 (2, P): momentum, or Adam's two means


_number, _numbers = numba.int64, numba.int64[::1]
_values, _rows = numba.float32[::1], numba.float32[:, ::1]
_of_model = (numba.from_dtype(program.LINE)[::1], _numbers, _number, _values, _number, _rows)
_of_data = (numba.uint8[:, ::1], _numbers, _numbers, numba.int64[:, ::1], _values, _values, _rows)
_of_rule = (_number, numba.float64[::1], _number, numba.float64[::1], _rows)
_given = ((Threads, (_number, _number, _numbers)), (Model, _of_model), (Data, _of_data), (Rule, _of_rule))
_arguments = (*(numba.types.NamedTuple(kinds, of) for of, kinds in _given), numba.float64[:, :, ::1], _rows)


@njit(numba.void(*_arguments), nogil=True, error_model="numpy", cache=_is_kept)
def run(threads, model, data, rule, sums, logits):
    """Make a thread's share of some steps: run the program on its parts of each batch, and change its parameters.

    Args:
        threads: a `Threads`.
        model: a `Model`.
        data: a `Data`.
        rule: a `Rule`.
        sums: float64 (S, Q, 2), filled with each part's sums of losses (nats) and right answers.
        logits: float32 (L, K), filled by a program that does not train.
    """
    ends, met = data.ends, 0
    count = len(model.parameters) - model.trained
    first = model.trained + count * threads.number // threads.count
    last = model.trained + count * (threads.number + 1) // threads.count
    for step in range(len(ends)):
        batch, parts = ends[step, -1] - ends[step, 0], 0
        for part in range(len(model.memories)):
            some = ends[step, part], ends[step, part + 1]
            parts += some[1] > some[0]
            if part % threads.count == threads.number and some[1] > some[0]:
                after = min(step + 1, len(ends) - 1)
                following = data.places[ends[after, part] : ends[after, part + 1]]
                loss, right = _part(model, model.memories[part], data, some, following, batch, logits)
                sums[step, part, 0], sums[step, part, 1] = loss, right
        if len(rule.rates):
            met += threads.count
            if not meet(threads.meeting, met):
                return
            optimize(model.parameters, model.memories, parts, first, last, rule, step)
            met += threads.count
            if not meet(threads.meeting, met):
                return
