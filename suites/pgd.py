"""Robust accuracy under PGD, best iterate, on the samples still standing."""

from __future__ import annotations

from robustbench_snn.attack.ball import Norm
from robustbench_snn.attack.evaluation import AttackEvaluation, Count, Eps, Images, only_one
from robustbench_snn.attack.losses import LossName
from robustbench_snn.attack.stages import stage
from robustbench_snn.estimator.contract import EstimatorSpec
from robustbench_snn.evaluation.contract import Outcome, Subject, register_evaluation
from robustbench_snn.parameters import Epsilon
from robustbench_snn.suites.attacks.pgd import PGD


@register_evaluation("pgd", version=2)  # 1 let samples of a stochastic model leave after R wrong draws
class PGDEvaluation(AttackEvaluation):
    """Robust accuracy under projected gradient descent (arXiv:1706.06083), best iterate.

    A sample that was fooled once stays fooled, and costs nothing more. ``torchattacks.PGD`` is the usual
    last-iterate form.

    Args:
        eps: radius of the ball in pixel units; a list gives one cell each.
        steps: gradient steps.
        alpha: step size in pixel units; a quarter of eps if None.
        restarts: runs from fresh random starts.
        random_start: begin at a random point of the ball.
        norm: ``linf`` or ``l2``.
        loss: what is maximised.
        estimator: the backward pass used.
        draws: EOT draws, for stochastic models.
        evaluations: fresh draws that judge a stochastic model.
        keep_images: adversarial images to keep, of the first so many samples.
    """

    def __init__(
        self,
        *,
        eps: Eps,
        steps: Count = 10,
        alpha: Epsilon | None = None,
        restarts: Count = 1,
        random_start: bool = True,
        norm: Norm = "linf",
        loss: LossName = "ce",
        estimator: EstimatorSpec = "training",
        draws: Count = 10,
        evaluations: Count = 20,
        keep_images: Images = 0,
    ) -> None:
        super().__init__(eps=only_one(eps), norm=norm, draws=draws, evaluations=evaluations, keep_images=keep_images)
        attack = PGD(steps=steps, alpha=alpha, restarts=restarts, random_start=random_start, loss=loss)
        self.stage = stage("pgd", attack, estimator)

    def run(self, subject: Subject) -> Outcome:
        """Runs all restarts."""
        return self.attack(subject, self.stage)
