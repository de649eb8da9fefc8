"""Robust accuracy under FGSM: a quick look, never a claim."""

from __future__ import annotations

from robustbench_snn.attack.ball import Norm
from robustbench_snn.attack.evaluation import AttackEvaluation, Count, Eps, Images, only_one
from robustbench_snn.attack.losses import LossName
from robustbench_snn.attack.stages import stage
from robustbench_snn.estimator.contract import EstimatorSpec
from robustbench_snn.evaluation.contract import Outcome, Subject, register_evaluation
from robustbench_snn.suites.attacks.fgsm import FGSM


@register_evaluation("fgsm", version=2)  # 1 let samples of a stochastic model leave after R wrong draws
class FGSMEvaluation(AttackEvaluation):
    """Robust accuracy under the fast gradient sign method (arXiv:1412.6572).

    Args:
        eps: radius of the ball in pixel units; a list gives one cell each.
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
        norm: Norm = "linf",
        loss: LossName = "ce",
        estimator: EstimatorSpec = "training",
        draws: Count = 10,
        evaluations: Count = 20,
        keep_images: Images = 0,
    ) -> None:
        super().__init__(eps=only_one(eps), norm=norm, draws=draws, evaluations=evaluations, keep_images=keep_images)
        self.stage = stage("fgsm", FGSM(loss=loss), estimator)

    def run(self, subject: Subject) -> Outcome:
        """One step for every sample that is right to begin with."""
        return self.attack(subject, self.stage)
