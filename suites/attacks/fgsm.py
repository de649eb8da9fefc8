"""Fast gradient sign method (Goodfellow, Shlens, Szegedy, 2015, arXiv:1412.6572)."""

from __future__ import annotations

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.contract import Attack, register_attack
from robustbench_snn.attack.losses import LossName


@register_attack("fgsm", version=2)
class FGSM(Attack):
    r"""One step of full size along the gradient.

    .. math:: x' = \Pi(x + \epsilon\, \mathrm{sign} \nabla_x L(x, y))

    Args:
        loss: what is maximised.
    """

    loss: LossName = "ce"

    def run(self, active: ActiveSet) -> None:
        """One gradient, one answer."""
        answer = active.gradient(active.clean, self.loss)
        active.note(active.project(active.clean + active.ball.eps * active.ascent(answer.gradient)))
