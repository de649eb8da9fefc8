"""Optimizer and learning rate of a recipe, both from timm's building blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from robustbench_snn.training.recipe import Recipe

if TYPE_CHECKING:
    from timm.scheduler.scheduler import Scheduler


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer; parameters of one dimension are in a group without weight decay."""
    from timm.optim._param_groups import param_groups_weight_decay  # seconds to import: only where something is trained

    groups = param_groups_weight_decay(model, recipe.weight_decay)
    match recipe.optimizer:
        case "adamw":
            return torch.optim.AdamW(groups, lr=recipe.lr)
        case "adam":
            return torch.optim.Adam(groups, lr=recipe.lr)
        case "sgd":
            return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum)


class LearningRate:
    """Sets the learning rate of every batch.

    Args:
        optimizer: its parameter groups get the rate.
        recipe: gives the schedule.
        batches: number of batches in an epoch.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, recipe: Recipe, batches: int) -> None:
        from timm.scheduler.cosine_lr import CosineLRScheduler
        from timm.scheduler.step_lr import StepLRScheduler

        self.optimizer = optimizer
        self.by_epoch = recipe.schedule_by == "epoch"
        self.batches = batches
        unit = 1 if self.by_epoch else batches
        warmup: dict[str, Any] = {
            "warmup_t": recipe.warmup_epochs * unit,
            "warmup_lr_init": recipe.warmup_lr,
            "t_in_epochs": self.by_epoch,
        }
        self.scheduler: Scheduler
        if recipe.schedule == "constant" or recipe.epochs * unit == 1:
            self.scheduler = StepLRScheduler(optimizer, decay_t=1, decay_rate=1.0, **warmup)
        else:
            self.scheduler = CosineLRScheduler(
                optimizer, t_initial=recipe.epochs * unit, lr_min=recipe.min_lr, **warmup
            )

    def set(self, epoch: int, batch: int) -> float:
        """Sets the rate of a batch, both counted from 0, and returns it."""
        if self.by_epoch:
            self.scheduler.step(epoch)
        else:
            self.scheduler.step_update(epoch * self.batches + batch)
        rate: float = self.optimizer.param_groups[0]["lr"]
        return rate
