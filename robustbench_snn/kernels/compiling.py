"""Whether loops over time steps run as machine code: numba's on a CPU, torch's compiler on a GPU."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from threading import RLock
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from robustbench_snn.errors import UserError

Mode = Literal["auto", "off"]
"""``auto`` compiles at the first call, ``off`` never; neither changes a number."""
VARIABLE = "RBSNN_COMPILE"
ON_CPU = "cpu"
"""Where loops are numba's, see :mod:`robustbench_snn.kernels.native`."""
LONGEST = 32
"""Steps that torch's compiler unrolls into one kernel; time and memory of a compilation grow with them."""
AS_WRITTEN = {
    "emulate_precision_casts": True,  # no multiplication is contracted with an addition
    "eager_numerics.division_rounding": True,
    "eager_numerics.disable_ftz": True,
    "eager_numerics.use_pytorch_libdevice": True,
}
"""Settings of torch's compiler by which a GPU rounds as it does in plain loops."""

_lock = RLock()


class _State:
    """What this process has done so far."""

    chosen: Mode | None = None
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
    if mode() == "off":
        return "plain"
    if _State.failure is not None:
        return f"plain ({_State.failure})"
    return "compiled" if torch.device(device).type in _State.compiled else "plain"


def wanted() -> bool:
    """Whether to compile: it is not turned off, and has not failed in this process."""
    return _State.failure is None and mode() != "off"


def succeeded(device: str) -> None:
    """Notes that something compiled runs on a kind of device."""
    _State.compiled.add(device)


def failed(error: Exception) -> None:
    """Plain loops run for the rest of the process; one warning says why."""
    reason = (str(error).strip().splitlines() or [""])[0][:200]
    with _lock:
        if _State.failure is not None:
            return
        _State.failure = f"{type(error).__name__}: {reason}"
    warnings.warn(
        f"loops over time steps are not compiled: {_State.failure}; the same numbers take longer. "
        f"{VARIABLE}=off turns compiling off",
        stacklevel=3,
    )


class Kernel:
    """A function of tensors that torch compiles on a GPU, where each of its operations would wait for a launch.

    What is compiled is compared with the plain function at its first call; where one bit differs, or anything fails,
    the plain functions run for the rest of the process.

    Args:
        plain: tensors, or None, to a tuple of tensors; elementwise along the last dimension, whose size alone may
            change from call to call.
    """

    def __init__(self, plain: Callable[..., tuple[Tensor, ...]]) -> None:
        self.plain = plain
        self._compiled: Callable[..., tuple[Tensor, ...]] | None = None

    def __call__(self, first: Tensor, *others: Tensor | None, steps: int) -> tuple[Tensor, ...]:
        """The function's result; the arguments are contiguous, the first (T, N), ``steps`` is T."""
        if first.device.type == ON_CPU or steps > LONGEST or not wanted():
            return self.plain(first, *others)
        if self._compiled is None:
            with _lock:
                return self._compile(first, *others)
        return self._compiled(first, *others)

    def _compile(self, *arguments: Tensor | None) -> tuple[Tensor, ...]:
        expected = self.plain(*arguments)
        try:
            with _quiet():
                compiled = torch.compile(self.plain, fullgraph=True, dynamic=True, options=dict(AS_WRITTEN))
                found = compiled(*arguments)
            if not same(expected, found):
                raise ArithmeticError("a compiled loop gave other numbers than the plain one")
        except Exception as error:
            failed(error)
            return expected
        self._compiled = compiled
        assert arguments[0] is not None
        succeeded(arguments[0].device.type)
        return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Compiles in this process, not in a pool of others that would outlive it."""
    from torch._inductor import config

    with config.patch(compile_threads=1):
        yield


def same(expected: Sequence[Tensor], found: Sequence[Tensor]) -> bool:
    """Whether all values are equal, and not a number in the same places."""
    return all(
        one.shape == other.shape and bool(((one == other) | (one.isnan() & other.isnan())).all())
        for one, other in zip(expected, found, strict=True)
    )


def kernels(make: Callable[..., Callable[..., tuple[Tensor, ...]]]) -> Callable[..., Kernel]:
    """One kernel for each set of constants: all layers that share them share its compilation."""

    @cache
    def kernel(*constants: Any) -> Kernel:
        return Kernel(make(*constants))

    return kernel
