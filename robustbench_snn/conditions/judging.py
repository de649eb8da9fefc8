"""Right or wrong at every T of a sweep, for every sample of a subject under a condition."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from robustbench_snn.conditions.condition import Condition, Presented
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.timesteps.sweep import AtTimesteps, Sweep

PROBE = 8
"""Samples on which one pass is compared with separate runs: the first ones, whatever the batch size."""


def shares_right(
    subject: Subject,
    sweep: Sweep,
    condition: Condition,
    draws: int,
    report: Callable[[int], None] = lambda samples: None,
) -> Tensor:
    """Share of draws in which each sample is right at each T, float32 (S, N), on the CPU.

    Args:
        subject: model and samples.
        sweep: the T.
        condition: what the images are put through.
        draws: forward passes of a stochastic model, with the random streams of the evaluation ``clean``.
        report: told how many samples were just done.
    """
    parts: list[Tensor] = []
    for presented in condition.batches(subject, sweep.timesteps):
        hits = torch.zeros(len(sweep), len(presented.batch), device=presented.batch.labels.device)
        count = draws if subject.target.stochastic else 1
        for draw in range(count):
            hits += _right(subject, sweep, presented, draw)
        parts.append((hits / count).cpu())
        report(len(presented.batch))
    return torch.cat(parts, 1)


def _right(subject: Subject, sweep: Sweep, presented: Presented, draw: int) -> Tensor:
    batch, target = presented.batch, subject.target
    random = batch.random(subject.seed, "clean", draw)
    with torch.no_grad():
        if presented.by_timesteps is None:
            logits = sweep.logits(target, batch.images, random)
        else:  # every T has images of its own
            images = presented.by_timesteps
            logits = torch.stack([AtTimesteps(target, steps)(images[steps], random) for steps in sweep.timesteps])
    return torch.stack([correct(answer, batch.labels) for answer in logits])


def probe_of(subject: Subject) -> tuple[Tensor, SampleRandom]:
    """A few images (P, C, H, W) and their streams."""
    rows = torch.arange(min(PROBE, len(subject.samples)))
    batch = next(subject.samples.batches(PROBE, subject.device, rows))
    return batch.images, batch.random(subject.seed, "probe")
