"""SA-PGD: PGD with steps that adapt to each pixel's gradients."""

from __future__ import annotations

import torch
from pydantic import PositiveInt

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import mean_of_samples
from robustbench_snn.attack.contract import Attack, register_attack
from robustbench_snn.attack.losses import LossName


@register_attack("sa_pgd", version=1)
class SAPGD(Attack):
    r"""Stable adaptive PGD (arXiv:2512.22522), each sample on its own.

    .. math:: g_1 = g / \overline{|g|}, \quad g_2 = g^2 / \overline{g^2}, \quad m = 0.5 m + g_1, \quad v = 0.8 v + g_2

    .. math:: x \leftarrow \Pi\Bigl(x + \mathrm{clip}\bigl(\eta \frac{m}{\sqrt v + 10^{-12}}, -\eta, \eta\bigr)\Bigr)

    The step size eta starts at eps and is halved every k iterations; k starts at 0.22 of the steps and shrinks by
    0.03 of them with each halving, down to 0.06. In L2 the clipped step is scaled by 1 / sqrt(pixels), so that no
    step is longer than eta [inferred: the paper is about L-infinity]. A sample whose gradient is all zero takes a
    step of random signs: its means would be 0 / 0, and a spiking layer reads a NaN image as "no spike" in silence.

    Args:
        steps: gradient steps; hundreds keep paying.
        restarts: runs from fresh random starts, each on the samples that are left.
        random_start: begin at a random point of the ball.
        loss: what is maximised.
    """

    steps: PositiveInt = 100
    restarts: PositiveInt = 1
    random_start: bool = True
    loss: LossName = "ce"

    def run(self, active: ActiveSet) -> None:
        """Runs every restart on those still standing."""
        halvings = set(halving_steps(self.steps))
        for restart in active.steps(self.restarts):
            images = active.start(restart) if self.random_start else active.clean
            momentum, variance = torch.zeros_like(images), torch.zeros_like(images)
            eta = active.ball.eps
            for step in active.steps(self.steps):
                answer = active.gradient(images, self.loss)
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
                if flat.any():
                    signs = active.random.fold("signs", restart, step).signs(*images.shape[1:])
                    move = torch.where(flat, eta * active.ball.ascent(signs), move)
                images = active.project(images + move)
            active.note(images)


def halving_steps(steps: int) -> list[int]:
    """The iterations at which the step size is halved."""
    period, found, at = 0.22, [], 0.0
    while (at := at + period * steps) < steps:
        found.append(round(at))
        period = max(period - 0.03, 0.06)
    return sorted({step for step in found if 0 < step < steps})
