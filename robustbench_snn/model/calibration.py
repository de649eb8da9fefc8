"""Batch norms of untrained models, given statistics that let the neurons fire."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def calibrate(model: M, run: Callable[[M], object]) -> M:
    """Lets batch norms take the statistics of one run, then puts the model in eval mode.

    An untrained network hardly fires: its batch norms assume inputs of unit variance.

    Args:
        model: changed in place: running statistics and mode.
        run: calls the model once, on images or spikes that are typical.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    model.train()
    with torch.no_grad():
        run(model)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model.eval()
