"""Replaced backward passes: exact values forward, the declared slope backward."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from robustbench_snn.model.coding_gradients import Backward, blurred, coded_with_backward, replace_gradient


def test_value_to_the_bit_and_gradient_of_the_substitute() -> None:
    x = torch.rand(1000, requires_grad=True)
    value = (torch.rand(1000) < 0.5).float()
    out = replace_gradient(value, -3 * x)
    assert torch.equal(out, value)
    assert not torch.equal(-3 * x + (value + 3 * x).detach(), value)  # the usual trick rounds
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert torch.equal(gradient, torch.full((1000,), -3.0))


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        replace_gradient(torch.zeros(3), torch.zeros(1, 3))


def test_blur_is_the_derivative_of_the_mean_over_the_neighbourhood() -> None:
    def code(pixels: Tensor) -> Tensor:  # a step at 0.5
        return (pixels >= 0.5).double()[None]

    x = torch.linspace(0, 1, 41, dtype=torch.float64).reshape(1, 1, 1, 41).requires_grad_()
    (slope,) = torch.autograd.grad(blurred(code, 0.2)(x).sum(), x)
    fine = torch.linspace(-0.2, 0.2, 4001, dtype=torch.float64)

    def mean_code(value: float) -> float:
        return float((torch.tensor(value) + fine >= 0.5).double().mean())

    for index in range(9, 32):  # away from the borders of [0, 1]
        value = float(x.detach().flatten()[index])
        if abs(abs(value - 0.5) - 0.2) > 0.01:
            wanted = (mean_code(value + 1e-3) - mean_code(value - 1e-3)) / 2e-3
            assert float(slope.flatten()[index]) == pytest.approx(wanted, abs=0.2)
    assert float(slope.flatten()[20]) == pytest.approx(2.5)  # a jump of 1 over a width of 0.4
    assert float(slope.flatten()[0]) == 0.0


@pytest.mark.parametrize(("backward", "wanted"), [("straight-through", 4.0), ("bpda", 8.0)])
def test_each_backward(backward: Backward, wanted: float) -> None:
    pixels = torch.rand(1, 1, 2, 2, requires_grad=True)
    coded = torch.zeros(4, 1, 1, 2, 2)
    out = coded_with_backward(coded, pixels, backward, lambda x: 2 * x.expand_as(coded))
    (gradient,) = torch.autograd.grad(out.sum(), pixels)
    assert torch.equal(gradient, torch.full_like(pixels, wanted))


def test_none_cuts_and_bpda_needs_a_substitute() -> None:
    pixels = torch.rand(1, 1, 2, 2, requires_grad=True)
    assert not coded_with_backward(torch.zeros(4, 1, 1, 2, 2), pixels, "none").requires_grad
    with pytest.raises(ValueError, match="substitute"):
        coded_with_backward(torch.zeros(4, 1, 1, 2, 2), pixels, "bpda")
