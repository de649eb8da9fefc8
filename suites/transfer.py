"""Transfer: adversarial images of the suite's other models, tried on this one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from robustbench_snn.attack.cascade import SURVIVED
from robustbench_snn.attack.evaluation import AttackEvaluation
from robustbench_snn.attack.outcome import cascade_outcome
from robustbench_snn.attack.stages import stage
from robustbench_snn.evaluation.contract import Outcome, Subject, register_evaluation
from robustbench_snn.parameters import Count
from robustbench_snn.suites.attacks.mi_fgsm import MIFGSM
from robustbench_snn.suites.attacks.transfer import Transfer


@register_evaluation("transfer", version=3)  # see the changelog
class TransferEvaluation(AttackEvaluation):
    """One row of the transfer matrix: each other model of the suite as the source, this one as the target.

    Sources are attacked with MI-FGSM to the end, not to their first error. Every source attacks all samples;
    ``details.sources`` holds the accuracy under each alone, and ``accuracy`` that under their union.

    Args:
        steps: of MI-FGSM.
    """

    steps: Count = 20

    @property
    def needs_peers(self) -> bool:
        """Always: they are the sources."""
        return True

    def components(self) -> Iterable[tuple[str, str]]:
        """See :meth:`Evaluation.components`."""
        return [*super().components(), ("attacks", "mi_fgsm"), ("estimators", "training")]

    def run(self, subject: Subject) -> Outcome:
        """Attacks every source, and looks at the target."""
        union = None
        sources: dict[str, Any] = {}
        with subject.target.frozen():
            for name in sorted(subject.peers):
                source = subject.peers[name]()
                cascade = self.cascade(subject, len(subject.peers))
                with source.frozen():
                    attack = Transfer(source, MIFGSM(steps=self.steps))
                    cascade.attack(stage("transfer", attack, title=f"transfer from {name}"))
                sources[name] = {
                    "accuracy": cascade.robust_accuracy,
                    "broken": int((cascade.broken_by == 1).sum()),
                    "attacked": int(((cascade.broken_by == 1) | (cascade.broken_by == SURVIVED)).sum()),
                }
                union = cascade if union is None else union.joined(cascade)
            union = union or self.cascade(subject, 0)
        return cascade_outcome(union, details={"sources": sources})
