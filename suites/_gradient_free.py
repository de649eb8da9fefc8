"""Attacks that take no gradient of the model: what hides its gradient does not stop them."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.cascade import Stage
from robustbench_snn.attack.hard_labels import hard_labels
from robustbench_snn.attack.stages import stage
from robustbench_snn.attack.student import CLOSE, distil
from robustbench_snn.attack.twin import relu_twin, soft_twin
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.model.target import Target
from robustbench_snn.suites.attacks.pgd import PGD
from robustbench_snn.suites.attacks.rays import RayS
from robustbench_snn.suites.attacks.sa_pgd import SAPGD
from robustbench_snn.suites.attacks.square import Square
from robustbench_snn.suites.attacks.transfer import Transfer

COMPONENTS = tuple(("attacks", name) for name in ("square", "pgd", "sa_pgd", "rays"))
"""Kinds and names of what the stages run, for an evaluation's ``components``."""


def gradient_free_stages(
    subject: Subject, ball: Ball, *, queries: int = 5000, rounds: int = 8, steps: int = 300
) -> list[Stage]:
    """Square; transfer from twins without spikes, and from a student; RayS where the answers are classes only.

    The student is trained here, and twins are made of the model as it is now.

    Args:
        subject: model and samples; the model is frozen by the caller, here and while the stages run.
        ball: admissible perturbations; RayS is left out in L2, for which it is not defined.
        queries: forward passes a sample of Square and of RayS.
        rounds: of the student's training; see :func:`distil`.
        steps: of its optimiser.

    Returns:
        The stages, in order.
    """
    few = next(subject.samples.batches(CLOSE, subject.device, torch.arange(min(CLOSE, len(subject.samples)))))
    stages = [stage(f"square-{queries}", Square(queries=queries))]
    for name, twin in (("soft twin", soft_twin(subject.target)), ("relu twin", relu_twin(subject.target))):
        if twin is not None and _runs(twin, few.images[:8]):
            stages.append(stage(f"transfer from {name}", Transfer(twin, PGD(steps=50, loss="margin"))))
    source = distil(subject, ball, rounds=rounds, steps=steps).target
    stages.append(stage("transfer from student", Transfer(source, SAPGD(steps=100, loss="margin"))))
    if ball.norm == "linf" and hard_labels(subject.target, few):
        stages.append(stage(f"rays-{queries}", RayS(queries=queries)))
    return stages


def _runs(twin: Target, images: Tensor) -> bool:
    """Whether a twin can be run at all: some layers insist on the surrogate function that they came with."""
    try:
        with torch.enable_grad():
            twin(images.clone().requires_grad_())
    except (RuntimeError, TypeError, AttributeError, ValueError, UserError):
        return False
    return True
