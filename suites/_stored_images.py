"""Adversarial images as people keep them: 8 bits a pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.cascade import Cascade
from robustbench_snn.attack.stages import stage
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.registry.spec import TRAINING, ComponentSpec
from robustbench_snn.suites.attacks.pgd import PGD

FLAGS = ("rounding_undoes_attack",)
"""What these checks may raise."""
LEVEL = 1.0 / 255.0


def undone(cascade: Cascade, steps: int, estimator: ComponentSpec | None) -> int:
    """How many samples are broken only by images that 8-bit pixels cannot hold.

    An attack stops at the first image that fools, at the very boundary, where rounding may well undo it although a
    step further it would not. So where the stored image fools no longer, PGD on the margin goes on from there, and
    the stored form of each iterate is looked at.

    Args:
        cascade: a finished one, with all adversarial images.
        steps: of PGD.
        estimator: its backward pass; the model's own if None.
    """
    subject, broken = cascade.subject, (cascade.broken_by > 0).nonzero()[:, 0]
    further, count = stage("stored", PGD(), estimator or TRAINING), 0
    if not len(broken):
        return 0
    for batch in subject.samples.batches(subject.batch_size, subject.device, broken):
        images = torch.stack([cascade.images[row] for row in batch.positions.tolist()]).to(batch.images)
        left = (~_fooled(cascade, images, batch)).nonzero()[:, 0]
        if not len(left):
            continue
        rest, images = _rows(batch, left), images[left]
        found = torch.zeros_like(left, dtype=torch.bool)
        with further.backward(subject.target, rest.images[:8]) as state:
            random = rest.random(subject.seed, further.seed_label)
            active = ActiveSet(
                subject.target, rest, cascade.ball, random, batch_size=len(rest), draws=10, state=state, leave=False
            )
            for _ in range(steps):
                slope = active.gradient(images, "margin").gradient
                images = active.project(images + max(cascade.ball.eps / 10, LEVEL) * active.ascent(slope))
                found |= _fooled(cascade, images, rest)
        count += int((~found).sum())
    return count


def _fooled(cascade: Cascade, images: Tensor, batch: Batch) -> Tensor:
    """Whether each image's stored form fools, bool (B,), within half a grey level in each pixel of the ball."""
    stored = (images * 255.0).round().to(torch.uint8).to(images.dtype) / 255.0
    half = 0.5 * LEVEL * (1.0 if cascade.ball.norm == "linf" else stored[0].numel() ** 0.5)
    inside = Ball(cascade.ball.eps + half, cascade.ball.norm).contains(stored, batch.images)
    with torch.no_grad():
        logits = cascade.subject.target(stored, batch.random(cascade.subject.seed, "stored"))
    return ~correct(logits, batch.labels) & inside


def _rows(batch: Batch, rows: Tensor) -> Batch:
    return Batch(batch.images[rows], batch.labels[rows], batch.ids[rows], batch.positions.to(rows.device)[rows])
