"""How spikes follow from what an autograd Function is given, told from its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Step = Literal["u >= 0", "u > 0", "round", "floor", "divide"]


@dataclass(frozen=True)
class Firing:
    """How a Function's output follows from its arguments: a Heaviside step, or a staircase of several.

    Attributes:
        argument: position of the membrane potential among the arguments.
        threshold: position of what is subtracted from it, if anything.
        step: where it steps; ``round`` and ``floor`` count levels 0, 1, ..., up to the largest seen, and so does
            ``divide``, how many thresholds fit into the membrane potential.
    """

    argument: int
    threshold: int | None
    step: Step

    def membrane(self, arguments: Sequence[Any]) -> Tensor:
        """U = membrane potential - threshold."""
        potential: Tensor = arguments[self.argument].detach()
        return potential if self.threshold is None else potential - arguments[self.threshold]

    def explains(self, arguments: Sequence[Any], output: Tensor) -> bool:
        """Whether the output is this function of the arguments, in every element."""
        u = self.membrane(arguments)
        if u.shape != output.shape:
            return False
        match self.step:
            case "u >= 0":
                spikes = (u >= 0).to(output.dtype)
            case "u > 0":
                spikes = (u > 0).to(output.dtype)
            case _:
                spikes = self._levels(arguments, u).clamp_min(0.0).clamp_max(float(output.max()))
        return bool(torch.equal(spikes, output))

    def _levels(self, arguments: Sequence[Any], u: Tensor) -> Tensor:
        if self.step == "divide":
            return torch.div(arguments[self.argument].detach(), arguments[self.threshold], rounding_mode="trunc")  # type: ignore[index]
        return u.round() if self.step == "round" else u.floor()

    def slope(self, arguments: Sequence[Any], output: Tensor, derivative: Callable[[Tensor], Tensor]) -> Tensor:
        """What stands for the output's derivative by u: that of the nearest step of a staircase.

        One term, whose place follows from the element alone: a sum over all steps would have as many terms as the
        batch's largest output.
        """
        u = self.membrane(arguments)
        if self.step in ("u >= 0", "u > 0"):
            return derivative(u)
        height = arguments[self.threshold] if self.step == "divide" else 1.0  # type: ignore[index]
        above = u if self.step == "divide" else u - (0.5 if self.step == "round" else 1.0)
        nearest = (above / height).round().minimum(output).maximum((output - 1.0).clamp_min(0.0))
        return derivative(above - nearest * height)


def firings(arguments: Sequence[Any], output: object) -> set[Firing]:
    """Every firing that explains one call of a Function."""
    if not isinstance(output, Tensor) or not output.is_floating_point():
        return set()
    tensors = [i for i, value in enumerate(arguments) if _floating(value) and value.shape == output.shape]
    if not tensors or not output.numel():
        return set()
    first = tensors[0]
    if torch.equal(arguments[first].detach(), output.detach()):
        return set()  # given back as it came
    others = [i for i, value in enumerate(arguments) if i > first and (_floating(value) or _number(value))]
    values = output.detach().unique() if output.numel() < 1 << 22 else output.detach().flatten()[: 1 << 20].unique()
    if len(values) > 64 or not torch.equal(values, values.round()):
        return set()
    binary = bool(((values == 0) | (values == 1)).all())
    single: tuple[Step, ...] = ("u >= 0", "u > 0") if binary else ()
    several: tuple[Step, ...] = ("round", "floor")  # of one level, too: another call may have more
    found = {Firing(first, threshold, step) for threshold in (None, *others) for step in (*single, *several)}
    found |= {Firing(first, threshold, "divide") for threshold in others}
    return {firing for firing in found if _safely(firing, arguments, output.detach())}


def _floating(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _safely(firing: Firing, arguments: Sequence[Any], output: Tensor) -> bool:
    try:
        return firing.explains(arguments, output)
    except RuntimeError:  # an argument that does not broadcast is no threshold
        return False
