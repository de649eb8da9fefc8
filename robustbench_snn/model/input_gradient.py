"""The gradient of a value by the images, for models that may not have one."""

from __future__ import annotations

import torch
from torch import Tensor


def input_gradient(value: Tensor, images: Tensor) -> Tensor:
    """The gradient of a sum of values by the images; zero where the model has none.

    A model under ``no_grad`` has none, nor has one with an operation that torch cannot differentiate, such as
    ``torch.heaviside``.

    Args:
        value: a scalar.
        images: leaf, (B, C, H, W).
    """
    if not value.requires_grad:
        return torch.zeros_like(images)
    try:
        (found,) = torch.autograd.grad(value, images, allow_unused=True)
    except RuntimeError as error:
        if "not implemented" not in str(error):
            raise
        found = None
    return torch.zeros_like(images) if found is None else found
