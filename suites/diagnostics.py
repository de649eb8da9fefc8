"""Is the number believable? Checks that masked gradients and broken attacks fail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

import torch

from robustbench_snn.attack.ball import Ball, Norm
from robustbench_snn.attack.examination import examine, passing_through
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.parameters import Count, Epsilon
from robustbench_snn.suites import _attack_checks, _model_checks, _white_box
from robustbench_snn.suites._attack_checks import AttackChecks
from robustbench_snn.suites._model_checks import check_model, zero_gradients

EXAMINATION = ("useless_gradients", "spikes_not_reached", "scale_dependent")
"""What :func:`examine` may raise."""
FLAGS = ("zero_gradient", *_model_checks.FLAGS, *EXAMINATION, *_attack_checks.FLAGS)
"""One a check; those that do not apply to a model count as passed."""
SMALL = 16
"""Samples that the checks of the model alone look at."""
DRAWS = 10
"""EOT draws of the examination, for stochastic models; the attacks' own default."""


@register_evaluation("diagnostics", version=3)  # 2 judged PGD under the training surrogate alone
class Diagnostics(Evaluation):
    """Seventeen checks of whether robust accuracy on this model can be believed; each failure is a flag.

    What is judged is a small form of what ``snn_standard`` publishes: the union of PGD under the training gradient and
    of SA-PGD under ASSG and ATan(10), with two losses, passing through what cuts the gradient where that helps. The
    checks are necessary, not sufficient; their thresholds lie above what twelve honest models of digits showed (LIF,
    IF, PLIF, PSN, gated, wide, adversarially trained, ANN twins; 64 samples, eps 0.1).

    ``passed`` is the share of checks passed; ``details`` holds what was measured and the examination of the gradients;
    ``rbsnn explain FLAG`` says what a flag means. The column ``zero_gradient`` names the samples whose gradient is all
    zero.

    Args:
        eps: radius in pixel units. Where a suite leaves it out, it is that of the first attack of the suite's
            evaluations that states one, the first of a list, and so is the norm.
        norm: ``linf`` or ``l2``.
        samples: how many samples the attacks run on, the first so many.
        steps: PGD steps; SA-PGD takes twice as many, and some checks double both.
        queries: of Square.
    """

    borrows_ball: ClassVar[bool] = True

    eps: Epsilon
    norm: Norm = "linf"
    samples: Count = 64
    steps: Count = 20
    queries: Count = 500

    def components(self) -> Iterable[tuple[str, str]]:
        """See :meth:`Evaluation.components`."""
        return [*super().components(), *_white_box.COMPONENTS, *_attack_checks.COMPONENTS]

    def run(self, subject: Subject) -> Outcome:
        """The model first, then its gradients, then the attacks."""
        few = subject.samples.subset(torch.arange(min(self.samples, len(subject.samples))))
        attacked, ball = replace(subject, samples=few), Ball(self.eps, self.norm)
        with subject.target.frozen():
            batches = subject.samples.batches(subject.batch_size, subject.device)
            zero = torch.cat([zero_gradients(subject.target, batch, subject.batch_size) for batch in batches])
            model, flags = check_model(subject.target, next(few.batches(SMALL, subject.device)))
            found = examine(attacked, ball, DRAWS)
            with passing_through(subject.target, found.passes_through):
                checks = AttackChecks(attacked, ball, self.steps, self.queries, found.census.spiking)
                checks.run()
        share = float(zero.double().mean())
        flags = [*(["zero_gradient"] if share > 0.01 else []), *flags, *found.flags, *checks.flags]
        assert set(flags) <= set(FLAGS), flags
        measured = {"model": model, "examination": found.row(), "attacks": checks.found}
        return Outcome(
            metrics={"passed": 1.0 - len(flags) / len(FLAGS), "zero_gradient_share": share},
            columns={"zero_gradient": zero.numpy()},
            details={"eps": self.eps, "norm": self.norm, "samples": len(few), **measured},
            flags=flags,
        )
