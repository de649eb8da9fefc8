"""Training: a recipe, a dataset and a seed make a model's weights; a killed run goes on where it was."""

from __future__ import annotations

from robustbench_snn.training.catalogue import recipe_names, resolve_recipe
from robustbench_snn.training.recipe import Recipe
from robustbench_snn.training.result import EpochRecord, TrainingError, TrainingProgress, TrainResult
from robustbench_snn.training.trainer import train
from robustbench_snn.weights.tensors import load_weights, save_weights

__all__ = [
    "EpochRecord",
    "Recipe",
    "TrainResult",
    "TrainingError",
    "TrainingProgress",
    "load_weights",
    "recipe_names",
    "resolve_recipe",
    "save_weights",
    "train",
]
