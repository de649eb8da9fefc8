"""Is the number believable? Checks that masked gradients and broken attacks fail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from pydantic import PositiveInt

from robustbench_snn.attack.ball import Norm
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.parameters import Epsilon
from robustbench_snn.registry.spec import TRAINING
from robustbench_snn.suites import _attack_checks, _model_checks
from robustbench_snn.suites._attack_checks import FOREIGN, AttackChecks
from robustbench_snn.suites._model_checks import check_model, zero_gradients

FLAGS = ("zero_gradient", *_model_checks.FLAGS, *_attack_checks.FLAGS)
"""One a check; those that do not apply to a model count as passed."""
SMALL = 16
"""Samples that the checks of the model alone look at."""


@register_evaluation("diagnostics", version=2)  # 1 left Square out in L2
class Diagnostics(Evaluation):
    """Fourteen checks of whether robust accuracy on this model can be believed; each failure is a flag.

    They are necessary, not sufficient: a plain SNN can pass every cheap one while its PGD-10 number is ten times too
    high. ``passed`` is the share of checks passed; ``details`` holds what was measured; ``rbsnn explain FLAG`` says
    what a flag means. The column ``zero_gradient`` names the samples whose gradient is all zero.

    Args:
        eps: radius in pixel units.
        norm: ``linf`` or ``l2``.
        samples: how many samples the attacks run on, the first so many.
        steps: PGD steps; some checks take twice as many.
        queries: of Square.
    """

    eps: Epsilon
    norm: Norm = "linf"
    samples: PositiveInt = 64
    steps: PositiveInt = 20
    queries: PositiveInt = 500

    def components(self) -> Iterable[tuple[str, str]]:
        """See :meth:`Evaluation.components`."""
        attacks = [("attacks", name) for name in ("pgd", "square", "noise")]
        return [*super().components(), *attacks, *(("estimators", spec.name) for spec in (TRAINING, *FOREIGN))]

    def run(self, subject: Subject) -> Outcome:
        """The model first, then the attacks."""
        few = subject.samples.subset(torch.arange(min(self.samples, len(subject.samples))))
        with subject.target.frozen():
            batches = subject.samples.batches(subject.batch_size, subject.device)
            zero = torch.cat([zero_gradients(subject.target, batch, subject.batch_size) for batch in batches])
            small = next(few.batches(SMALL, subject.device))
            found, flags = check_model(subject.target, small)
            checks = AttackChecks(replace(subject, samples=few), self.eps, self.norm, self.steps, self.queries)
            checks.run()
        share = float(zero.double().mean())
        flags = [*(["zero_gradient"] if share > 0.01 else []), *flags, *checks.flags]
        assert set(flags) <= set(FLAGS), flags
        return Outcome(
            metrics={"passed": 1.0 - len(flags) / len(FLAGS), "zero_gradient_share": share},
            columns={"zero_gradient": zero.numpy()},
            details={"eps": self.eps, "norm": self.norm, "samples": len(few), "model": found, "attacks": checks.found},
            flags=flags,
        )
