"""SA-PGD: PGD with steps that adapt to each pixel's gradients."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import mean_of_samples
from robustbench_snn.attack.contract import Attack, register_attack
from robustbench_snn.attack.losses import Loss, LossName, targeted_margin
from robustbench_snn.parameters import Count
from robustbench_snn.suites.attacks._targets import likely_targets


@register_attack("sa_pgd", version=2)
class SAPGD(Attack):
    r"""Stable adaptive PGD (arXiv:2512.22522), each sample on its own.

    .. math:: g_1 = g / \overline{|g|}, \quad g_2 = g^2 / \overline{g^2}, \quad m = 0.5 m + g_1, \quad v = 0.8 v + g_2

    .. math:: x \leftarrow \Pi\Bigl(x + \mathrm{clip}\bigl(\eta \frac{m}{\sqrt v + 10^{-12}}, -\eta, \eta\bigr)\Bigr)

    The step size eta starts at eps and is halved every k iterations; k starts at 0.22 of the steps and shrinks by
    0.03 of them with each halving, down to 0.06. In L2 the step is eta m / |m| [inferred: the paper
    is about L-infinity]. A sample whose gradient is all zero takes a
    step of random signs: its means would be 0 / 0, and a spiking layer reads a NaN image as "no spike" in silence.

    Runs begin at a uniform point of the ball: corners, +-eps in every pixel, were no better on a conv-LIF of digits
    (six settings of eps and estimator, 200 samples: within 1.5 points where noise is 3, and once 3 points worse).

    Args:
        steps: gradient steps; hundreds keep paying.
        restarts: runs from fresh random starts, each on the samples that are left.
        random_start: begin at a random point of the ball.
        loss: what is maximised; ``targeted`` runs once for each likely wrong class t, on the margin z_t - z_y.
        targets: how many wrong classes the targeted form tries.
    """

    steps: Count = 100
    restarts: Count = 1
    random_start: bool = True
    loss: LossName | Literal["targeted"] = "ce"
    targets: Count = 9

    def run(self, active: ActiveSet) -> None:
        """Runs every restart, and every target class, on those still standing."""
        if self.loss == "targeted":
            for rank, targets in enumerate(likely_targets(active, self.targets)):
                for restart in active.steps(self.restarts):
                    self._climb(active, f"{rank} {restart}", targeted_margin, targets)
        else:
            for restart in active.steps(self.restarts):
                self._climb(active, restart, self.loss)

    def _climb(self, active: ActiveSet, label: object, loss: LossName | Loss, *targets: Tensor) -> None:
        """One run from one start; ``targets`` holds a class for every sample of the batch, if any."""
        halvings, eta = set(halving_steps(self.steps)), active.ball.eps
        images = active.start(label) if self.random_start else active.clean
        momentum, variance = torch.zeros_like(images), torch.zeros_like(images)
        for step in active.steps(self.steps):
            answer = active.gradient(images, loss, *(classes[active.rows] for classes in targets))
            images, momentum, variance = answer.survivors(images, momentum, variance)
            gradient = answer.gradient / (mean_of_samples(answer.gradient.abs()) + 1e-30)
            squares = gradient.square()  # of the scaled gradient: that of the raw one may underflow
            momentum = 0.5 * momentum + gradient
            variance = 0.8 * variance + squares / (mean_of_samples(squares) + 1e-30)
            eta = eta / 2 if step in halvings else eta
            if active.ball.norm == "linf":
                move = (eta * momentum / (variance.sqrt() + 1e-12)).clamp(-eta, eta)
            else:
                move = eta * active.ball.ascent(momentum)
            flat = (gradient == 0).flatten(1).all(1).reshape(-1, 1, 1, 1)
            images = active.project(images + torch.where(flat, eta * active.ascent(gradient), move))
        active.note(images)


def halving_steps(steps: int) -> list[int]:
    """The iterations at which the step size is halved."""
    period, found, at = 0.22, [], 0.0
    while (at := at + period * steps) < steps:
        found.append(round(at))
        period = max(period - 0.03, 0.06)
    return sorted({step for step in found if 0 < step < steps})
