"""A layer of neurons in machine code, on a CPU: a call costs microseconds, and no memory but for its results."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, cast

import numpy as np
import torch
from spikingjelly._ops.surrogate import _surrogate_gradient  # no public name: the formulas that training runs on
from torch import Tensor

from robustbench_snn.kernels import loops
from robustbench_snn.kernels.compiling import failed, same, succeeded, wanted
from robustbench_snn.kernels.dynamics import Dynamics
from robustbench_snn.kernels.slopes import loop_of

F_ = TypeVar("F_", bound=Callable[..., Any])
SlopeOf = Callable[[Tensor], Tensor]
"""u = membrane before the reset - threshold, of any shape, to what stands for ds/du."""


@dataclass(frozen=True)
class BuiltIn:
    """A surrogate of SpikingJelly.

    Attributes:
        number: its place in SpikingJelly's list.
        alpha: its sharpness.
    """

    number: int
    alpha: float

    def __call__(self, membrane: Tensor) -> Tensor:
        """ds/du of u, elementwise."""
        slope: Tensor = _surrogate_gradient(membrane, self.alpha, self.number)
        return slope


unwatched = torch._C.DisableTorchFunction
"""Inside, no function mode sees what is done: a slope is a constant, also where detach is passed through."""
GRAIN = 32768
"""Elements below which torch gives an operation to one thread (``at::internal::GRAIN_SIZE``)."""
LANES = 64
"""Shares of the neurons are multiples of this: the last few of another number meet torch's scalar code, whose exp
rounds otherwise than that of vectors."""
_KINDS = {"if": loops.IF, "lif": loops.LIF, "plif": loops.PLIF}


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
    dynamics: Dynamics, currents: Tensor, membrane: Tensor, rate: Tensor | None, steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    """See :meth:`Dynamics.forward`."""
    neurons = currents.shape[1]
    last = currents.new_empty(neurons).copy_(membrane)
    spikes, charges = currents.new_empty(steps, neurons), currents.new_empty(steps, neurons)
    given = _array(currents), _array(last), *_constants(dynamics, rate), _array(spikes), _array(charges)
    loop = machine_code(loops.forward)
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

    Returns:
        The gradients by the currents (T, N), by the first membrane (N,), and by H, (T, N) or empty.
    """
    steps, neurons = charges.shape
    by_spikes = torch.zeros_like(charges) if by_spikes is None else by_spikes
    by_first = charges.new_zeros(neurons) if by_last is None else by_last.clone()
    by_currents = torch.empty_like(charges)
    totals = torch.empty_like(charges) if rated else charges.new_empty(0, 0)
    constants = *_constants(dynamics, rate), dynamics.detach_reset
    outputs = _array(by_currents), _array(totals)
    inputs = _array(by_spikes), _array(by_first), _array(charges)
    loop = machine_code(loops.backward)
    if not isinstance(slopes, Tensor) and not _even(neurons):  # torch's own rounding of each step
        slopes = torch.stack([slopes(charge - dynamics.threshold) for charge in charges])
    fill = loop_of(slopes.number) if isinstance(slopes, BuiltIn) else None
    if isinstance(slopes, Tensor):
        arrays = *inputs, _array(slopes), *constants, *outputs
        _share(neurons, steps, lambda begin, end: loop(*arrays, 0, begin, end))
        return by_currents, by_first, totals
    width = max(GRAIN // steps // LANES * LANES, LANES)  # what torch gives to one thread, this one

    def run(begin: int, end: int) -> None:
        some = charges.new_empty(steps, min(width, end - begin))
        for low in range(begin, end, width):
            high = min(low + width, end)
            if fill is not None and isinstance(slopes, BuiltIn):
                fill(inputs[2], constants[1], slopes.alpha, _array(some), low, high)
            else:
                with unwatched():
                    some = slopes(charges[:, low:high] - dynamics.threshold).contiguous()
            loop(*inputs, _array(some), *constants, *outputs, low, low, high)

    _share(neurons, steps, run)
    return by_currents, by_first, totals


def _constants(dynamics: Dynamics, rate: Tensor | None) -> tuple[Any, ...]:
    tau = dynamics.tau if rate is None else float(rate.detach())
    reset, soft = dynamics.rest, dynamics.reset is None
    numbers = (np.float32(value) for value in (tau, dynamics.threshold, reset))
    return *numbers, _KINDS[dynamics.kind], dynamics.decay_input, soft


def _array(values: Tensor) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = values.detach().numpy()
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
