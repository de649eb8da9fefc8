"""SpikingJelly's most used surrogate derivatives in machine code, with the bits that torch gives them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, cast

import numpy as np
import torch
from spikingjelly._ops.surrogate import _surrogate_gradient  # no public name: the formulas that training runs on
from torch import Tensor

from robustbench_snn.kernels.loops import Floats

Loop = Callable[[Floats, np.float32, float, Floats, int, int], None]
"""H (T, N), threshold, alpha, slopes (T, end - begin) to be filled, begin, end."""

SIGMOID, ATAN, TRIANGLE = 0, 1, 2
"""Numbers of surrogates in SpikingJelly's list."""
_EXP = (0.000198527617612853646278381, 0.00139304355252534151077271, 0.00833336077630519866943359,
        0.0416664853692054748535156, 0.166666671633720397949219, 0.5)  # fmt: skip
"""Polynomial of exp in SLEEF (Shibata and Petrogalli, 2020, "SLEEF: A Portable Vectorized Library of C Standard
Mathematical Functions", IEEE TPDS 31), which torch's sigmoid runs on."""
_LOG2E, _LN2_UPPER, _LN2_LOWER = 1.4426950408889634, 0.693145751953125, 1.428606765330187045e-06


@cache
def loop_of(number: int) -> Loop | None:
    """The loop of a surrogate; None for others, and where one bit of it differs from torch's on this machine."""
    from numba import njit

    if number not in (SIGMOID, ATAN, TRIANGLE):
        return None
    function = _sigmoid() if number == SIGMOID else {ATAN: _atan, TRIANGLE: _triangle}[number]
    compiled: Any = njit
    loop: Loop = compiled(nogil=True, cache=True, error_model="numpy")(function)
    alpha, values = 2.7, torch.linspace(-60.0, 60.0, 1 << 14)
    found = torch.empty(1, len(values))
    loop(values[None].numpy(), np.float32(0.0), alpha, found.numpy(), 0, len(values))
    expected: Tensor = _surrogate_gradient(values, alpha, number)
    return loop if torch.equal(found[0], expected) else None


def _atan(charges: Floats, threshold: np.float32, alpha: float, slopes: Floats, begin: int, end: int) -> None:
    one, bend, height = np.float32(1.0), np.float32(math.pi / 2 * alpha), np.float32(alpha / 2)
    for step in range(charges.shape[0]):
        h, slope = charges[step, begin:end], slopes[step]
        for n in range(end - begin):
            z = (h[n] - threshold) * bend
            slope[n] = one / (one + z * z) * height  # as torch divides a number by a tensor


def _triangle(charges: Floats, threshold: np.float32, alpha: float, slopes: Floats, begin: int, end: int) -> None:
    zero, height, fall = np.float32(0.0), np.float32(alpha), np.float32(alpha * alpha)
    for step in range(charges.shape[0]):
        h, slope = charges[step, begin:end], slopes[step]
        for n in range(end - begin):
            slope[n] = max(height - fall * abs(h[n] - threshold), zero)


def _sigmoid() -> Loop:
    """Torch's vectorised sigmoid is 1 / (1 + exp(-x)) with SLEEF's exp, which multiplies and adds in one rounding."""
    from numba import types
    from numba.extending import intrinsic

    def multiply_add(context: Any, a: Any, b: Any, c: Any) -> Any:
        single = types.float32
        return single(single, single, single), lambda _, builder, kinds, values: builder.fma(*values)

    def reinterpret(context: Any, bits: Any) -> Any:
        def generate(context: Any, builder: Any, kinds: Any, values: Any) -> Any:
            return builder.bitcast(values[0], context.get_value_type(types.float32))

        return types.float32(types.int32), generate

    fma, as_float = (cast("Any", intrinsic(each)) for each in (multiply_add, reinterpret))
    first, second, third, fourth, fifth, sixth = (np.float32(value) for value in _EXP)
    log2e, upper, lower = np.float32(_LOG2E), np.float32(-_LN2_UPPER), np.float32(-_LN2_LOWER)

    def sigmoid(charges: Floats, threshold: np.float32, alpha: float, slopes: Floats, begin: int, end: int) -> None:
        one, sharpness = np.float32(1.0), np.float32(alpha)
        bias, shift, half = np.int32(127), np.int32(23), np.int32(1)
        for step in range(charges.shape[0]):
            h, slope = charges[step, begin:end], slopes[step]
            for n in range(end - begin):
                d = -(sharpness * (h[n] - threshold))
                q = np.rint(d * log2e)
                s = fma(q, lower, fma(q, upper, d))
                u = fma(fma(fma(fma(fma(first, s, second), s, third), s, fourth), s, fifth), s, sixth)
                u = one + fma(s * s, u, s)
                power = np.int32(q)
                part = power >> half
                e = u * as_float((part + bias) << shift) * as_float((power - part + bias) << shift)
                e = np.float32(0.0) if d < np.float32(-104.0) else e
                e = np.float32(np.inf) if d > np.float32(104.0) else e
                fired = one / (one + e)
                slope[n] = (one - fired) * fired * sharpness

    return sigmoid
