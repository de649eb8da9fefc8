"""APGD: PGD that sets its own step size (Croce, Hein, 2020, arXiv:2003.01690)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import norms_of_samples, per_sample
from robustbench_snn.attack.contract import Attack, register_attack
from robustbench_snn.attack.losses import Loss, LossName, targeted_dlr, targeted_margin
from robustbench_snn.attack.rows import Rows
from robustbench_snn.parameters import Count
from robustbench_snn.suites.attacks._targets import likely_targets

RHO = 0.75
"""A step size is kept while the loss rose in more than this share of the steps since the last checkpoint."""
MOMENTUM = 0.75
"""Weight of the new step; the rest is the step before."""


@register_attack(
    "apgd",
    version=2,
    presets={"apgd_ce": {"loss": "ce"}, "apgd_dlr": {"loss": "dlr"}, "apgd_t": {"loss": "targeted"}},
)
class APGD(Attack):
    """Momentum steps that begin at 2 eps and are halved, by sample, when its loss no longer rises.

    A halving goes back to the sample's best point. Checkpoints lie 0.22 of the steps apart at first, then closer
    by 0.03 of them each time, down to 0.06. The targeted form runs once for each of the most likely wrong classes,
    on the targeted DLR loss; on the plain margin to that class in models of 2 or 3 classes, for which the authors
    define no ratio [inferred].

    Args:
        steps: gradient steps; AutoAttack takes 100.
        restarts: runs from fresh random starts, each on the samples that are left.
        loss: what is maximised; ``targeted`` is the targeted difference of logits ratio, ``ce`` free of the logits'
            scale, and ``plain_ce`` the authors' own.
        targets: how many wrong classes the targeted form tries.
    """

    steps: Count = 100
    restarts: Count = 1
    loss: LossName | Literal["targeted"] = "ce"
    targets: Count = 9

    def run(self, active: ActiveSet) -> None:
        """Runs every restart, and every target class, on those still standing."""
        if self.loss == "targeted":
            for rank, targets in enumerate(likely_targets(active, self.targets)):
                for restart in active.steps(self.restarts):
                    self._climb(active, f"{rank} {restart}", towards, targets)
        else:
            for restart in active.steps(self.restarts):
                self._climb(active, restart, self.loss)

    def _climb(self, active: ActiveSet, label: object, loss: LossName | Loss, *targets: Tensor) -> None:
        """One run from one random start; ``targets`` holds a class for every sample of the batch, if any."""
        images = far_start(active, label)
        period, least, shrink = (max(int(share * self.steps), 1) for share in (0.22, 0.06, 0.03))
        state, since = Rows(), 0
        for step in active.steps(self.steps + 1):
            answer = active.gradient(images, loss, *(classes[active.rows] for classes in targets))
            (images,) = answer.survivors(images)
            state.cut(answer.kept)
            if step == 0:
                state = _begin(images, answer.loss, answer.gradient, 2.0 * active.ball.eps)
            else:
                _compare(state, images, answer.loss, answer.gradient)
                since += 1
                if since == period:
                    _checkpoint(state, period)
                    period, since = max(period - shrink, least), 0
            if step == self.steps:
                return
            ahead = active.project(state.images + state.step_size * active.ascent(state.gradient))
            share = MOMENTUM if step else 1.0
            moved = state.images + share * (ahead - state.images) + (1.0 - share) * (state.images - state.before)
            state.before, images = state.images, active.project(moved)


def towards(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """The targeted DLR loss, and where that is undefined the plain margin."""
    loss = targeted_dlr if logits.shape[1] >= 4 else targeted_margin
    return loss(logits, labels, targets)


def far_start(active: ActiveSet, label: object) -> Tensor:
    """A random point at distance eps, before clipping to [0, 1]."""
    shape, random = active.clean.shape[1:], active.random.fold("apgd start", label)
    if active.ball.norm == "linf":
        ray = 2.0 * random.uniform(*shape) - 1.0
        length = per_sample(lambda rows: rows.abs().amax(1), ray).reshape(-1, 1, 1, 1)
    else:
        ray = random.normal(*shape)
        length = norms_of_samples(ray)
    return active.project(active.clean + active.ball.eps * ray / length.clamp_min(1e-12))


def _begin(images: Tensor, loss: Tensor, gradient: Tensor, step_size: float) -> Rows:
    """The state at the first point."""
    return Rows(
        images=images,
        before=images,
        gradient=gradient,
        loss=loss,
        best_images=images,
        best_gradient=gradient,
        best_loss=loss,
        checked_loss=loss,
        rises=torch.zeros_like(loss),
        halved=torch.ones_like(loss, dtype=torch.bool),
        step_size=torch.full_like(loss, step_size).reshape(-1, 1, 1, 1),
    )


def _compare(state: Rows, images: Tensor, loss: Tensor, gradient: Tensor) -> None:
    """Takes over a new point, and keeps it where it is the best so far."""
    state.rises = state.rises + (loss > state.loss)
    state.images, state.loss, state.gradient = images, loss, gradient
    better = loss > state.best_loss
    wide = better.reshape(-1, 1, 1, 1)
    state.best_images = torch.where(wide, images, state.best_images)
    state.best_gradient = torch.where(wide, gradient, state.best_gradient)
    state.best_loss = torch.where(better, loss, state.best_loss)


def _checkpoint(state: Rows, period: int) -> None:
    """Halves the step size where the loss swings, or where nothing was gained since a checkpoint that did not."""
    swings = state.rises <= RHO * period
    stuck = ~state.halved & (state.checked_loss >= state.best_loss)
    halve = swings | stuck
    wide = halve.reshape(-1, 1, 1, 1)
    state.step_size = torch.where(wide, state.step_size / 2.0, state.step_size)
    state.images = torch.where(wide, state.best_images, state.images)
    state.gradient = torch.where(wide, state.best_gradient, state.gradient)
    state.halved, state.checked_loss, state.rises = halve, state.best_loss, torch.zeros_like(state.rises)
