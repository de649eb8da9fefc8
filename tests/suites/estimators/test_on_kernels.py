"""Every estimator gives the same gradient on kernels over all steps as on SpikingJelly's own code, to the bit."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from robustbench_snn.estimator.contract import estimating, make
from robustbench_snn.kernels import layer
from robustbench_snn.kernels.compiling import using
from robustbench_snn.model.neurons import NeuronConfig
from robustbench_snn.model.target import Target
from robustbench_snn.registry import estimators
from robustbench_snn.testing.models import make_task, sample_images
from robustbench_snn.testing.subject import small_target

IMAGES = sample_images(make_task(timesteps=3, classes=5), 6, seed=3)
LABELS = torch.arange(6) % 5


def gradients(target: Target, name: str, *, fused: bool) -> list[Tensor]:
    """Input gradients of three iterations of an attack, the last on fewer samples."""
    found = []
    with estimating(target, make(name), IMAGES) as estimator, nullcontext() if fused else target.as_it_is():
        for iteration, rows in enumerate(([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], [0, 3, 4])):
            leaf = (IMAGES[rows] * (1.0 - 0.1 * iteration)).requires_grad_()
            with estimator.rows(torch.tensor(rows), frozen=iteration == 1):
                loss = F.cross_entropy(target(leaf), LABELS[rows])
            found.append(torch.autograd.grad(loss, leaf)[0])
    return found


@pytest.mark.parametrize("name", list(estimators))
@pytest.mark.parametrize("step_mode", ["m", "s"])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("kind", ["lif", "plif"])
def test_the_same_gradient(
    name: str, step_mode: Any, checkpointing: bool, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = small_target(neuron=NeuronConfig(type=kind, surrogate="atan"), step_mode=step_mode)
    target.checkpointing = checkpointing
    with using("off"):  # an estimator's own machine code too
        own = gradients(target, name, fused=False)
    calls = 0
    forward = layer._steps

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        return forward(*arguments, **named)

    monkeypatch.setattr(layer, "_steps", counted)
    fused = gradients(target, name, fused=True)
    assert calls
    for one, other in zip(own, fused, strict=True):
        assert one.any()
        assert torch.equal(one, other)
