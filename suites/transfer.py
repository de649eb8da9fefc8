"""Transfer: adversarial images of the suite's other models, tried on this one."""

from __future__ import annotations

from typing import Any

from robustbench_snn.attack.ball import Norm
from robustbench_snn.attack.cascade import SURVIVED
from robustbench_snn.attack.evaluation import AttackEvaluation, Count, Eps, Images, only_one
from robustbench_snn.attack.outcome import cascade_outcome
from robustbench_snn.attack.stages import stage
from robustbench_snn.evaluation.contract import Outcome, Subject, register_evaluation
from robustbench_snn.suites.attacks.mi_fgsm import MIFGSM
from robustbench_snn.suites.attacks.transfer import Transfer


@register_evaluation("transfer", version=1)
class TransferEvaluation(AttackEvaluation):
    """One row of the transfer matrix: each other model of the suite as the source, this one as the target.

    Sources are attacked with MI-FGSM to the end, not to their first error. Every source attacks all samples;
    ``details.sources`` holds the accuracy under each alone, and ``accuracy`` that under their union.

    Args:
        eps: radius of the ball in pixel units; a list gives one cell each.
        norm: ``linf`` or ``l2``.
        steps: of MI-FGSM.
        draws: EOT draws, for stochastic sources and targets.
        evaluations: fresh draws that judge a stochastic model.
        keep_images: adversarial images to keep, of the first so many samples.
    """

    def __init__(
        self,
        *,
        eps: Eps,
        norm: Norm = "linf",
        steps: Count = 20,
        draws: Count = 10,
        evaluations: Count = 20,
        keep_images: Images = 0,
    ) -> None:
        super().__init__(eps=only_one(eps), norm=norm, draws=draws, evaluations=evaluations, keep_images=keep_images)
        self.steps = steps

    @property
    def needs_peers(self) -> bool:
        """Always: they are the sources."""
        return True

    def run(self, subject: Subject) -> Outcome:
        """Attacks every source, and looks at the target."""
        union = None
        sources: dict[str, Any] = {}
        with subject.target.frozen():
            for name in sorted(subject.peers):
                source = subject.peers[name]()
                cascade = self.cascade(subject, len(subject.peers))
                with source.frozen():
                    cascade.attack(stage(f"transfer from {name}", Transfer(source, MIFGSM(steps=self.steps))))
                sources[name] = {
                    "accuracy": cascade.robust_accuracy,
                    "broken": int((cascade.broken_by == 1).sum()),
                    "attacked": int(((cascade.broken_by == 1) | (cascade.broken_by == SURVIVED)).sum()),
                }
                union = cascade if union is None else union.joined(cascade)
            union = union or self.cascade(subject, 0)
        return cascade_outcome(union, details={"sources": sources})
