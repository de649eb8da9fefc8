"""MI-FGSM: iterated FGSM with momentum (Dong et al., 2018, arXiv:1710.06081)."""

from __future__ import annotations

import torch
from pydantic import NonNegativeFloat

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import mean_of_samples
from robustbench_snn.attack.contract import Attack, register_attack
from robustbench_snn.attack.losses import LossName
from robustbench_snn.parameters import Count, Epsilon


@register_attack("mi_fgsm", version=2)
class MIFGSM(Attack):
    r"""Steps along an accumulated gradient; its examples transfer well.

    .. math:: m \leftarrow \mu m + g / \lVert g \rVert_1, \quad x \leftarrow \Pi(x + \alpha\, \mathrm{sign}\, m)

    Args:
        steps: gradient steps.
        alpha: step size in pixel units; eps / steps if None.
        decay: mu.
        loss: what is maximised.
    """

    steps: Count = 10
    alpha: Epsilon | None = None
    decay: NonNegativeFloat = 1.0
    loss: LossName = "ce"

    def run(self, active: ActiveSet) -> None:
        """One run from the clean images."""
        alpha = active.ball.eps / self.steps if self.alpha is None else self.alpha
        images, momentum = active.clean, torch.zeros_like(active.clean)
        for _ in active.steps(self.steps):
            answer = active.gradient(images, self.loss)
            images, momentum = answer.survivors(images, momentum)
            # the mean in place of the sum scales m, and neither its sign nor its direction
            momentum = self.decay * momentum + answer.gradient / (mean_of_samples(answer.gradient.abs()) + 1e-30)
            images = active.project(images + alpha * active.ascent(momentum))
        active.note(images)
