"""Robust accuracy under any registered attack with any estimator."""

from __future__ import annotations

from typing import Any

from robustbench_snn.attack.ball import Norm
from robustbench_snn.attack.evaluation import AttackEvaluation, Count, Eps, Images, only_one
from robustbench_snn.attack.stages import stage
from robustbench_snn.errors import UserError
from robustbench_snn.estimator.contract import EstimatorSpec
from robustbench_snn.evaluation.contract import Outcome, Subject, register_evaluation
from robustbench_snn.registry import attacks


@register_evaluation("attack", version=1)
class AttackByName(AttackEvaluation):
    """Robust accuracy under one attack of ``rbsnn list attacks``, best iterate.

    Args:
        attack: a name, or one name with parameters: ``{sa_pgd: {steps: 200}}``.
        eps: radius of the ball in pixel units; a list gives one cell each.
        norm: ``linf`` or ``l2``.
        estimator: the backward pass, likewise: ``training``, ``assg``, ``{atan: {alpha: 10}}``.
        draws: EOT draws, for stochastic models.
        evaluations: fresh draws that judge a stochastic model.
        keep_images: adversarial images to keep, of the first so many samples.
    """

    def __init__(
        self,
        *,
        attack: str | dict[str, dict[str, Any]],
        eps: Eps,
        norm: Norm = "linf",
        estimator: EstimatorSpec = "training",
        draws: Count = 10,
        evaluations: Count = 20,
        keep_images: Images = 0,
    ) -> None:
        super().__init__(eps=only_one(eps), norm=norm, draws=draws, evaluations=evaluations, keep_images=keep_images)
        if isinstance(attack, dict) and len(attack) != 1:
            raise UserError(f"attack is a name or one name with parameters, such as {{pgd: {{steps: 50}}}}: {attack}")
        name, parameters = (attack, {}) if isinstance(attack, str) else next(iter(attack.items()))
        norms = attacks.get(name).declaration.traits["norms"]
        if norm not in norms:
            raise UserError(f"attack '{name}' is defined for norm {' and '.join(norms)}, not for {norm}")
        self.stage = stage(name, attacks.create(name, **parameters), estimator)

    def run(self, subject: Subject) -> Outcome:
        """Runs it."""
        return self.attack(subject, self.stage)
