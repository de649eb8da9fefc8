"""Whether a model's gradients lead anywhere, measured before an attack relies on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import Ball
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.estimator.census import Census, census_of
from robustbench_snn.estimator.contract import estimating
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.model.target import Target, Through

SAMPLES = 32
"""How many samples are looked at."""
NOISES = 8
"""Steps of random signs that a step along the gradient must beat, all of them: by chance one sample in nine does."""
REACHES = (1.0, 0.25)
"""Lengths of these steps, in radii of the ball."""
USELESS = 0.35
"""Gradients that beat noise on a smaller share of the samples lead nowhere."""
BETTER = 0.2
"""Passing through what cuts the gradient is worth it where it helps a larger share of the samples by this much."""
SLIGHTLY = 0.1
"""What of that share may be lost where estimators have no effect otherwise."""
ESTIMATOR = {"assg": {"level": 0.45}}
COMPONENTS = (("estimators", "assg"),)
"""Kind and name of what an examination runs, for an evaluation's ``components``."""


@dataclass(frozen=True)
class Examination:
    """What was found out about a model's gradients on a few samples.

    Attributes:
        own: share of the samples on which the model's own gradient beats noise.
        reached: the same with spikes reached wherever they are made, under ASSG.
        through: the same, passing through what cuts the gradient, the better of two ways; equal to ``reached`` where
            nothing cuts it.
        way: the better way to pass through.
        idle: the estimator gives the model's own gradient to the bit: whatever slope it gives a spike is cut off, as in
            ``(hard - soft).detach() + soft``.
        census: where the model makes its spikes.
        huge: share of the samples whose logits differ by so much that a cross-entropy of them has no gradient left,
            or by so little that it does not tell the classes apart.
    """

    own: float
    reached: float
    through: float
    way: Through
    census: Census
    huge: float
    idle: bool = False

    @property
    def passes_through(self) -> Through:
        """Whether attacks should pass through what cuts the gradient, and how."""
        gain = -SLIGHTLY if self.idle else BETTER  # an estimator that does nothing is worth a little to get to work
        return self.way if self.through >= self.reached + gain else Through.NO

    @property
    def useful(self) -> float:
        """Share of the samples on which the gradient that attacks will follow beats noise."""
        return max(self.own, self.through if self.passes_through else self.reached)

    @property
    def flags(self) -> list[str]:
        """What a record should say of it."""
        unreached = self.census.unreached and not self.passes_through
        return [
            *(["useless_gradients"] if self.useful < USELESS else []),
            *(["spikes_not_reached"] if unreached else []),
            *(["scale_dependent"] if self.huge > 0.05 else []),
        ]

    def row(self) -> dict[str, Any]:
        """As a record holds it."""
        return {
            "own": self.own,
            "reached": self.reached,
            "through": self.through,
            "idle": self.idle,
            "passes_through": self.passes_through.name.lower(),
            "unreached": list(self.census.unreached),
            "squashed": self.census.squashed,
            "spikes": self.census.spikes,
            "neurons": len(self.census.reached.neurons),
            "scale": self.huge,
        }


def examine(subject: Subject, ball: Ball, draws: int = 1) -> Examination:
    """Looks at the gradients of a frozen model on its first samples.

    A gradient is useful on a sample where a step along it lowers the margin by more than every one of a few steps of
    random signs of the same length do (a finite difference in the directions that an attack would take).

    Args:
        subject: model and samples.
        ball: steps of its radius, and of a quarter of it, are taken.
        draws: EOT draws, for stochastic models.
    """
    target = subject.target
    batch = next(subject.samples.batches(min(SAMPLES, len(subject.samples)), subject.device))
    found = census_of(target, batch.images[:8])
    assert found is not None
    with passing_through(target, Through.NO):
        own, slope = _uphill(subject, batch, ball, None, draws)
        reached, other = (
            _uphill(subject, batch, ball, ESTIMATOR, draws) if found.spiking or found.beyond else (own, slope)
        )
    idle = found.spiking and bool(slope.any()) and torch.equal(slope, other)
    through, way = reached, Through.NO
    for level in (Through.VALUES, Through.ALL) if found.cut else ():
        with passing_through(target, level):
            share, _ = _uphill(subject, batch, ball, ESTIMATOR, draws)
        if way == Through.NO or share >= through + BETTER:
            through, way = share, level
    return Examination(own, reached, through, way, found, _huge(target, batch), idle)


@contextmanager
def passing_through(target: Target, value: Through) -> Iterator[None]:
    """Lets estimators pass the gradient through what cuts it while inside, or not."""
    before, target.through = target.through, value
    try:
        yield
    finally:
        target.through = before


def _uphill(subject: Subject, batch: Batch, ball: Ball, estimator: Any, draws: int) -> tuple[float, Tensor]:
    """Share of the samples on which a step along the gradient beats all steps of random signs; the gradient."""
    target, random = subject.target, batch.random(subject.seed, "examination")
    with nullcontext() if estimator is None else estimating(target, estimator, batch.images[:8]) as state:
        active = ActiveSet(
            target, batch, ball, random, batch_size=subject.batch_size, draws=draws, state=state, leave=False
        )
        slope = active.gradient(batch.images, "margin").gradient
        beats = torch.zeros(len(batch), dtype=torch.bool, device=batch.images.device)
        for reach in REACHES:
            length = reach * ball.eps

            def value(direction: Tensor, length: float = length) -> Tensor:
                step = length * ball.ascent(direction)
                return active.gradient(active.project(batch.images + step), "margin").loss

            noise = [value(random.fold("noise", i).signs(*batch.images.shape[1:])) for i in range(NOISES)]
            beats |= value(slope) > torch.stack(noise).amax(0)
    return float(beats.double().mean()), slope


def _huge(target: Target, batch: Batch) -> float:
    """Share of samples on which single precision leaves no gradient of a cross-entropy, or none to speak of."""
    with torch.no_grad():
        logits = target(batch.images, batch.random("scale")).double()
    spread = (logits.amax(1) - logits.amin(1)).nan_to_num(0.0)
    return float(((spread > 85.0) | (spread < 1e-3)).double().mean())
