"""SPSA: gradients from finite differences along random signs (Uesato et al., 2018, arXiv:1802.05666)."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.contract import Attack, register_attack
from robustbench_snn.evaluation.correctness import margin
from robustbench_snn.parameters import Count, Epsilon


@register_attack("spsa", version=1, gradient=False)
class SPSA(Attack):
    r"""A gradient-free control: what it breaks and gradients do not is hidden by gradient masking.

    .. math:: \hat g = \frac{1}{n} \sum_i \frac{f(x + \delta v_i) - f(x - \delta v_i)}{2 \delta} v_i,
              \quad v_i \in \{-1, 1\}^{CHW}

    with f the negative margin. The probes are noted like any image, so one that fools counts.

    Args:
        steps: steps of size alpha.
        directions: n, pairs of forward passes a step.
        delta: half the distance of a pair, in pixel units.
        alpha: step size in pixel units; eps / 8 if None.
    """

    steps: Count = 20
    directions: Count = 32
    delta: Epsilon = 0.01
    alpha: Epsilon | None = None

    def run(self, active: ActiveSet) -> None:
        """One run from the clean images."""
        alpha = active.ball.eps / 8 if self.alpha is None else self.alpha
        images = active.clean
        for step in active.steps(self.steps):
            images, gradient = self._difference(active, images, step)
            images = active.project(images + alpha * active.ball.ascent(gradient))
        active.note(images)

    def _difference(self, active: ActiveSet, images: Tensor, step: int) -> tuple[Tensor, Tensor]:
        total = torch.zeros_like(images)
        for direction in active.steps(self.directions):
            signs = active.random.fold("spsa", step, direction).signs(*images.shape[1:])
            values: list[Tensor] = []
            for side in (1.0, -1.0):
                answer = active.note(active.project(images + side * self.delta * signs))
                images, total, signs, *values = answer.survivors(images, total, signs, *values)
                values.append(-margin(answer.logits, active.labels))
            rise = (values[0] - values[1]) / (2.0 * self.delta)
            total = total + rise.reshape(-1, 1, 1, 1) * signs
        return images, total / self.directions
