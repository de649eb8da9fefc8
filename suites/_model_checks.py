"""Checks of the model alone: is what an attack sees of it what it is?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import Ball
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.evaluation.checked import TOLERANCE, batch_gap
from robustbench_snn.model.input_gradient import input_gradient
from robustbench_snn.model.target import Target

FORWARDS = 5
FLAGS = ("eval_train_gradients_differ", "not_deterministic", "batch_dependent")
"""What :func:`check_model` may raise."""


def zero_gradients(target: Target, batch: Batch, size: int) -> Tensor:
    """Whether each sample's input gradient of the margin is exactly zero, bool (B,), on the CPU."""
    active = ActiveSet(target, batch, Ball(1.0), batch.random("zero gradients"), batch_size=size, leave=False)
    gradient = active.gradient(batch.images, "margin").gradient
    return (gradient == 0).flatten(1).all(1).cpu()


def deterministic(target: Target, batch: Batch) -> bool:
    """Whether five forward passes of a batch agree bit for bit."""
    with torch.no_grad():
        first, *rest = (target(batch.images) for _ in range(FORWARDS))
    return all(torch.equal(first, other) for other in rest)


def mode_gap(target: Target, batch: Batch) -> float:
    """Largest difference of the input gradients in eval mode and in train mode with frozen batch norm, relative.

    Only layers of neurons change mode: whatever else acts in train mode (batch norm, dropout) stays in eval mode.
    """
    gradients = []
    for training in (False, True):
        for neuron in target.neurons:
            for module in neuron.modules():
                module.training = training
        leaf = batch.images.clone().requires_grad_()
        logits = target(leaf, batch.random("mode gap"))
        chosen = logits.gather(1, batch.labels[:, None]).sum()
        gradients.append(input_gradient(chosen, leaf))
    for neuron in target.neurons:
        for module in neuron.modules():
            module.training = False
    scale = max(float(gradient.abs().max()) for gradient in gradients)
    return float((gradients[0] - gradients[1]).abs().max()) / scale if scale else 0.0


def check_model(target: Target, batch: Batch) -> tuple[dict[str, Any], list[str]]:
    """Runs the checks on one small batch; the target is frozen.

    Returns:
        What was measured, and the flags raised.
    """
    found: dict[str, Any] = {"mode_gap": mode_gap(target, batch)}
    flags = ["eval_train_gradients_differ"] if found["mode_gap"] > TOLERANCE else []
    if target.stochastic:
        return found, flags
    with torch.no_grad():
        gap = batch_gap(target, batch, target(batch.images))
    found |= {"deterministic": deterministic(target, batch), "batch_gap": gap}
    flags += [] if found["deterministic"] else ["not_deterministic"]
    flags += ["batch_dependent"] if found["batch_gap"] > TOLERANCE else []
    return found, flags
