"""The standard SNN attack set: robust accuracy by union over a cascade of attacks, per sample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import Any

from pydantic import PositiveInt

from robustbench_snn.attack.cascade import Cascade
from robustbench_snn.attack.evaluation import AttackEvaluation
from robustbench_snn.attack.outcome import cascade_outcome
from robustbench_snn.attack.stages import stage
from robustbench_snn.attack.standard_set import NOT_FOR_PUBLICATION, Tier, doubled, last, members
from robustbench_snn.errors import UserError, did_you_mean
from robustbench_snn.evaluation.contract import Outcome, Subject, register_evaluation
from robustbench_snn.registry.spec import named_in
from robustbench_snn.suites.attacks.mi_fgsm import MIFGSM
from robustbench_snn.suites.attacks.transfer import Transfer

FALL = 0.01
"""Another doubling follows one that lowered robust accuracy by more than this."""


@register_evaluation(
    "snn_standard",
    version=2,  # 1 had Square in L-infinity only, and left samples of stochastic models after R wrong draws
    presets={
        "snn_quick": {"tier": "quick"},
        "snn_fast": {"tier": "fast"},
        "snn_extended": {"tier": "extended"},
    },
)
class SNNStandard(AttackEvaluation):
    """Robust accuracy under the standard SNN attack set.

    PGD-10; SA-PGD-100 under ASSG(0.45) with CE, three starts, then with the margin loss; SA-PGD-100 under ATan(10)
    and under rectangle 0.5; APGD-CE and APGD-T, 100 iterations, under the training surrogate; SA-PGD-100 under
    HART, RGA and BPTR; the convergence rule; Square with 5,000 queries; transfer from the models
    in ``transfer_from``. Each attacks only what all before it left standing.

    Convergence rule: SA-PGD under ASSG with twice the steps of the run before, 200 to begin with; when robust
    accuracy falls by more than one point, twice as many again, up to ``most_steps``. ``details.convergence`` says
    where it stopped, and the flag ``not_converged`` that it had to.

    Tiers: ``quick`` (PGD-10) and ``fast`` are for development and never a claim; ``extended`` adds 1,000-step
    attacks under all estimators.

    Args:
        tier: which set.
        most_steps: where the convergence rule gives up.
        transfer_from: other models of the suite whose adversarial images are tried too, each as ``model@seed``;
            this evaluation then waits until all models are trained. A model is left out of its own.
    """

    tier: Tier = "standard"
    most_steps: PositiveInt = 1600
    transfer_from: list[str] = field(default_factory=list)

    @property
    def needs_peers(self) -> bool:
        """Only for transfer."""
        return bool(self.transfer_from)

    def uses(self, peer: str) -> bool:
        """Only those named: a model that joins a suite must not make all others be attacked again."""
        return peer in self.transfer_from

    def components(self) -> Iterable[tuple[str, str]]:
        """See :meth:`Evaluation.components`."""
        chosen = (*members(self.tier), doubled(200), *last(self.tier))
        transfer = [("attacks", "mi_fgsm")] if self.transfer_from else []
        return [*super().components(), *named_in(chosen), *transfer]

    def run(self, subject: Subject) -> Outcome:
        """Runs the cascade.

        Raises:
            UserError: if ``transfer_from`` names a model that the suite does not have.
        """
        self._check_peers(subject)
        with subject.target.frozen():
            first = members(self.tier)
            cascade = self.cascade(subject, len(first) + len(self._sources(subject)))
            for member in first:
                cascade.attack(member.stage())
            convergence = self._converge(cascade) if self.tier in ("standard", "extended") else None
            for member in last(self.tier):
                cascade.attack(member.stage())
            self._transfer(cascade, subject)
        return cascade_outcome(
            cascade,
            details={"tier": self.tier, "set_version": 1, "convergence": convergence},
            flags=self._flags(convergence),
        )

    def _converge(self, cascade: Cascade) -> dict[str, Any]:
        """The convergence rule; see the class."""
        steps, history = 100, [{"steps": 100, "robust_accuracy": cascade.robust_accuracy}]
        fall = 1.0
        while fall > FALL and 2 * steps <= self.most_steps:
            steps *= 2
            cascade.attack(doubled(steps).stage())
            fall = history[-1]["robust_accuracy"] - cascade.robust_accuracy
            history.append({"steps": steps, "robust_accuracy": cascade.robust_accuracy})
        return {"stopped_at": steps, "last_fall": fall, "converged": fall <= FALL, "history": history}

    def _transfer(self, cascade: Cascade, subject: Subject) -> None:
        for name in self._sources(subject):
            source = subject.peers[name]()
            with source.frozen():
                attack = Transfer(source, MIFGSM(steps=20))
                cascade.attack(stage("transfer", attack, title=f"transfer from {name}"))

    def _sources(self, subject: Subject) -> list[str]:
        return [name for name in self.transfer_from if name != subject.name]

    def _check_peers(self, subject: Subject) -> None:
        for name in self._sources(subject):
            if name not in subject.peers:
                raise UserError(
                    f"transfer_from: this suite has no other model '{name}'.{did_you_mean(name, subject.peers)}"
                )

    def _flags(self, convergence: dict[str, Any] | None) -> Sequence[str]:
        flags = ["not_for_publication"] if self.tier in NOT_FOR_PUBLICATION else []
        return [*flags, "not_converged"] if convergence and not convergence["converged"] else flags
