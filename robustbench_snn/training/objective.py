"""The training loss: cross-entropy with soft targets, by readout, by segment or by step."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_snn.model.classifier import Classifier
from robustbench_snn.training.adversarial import adversarial_objective
from robustbench_snn.training.recipe import Recipe

Objective = Callable[[Classifier, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(classifier, images (B, C, H, W), targets (B, K)) to the loss, a scalar, and the logits (B, K), detached."""


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over samples of the cross-entropy of logits (B, K) with class probabilities (B, K), in float32."""
    return -(targets * F.log_softmax(logits.float(), dim=1)).sum(1).mean()


def readout_loss(classifier: Classifier, step_logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the readout; of a readout by segment, the sum over segments with the backbone's weights."""
    segments = classifier.segment_logits(step_logits)
    weights = classifier.backbone.segment_weights() if len(segments) > 1 else [1.0]
    if len(weights) != len(segments):
        raise ValueError(f"{len(segments)} segments, but {len(weights)} weights in segment_weights()")
    losses = [weight * soft_cross_entropy(logits, targets) for weight, logits in zip(weights, segments, strict=True)]
    return torch.stack(losses).sum()


def tet_loss(step_logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over steps of each step's cross-entropy (TET, arXiv:2202.11946, equation 7)."""
    return torch.stack([soft_cross_entropy(logits, targets) for logits in step_logits]).mean()


def clean_objective(recipe: Recipe) -> Objective:
    """The loss on the images as they are."""

    def objective(classifier: Classifier, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        step_logits = classifier.step_logits(images)
        logits = classifier.read(step_logits).detach()
        if recipe.loss == "tet":
            return tet_loss(step_logits, targets), logits
        return readout_loss(classifier, step_logits, targets), logits

    return objective


def objective_of(recipe: Recipe) -> Objective:
    """The objective that a recipe asks for: the clean one, or what adversarial training makes of it."""
    clean = clean_objective(recipe)
    if recipe.adversarial is None:
        return clean
    return adversarial_objective(recipe.adversarial, clean)
