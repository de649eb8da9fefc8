"""Training: a recipe, a dataset and a seed make a model's weights; a killed run goes on where it was."""

from __future__ import annotations

from robustbench_snn.training.catalogue import recipes, resolve_recipe
from robustbench_snn.training.distributed import train_distributed
from robustbench_snn.training.job import Blueprint
from robustbench_snn.training.recipe import Recipe
from robustbench_snn.training.result import EpochRecord, TrainingError, TrainingProgress, TrainResult
from robustbench_snn.training.trainer import check_trainable, train

__all__ = [
    "Blueprint",
    "EpochRecord",
    "Recipe",
    "TrainResult",
    "TrainingError",
    "TrainingProgress",
    "check_trainable",
    "recipes",
    "resolve_recipe",
    "train",
    "train_distributed",
]
