"""Kernels in place of SpikingJelly's code: where they are put, where not, and that all is put back."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn.kernels.layer import _Layer
from robustbench_snn.model.fusing import fusing
from robustbench_snn.model.neurons import NeuronConfig
from robustbench_snn.model.target import Target, Through
from robustbench_snn.testing.models import make_task, sample_images
from robustbench_snn.testing.subject import small_target


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of the currents of every fused call."""
    seen: list[tuple[int, ...]] = []
    forward = _Layer.forward

    def noted(ctx: Any, currents: Tensor, *others: Any) -> Any:
        seen.append(tuple(currents.shape))
        return forward(ctx, currents, *others)

    monkeypatch.setattr(_Layer, "forward", staticmethod(noted))
    return seen


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 8), NeuronConfig().build(step_mode="s"), nn.Linear(8, 3)).eval()


def methods(model: nn.Module) -> list[str]:
    return [name for module in model.modules() for name in vars(module) if name.endswith("_step_forward")]


def test_all_is_put_back_even_on_error() -> None:
    model = net()
    with fusing(model):
        assert len(methods(model)) == 2
        with fusing(model):
            assert len(methods(model)) == 2
        with fusing(model, False):
            assert methods(model) == []
        assert len(methods(model)) == 2
    assert methods(model) == []
    with pytest.raises(ZeroDivisionError), fusing(model):
        1 / 0  # noqa: B018
    assert methods(model) == []


def test_a_method_of_somebody_elses_is_left_alone(calls: list[tuple[int, ...]]) -> None:
    model = net()
    model[2].__dict__["single_step_forward"] = torch.zeros_like
    with fusing(model):
        assert model(torch.rand(2, 3, 4, 4)).unique(dim=0).shape[0] == 1
    assert model[2].__dict__["single_step_forward"] is torch.zeros_like
    assert not calls


@pytest.mark.parametrize("step_mode", ["m", "s"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_target_runs_on_kernels(step_mode: Any, checkpointing: bool, calls: list[tuple[int, ...]]) -> None:
    target = small_target(step_mode=step_mode)
    target.checkpointing = checkpointing
    images = sample_images(make_task(timesteps=3, classes=5), 8, seed=2)

    def gradient() -> tuple[Tensor, Tensor]:
        leaf = images.clone().requires_grad_()
        logits = target(leaf)
        return logits.detach(), torch.autograd.grad(logits.square().sum(), leaf)[0]

    fused = gradient()
    assert len(calls) >= 2
    calls.clear()
    with target.as_it_is():
        own = gradient()
    assert not calls
    assert torch.equal(own[0], fused[0])
    assert torch.equal(own[1], fused[1])
    assert methods(target.model) == []


def test_a_cut_that_is_passed_through_needs_the_neurons_own_code(calls: list[tuple[int, ...]]) -> None:
    target = small_target()
    target.through = Through.ALL
    target(sample_images(make_task(timesteps=3, classes=5), 2, seed=2))
    assert not calls


def test_any_model_of_spikingjelly_neurons(calls: list[tuple[int, ...]]) -> None:
    images = torch.rand(4, 3, 4, 4)
    target = Target(net(), timesteps=3)
    logits = target(images)
    assert calls
    with target.as_it_is():
        assert torch.equal(target(images), logits)
