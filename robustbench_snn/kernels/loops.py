"""The loops of :mod:`robustbench_snn.kernels.dynamics` over arrays, which numba makes machine code of.

The same operations in the same order, in float32. Every set of constants has a loop of its own: a neuron's step is one
pass without a branch, which the compiler does for many neurons at once. Loops run over the neurons ``begin`` to
``end``, a block at a time whose state stays in the cache over all steps. All is in one file because numba looks for
changes of a loop's own file only before it takes machine code from disk.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Floats = NDArray[np.float32]
IF, LIF, PLIF = 0, 1, 2
"""Kinds of neurons."""
SUBTRACT, ZERO, VALUE = 0, 1, 2
"""What a spike does to the membrane: lowers it by the threshold, sets it to 0, or to another value."""
SIGNED, GIVEN, SIGMOID, ATAN, TRIANGLE = -2, -1, 0, 1, 2
"""Where slopes come from: arrays, or formulas by their number in SpikingJelly's list of surrogates."""
BLOCK = 1024
"""Neurons whose values of a step, 4 KiB each, stay in the first cache."""
OPTIONS = {"nogil": True, "cache": True, "error_model": "numpy"}

_jit: Any = njit
_intrinsic: Any = intrinsic


@cache
def forward_loop(kind: int, decays: bool, resets: int, keeps: bool) -> Any:
    """The loop forwards of one set of constants.

    Args:
        kind: IF, LIF or PLIF.
        decays: whether the input decays too.
        resets: SUBTRACT, ZERO or VALUE.
        keeps: whether membranes before the reset are wanted.

    Returns:
        A function of currents (T, N), or (1, N) where every step has the same; the membranes (N,) before the first
        step, which become those after the last one; tau, of PLIF its inverse; threshold; reset; spikes (T, N) and
        membranes before the reset, (T, N) or empty, which are filled; begin; end.
    """

    def forward(
        currents: Floats,
        last: Floats,
        tau: np.float32,
        threshold: np.float32,
        reset: np.float32,
        spikes: Floats,
        charges: Floats,
        begin: int,
        end: int,
    ) -> None:
        one, zero = np.float32(1.0), np.float32(0.0)
        for low in range(begin, end, BLOCK):
            high = min(low + BLOCK, end)
            v = last[low:high]  # indices from 0: numba checks others for being negative
            for step in range(spikes.shape[0]):
                x, s = currents[step if currents.shape[0] > 1 else 0, low:high], spikes[step, low:high]
                kept = charges[step, low:high] if keeps else s
                for n in range(high - low):
                    if kind == IF:
                        h = v[n] + x[n]
                    elif kind == LIF and decays:
                        h = v[n] + (x[n] - (v[n] - reset)) / tau
                    elif kind == LIF:
                        h = v[n] - (v[n] - reset) / tau + x[n]
                    elif decays:
                        h = v[n] + (x[n] - (v[n] - reset)) * tau
                    else:
                        h = v[n] - (v[n] - reset) * tau + x[n]
                    if keeps:
                        kept[n] = h
                    fired = one if h - threshold >= zero else zero
                    s[n] = fired
                    if resets == SUBTRACT:
                        v[n] = h - fired * threshold
                    elif resets == ZERO:
                        v[n] = (one - fired) * h
                    else:
                        v[n] = fired * reset + (one - fired) * h

    return _jit(**OPTIONS)(forward)


@cache
def backward_loop(kind: int, decays: bool, resets: int, detached: bool, rated: bool, source: int) -> Any:
    """The loop backwards of one set of constants, last step first.

    Args:
        kind: IF, LIF or PLIF.
        decays: whether the input decays too.
        resets: SUBTRACT, ZERO or VALUE.
        detached: leave the reset out of the gradient.
        rated: whether the gradient by H is wanted.
        source: where slopes come from. GIVEN: an array. SIGNED: one that says, as :func:`sign` left it, which neurons
            fired too; needs ``detached``. Else the formula.

    Returns:
        A function of the gradient by the spikes (T, N); that by the last membrane (N,), which becomes that by the first
        one; H (T, N), not looked at where SIGNED; slopes (T, M) of the neurons ``first``, ..., not looked at where a
        formula gives them; the formula's two numbers; tau, of PLIF its inverse; threshold; reset; the gradients by
        the currents (T, N) and by H, (T, N) or empty, which are filled; first; begin; end.
    """

    def backward(
        by_spikes: Floats,
        by_last: Floats,
        charges: Floats,
        slopes: Floats,
        bend: np.float32,
        height: np.float32,
        tau: np.float32,
        threshold: np.float32,
        reset: np.float32,
        by_currents: Floats,
        totals: Floats,
        first: int,
        begin: int,
        end: int,
    ) -> None:
        one, zero = np.float32(1.0), np.float32(0.0)
        for low in range(begin, end, BLOCK):
            high = min(low + BLOCK, end)
            dv = by_last[low:high]
            for step in range(by_spikes.shape[0] - 1, -1, -1):
                ds, out = by_spikes[step, low:high], by_currents[step, low:high]
                given = slopes[step, low - first : high - first] if source < SIGMOID else ds
                h = charges[step, low:high] if source != SIGNED else given
                total = totals[step, low:high] if rated else out
                for n in range(high - low):
                    u = h[n] - threshold
                    silent = zero if u >= zero else one
                    if source == SIGNED:
                        silent = zero if np.signbit(given[n]) else one
                        slope = abs(given[n])
                    elif source == GIVEN:
                        slope = given[n]
                    elif source == SIGMOID:
                        slope = _sigmoid(u, bend)
                    elif source == ATAN:
                        slope = one / (one + u * bend * (u * bend)) * height  # as torch divides a number by a tensor
                    else:
                        slope = max(bend - height * abs(u), zero)
                    by_spike = ds[n]
                    if not detached and resets == SUBTRACT:
                        by_spike = ds[n] - dv[n] * threshold
                    elif not detached and resets == ZERO:
                        by_spike = ds[n] - dv[n] * h[n]
                    elif not detached:
                        by_spike = ds[n] - dv[n] * h[n] + dv[n] * reset
                    kept = dv[n] if resets == SUBTRACT else dv[n] * silent
                    value = kept + by_spike * slope
                    if rated:
                        total[n] = value
                    if kind == IF:
                        out[n] = value
                        dv[n] = value
                    else:
                        leaked = value / tau if kind == LIF else value * tau
                        out[n] = leaked if decays else value
                        dv[n] = value - leaked

    return _jit(**OPTIONS)(backward)


@cache
def sign_loop() -> Any:
    """A function of slopes (T, N), none negative, H (T, N), threshold, begin, end: those of who fired turn negative."""

    def sign(slopes: Floats, charges: Floats, threshold: np.float32, begin: int, end: int) -> None:
        zero = np.float32(0.0)
        for step in range(charges.shape[0]):
            slope, h = slopes[step, begin:end], charges[step, begin:end]
            for n in range(end - begin):
                slope[n] = -slope[n] if h[n] - threshold >= zero else slope[n]

    return _jit(**OPTIONS)(sign)


def _multiply_add(context: Any, a: Any, b: Any, c: Any) -> Any:
    single = types.float32
    return single(single, single, single), lambda _, builder, kinds, values: builder.fma(*values)


def _reinterpret(context: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, kinds: Any, values: Any) -> Any:
        return builder.bitcast(values[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


_fma, _as_float = _intrinsic(_multiply_add), _intrinsic(_reinterpret)
_A, _B, _C, _D, _E, _F = (
    np.float32(value)
    for value in (0.000198527617612853646278381, 0.00139304355252534151077271, 0.00833336077630519866943359,
                  0.0416664853692054748535156, 0.166666671633720397949219, 0.5)
)  # fmt: skip
"""Polynomial of exp in SLEEF (Shibata and Petrogalli, 2020, "SLEEF: A Portable Vectorized Library of C Standard
Mathematical Functions", IEEE TPDS 31), which torch's sigmoid runs on."""
_LOG2E = np.float32(1.4426950408889634)
_LN2_UPPER, _LN2_LOWER = np.float32(-0.693145751953125), np.float32(-1.428606765330187045e-06)


def _slope_of_sigmoid(u: np.float32, alpha: np.float32) -> np.float32:
    """Torch's vectorised sigmoid is 1 / (1 + exp(-x)) with SLEEF's exp, which multiplies and adds in one rounding."""
    one, bias, shift, half = np.float32(1.0), np.int32(127), np.int32(23), np.int32(1)
    d = -(alpha * u)
    q = np.rint(d * _LOG2E)
    s = _fma(q, _LN2_LOWER, _fma(q, _LN2_UPPER, d))
    p = _fma(_fma(_fma(_fma(_fma(_A, s, _B), s, _C), s, _D), s, _E), s, _F)
    p = one + _fma(s * s, p, s)
    power = np.int32(q)
    part = power >> half
    e = p * _as_float((part + bias) << shift) * _as_float((power - part + bias) << shift)
    e = np.float32(0.0) if d < np.float32(-104.0) else e
    e = np.float32(np.inf) if d > np.float32(104.0) else e
    fired = one / (one + e)
    return (one - fired) * fired * alpha


_sigmoid = _jit(error_model="numpy")(_slope_of_sigmoid)
