"""Cheap checks of the model that run with every evaluation: a broken model must not leave a clean-looking number."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from robustbench_snn.dataset.samples import Batch
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject
from robustbench_snn.evaluation.correctness import margin
from robustbench_snn.model.input_gradient import input_gradient
from robustbench_snn.model.padding import ALIGNMENT
from robustbench_snn.model.target import Target

SAMPLES = 32
"""How many samples the checks look at."""
ENOUGH_CLASSES, ENOUGH_SAMPLES = 4, 16
"""Of the samples looked at, before one answer for all of them is held against the model."""
ALONE = 3
"""How many samples are also run alone."""
TOLERANCE = 1e-4
"""What the company of other samples may change in logits, as a share of their size: sums in another order."""


def run_checked(evaluation: Evaluation, subject: Subject) -> Outcome:
    """Runs an evaluation on a frozen model, and adds the flags of the cheap checks to its outcome."""
    batch = next(subject.samples.batches(max(ALIGNMENT, min(SAMPLES, subject.batch_size)), subject.device))
    with torch.random.fork_rng(devices=[subject.target.device] if subject.target.device.type == "cuda" else []):
        flags = model_flags(subject.target, batch)
    before = subject.target.non_finite
    outcome = evaluation.run(subject)
    if subject.target.non_finite > before:
        flags.append("non_finite_logits")
    return replace(outcome, flags=tuple(dict.fromkeys((*outcome.flags, *flags))))


def model_flags(target: Target, batch: Batch) -> list[str]:
    """Two forward passes and one backward pass over a few samples, some of them alone; what is wrong, by flag.

    Args:
        target: the model, frozen.
        batch: a few samples, on the model's device.
    """
    flags = []
    if not all(bool(tensor.isfinite().all()) for tensor in target.model.state_dict().values()):
        flags.append("non_finite_weights")
    leaf = batch.images.detach().clone().requires_grad_()
    streams = batch.random("model checks")
    try:
        with torch.enable_grad():
            logits = target(leaf, streams)
            gradient = input_gradient(margin(logits, batch.labels).sum(), leaf)
    except RuntimeError:  # a model may run without a gradient only
        with torch.no_grad():
            logits, gradient = target(batch.images, streams), torch.zeros_like(leaf)
    if not bool(gradient.any()):
        flags.append("no_input_gradient")
    if not bool(logits.isfinite().all()):
        flags.append("non_finite_logits")
    with torch.no_grad():
        again = target(batch.images, streams)
    if not target.stochastic and not torch.equal(again.nan_to_num(), logits.detach().nan_to_num()):
        flags.append("not_deterministic")
    if not target.stochastic and batch_gap(target, batch, again) > TOLERANCE:
        flags.append("batch_dependent")
    classes = len(batch.labels.unique())
    if len(batch) >= ENOUGH_SAMPLES and classes >= ENOUGH_CLASSES and len(logits.argmax(1).unique()) == 1:
        flags.append("constant_prediction")
    return flags


def batch_gap(target: Target, batch: Batch, together: Tensor) -> float:
    """Largest difference of the first samples' logits alone and among others, as a share of the largest logit.

    Alone, a sample's batch is padded with its own image. A logit that is finite in one case only counts as infinite.

    Args:
        target: the model, frozen; one that is not stochastic.
        batch: a few samples, on the model's device.
        together: logits (B, K) of the whole batch.
    """
    few = min(ALONE, len(batch))
    with torch.no_grad():
        alone = torch.cat([target(batch.images[row : row + 1]) for row in range(few)])
    known = alone.isfinite()
    if not torch.equal(known, together[:few].isfinite()):
        return float("inf")
    if not known.any():
        return 0.0
    return float((alone - together[:few])[known].abs().max() / alone[known].abs().max().clamp_min(1e-30))
