"""The loops of :mod:`robustbench_snn.kernels.dynamics` over arrays, for numba to make machine code of.

The same operations in the same order, in float32. They run over the neurons ``begin`` to ``end``, a block at a time
that stays in the cache over all steps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
IF, LIF, PLIF = 0, 1, 2
BLOCK = 4096
"""Neurons whose values of a step, 16 KiB each, stay in the cache."""


def forward(
    currents: Floats,
    last: Floats,
    tau: np.float32,
    threshold: np.float32,
    reset: np.float32,
    kind: int,
    decays: bool,
    soft: bool,
    spikes: Floats,
    charges: Floats,
    begin: int,
    end: int,
) -> None:
    """All steps.

    Args:
        currents: (T, N), or (1, N) where every step has the same.
        last: (N,), the membrane before the first step; holds that after the last one in the end.
        tau: membrane time constant; of PLIF its inverse.
        threshold: firing threshold.
        reset: membrane after a spike; 0 where ``soft``.
        kind: IF, LIF or PLIF.
        decays: whether the input decays too.
        soft: subtract the threshold in place of a reset.
        spikes: (T, N), is filled.
        charges: (T, N), is filled with the membranes before the reset.
        begin: first neuron.
        end: one past the last.
    """
    one, zero = np.float32(1.0), np.float32(0.0)
    for low in range(begin, end, BLOCK):
        high = min(low + BLOCK, end)
        count, v = high - low, last[low:high]  # indices from 0: numba checks others for being negative
        for step in range(charges.shape[0]):
            x = currents[step if currents.shape[0] > 1 else 0, low:high]
            h, s = charges[step, low:high], spikes[step, low:high]
            if kind == IF:
                for n in range(count):
                    h[n] = v[n] + x[n]
            elif kind == LIF and decays:
                for n in range(count):
                    h[n] = v[n] + (x[n] - (v[n] - reset)) / tau
            elif kind == LIF:
                for n in range(count):
                    h[n] = v[n] - (v[n] - reset) / tau + x[n]
            elif decays:
                for n in range(count):
                    h[n] = v[n] + (x[n] - (v[n] - reset)) * tau
            else:
                for n in range(count):
                    h[n] = v[n] - (v[n] - reset) * tau + x[n]
            if soft:
                for n in range(count):
                    fired = one if h[n] - threshold >= zero else zero
                    s[n] = fired
                    v[n] = h[n] - fired * threshold
            elif reset == zero:
                for n in range(count):
                    fired = one if h[n] - threshold >= zero else zero
                    s[n] = fired
                    v[n] = (one - fired) * h[n]
            else:
                for n in range(count):
                    fired = one if h[n] - threshold >= zero else zero
                    s[n] = fired
                    v[n] = fired * reset + (one - fired) * h[n]


def backward(
    by_spikes: Floats,
    by_last: Floats,
    charges: Floats,
    slopes: Floats,
    tau: np.float32,
    threshold: np.float32,
    reset: np.float32,
    kind: int,
    decays: bool,
    soft: bool,
    detached: bool,
    by_currents: Floats,
    totals: Floats,
    first: int,
    begin: int,
    end: int,
) -> None:
    """Gradients, last step first.

    Args:
        by_spikes: (T, N).
        by_last: (N,), by the last membrane; holds that by the first one in the end.
        charges: (T, N), as the forward pass left them.
        slopes: (T, M), what stands for ds/du of the neurons ``first``, ..., ``first + M - 1``.
        tau: as there, and so ``threshold``, ``reset``, ``kind``, ``decays`` and ``soft``.
        threshold: firing threshold.
        reset: membrane after a spike.
        kind: IF, LIF or PLIF.
        decays: whether the input decays too.
        soft: subtract the threshold in place of a reset.
        detached: leave the reset out of the gradient.
        by_currents: (T, N), is filled.
        totals: (T, N), is filled with the gradient by H; (0, 0) where nobody asks.
        first: the neuron that ``slopes`` begin with.
        begin: first neuron.
        end: one past the last.
    """
    one, zero = np.float32(1.0), np.float32(0.0)
    for low in range(begin, end, BLOCK):
        high = min(low + BLOCK, end)
        count, dv = high - low, by_last[low:high]
        for step in range(charges.shape[0] - 1, -1, -1):
            h, ds, out = charges[step, low:high], by_spikes[step, low:high], by_currents[step, low:high]
            slope = slopes[step, low - first : high - first]
            if soft and detached:
                for n in range(count):
                    out[n] = dv[n] + ds[n] * slope[n]
            elif soft:
                for n in range(count):
                    out[n] = dv[n] + (ds[n] - dv[n] * threshold) * slope[n]
            elif detached:
                for n in range(count):
                    silent = zero if h[n] - threshold >= zero else one
                    out[n] = dv[n] * silent + ds[n] * slope[n]
            elif reset == zero:
                for n in range(count):
                    silent = zero if h[n] - threshold >= zero else one
                    out[n] = dv[n] * silent + (ds[n] - dv[n] * h[n]) * slope[n]
            else:
                for n in range(count):
                    silent = zero if h[n] - threshold >= zero else one
                    by_spike = ds[n] - dv[n] * h[n] + dv[n] * reset
                    out[n] = dv[n] * silent + by_spike * slope[n]
            if totals.shape[0] > 0:
                total = totals[step, low:high]
                for n in range(count):
                    total[n] = out[n]
            if kind == IF:
                for n in range(count):
                    dv[n] = out[n]
            elif kind == LIF and decays:
                for n in range(count):
                    leaked = out[n] / tau
                    dv[n] = out[n] - leaked
                    out[n] = leaked
            elif kind == LIF:
                for n in range(count):
                    dv[n] = out[n] - out[n] / tau
            elif decays:
                for n in range(count):
                    leaked = out[n] * tau
                    dv[n] = out[n] - leaked
                    out[n] = leaked
            else:
                for n in range(count):
                    dv[n] = out[n] - out[n] * tau
