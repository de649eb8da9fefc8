"""A layer of neurons in machine code, on a CPU: a call costs microseconds, and no memory but for its results."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robustbench_snn.kernels.compiling import failed, same, succeeded, wanted
from robustbench_snn.kernels.dynamics import Dynamics
from robustbench_snn.kernels.slopes import SIGMOID, BuiltIn, has_formula

Floats = NDArray[np.float32]
F_ = TypeVar("F_", bound=Callable[..., Any])
SlopeOf = Callable[[Tensor], Tensor]
"""u = membrane before the reset - threshold, of any shape, to what stands for ds/du."""
unwatched = torch._C.DisableTorchFunction
"""Inside, no function mode sees what is done: a slope is a constant, also where detach is passed through."""
GRAIN = 32768
"""Elements below which torch gives an operation to one thread (``at::internal::GRAIN_SIZE``)."""
LANES = 64
"""Shares of the neurons are multiples of this: the last few of another number meet torch's scalar code, whose exp
rounds otherwise than that of vectors."""
_NO_NUMBERS = np.float32(0.0), np.float32(0.0)


@cache
def machine_code(function: F_) -> F_:
    """The function, compiled by numba at its first call; the machine code is kept on disk."""
    from numba import njit

    return cast("F_", njit(nogil=True, cache=True, error_model="numpy")(function))


def runs(values: Tensor) -> bool:
    """Whether loops over these values run as machine code."""
    return values.device.type == "cpu" and values.dtype == torch.float32 and wanted() and _ready()


@cache
def _ready() -> bool:
    """Compiles the loops, and compares them with the plain ones, to the bit."""
    dynamics = Dynamics("lif", 2.3, True, 0.8, 0.3, False)
    currents = torch.linspace(-1.0, 3.0, 24).reshape(3, 8)
    membrane, ones = torch.linspace(0.0, 1.0, 8), torch.ones(3, 8)
    try:
        found = forward(dynamics, currents, membrane, None, 3)
        gradients = backward(dynamics, ones, membrane, found[2], None, torch.atan, rated=True)
    except Exception as error:  # no numba for this Python, or a broken one
        failed(error)
        return False
    expected = dynamics.forward(currents, membrane, None, 3)
    by_currents, by_first, totals = dynamics.backward(ones, membrane, expected[2], None, lambda u, step: u.atan())
    if not same((*expected, torch.stack(by_currents), by_first, torch.stack(totals)), (*found, *gradients)):
        failed(ArithmeticError("machine code gave other numbers than the plain loops"))
        return False
    succeeded("cpu")
    return True


def forward(
    dynamics: Dynamics, currents: Tensor, membrane: Tensor, rate: Tensor | None, steps: int, *, keeps: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """See :meth:`Dynamics.forward`; H is empty unless ``keeps``."""
    neurons = currents.shape[1]
    last = currents.new_empty(neurons).copy_(membrane)
    spikes = currents.new_empty(steps, neurons)
    charges = torch.empty_like(spikes) if keeps else currents.new_empty(0, 0)
    loop, constants = _forward_loop(dynamics, keeps), _constants(dynamics, rate)
    given = _array(currents), _array(last), *constants, _array(spikes), _array(charges)
    _share(neurons, steps, lambda begin, end: loop(*given, begin, end))
    return spikes, last, charges


def backward(
    dynamics: Dynamics,
    by_spikes: Tensor | None,
    by_last: Tensor | None,
    charges: Tensor,
    rate: Tensor | None,
    slopes: Tensor | BuiltIn | SlopeOf,
    *,
    rated: bool,
    signed: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """See :meth:`Dynamics.backward`.

    Args:
        dynamics: the constants.
        by_spikes: gradient by the spikes, (T, N).
        by_last: by the last membrane, (N,).
        charges: H, (T, N).
        rate: 1 / tau of PLIF.
        slopes: (T, N), or a surrogate or function, which is asked a few neurons at a time.
        rated: whether the gradient by H is wanted.
        signed: slopes are given as :func:`sign` left them, and ``charges`` are not looked at.

    Returns:
        The gradients by the currents (T, N), by the first membrane (N,), and by H, (T, N) or empty.
    """
    steps, neurons = charges.shape
    by_spikes = torch.zeros_like(charges) if by_spikes is None else by_spikes
    by_first = charges.new_zeros(neurons) if by_last is None else by_last.clone()
    by_currents = torch.empty_like(charges)
    totals = torch.empty_like(charges) if rated else charges.new_empty(0, 0)
    constants = _constants(dynamics, rate)
    inputs, outputs = (_array(by_spikes), _array(by_first), _array(charges)), (_array(by_currents), _array(totals))
    formula = isinstance(slopes, BuiltIn) and _by_formula(slopes.number, neurons)
    if not isinstance(slopes, Tensor) and not formula and not _even(neurons):  # torch's own rounding of each step
        slopes = torch.stack([slopes(charge - dynamics.threshold) for charge in charges])
    if isinstance(slopes, Tensor) or (formula and isinstance(slopes, BuiltIn)):
        if isinstance(slopes, Tensor):
            source, array, numbers = _loops().SIGNED if signed else _loops().GIVEN, _array(slopes), _NO_NUMBERS
        else:
            source, array, numbers = slopes.number, inputs[2], slopes.numbers()
        loop = _backward_loop(dynamics, rated, source)
        given = *inputs, array, *numbers, *constants, *outputs, 0
        _share(neurons, steps, lambda begin, end: loop(*given, begin, end))
        return by_currents, by_first, totals
    width = max(GRAIN // steps // LANES * LANES, LANES)  # what torch gives to one thread, this one
    loop = _backward_loop(dynamics, rated, _loops().GIVEN)

    def run(begin: int, end: int) -> None:
        for low in range(begin, end, width):
            high = min(low + width, end)
            with unwatched():
                some = slopes(charges[:, low:high] - dynamics.threshold).contiguous()
            loop(*inputs, _array(some), *_NO_NUMBERS, *constants, *outputs, low, low, high)

    _share(neurons, steps, run)
    return by_currents, by_first, totals


def sign(slopes: Tensor, charges: Tensor, threshold: float) -> None:
    """Turns the slopes (T, N), none of them negative, of neurons that fired into their negatives, in place."""
    loop, given = _loops().sign_loop(), (_array(slopes), _array(charges), np.float32(threshold))
    _share(charges.shape[1], len(charges), lambda begin, end: loop(*given, begin, end))


@cache
def _loops() -> Any:
    """The module of loops, which imports numba."""
    return import_module("robustbench_snn.kernels.loops")


def _code(dynamics: Dynamics) -> tuple[int, bool, int]:
    loops = _loops()
    kind = {"if": loops.IF, "lif": loops.LIF, "plif": loops.PLIF}[dynamics.kind]
    if dynamics.reset is None:
        return kind, dynamics.decay_input, loops.SUBTRACT
    return kind, dynamics.decay_input, loops.VALUE if dynamics.reset else loops.ZERO


@cache
def _forward_loop(dynamics: Dynamics, keeps: bool) -> Any:
    return _loops().forward_loop(*_code(dynamics), keeps)


@cache
def _backward_loop(dynamics: Dynamics, rated: bool, source: int) -> Any:
    return _loops().backward_loop(*_code(dynamics), dynamics.detach_reset, rated, source)


def _constants(dynamics: Dynamics, rate: Tensor | None) -> tuple[np.float32, np.float32, np.float32]:
    tau = dynamics.tau if rate is None else float(rate.detach())
    return np.float32(tau), np.float32(dynamics.threshold), np.float32(dynamics.rest)


def _by_formula(number: int, neurons: int) -> bool:
    """Whether the loops' own formula has the bits of torch's; torch's exp alone rounds the last few otherwise."""
    return has_formula(number) and (number != SIGMOID or _even(neurons))


def _array(values: Tensor) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = (values.detach() if values.requires_grad else values).numpy()
    return found


def _share(neurons: int, steps: int, work: Callable[[int, int], None]) -> None:
    """Gives each of torch's threads its share of the neurons."""
    threads = min(torch.get_num_threads(), neurons * steps // GRAIN)
    if threads < 2:
        return work(0, neurons)
    share = -(-neurons // (threads * LANES)) * LANES
    tasks = [_pool(threads).submit(work, low, min(low + share, neurons)) for low in range(0, neurons, share)]
    for task in tasks:
        task.result()
    return None


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="neurons")


def _even(neurons: int) -> bool:
    """Whether each of torch's threads would get a multiple of the lanes."""
    threads = min(torch.get_num_threads(), -(-neurons // GRAIN))
    return neurons > 0 and neurons % (LANES * max(threads, 1)) == 0
