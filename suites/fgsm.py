"""Robust accuracy under FGSM: a quick look, never a claim."""

from __future__ import annotations

from collections.abc import Iterable

from robustbench_snn.attack.evaluation import AttackEvaluation
from robustbench_snn.attack.losses import LossName
from robustbench_snn.attack.stages import stage
from robustbench_snn.evaluation.contract import Outcome, Subject, register_evaluation
from robustbench_snn.registry.spec import TRAINING, EstimatorSpec
from robustbench_snn.suites.attacks.fgsm import FGSM


@register_evaluation("fgsm", version=3)  # see the changelog
class FGSMEvaluation(AttackEvaluation):
    """Robust accuracy under the fast gradient sign method (arXiv:1412.6572).

    Args:
        loss: what is maximised.
        estimator: the backward pass used.
    """

    loss: LossName = "ce"
    estimator: EstimatorSpec = TRAINING

    def components(self) -> Iterable[tuple[str, str]]:
        """See :meth:`Evaluation.components`."""
        return [*super().components(), ("attacks", "fgsm")]

    def run(self, subject: Subject) -> Outcome:
        """One step for every sample that is right to begin with."""
        return self.run_stages(subject, stage("fgsm", FGSM(loss=self.loss), self.estimator))
