"""What one layer of LIF, PLIF or IF neurons computes over all its steps, forwards and backwards.

Operations and their order are those of SpikingJelly's torch reference, so that spikes, membranes and gradients are
the same to the bit. Only the membrane before the reset is kept for the backward pass: spikes follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Slope = Callable[[Tensor, int], Tensor]
"""u = membrane before the reset - threshold of one step, (N,), and the step, to what stands for ds/du."""


@dataclass(frozen=True)
class Dynamics:
    """The constants of a layer.

    Attributes:
        kind: ``lif`` (H = V + (X - (V - r)) / tau), ``plif`` (the same with a tensor for 1 / tau) or ``if``
            (H = V + X).
        tau: membrane time constant of LIF.
        decay_input: whether the input is divided by tau too.
        threshold: a spike is fired where H - threshold >= 0.
        reset: membrane after a spike; None subtracts the threshold.
        detach_reset: leave the reset out of the gradient.
    """

    kind: Literal["lif", "plif", "if"]
    tau: float
    decay_input: bool
    threshold: float
    reset: float | None
    detach_reset: bool

    @property
    def rest(self) -> float:
        """Where the leak pulls to."""
        return 0.0 if self.reset is None else self.reset

    def charge(self, current: Tensor, membrane: Tensor, rate: Tensor | None) -> Tensor:
        """H of a step's current and the membrane before it; ``rate`` is 1 / tau of PLIF, a scalar tensor."""
        if self.kind == "if":
            return membrane + current
        if self.decay_input:
            return membrane + self._leak(current - (membrane - self.rest), rate)
        return membrane - self._leak(membrane - self.rest, rate) + current

    def _leak(self, values: Tensor, rate: Tensor | None) -> Tensor:
        return values / self.tau if rate is None else values * rate

    def fire(self, charged: Tensor) -> Tensor:
        """Spikes, 0 or 1, of H."""
        return _step(charged - self.threshold)

    def after(self, charged: Tensor, spikes: Tensor) -> Tensor:
        """The membrane after the reset."""
        if self.reset is None:
            return charged - spikes * self.threshold
        kept = (1.0 - spikes) * charged
        return spikes * self.reset + kept if self.reset else kept

    def forward(
        self, currents: Tensor, membrane: Tensor, rate: Tensor | None, steps: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """All steps.

        Args:
            currents: (T, N), or (1, N) where every step has the same.
            membrane: (N,) before the first step, or a scalar.
            rate: 1 / tau of PLIF.
            steps: T.

        Returns:
            Spikes (T, N), the last membrane (N,), and H (T, N).
        """
        fired, charges = [], []
        for step in range(steps):
            charged = self.charge(currents[step if len(currents) > 1 else 0], membrane, rate)
            spikes = self.fire(charged)
            membrane = self.after(charged, spikes)
            fired.append(spikes)
            charges.append(charged)
        return torch.stack(fired), membrane, torch.stack(charges)

    def backward(
        self,
        by_spikes: Tensor | None,
        by_membrane: Tensor | None,
        charges: Tensor,
        rate: Tensor | None,
        slopes: Slope,
    ) -> tuple[list[Tensor], Tensor, list[Tensor]]:
        """Gradients by what :meth:`forward` was given, from those by what it gave.

        Args:
            by_spikes: gradient by the spikes, (T, N).
            by_membrane: by the last membrane, (N,).
            charges: H, (T, N).
            rate: 1 / tau of PLIF.
            slopes: what stands for ds/du.

        Returns:
            The gradients by the currents [(N,)], by the first membrane (N,), and by H [(N,)].
        """
        steps = len(charges)
        currents: list[Tensor] = []
        totals: list[Tensor] = []
        gradient = by_membrane
        for step in reversed(range(steps)):
            charged = charges[step]
            distance = charged - self.threshold
            by_spike = None if by_spikes is None else by_spikes[step]
            if gradient is None:
                assert by_spike is not None
                total = by_spike * slopes(distance, step)
            else:
                kept = gradient if self.reset is None else gradient * (1.0 - _step(distance))
                for part in [] if self.detach_reset else self._by_reset(gradient, charged):
                    by_spike = part if by_spike is None else by_spike + part
                total = kept if by_spike is None else kept + by_spike * slopes(distance, step)
            totals.append(total)
            leaked = total if self.kind == "if" else self._leak(total, rate)
            currents.append(leaked if self.decay_input and self.kind != "if" else total)
            gradient = total if self.kind == "if" else total - leaked
        assert gradient is not None
        return currents[::-1], gradient, totals[::-1]

    def _by_reset(self, gradient: Tensor, charged: Tensor) -> Sequence[Tensor]:
        """What the reset adds to the gradient by the spikes, in the order in which autograd adds it."""
        if self.reset is None:
            return [-gradient * self.threshold]
        return [-(gradient * charged), gradient * self.reset] if self.reset else [-(gradient * charged)]

    def by_rate(self, totals: Sequence[Tensor], currents: Tensor, membrane: Tensor, charges: Tensor) -> Tensor:
        """Gradient by PLIF's 1 / tau, a scalar; the arguments as above, ``totals`` the gradient by H."""
        found: Tensor | None = None
        for step in reversed(range(len(charges))):
            before = self.after(charges[step - 1], self.fire(charges[step - 1])) if step else membrane
            current = currents[step if len(currents) > 1 else 0]
            factor = current - (before - self.rest) if self.decay_input else before - self.rest
            part = ((totals[step] if self.decay_input else -totals[step]) * factor).sum()
            found = part if found is None else found + part
        assert found is not None
        return found


def _step(distance: Tensor) -> Tensor:
    return (distance >= 0).to(distance.dtype)
