"""Weights files of our own names, read into a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_snn.errors import UserError
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.weights.formats.matching import match_state
from robustbench_snn.weights.tensors import read_tensors


def load_weights(model: nn.Module, path: str | Path) -> dict[str, Any]:
    """Fills a model with the weights of a safetensors file, as :func:`~.tensors.save_weights` writes it.

    Args:
        model: filled in place.
        path: the file.

    Returns:
        The facts in the file's header; empty if another program wrote it.

    Raises:
        StoreError: if the file is missing, truncated or damaged.
        UserError: if a key is left over on either side or differs in shape; the message names the keys.
    """
    tensors, facts = read_tensors(Path(path))
    placed, report = match_state(tensors, model.state_dict())
    if not report.complete:
        raise UserError(f"{path} holds the weights of another model: {report.explain()}")
    model.load_state_dict(placed)
    return facts


def load_normalized_weights(model: Classifier, path: str | Path) -> dict[str, Any]:
    """Fills a classifier with weights, and its encoder with the mean and std of the file's header, if it has any.

    Args:
        model: filled in place.
        path: the file.

    Returns:
        ``mean`` and ``std``, for whoever saves the weights again; empty where the dataset's own hold.

    Raises:
        StoreError: if the file is missing, truncated or damaged.
        UserError: if a key is left over on either side or differs in shape (the message names the keys), or the
            header's mean and std are not of images in [0, 1].
    """
    facts = load_weights(model, path)
    found: dict[str, Any] = {name: facts[name] for name in ("mean", "std") if name in facts}
    for name, values in found.items():
        buffer: Tensor = getattr(model.encoder, name)
        if not _are_statistics(values, buffer.numel(), least=0.0 if name == "mean" else 1e-6):
            raise UserError(f"the {name} in the header of {path} is not that of images of {buffer.numel()} channels")
        buffer.copy_(torch.tensor(values).reshape(buffer.shape))
    return found


def _are_statistics(values: Any, channels: int, least: float) -> bool:
    """Whether these are statistics of pixels in [0, 1], one number a channel."""
    return (
        isinstance(values, list)
        and len(values) == channels
        and all(type(value) in (int, float) and least <= value <= 1.0 for value in values)
    )
