"""Projected gradient descent (Madry et al., 2018, arXiv:1706.06083)."""

from __future__ import annotations

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.contract import Attack, register_attack
from robustbench_snn.attack.losses import LossName
from robustbench_snn.parameters import Count, Epsilon


@register_attack("pgd", version=2, presets={"eot_pgd": {}})
class PGD(Attack):
    r"""Many small steps along the gradient, each projected back into the ball; every iterate counts.

    .. math:: x_{k+1} = \Pi(x_k + \alpha\, \mathrm{sign} \nabla_x L(x_k, y))

    In L2 the step is :math:`\alpha\, g / \lVert g \rVert_2`. On a stochastic model every gradient is a mean over fresh
    draws (Athalye et al., 2018, arXiv:1802.00420), as in all attacks here: ``eot_pgd`` is another name of this one.

    Args:
        steps: gradient steps.
        alpha: step size in pixel units; a quarter of eps if None (2/255 at 8/255).
        restarts: runs from fresh random starts, each on the samples that are left.
        random_start: begin at a random point of the ball, else at the clean image.
        loss: what is maximised.
    """

    steps: Count = 10
    alpha: Epsilon | None = None
    restarts: Count = 1
    random_start: bool = True
    loss: LossName = "ce"

    def run(self, active: ActiveSet) -> None:
        """Runs every restart on those still standing."""
        alpha = active.ball.eps / 4 if self.alpha is None else self.alpha
        for restart in active.steps(self.restarts):
            images = active.start(restart) if self.random_start else active.clean
            for _ in active.steps(self.steps):
                answer = active.gradient(images, self.loss)
                (images,) = answer.survivors(images)
                images = active.project(images + alpha * active.ascent(answer.gradient))
            active.note(images)
