"""The Graz ensemble: one attack under nineteen backward rules (Oezdenizci and Legenstein, TMLR 2024)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Literal

from robustbench_snn.attack.cascade import Stage
from robustbench_snn.attack.contract import Attack
from robustbench_snn.attack.evaluation import AttackEvaluation
from robustbench_snn.attack.stages import stage
from robustbench_snn.attack.twin import relu_twin
from robustbench_snn.estimator.census import census_of
from robustbench_snn.estimator.contract import make
from robustbench_snn.evaluation.contract import Outcome, Subject, register_evaluation
from robustbench_snn.model.target import Target
from robustbench_snn.parameters import Count
from robustbench_snn.registry import attacks
from robustbench_snn.registry.spec import TRAINING, ComponentSpec
from robustbench_snn.suites.attacks.transfer import Transfer


def _family(name: str, parameter: str, values: tuple[float, ...]) -> Iterator[ComponentSpec]:
    return (ComponentSpec(name=name, parameters={parameter: value}) for value in values)


RULES = (
    *_family("triangle", "gamma", (0.25, 0.5, 1.0, 2.0, 3.0)),
    *_family("rectangle", "width", (0.25, 0.5, 1.0, 2.0, 4.0)),
    *_family("exp", "gamma", (0.5, 1.0, 2.0)),
    *_family("exp_d", "gamma", (0.5, 1.0, 2.0)),
    ComponentSpec(name="ste"),
    ComponentSpec(name="bptr"),
)
"""Eighteen backward rules of the same forward pass; the nineteenth, ``activation``, is another network."""


@register_evaluation("graz_ensemble", version=1)
class GrazEnsemble(AttackEvaluation):
    """Robust accuracy by the union of one attack under 19 backward rules (Oezdenizci and Legenstein, TMLR 2024, code).

    Triangle (gamma 0.25, 0.5, 1, 2, 3), rectangle (width 0.25, 0.5, 1, 2, 4), EXP and EXP-D (gamma 0.5, 1, 2),
    straight-through, BPTR, and ``activation``: the network with ReLUs for neurons, whose adversarial images are tried
    on the model. Each attacks only what all before it left standing. The losses are the authors', plain cross-entropy
    among them. How many steps they take, and how large, is [inferred]: 100 as AutoAttack, and PGD with a quarter of
    eps. ``details.rules`` names the rules that ran: a model without spiking neurons has only its own.

    Args:
        attack: which; the paper's ensemble is of one of these.
        steps: gradient steps of all but FGSM.
    """

    attack: Literal["fgsm", "pgd", "apgd_ce", "apgd_dlr", "apgd_t"] = "apgd_ce"
    steps: Count = 100

    def components(self) -> Iterable[tuple[str, str]]:
        """See :meth:`Evaluation.components`."""
        return [
            *super().components(),
            ("attacks", self.attack),
            *(("estimators", rule.name) for rule in (*RULES, TRAINING)),
        ]

    def run(self, subject: Subject) -> Outcome:
        """Runs all rules."""
        twin = relu_twin(subject.target)
        stages = list(self._stages(subject, twin))
        with nullcontext() if twin is None else twin.frozen():
            outcome = self.run_stages(subject, *stages)
        return replace(outcome, details={**outcome.details, "rules": [rule.name for rule in stages]})

    def _stages(self, subject: Subject, twin: Target | None) -> Iterator[Stage]:
        few = next(subject.samples.batches(8, subject.device))
        with subject.target.frozen():
            census = census_of(subject.target, few.images)
        assert census is not None
        fitting = [rule for rule in RULES if census.lif or not make(rule).needs_lif]
        for rule in fitting if census.spiking else RULES[:1]:
            title = " ".join([rule.name, *(f"{value:g}" for value in rule.parameters.values())])
            yield stage(f"graz {self.attack} {title}", self._attack(), rule, title=title)
        if twin is not None:
            yield stage(f"graz {self.attack} activation", Transfer(twin, self._attack()), title="activation")

    def _attack(self) -> Attack:
        parameters: dict[str, Any] = {} if self.attack == "fgsm" else {"steps": self.steps}
        if self.attack in ("fgsm", "pgd", "apgd_ce"):
            parameters["loss"] = "plain_ce"
        attack: Attack = attacks.create(self.attack, **parameters)
        return attack
