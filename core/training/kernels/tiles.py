"""Vectors of float32 for Numba, as wide as the processor's, in tiles that stay in registers whatever is around them.

A tile is R rows by C columns of vectors. Its one hot operation adds products: `tile[r, c] += w[r] * x[c]`, where every
x is a vector of memory and w[r] a number or a vector. So R + C loads serve R x C multiplications. LLVM does not find
such tiles in Numba's loops by itself: the same network as plain loops takes three to nine times as long.

A multiplication may be fused with its addition; nothing else is reordered, so that a result is the same in every run
to the last bit, and not-a-number and infinity stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import extending
from numba.core import cgutils, types
from numba.extending import models, register_model

from core.training.kernels.compiled import lanes

LANES = lanes()
intrinsic: Any = extending.intrinsic  # a function of types that returns the code for them
FLOAT, INT = ir.FloatType(), ir.IntType(32)
VECTOR, INTS = ir.VectorType(FLOAT, LANES), ir.VectorType(INT, LANES)


class Tile(types.Type):
    """The type of `rows` x `columns` vectors."""

    def __init__(self, rows: int, columns: int):
        self.rows, self.columns = rows, columns
        super().__init__(name=f"Tile({rows}, {columns})")


@register_model(Tile)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, tile: Tile):
        super().__init__(manager, tile, ir.ArrayType(VECTOR, tile.rows * tile.columns))


# --- memory -----------------------------------------------------------------------------------------------------------
# `step` is the distance from a row to the next, `offsets` are those of the columns.


@intrinsic(prefer_literal=True)
def entries(typing: Any, table: Any, start: Any, count: Any):
    """The `count` numbers of an integer table from `start` on, as a tuple."""

    def code(context: Any, builder: Any, signature: Any, values: Any):
        data = _data(context, builder, signature.args[0], values[0])
        found = [builder.load(_at(builder, data, values[1], c)) for c in range(count.literal_value)]
        return context.make_tuple(builder, signature.return_type, found)

    return types.UniTuple(types.intp, count.literal_value)(table, types.intp, count), code


@intrinsic(prefer_literal=True)
def zeros(typing: Any, rows: Any, columns: Any):
    """A tile of zeros."""
    tile = Tile(rows.literal_value, columns.literal_value)
    return tile(rows, columns), lambda context, builder, signature, values: _built(
        builder, tile, lambda r, c: _same(0.0)
    )


@intrinsic(prefer_literal=True)
def spread(typing: Any, array: Any, start: Any, step: Any, rows: Any, columns: Any):
    """tile[r, c] = array[start + r * step], in all lanes."""
    tile = Tile(rows.literal_value, columns.literal_value)

    def code(context: Any, builder: Any, signature: Any, values: Any):
        data = _data(context, builder, signature.args[0], values[0])
        column = [_spread(builder, data, values[1], values[2], r) for r in range(tile.rows)]
        return _built(builder, tile, lambda r, c: column[r])

    return tile(array, types.intp, types.intp, rows, columns), code


@intrinsic(prefer_literal=True)
def load(typing: Any, array: Any, start: Any, step: Any, offsets: Any, rows: Any):
    """tile[r, c] = array[start + r * step + offsets[c]:]."""
    tile = Tile(rows.literal_value, offsets.count)

    def code(context: Any, builder: Any, signature: Any, values: Any):
        data = _data(context, builder, signature.args[0], values[0])
        places = _places(builder, data, tile, *values[1:4])
        return _built(builder, tile, lambda r, c: _loaded(builder, places[r][c]))

    return tile(array, types.intp, types.intp, offsets, rows), code


@intrinsic
def store(typing: Any, tile: Any, array: Any, start: Any, step: Any, offsets: Any):
    """array[start + r * step + offsets[c]:] = tile[r, c]."""

    def code(context: Any, builder: Any, signature: Any, values: Any):
        data = _data(context, builder, signature.args[1], values[1])
        places = _places(builder, data, tile, *values[2:5])
        for r in range(tile.rows):
            for c in range(tile.columns):
                _stored(builder, builder.extract_value(values[0], r * tile.columns + c), places[r][c])
        return context.get_dummy_value()

    return types.void(tile, array, types.intp, types.intp, offsets), code


@intrinsic
def transposed(typing: Any, array: Any, start: Any, step: Any):
    """A tile of LANES x 1, as float32: tile[r, 0] = array[start + r], array[start + step + r], ... lane after lane."""
    tile = Tile(LANES, 1)

    def code(context: Any, builder: Any, signature: Any, values: Any):
        data = _data(context, builder, signature.args[0], values[0])
        kind = ir.VectorType(data.type.pointee, LANES).as_pointer()
        places = [_at(builder, data, _stepped(builder, values[1], values[2], r)) for r in range(LANES)]
        rows = [builder.load(builder.bitcast(place, kind), align=1) for place in places]
        if rows[0].type != VECTOR:
            rows = [builder.uitofp(row, VECTOR) for row in rows]
        # Blocks of `half` x `half` off the diagonal change places, in each square of twice the size.
        for half in _halves(LANES):
            for r in range(LANES):
                if not r & half:
                    low, high = rows[r], rows[r + half]
                    rows[r] = _lanes(builder, low, [n + (LANES - half if n & half else 0) for n in range(LANES)], high)
                    rows[r + half] = _lanes(
                        builder, low, [n + (LANES if n & half else half) for n in range(LANES)], high
                    )
        return _built(builder, tile, lambda r, c: rows[r])

    return tile(array, types.intp, types.intp), code


@intrinsic
def fetch(typing: Any, array: Any, start: Any):
    """Have array[start:] on its way to the cache, while other things are computed."""

    def code(context: Any, builder: Any, signature: Any, values: Any):
        place = _at(builder, _data(context, builder, signature.args[0], values[0]), values[1])
        place = builder.bitcast(place, ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [place.type, INT, INT, INT])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        builder.call(function, [place, INT(0), INT(3), INT(1)])  # to read, into all levels, data
        return context.get_dummy_value()

    return types.void(array, types.intp), code


@intrinsic
def add_lanes(typing: Any, tile: Any, array: Any, start: Any, step: Any):
    """array[start + r * step + c] += the sum of the lanes of tile[r, c], halves added to halves."""

    def code(context: Any, builder: Any, signature: Any, values: Any):
        data = _data(context, builder, signature.args[1], values[1])
        for r in range(tile.rows):
            for c in range(tile.columns):
                vector = builder.extract_value(values[0], r * tile.columns + c)
                for half in _halves(LANES):
                    low, high = (_lanes(builder, vector, range(of, of + half)) for of in (0, half))
                    vector = builder.fadd(low, high)
                place = _at(builder, data, _stepped(builder, values[2], values[3], r), c)
                builder.store(builder.fadd(builder.load(place), builder.extract_element(vector, INT(0))), place)
        return context.get_dummy_value()

    return types.void(tile, array, types.intp, types.intp), code


# --- products ---------------------------------------------------------------------------------------------------------


def _adding(weight: Callable[..., Any]):
    @intrinsic
    def add(typing: Any, tile: Any, x: Any, start: Any, offsets: Any, w: Any, w_start: Any, w_step: Any):
        def code(context: Any, builder: Any, signature: Any, values: Any):
            tile_value, _, start, offsets, _, w_start, w_step = values
            x_data, w_data = (_data(context, builder, signature.args[at], values[at]) for at in (1, 4))
            at = _at(builder, x_data, start)
            xs = [_loaded(builder, _at(builder, at, of)) for of in cgutils.unpack_tuple(builder, offsets, tile.columns)]
            ws = [weight(builder, w_data, w_start, w_step, r) for r in range(tile.rows)]
            before = lambda r, c: builder.extract_value(tile_value, r * tile.columns + c)  # noqa: E731
            return _built(builder, tile, lambda r, c: _fused(builder, xs[c], ws[r], before(r, c)))

        return tile(tile, x, types.intp, offsets, w, types.intp, types.intp), code

    return add


def _spread(builder: Any, data: Any, start: Any, step: Any, row: int):
    number = builder.load(_at(builder, data, _stepped(builder, start, step, row)))
    one = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), number, INT(0))
    return _lanes(builder, one, [0] * LANES)


def _row(builder: Any, data: Any, start: Any, step: Any, row: int):
    return _loaded(builder, _at(builder, data, _stepped(builder, start, step, row)))


add_products = _adding(_spread)
"""tile[r, c] + w[w_start + r * w_step] * x[start + offsets[c]:], w a number."""
add_products_of_vectors = _adding(_row)
"""tile[r, c] + w[w_start + r * w_step:] * x[start + offsets[c]:], w a vector."""


# --- vector by vector -------------------------------------------------------------------------------------------------


def _sigmoid(builder: Any, x: Any):
    """1 / (1 + e^-x)."""
    one = _same(1.0)
    return builder.fdiv(one, builder.fadd(one, _exponential(builder, builder.fneg(x))))


def _tanh(builder: Any, x: Any):
    """1 - 2 / (e^2x + 1); near 0, where that loses digits, a polynomial. Source: Moshier, Cephes, tanhf."""
    squared, one, two = builder.fmul(x, x), _same(1.0), _same(2.0)
    near = _same(-5.70498872745e-3)
    for coefficient in (2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1):
        near = _fused(builder, near, squared, _same(coefficient))
    near = _fused(builder, builder.fmul(near, squared), x, x)
    power = _exponential(builder, builder.fmul(x, two))
    far = builder.fsub(one, builder.fdiv(two, builder.fadd(power, one)))
    return builder.select(builder.fcmp_ordered("<", squared, _same(0.625**2)), near, far)


def _exponential(builder: Any, x: Any):
    """e^x = 2^n e^r with n = round(x / ln 2), and a polynomial for e^r; x at most 87. Source: Moshier, Cephes, expf."""
    limited = x
    for sign, limit in ((">", 87.0), ("<", -87.0)):
        limited = builder.select(builder.fcmp_ordered(sign, limited, _same(limit)), _same(limit), limited)
    to_integers = _same(1.5 * 2**23)  # added to a small number, its last bits are the nearest integer
    shifted = _fused(builder, limited, _same(1.44269504088896341), to_integers)
    n = builder.fsub(shifted, to_integers)
    r = _fused(builder, n, _same(-0.693359375), limited)
    r = _fused(builder, n, _same(2.12194440e-4), r)
    power = _same(1.9875691500e-4)
    for coefficient in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        power = _fused(builder, power, r, _same(coefficient))
    power = builder.fadd(_fused(builder, builder.fmul(power, r), r, r), _same(1.0))
    exponent = builder.shl(builder.bitcast(shifted, INTS), ir.Constant(INTS, [INT(23)] * LANES))
    scaled = builder.bitcast(builder.add(builder.bitcast(power, INTS), exponent), VECTOR)
    return builder.select(builder.fcmp_unordered("uno", x, x), x, scaled)  # not a number stays so


def _larger(builder: Any, x: Any, y: Any):
    """The larger of two; not a number if one of them is not."""
    y_or_nan = builder.select(builder.fcmp_unordered("uno", y, y), y, x)
    return builder.select(builder.fcmp_ordered(">", y, x), y, y_or_nan)


def _relu(builder: Any, x: Any):
    return builder.select(builder.fcmp_ordered("<=", x, _same(0.0)), _same(0.0), x)  # not a number stays so


def _where_positive(builder: Any, test: Any, x: Any):
    return builder.select(builder.fcmp_ordered(">", test, _same(0.0)), x, _same(0.0))


def _where_equal(builder: Any, one: Any, other: Any, x: Any, y: Any):
    return builder.select(builder.fcmp_ordered("==", one, other), x, y)


def _elementwise(function: Callable[..., Any], count: int) -> Any:
    def code(context: Any, builder: Any, signature: Any, values: Any):
        columns = signature.return_type.columns
        one = lambda r, c: function(builder, *(builder.extract_value(v, r * columns + c) for v in values))  # noqa: E731
        return _built(builder, signature.return_type, one)

    by_count = {
        1: lambda typing, a: (a(a), code),
        2: lambda typing, a, b: (a(a, b), code),
        4: lambda typing, a, b, c, d: (a(a, b, c, d), code),
    }
    return intrinsic(by_count[count])


plus = _elementwise(lambda builder, x, y: builder.fadd(x, y), 2)
minus = _elementwise(lambda builder, x, y: builder.fsub(x, y), 2)
times = _elementwise(lambda builder, x, y: builder.fmul(x, y), 2)
larger = _elementwise(_larger, 2)
relu = _elementwise(_relu, 1)
sigmoid = _elementwise(_sigmoid, 1)
tanh = _elementwise(_tanh, 1)
where_positive = _elementwise(_where_positive, 2)  # the second where the first is above 0, else 0
where_equal = _elementwise(_where_equal, 4)  # the third where the first two are equal, else the fourth


@intrinsic
def not_inlined(typing: Any):
    """Have the function that calls this compiled once, and not once more at each of its callers."""

    def code(context: Any, builder: Any, signature: Any, values: Any):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), code


# --- instructions of LLVM ---------------------------------------------------------------------------------------------


def _built(builder: Any, tile: Tile, value: Callable[[int, int], Any]):
    built = ir.Constant(ir.ArrayType(VECTOR, tile.rows * tile.columns), ir.Undefined)
    for r in range(tile.rows):
        for c in range(tile.columns):
            built = builder.insert_value(built, value(r, c), r * tile.columns + c)
    return built


def _data(context: Any, builder: Any, array: Any, value: Any):
    return context.make_array(array)(context, builder, value=value).data


def _at(builder: Any, data: Any, start: Any, more: int = 0):
    return builder.gep(data, [builder.add(start, start.type(more)) if more else start])


def _stepped(builder: Any, start: Any, step: Any, count: int):
    return builder.add(start, builder.mul(step, step.type(count)))


def _places(builder: Any, data: Any, tile: Tile, start: Any, step: Any, offsets: Any):
    columns = cgutils.unpack_tuple(builder, offsets, tile.columns)
    rows = [_stepped(builder, start, step, r) for r in range(tile.rows)]
    return [[_at(builder, data, builder.add(row, column)) for column in columns] for row in rows]


def _loaded(builder: Any, place: Any):
    return builder.load(builder.bitcast(place, VECTOR.as_pointer()), align=4)


def _stored(builder: Any, vector: Any, place: Any):
    builder.store(vector, builder.bitcast(place, VECTOR.as_pointer()), align=4)


def _same(number: float):
    return ir.Constant(VECTOR, [FLOAT(number)] * LANES)


def _halves(count: int) -> list[int]:
    """Half of a power of two, a quarter, and so on, down to 1."""
    return [count >> n for n in range(1, count.bit_length())]


def _lanes(builder: Any, vector: Any, chosen: Any, more: Any = None):
    """A vector of the chosen lanes of one, or of one and of `more`, which follow."""
    order = [INT(lane) for lane in chosen]
    mask = ir.Constant(ir.VectorType(INT, len(order)), order)
    return builder.shuffle_vector(vector, more or ir.Constant(vector.type, ir.Undefined), mask)


def _fused(builder: Any, x: Any, y: Any, z: Any):
    """The sum of x * y and z, fused where the processor can."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")
    return builder.call(function, [x, y, z])
