"""Cheap checks of the model that run with every evaluation: a broken model must not leave a clean-looking number."""

from __future__ import annotations

from dataclasses import replace

import torch

from robustbench_snn.dataset.samples import Batch
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject
from robustbench_snn.evaluation.correctness import margin
from robustbench_snn.model.input_gradient import input_gradient
from robustbench_snn.model.target import Target

SAMPLES = 32
"""How many samples the checks look at."""
ENOUGH_CLASSES, ENOUGH_SAMPLES = 4, 16
"""Of the samples looked at, before one answer for all of them is held against the model."""


def run_checked(evaluation: Evaluation, subject: Subject) -> Outcome:
    """Runs an evaluation on a frozen model, and adds the flags of the cheap checks to its outcome."""
    batch = next(subject.samples.batches(min(SAMPLES, subject.batch_size), subject.device))
    with torch.random.fork_rng(devices=[subject.target.device] if subject.target.device.type == "cuda" else []):
        flags = model_flags(subject.target, batch)
    before = subject.target.non_finite
    outcome = evaluation.run(subject)
    if subject.target.non_finite > before:
        flags.append("non_finite_logits")
    return replace(outcome, flags=tuple(dict.fromkeys((*outcome.flags, *flags))))


def model_flags(target: Target, batch: Batch) -> list[str]:
    """Two forward passes and one backward pass over a few samples; what is wrong with the model, by flag.

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
    classes = len(batch.labels.unique())
    if len(batch) >= ENOUGH_SAMPLES and classes >= ENOUGH_CLASSES and len(logits.argmax(1).unique()) == 1:
        flags.append("constant_prediction")
    return flags
