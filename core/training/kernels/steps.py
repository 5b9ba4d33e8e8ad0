"""What a step does besides its program: its threads meet, and an optimizer changes the parameters. For Numba."""

from __future__ import annotations

import ctypes
import os
import platform
from typing import Any

import numba
import numpy as np
from llvmlite import binding, ir
from numba.core import cgutils, types

from core.training.kernels.tiles import intrinsic

RULES = ("sgd", "adam", "adamw")
SGD, ADAM, ADAMW = range(len(RULES))
GONE = 2**40  # what a meeting is set to if one of its threads will not come
NAP = 0 if os.name == "nt" else 50
BREATH = "llvm.x86.sse2.pause" if platform.machine().lower() in ("x86_64", "amd64") else ""
SPINS = 16_000 if BREATH else 400_000  # looks for the others, 0.2 to 0.8 ms, before a thread sleeps; see RESULTS.md
STRIP = 2_048  # parameters that are changed at once: what is read of them stays in the first-level cache

# A function of the system by which a thread sleeps without Python: of microseconds, or in Windows of milliseconds,
# where 0 means to let others go first.
_sleep = ctypes.windll.kernel32.Sleep if os.name == "nt" else ctypes.CDLL(None).usleep  # pyright: ignore[reportAttributeAccessIssue]
binding.add_symbol("bancada_sleep", ctypes.cast(_sleep, ctypes.c_void_p).value)
_nap = types.ExternalFunction("bancada_sleep", types.void(types.uint32))

njit: Any = numba.njit
# Not "fastmath", which hides what is not a number. What is compiled so is not called from Python.
inner = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


# --- threads that meet ------------------------------------------------------------------------------------------------


@intrinsic
def _arrive(typing: Any, meeting: Any):
    """Add 1 to meeting[0], as one operation that other threads see after all that this one has written."""

    def code(context: Any, builder: Any, signature: Any, values: Any):
        data = context.make_array(signature.args[0])(context, builder, value=values[0]).data
        return builder.atomic_rmw("add", data, ir.Constant(ir.IntType(64), 1), "acq_rel")

    return types.int64(meeting), code


@intrinsic
def _arrived(typing: Any, meeting: Any):
    """meeting[0], after which this thread sees all that was written before others arrived."""

    def code(context: Any, builder: Any, signature: Any, values: Any):
        data = context.make_array(signature.args[0])(context, builder, value=values[0]).data
        return builder.load_atomic(data, "acquire", 8)

    return types.int64(meeting), code


@intrinsic
def _breathe(typing: Any):
    """Leave a core to its other hardware thread for 10 to 50 nanoseconds, where there is an instruction for that."""

    def code(context: Any, builder: Any, signature: Any, values: Any):
        if BREATH:
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, BREATH), [])
        return context.get_dummy_value()

    return types.void(), code


@inner
def meet(meeting, expected):
    """Wait until threads have arrived `expected` times in all; returns whether they have, and are not `GONE`.

    A thread looks for the others for as long as it takes to wake one that sleeps, and only then sleeps itself: so it
    is quick on an idle machine, and leaves its core to the others where another program has taken theirs. In Windows,
    whose naps are too long, it looks on, but lets others go first.
    """
    _arrive(meeting)
    looks = 0
    while _arrived(meeting) < expected:
        looks += 1
        _breathe()
        if looks > SPINS:
            _nap(np.uint32(NAP))
    return _arrived(meeting) < GONE


# --- optimizers -------------------------------------------------------------------------------------------------------


@inner
def optimize(parameters, memories, parts, first, last, rule, step):
    """Change the parameters from `first` to before `last` by the sum of the parts' gradients, which the first one gets.

    The formulas are those of torch's optimizers. Source: Kingma, Ba 2015; Loshchilov, Hutter 2019. A rule's constants
    are weight decay, momentum or beta 1, beta 2 and epsilon; `step` is a place in its rates.
    """
    rate, constants = rule.rates[step], rule.constants
    decay, beta, beta2, epsilon = constants[0], constants[1], constants[2], constants[3]
    made = rule.step + step + 1
    kept = np.float32(1 - rate * decay if rule.name == ADAMW else 1)
    added = np.float32(decay if rule.name != ADAMW else 0)
    for start in range(first, last, STRIP):
        some = slice(start, min(start + STRIP, last))
        gradient, values = memories[0, some], parameters[some]
        for part in range(1, parts):
            _add(gradient, memories[part, some])
        if rule.name == SGD:
            _sgd(values, gradient, rule.moments[0, some], np.float32(rate), added, np.float32(beta))
        else:
            size, spread = np.float32(rate / (1 - beta**made)), np.float32(1 / np.sqrt(1 - beta2**made))
            others = np.float32(1 - beta), np.float32(beta2), np.float32(1 - beta2), np.float32(epsilon)
            _adam(values, gradient, rule.moments[0, some], rule.moments[1, some], size, kept, added, spread, *others)


# Each loop begins at 0, so that LLVM sees that no index is below it, and makes vectors of the loop.


@inner
def _add(numbers, more):
    for i in range(len(numbers)):
        numbers[i] += more[i]


@inner
def _sgd(values, gradient, velocity, rate, decay, momentum):
    if momentum == 0:
        for i in range(len(values)):
            values[i] -= rate * (gradient[i] + decay * values[i])
    else:
        for i in range(len(values)):
            velocity[i] = momentum * velocity[i] + gradient[i] + decay * values[i]
            values[i] -= rate * velocity[i]


@inner
def _adam(values, gradient, mean, square, size, kept, decay, spread, other, beta2, other2, epsilon):
    for i in range(len(values)):
        value = values[i]
        slope = gradient[i] + decay * value
        mean[i] += other * (slope - mean[i])
        square[i] = beta2 * square[i] + other2 * slope * slope
        values[i] = kept * value - size * mean[i] / (np.sqrt(square[i]) * spread + epsilon)
