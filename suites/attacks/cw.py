"""C&W: the smallest L2 perturbation, by optimisation (Carlini, Wagner, 2017, arXiv:1608.04644)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import norms_of_samples
from robustbench_snn.attack.contract import Attack, register_attack
from robustbench_snn.attack.losses import TEMPERATURE, negative_margin, unit
from robustbench_snn.attack.rows import Rows
from robustbench_snn.errors import UserError
from robustbench_snn.parameters import Count


@register_attack("cw", version=2, norms=("l2",))
class CarliniWagner(Attack):
    r"""Minimises size and margin together, in the space of w with x = (tanh w + 1) / 2.

    .. math:: \min_w \lVert x(w) - x \rVert_2^2 + c \max(z_y - \max_{i \ne y} z_i, -\kappa)

    with Adam, for each c of a binary search by sample: c grows tenfold until some iterate fools, then is bisected.
    The logits z are brought to a range of 20 first, each sample's its own, so that c and kappa mean the same for
    every model [inferred: the authors take them as they are, and would need another first c where they are small].
    Iterates may lie outside the ball; those inside count, and so does the smallest fooling one after projection.

    Args:
        steps: Adam steps for each c.
        search: values of c tried.
        initial: the first c.
        rate: learning rate of Adam.
        confidence: kappa, in logits of range 20.
    """

    steps: Count = 100
    search: Count = 6
    initial: PositiveFloat = 1.0
    rate: PositiveFloat = 0.01
    confidence: NonNegativeFloat = 0.0

    def run(self, active: ActiveSet) -> None:
        """All values of c on those still standing.

        Raises:
            UserError: in another norm than L2.
        """
        if active.ball.norm != "l2":
            raise UserError("cw minimises the L2 norm; set norm: l2")
        weights = torch.full_like(active.labels, self.initial, dtype=torch.float32)
        bounds = Rows(weight=weights, low=torch.zeros_like(weights), high=torch.full_like(weights, torch.inf))
        for _ in active.steps(self.search):
            found = self._descend(active, bounds)
            bounds.low = torch.where(found, bounds.low, bounds.weight)
            bounds.high = torch.where(found, bounds.weight, bounds.high)
            middle = (bounds.low + bounds.high) / 2.0
            bounds.weight = torch.where(bounds.high.isinf(), bounds.weight * 10.0, middle)

    def _descend(self, active: ActiveSet, bounds: Rows) -> Tensor:
        """One run of Adam at the present c; whether any iterate of a sample fooled, inside the ball or out."""
        start = _stable(torch.atanh, (2.0 * active.clean - 1.0).clamp(-1.0 + 1e-6, 1.0 - 1e-6))
        state = Rows(
            w=start,
            first=torch.zeros_like(start),
            second=torch.zeros_like(start),
            nearest=active.clean,
            size=torch.full_like(bounds.weight, torch.inf),
        )

        def loss(logits: Tensor, labels: Tensor) -> Tensor:
            return negative_margin(TEMPERATURE * unit(logits), labels).clamp_max(self.confidence)

        for step in active.steps(self.steps):
            images = (_stable(torch.tanh, state.w) + 1.0) / 2.0
            answer = active.gradient(images, loss)
            state.cut(answer.kept)
            bounds.cut(answer.kept)
            (images,) = answer.survivors(images)
            delta = images - active.clean
            size = norms_of_samples(delta).flatten()
            nearer = (negative_margin(answer.logits, active.labels) >= 0) & (size < state.size)
            state.size = torch.where(nearer, size, state.size)
            state.nearest = torch.where(nearer.reshape(-1, 1, 1, 1), images, state.nearest)
            pull = 2.0 * delta - bounds.weight.reshape(-1, 1, 1, 1) * answer.gradient
            gradient = pull * (1.0 - (2.0 * images - 1.0).square()) / 2.0
            state.first = 0.9 * state.first + 0.1 * gradient
            state.second = 0.999 * state.second + 0.001 * gradient.square()
            first = state.first / (1.0 - 0.9 ** (step + 1))
            second = state.second / (1.0 - 0.999 ** (step + 1))
            state.w = state.w - self.rate * first / (second.sqrt() + 1e-8)
        projected = active.note(active.project(state.nearest))
        bounds.cut(projected.kept)
        (size,) = projected.survivors(state.size)
        return size.isfinite()


def _stable(function: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """In float64: vector libraries round the last bit of float32 by the length of the tensor."""
    return function(values.to(torch.float64)).to(values.dtype)
