"""The max-pool is torch's to the bit, ties included, and keeps less."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn.model.max_pool import MaxPool2d


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    "window",
    [{"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": 2}, {"kernel_size": (3, 2), "ceil_mode": True}],
)
@pytest.mark.parametrize("size", [(9, 8), (200, 190)])
def test_it_is_torchs_to_the_bit(size: tuple[int, int], window: dict[str, Any], layout: torch.memory_format) -> None:
    spikes = (torch.rand(2, 3, *size) > 0.7).float().contiguous(memory_format=layout)  # ties everywhere
    found = []
    for pool in (nn.MaxPool2d(**window), MaxPool2d(**window)):
        leaf = spikes.clone().requires_grad_()
        pooled = pool(leaf)
        slope = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
        found.append((pooled, *torch.autograd.grad(pooled, leaf, slope)))
    for theirs, ours in zip(*found, strict=True):
        assert torch.equal(theirs, ours)
        assert theirs.stride() == ours.stride()


def test_what_it_pooled_is_not_kept() -> None:
    kept: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    images = torch.rand(2, 3, 16, 16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        pooled = MaxPool2d(3, stride=2, padding=1)(images * 1.0)
    assert [tensor.nbytes for tensor in kept if tensor.ndim] == [8 * pooled.numel()]
    with torch.no_grad():
        assert torch.equal(MaxPool2d(3, stride=2, padding=1)(images), pooled)
