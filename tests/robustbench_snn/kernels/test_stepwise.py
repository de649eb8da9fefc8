"""Slopes that are given ahead: what a backward pass keeps of them, and that its gradients stay the same to the bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from robustbench_snn.kernels.compiling import using
from robustbench_snn.kernels.dynamics import Dynamics
from robustbench_snn.kernels.layer import Stepwise, run

STEPS, SHAPE = 5, (3, 4, 50)


def rule(u: Tensor) -> Tensor:
    """Slopes of which some are zero."""
    return (1.0 - u.abs()).clamp_min(0.0)


def together(membranes: Tensor, threshold: float) -> Tensor:
    return rule(membranes - threshold)


def gradients(dynamics: Dynamics, slopes: Stepwise, *, rate: bool, forward: Any, backward: Any) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    currents = torch.randn(STEPS, *SHAPE, generator=generator).mul_(2).requires_grad_()
    membrane = torch.randn(SHAPE, generator=generator).requires_grad_()
    rates = torch.tensor(0.4, requires_grad=True) if rate else None
    leaves = [currents, membrane, *([] if rates is None else [rates])]
    with using(forward):
        spikes, last = run(currents, membrane, rates, dynamics, slopes)
    loss = (spikes * torch.randn(spikes.shape, generator=generator)).sum() + last.sum()
    with using(backward):
        return [spikes.detach(), *torch.autograd.grad(loss, leaves)]


@pytest.mark.parametrize("backward", ["auto", "off"])
@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("reset", [0.0, None, 0.3])
@pytest.mark.parametrize("kind", ["lif", "plif", "if"])
def test_by_sample_or_not_the_gradient_is_the_same(kind: Any, reset: float | None, detach: bool, backward: str) -> None:
    dynamics = Dynamics(kind, 2.3, True, 0.8, reset, detach)
    rate = kind == "plif"
    expected = gradients(dynamics, Stepwise(rule), rate=rate, forward="off", backward="off")
    found = gradients(dynamics, Stepwise(rule, together), rate=rate, forward="auto", backward=backward)
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("detach", "values"), [(True, 1), (False, 2)])
def test_one_value_a_step_is_kept_unless_the_reset_has_a_gradient(detach: bool, values: int) -> None:
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    currents = torch.randn(STEPS, *SHAPE, requires_grad=True)
    dynamics = Dynamics("lif", 2.0, True, 1.0, 0.0, detach)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        spikes, _ = run(currents, torch.zeros(()), None, dynamics, Stepwise(rule, together))
    assert spikes.requires_grad
    assert sum(kept.values()) == values * 4 * currents.numel()
