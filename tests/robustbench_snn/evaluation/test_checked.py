"""Broken models are flagged by every evaluation, not only by diagnostics."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.flags import FLAGS
from robustbench_snn.model.calibration import calibrate
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.task import Task
from robustbench_snn.registry import backbones, encoders

IMAGES = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(40) % 5


class Altered(nn.Module):
    """A linear model with something done to its input or its logits."""

    def __init__(
        self, before: Callable[[Tensor], Tensor] | None = None, after: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(16, 5)
        self.before, self.after = before, after

    def forward(self, images: Tensor) -> Tensor:
        x = images if self.before is None else self.before(images)
        logits: Tensor = self.linear(x.flatten(1))
        return logits if self.after is None else self.after(logits)


def nan_weights() -> nn.Module:
    model = Altered()
    with torch.no_grad():
        model.linear.weight[0, 0] = torch.nan
    return model


BROKEN: dict[str, tuple[nn.Module, set[str]]] = {
    "as it should be": (Altered(), set()),
    "detached input": (Altered(before=Tensor.detach), {"no_input_gradient"}),
    "constant": (
        Altered(after=lambda z: z * 0.0 + torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])),
        {"no_input_gradient", "constant_prediction"},
    ),
    "infinite logits": (Altered(after=lambda z: torch.where(z > z.amax(), z, torch.inf)), {"non_finite_logits"}),
    "mean of the batch taken off": (Altered(after=lambda z: z - 0.01 * z.mean(0, keepdim=True)), {"batch_dependent"}),
    "large logits": (Altered(after=lambda z: z + 1e6), set()),
    "weights that are not numbers": (nan_weights(), {"non_finite_weights", "non_finite_logits"}),
}


@pytest.mark.parametrize("evaluation", ["clean", {"pgd": {"eps": 0.1, "steps": 2}}], ids=["clean", "pgd"])
@pytest.mark.parametrize("name", BROKEN)
def test_flags(name: str, evaluation: str | dict[str, dict[str, float]]) -> None:
    model, expected = BROKEN[name]
    (result,) = evaluate(model, IMAGES, LABELS, [evaluation])
    raised = set(result.flags) & {flag for _, flags in BROKEN.values() for flag in flags}
    assert expected <= raised
    assert raised <= set(FLAGS)
    if not expected:
        assert not raised
    if "non_finite_logits" in expected:
        assert result.accuracy == 0.0


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_a_leak_between_samples_is_found_at_every_batch_size(batch_size: int) -> None:
    def norm(statistics: bool) -> nn.Module:
        model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16, track_running_stats=not statistics), nn.Linear(16, 5))
        return model.eval()

    for leaks in (False, True):
        (result,) = evaluate(norm(leaks), IMAGES, LABELS, batch_size=batch_size)
        assert ("batch_dependent" in result.flags) == leaks


def test_a_drawing_encoder_of_a_classifier_is_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of another making are refused; a component that did not declare its draws is not."""
    images = torch.rand(24, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    task = Task(1, 8, 8, 5, 2, (0.3,), (0.35,))
    backbone = backbones.create("spikformer", task, depth=1, width=16, heads=2, pooling="0011")
    model = Classifier(encoders.create("direct", backbone.stem), backbone, 2)
    calibrate(model, lambda found: found(images))
    assert "not_deterministic" not in evaluate(model, images, LABELS[:24])[0].flags
    exact = model.encoder.normalize
    monkeypatch.setattr(model.encoder, "normalize", lambda x: exact(x + 0.3 * torch.randn_like(x)))
    assert "not_deterministic" in evaluate(model, images, LABELS[:24])[0].flags


def test_undeclared_noise_is_refused() -> None:
    noisy = Altered(after=lambda z: z + torch.randn_like(z))
    with pytest.raises(UserError, match=r"draws random numbers.*stochastic=True"):
        evaluate(noisy, IMAGES, LABELS)
    assert evaluate(noisy, IMAGES, LABELS, stochastic=True)[0].accuracy < 1.0


def test_logits_that_are_not_finite_off_the_clean_grid_are_flagged_and_count_as_wrong() -> None:
    clean = set(map(float, IMAGES.flatten()))

    def fragile(images: Tensor) -> Tensor:
        known = torch.tensor([float(value) in clean for value in images.detach().flatten()]).reshape(images.shape)
        return torch.where(known.flatten(1).all(1).reshape(-1, 1, 1, 1), images, torch.nan)

    model = Altered(before=fragile)
    with torch.no_grad():
        labels = Altered()(IMAGES).argmax(1)
    clean_result, attacked = evaluate(model, IMAGES, labels, ["clean", {"pgd": {"eps": 0.1, "steps": 2}}])
    assert clean_result.accuracy == 1.0
    assert "non_finite_logits" not in clean_result.flags
    assert attacked.accuracy == 0.0
    assert "non_finite_logits" in attacked.flags
