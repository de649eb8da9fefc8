"""Plain tensor functions that torch compiles once that pays, and that stay as they are where it cannot."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from threading import RLock
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from robustbench_snn.errors import UserError

Mode = Literal["auto", "on", "off"]
"""``auto`` compiles once that pays, ``on`` at the first call, ``off`` never; none changes a number."""
VARIABLE = "RBSNN_COMPILE"
FIRST, NEXT = 2_000_000_000, 300_000_000
"""Elements that plain loops must have run over before anything, and one loop before it, is compiled.

A compiled loop saves some 7 ns an element, forwards and backwards; the first compilation of a process takes some 15 s,
each further one 2 s. Compiling when the plain loop has cost as much costs at most twice what the best choice would.
"""
LONGEST = 32
"""Steps that are unrolled into one kernel; time and memory of a compilation grow with them."""
LANES = 64
"""Neurons must come in multiples of this: the last few of another number meet scalar code, whose exp rounds otherwise
than the vectors' does."""
AS_WRITTEN = {
    "emulate_precision_casts": True,  # no multiplication is contracted with an addition
    "eager_numerics.division_rounding": True,
    "eager_numerics.disable_ftz": True,
    "eager_numerics.use_pytorch_libdevice": True,
}
"""Settings of torch's compiler by which a GPU rounds as it does in plain loops; on a CPU it does so anyway."""
GRAIN = 32768
"""Elements below which torch gives an operation to one thread (``at::internal::GRAIN_SIZE``)."""

_lock = RLock()


class _State:
    """What this process has done so far."""

    chosen: Mode | None = None
    elements = 0
    compiled: ClassVar[set[str]] = set()
    failure: str | None = None


def mode() -> Mode:
    """The mode in force: the one chosen, else that of the environment variable, else ``auto``.

    Raises:
        UserError: if the variable says something else.
    """
    found = _State.chosen or os.environ.get(VARIABLE) or "auto"
    if found not in get_args(Mode):
        raise UserError(f"{VARIABLE} is {found!r}; it must be one of {', '.join(get_args(Mode))}")
    return found  # type: ignore[return-value]


@contextmanager
def using(chosen: Mode | None) -> Iterator[None]:
    """Puts a mode in force for this process while inside; None leaves it as it is.

    Raises:
        UserError: if there is no such mode.
    """
    before, _State.chosen = _State.chosen, chosen or _State.chosen
    try:
        mode()
        yield
    finally:
        _State.chosen = before


def state(device: torch.device | str) -> str:
    """What runs now: ``plain``, ``compiled``, or ``plain`` and why nothing is compiled any more."""
    if _State.failure is not None:
        return f"plain ({_State.failure})"
    return "compiled" if torch.device(device).type in _State.compiled else "plain"


class Kernel:
    """A function of tensors, compiled once that pays.

    What is compiled is compared with the plain function at its first call; where one bit differs, or anything fails,
    the plain functions run for the rest of the process, and one warning says so.

    Args:
        plain: tensors, or None, to a tuple of tensors; elementwise along the last dimension, whose size alone may
            change from call to call.
    """

    def __init__(self, plain: Callable[..., tuple[Tensor, ...]]) -> None:
        self.plain = plain
        self._elements = 0
        self._compiled: dict[str, Callable[..., tuple[Tensor, ...]]] = {}

    def __call__(self, first: Tensor, *others: Tensor | None, steps: int) -> tuple[Tensor, ...]:
        """The function's result; the arguments are contiguous, the first (T, N), ``steps`` is T."""
        if not self._compiles(first, steps):
            return self.plain(first, *others)
        compiled = self._compiled.get(first.device.type)
        if compiled is None:
            with _lock:
                return self._compile(first, *others)
        return compiled(first, *others)

    def _compiles(self, first: Tensor, steps: int) -> bool:
        chosen, neurons = mode(), first.shape[-1]
        if chosen == "off" or _State.failure is not None or steps > LONGEST:
            return False
        if first.dtype != torch.float32 or not even(neurons):
            return False
        if (
            first.device.type in self._compiled or chosen == "on" or first.is_cuda
        ):  # there, each operation waits for a launch
            return True
        count = neurons * steps
        self._elements += count
        _State.elements += count
        return _State.elements >= FIRST and self._elements >= NEXT

    def _compile(self, first: Tensor, *others: Tensor | None) -> tuple[Tensor, ...]:
        arguments = first, *others
        expected = self.plain(*arguments)
        try:
            with _quiet():
                compiled = torch.compile(self.plain, fullgraph=True, dynamic=True, options=dict(AS_WRITTEN))
                found = compiled(*arguments)
            if not _same(expected, found):
                raise ArithmeticError("a compiled loop gave other numbers than the plain one")
        except Exception as error:
            reason = (str(error).strip().splitlines() or [""])[0][:200]
            _State.failure = f"{type(error).__name__}: {reason}"
            warnings.warn(
                f"loops over time steps are not compiled: {_State.failure}; the same numbers take longer. "
                f"{VARIABLE}=off turns compiling off",
                stacklevel=2,
            )
            return expected
        self._compiled[first.device.type] = compiled
        _State.compiled.add(first.device.type)
        return found


def even(neurons: int) -> bool:
    """Whether every thread's share of so many neurons is a multiple of :data:`LANES`."""
    threads = min(torch.get_num_threads(), -(-neurons // GRAIN))
    return neurons > 0 and neurons % (LANES * max(threads, 1)) == 0


@contextmanager
def _quiet() -> Iterator[None]:
    """Compiles in this process, not in a pool of others that would outlive it."""
    from torch._inductor import config

    with config.patch(compile_threads=1):
        yield


def _same(expected: Sequence[Tensor], found: Sequence[Tensor]) -> bool:
    return all(
        one.shape == other.shape and bool(((one == other) | (one.isnan() & other.isnan())).all())
        for one, other in zip(expected, found, strict=True)
    )


def compiler() -> str | None:
    """The C++ compiler that torch would use; None if there is none."""
    return shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")


def kernels(make: Callable[..., Callable[..., tuple[Tensor, ...]]]) -> Callable[..., Kernel]:
    """One kernel for each set of constants: all layers that share them share its compilation."""

    @cache
    def kernel(*constants: Any) -> Kernel:
        return Kernel(make(*constants))

    return kernel
