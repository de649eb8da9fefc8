"""The white-box attack that the diagnostics judge: a union, as published numbers are."""

from __future__ import annotations

from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.cascade import Cascade, Stage
from robustbench_snn.attack.stages import stage
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.registry.spec import TRAINING, ComponentSpec
from robustbench_snn.suites.attacks.pgd import PGD
from robustbench_snn.suites.attacks.sa_pgd import SAPGD

ASSG = ComponentSpec(name="assg", parameters={"level": 0.45})
ATAN = ComponentSpec(name="atan", parameters={"alpha": 10.0})
FOREIGN = (
    ComponentSpec(name="atan", parameters={"alpha": 2.0}),
    ComponentSpec(name="triangle", parameters={"gamma": 1.0}),
    ComponentSpec(name="rectangle", parameters={"width": 1.0}),
)
"""Surrogates that no member takes, to compare with."""
COMPONENTS = (
    *(("attacks", name) for name in ("pgd", "sa_pgd")),
    *(("estimators", spec.name) for spec in (TRAINING, ASSG, ATAN, *FOREIGN)),
)
"""Kinds and names of what runs here, for an evaluation's ``components``."""
LONGER = 2
"""SA-PGD takes so many times the steps of PGD."""


def white_box(ball: Ball, steps: int, *, spiking: bool, restarts: int = 1, label: str = "") -> list[Stage]:
    """PGD under the training gradient; SA-PGD under ASSG on cross-entropy, and under ATan(10) on the margin.

    PGD's steps are sized by their number, 2.5 eps / steps (Madry et al., 2018, arXiv:1706.06083): the first N of 2N
    steps of one size are the N steps themselves, and 2N could never do worse.

    Args:
        ball: whose radius sizes the steps.
        steps: of PGD.
        spiking: False for a model without spikes, which has only its training gradient.
        restarts: random starts of each member.
        label: joins the seed of each member, for starts of their own.
    """
    assg, atan = (ASSG, ATAN) if spiking else (TRAINING, TRAINING)
    pgd = PGD(steps=steps, alpha=min(2.5 * ball.eps / steps, 1.0), restarts=restarts)
    long = LONGER * steps
    return [
        stage(f"pgd {label}", pgd),
        stage(f"sa_pgd ce {label}", SAPGD(steps=long, restarts=restarts), assg),
        stage(f"sa_pgd margin {label}", SAPGD(steps=long, restarts=restarts, loss="margin"), atan),
    ]


def white_box_union(subject: Subject, ball: Ball, steps: int, *, spiking: bool) -> Cascade:
    """All members of :func:`white_box`, one after another; every adversarial image is kept."""
    cascade = Cascade(subject, ball, keep_images=len(subject.samples))
    for member in white_box(ball, steps, spiking=spiking):
        cascade.attack(member)
    return cascade
