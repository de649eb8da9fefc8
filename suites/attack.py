"""Robust accuracy under any registered attack with any estimator."""

from __future__ import annotations

from robustbench_snn.attack.evaluation import AttackEvaluation
from robustbench_snn.attack.stages import stage
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Outcome, Subject, register_evaluation
from robustbench_snn.registry import attacks
from robustbench_snn.registry.spec import TRAINING, AttackSpec, EstimatorSpec


@register_evaluation("attack", version=2)
class AttackByName(AttackEvaluation):
    """Robust accuracy under one attack of ``rbsnn list attacks``, best iterate.

    Args:
        attack: a name, or one name with parameters: ``{sa_pgd: {steps: 200}}``.
        estimator: the backward pass, likewise: ``training``, ``assg``, ``{atan: {alpha: 10}}``.
    """

    attack: AttackSpec
    estimator: EstimatorSpec = TRAINING

    def __post_init__(self) -> None:
        norms = attacks.declaration(self.attack.name).traits.norms
        if self.norm not in norms:
            raise UserError(
                f"attack '{self.attack.name}' is defined for norm {' and '.join(norms)}, not for {self.norm}"
            )

    def run(self, subject: Subject) -> Outcome:
        """Runs it."""
        blind = not attacks.declaration(self.attack.name).traits.gradient
        estimator = None if blind else self.estimator
        return self.run_stages(subject, stage(self.attack.name, self.attack.create("attacks"), estimator))
