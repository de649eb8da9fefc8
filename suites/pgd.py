"""Robust accuracy under PGD, best iterate, on the samples still standing."""

from __future__ import annotations

from collections.abc import Iterable

from robustbench_snn.attack.evaluation import AttackEvaluation
from robustbench_snn.attack.losses import LossName
from robustbench_snn.attack.stages import stage
from robustbench_snn.evaluation.contract import Outcome, Subject, register_evaluation
from robustbench_snn.parameters import Count, Epsilon
from robustbench_snn.registry.spec import TRAINING, EstimatorSpec
from robustbench_snn.suites.attacks.pgd import PGD


@register_evaluation("pgd", version=3)  # see the changelog
class PGDEvaluation(AttackEvaluation):
    """Robust accuracy under projected gradient descent (arXiv:1706.06083), best iterate.

    A sample that was fooled once stays fooled, and costs nothing more. ``torchattacks.PGD`` is the usual
    last-iterate form.

    Args:
        steps: gradient steps.
        alpha: step size in pixel units; a quarter of eps if None.
        restarts: runs from fresh random starts.
        random_start: begin at a random point of the ball.
        loss: what is maximised.
        estimator: the backward pass used.
    """

    steps: Count = 10
    alpha: Epsilon | None = None
    restarts: Count = 1
    random_start: bool = True
    loss: LossName = "ce"
    estimator: EstimatorSpec = TRAINING

    def components(self) -> Iterable[tuple[str, str]]:
        """See :meth:`Evaluation.components`."""
        return [*super().components(), ("attacks", "pgd")]

    def run(self, subject: Subject) -> Outcome:
        """Runs all restarts."""
        attack = PGD(
            steps=self.steps,
            alpha=self.alpha,
            restarts=self.restarts,
            random_start=self.random_start,
            loss=self.loss,
        )
        return self.run_stages(subject, stage("pgd", attack, self.estimator))
