"""The frozen batch norm is torch's to the bit, forward and backward, and stays out of the way of a training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn.model.frozen_norm import BatchNorm1d, BatchNorm2d


def norms(affine: bool = True, eps: float = 1e-5) -> tuple[nn.BatchNorm2d, BatchNorm2d]:
    """torch's and ours, with the same weights and statistics."""
    generator = torch.Generator().manual_seed(0)
    theirs = nn.BatchNorm2d(24, affine=affine, eps=eps)
    theirs.running_mean = torch.randn(24, generator=generator)
    theirs.running_var = torch.rand(24, generator=generator)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, generator=generator)
    ours = BatchNorm2d(24, affine=affine, eps=eps)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def answers(norm: nn.Module, images: Tensor, slope: Tensor) -> tuple[Tensor, Tensor, Any]:
    leaf = images.clone().requires_grad_()
    output = norm(leaf)
    (gradient,) = torch.autograd.grad(output, leaf, slope)
    return output, gradient, output.grad_fn


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("affine", "eps"), [(True, 1e-5), (True, 1e-2), (False, 1e-5)])
def test_frozen_it_is_torchs_to_the_bit(affine: bool, eps: float, layout: torch.memory_format) -> None:
    images, slope = torch.randn(2, 16, 24, 9, 7).contiguous().unbind()
    images, slope = (values.contiguous(memory_format=layout) for values in (images, slope))
    (output, gradient, node), (again, other, ours) = (
        answers(norm.eval().requires_grad_(False), images, slope) for norm in norms(affine, eps)
    )
    assert torch.equal(output, again)
    assert torch.equal(gradient, other)
    assert gradient.stride() == other.stride()
    assert type(node).__name__ != type(ours).__name__  # ours did go its own way


@pytest.mark.parametrize("shape", [(40, 24), (3, 24), (1, 24), (1000, 24), (40, 24, 7)])
def test_tokens_too(shape: tuple[int, ...]) -> None:
    theirs, source = nn.BatchNorm1d(24), norms()[0]
    ours = BatchNorm1d(24)
    for norm in (theirs, ours):
        norm.load_state_dict(source.state_dict())
        norm.eval().requires_grad_(False)
    tokens, slope = torch.randn(2, *shape).unbind()
    (output, gradient, node), (again, other, kept) = (answers(norm, tokens, slope) for norm in (theirs, ours))
    assert torch.equal(output, again)
    assert torch.equal(gradient, other)
    assert type(node).__name__ != type(kept).__name__


@pytest.mark.parametrize("training", [True, False])
def test_with_trainable_weights_it_is_torchs(training: bool) -> None:
    images = torch.randn(8, 24, 5, 5)
    found = []
    for norm in norms():
        leaf = images.clone().requires_grad_()
        norm.train(training)(leaf).square().sum().backward()
        found.append([leaf.grad, *(parameter.grad for parameter in norm.parameters()), norm.running_var])
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_in_training_mode_frozen_weights_still_take_the_batchs_statistics() -> None:
    images = torch.randn(8, 24, 5, 5)
    found = [answers(norm.train().requires_grad_(False), images, images)[:2] for norm in norms()]
    for theirs, ours in zip(*found, strict=True):
        assert torch.equal(theirs, ours)


def test_the_gradient_of_a_gradient_is_torchs() -> None:
    images = torch.randn(4, 24, 3, 3)
    found = []
    for norm in norms():
        leaf = images.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(norm.eval().requires_grad_(False)(leaf).pow(3).sum(), leaf, create_graph=True)
        found.append(torch.autograd.grad(gradient.square().sum(), leaf)[0])
    torch.testing.assert_close(found[1], found[0])


def test_it_counts_channels_as_torch_does() -> None:
    _, ours = norms()
    ours.eval().requires_grad_(False)
    with pytest.raises(ValueError, match="4D"):
        ours(torch.randn(4, 24, 3, requires_grad=True))
