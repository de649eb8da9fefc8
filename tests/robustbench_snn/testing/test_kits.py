"""The conformance kit catches what it promises to catch: each broken encoder fails the check made for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn.errors import UserError
from robustbench_snn.model.backbone import Backbone, register_backbone
from robustbench_snn.model.coding_gradients import replace_gradient
from robustbench_snn.model.encoder import Encoder, FrameEncoder, Stem, register_encoder
from robustbench_snn.model.task import Task
from robustbench_snn.registry import KINDS, ROOT
from robustbench_snn.testing import CHECKS, CheckResult, check_backbone, check_encoder, check_file


def failed(results: list[CheckResult]) -> set[str]:
    return {result.name for result in results if not result.passed}


class Sound(FrameEncoder):
    """A sound encoder, to be broken in one way each."""

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        return self.normalize(images).expand(timesteps, *images.shape)


@register_encoder("t_wrong_stochastic", version=1, stochastic=True)
class WrongStochastic(Sound):
    """Says it is stochastic."""


@register_encoder("t_hidden_stochastic", version=1)
class HiddenStochastic(Sound):
    """Draws, and does not say so."""

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        noise = self.random(images).normal(timesteps, *images.shape[1:]).transpose(0, 1)
        return super().frames(images, timesteps) + noise


@register_encoder("t_global_random", version=1, stochastic=True)
class GlobalRandom(Sound):
    """Draws from torch's generator."""

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        return super().frames(images, timesteps) + torch.randn(timesteps, *images.shape).to(images)


@register_encoder("t_wrong_causal", version=1)
class WrongCausal(Sound):
    """Each frame depends on T."""

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        return super().frames(images, timesteps) * 4 / timesteps


@register_encoder("t_too_modest", version=1, causal=False)
class TooModest(Sound):
    """Is causal, and says it is not."""


@register_encoder("t_no_gradient", version=1)
class NoGradient(Sound):
    """Codes under no_grad."""

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        with torch.no_grad():
            return super().frames(images, timesteps)


@register_encoder("t_claims_none", version=1, gradient="none")
class ClaimsNone(Sound):
    """Has a gradient, and says it has none."""


@register_encoder("t_wrong_exact", version=1, gradient="exact")
class WrongExact(Sound):
    """Takes its surrogate for the truth."""


@register_encoder("t_wrong_straight_through", version=1, gradient="straight-through")
class WrongStraightThrough(Sound):
    """Declares straight-through, differentiates a square."""

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        coded = (images > 0.5).to(images.dtype).expand(timesteps, *images.shape)
        return replace_gradient(coded, images.square().expand_as(coded))


@register_encoder("t_wrong_spiking", version=1, spiking=False)
class WrongSpiking(Sound):
    """Is binary, and says it is not."""


@register_encoder("t_real_valued", version=1)
class RealValued(Sound):
    """Sends the membrane's input instead of spikes."""

    def forward(self, images: Tensor, timesteps: int) -> Tensor:
        return 0.5 * super().forward(images, timesteps)


@register_encoder("t_batch_norm_at_test", version=1)
class UsesBatchMates(Sound):
    """Centres by the batch."""

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        return super().frames(images - images.mean(0, keepdim=True), timesteps)


@register_encoder("t_in_place", version=1)
class InPlace(Sound):
    """Scales its input in place."""

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        if not images.requires_grad:
            images.mul_(0.5)
        return super().frames(images, timesteps)


@register_encoder("t_memory", version=1)
class Memory(Sound):
    """Remembers the image before."""

    last: Tensor | float = 0.0

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        shown = super().frames(images + self.last, timesteps)
        self.last = images.detach().mean()
        return shown


@register_encoder("t_hidden_tensor", version=1)
class HiddenTensor(Sound):
    """Keeps a random tensor that is no buffer: neither saved nor moved."""

    def __init__(self, stem: Stem) -> None:
        super().__init__(stem)
        self.mask = [torch.rand(stem.task.height, stem.task.width)]

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        return super().frames(images * self.mask[0].to(images.dtype), timesteps)


@register_encoder("t_dead_weight", version=1)
class DeadWeight(Sound):
    """Has a parameter that nothing uses."""

    def __init__(self, stem: Stem) -> None:
        super().__init__(stem)
        self.unused = nn.Parameter(torch.zeros(3))


@register_encoder("t_mute", version=1)
class Mute(Sound):
    """Never fires."""

    def forward(self, images: Tensor, timesteps: int) -> Tensor:
        return 0.0 * super().forward(images, timesteps)


@register_encoder("t_fixed_size", version=1)
class FixedSize(Encoder):
    """Serves square images and one T only."""

    def __init__(self, stem: Stem) -> None:
        super().__init__(stem)
        self.drive, self.neuron = stem.conv_bn(), stem.spiking()
        self.weights = nn.Parameter(torch.ones(4, 1, 1, 8, 8))

    def forward(self, images: Tensor, timesteps: int) -> Tensor:
        drive = self.drive(self.normalize(images))
        spikes: Tensor = self.neuron(drive.expand(timesteps, *drive.shape) * self.weights[:timesteps])
        return spikes


@pytest.mark.parametrize(
    ("encoder", "checks"),
    [
        (WrongStochastic, {"stochastic trait"}),
        (HiddenStochastic, {"stochastic trait"}),
        (GlobalRandom, {"deterministic under a seed"}),
        (WrongCausal, {"causal trait"}),
        (TooModest, {"causal trait"}),
        (NoGradient, {"input gradient"}),
        (ClaimsNone, {"input gradient"}),
        (WrongExact, {"gradient trait"}),
        (WrongStraightThrough, {"gradient trait"}),
        (WrongSpiking, {"spiking trait"}),
        (RealValued, {"spiking trait"}),
        (UsesBatchMates, {"independent of batch mates"}),
        (InPlace, {"leaves images alone"}),
        (Memory, {"no memory between runs", "deterministic under a seed"}),
        (HiddenTensor, {"device move"}),
        (DeadWeight, {"parameters are trained"}),
        (Mute, {"depends on the image", "input gradient"}),
        (FixedSize, {"shape and dtype", "every timestep"}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_each_fault_is_caught(encoder: type[Encoder], checks: set[str]) -> None:
    results = check_encoder(encoder)
    assert checks <= failed(results)
    assert all(result.reason for result in results if not result.passed)


def test_one_fault_fails_one_check() -> None:
    assert failed(check_encoder(TooModest)) == {"causal trait"}
    assert failed(check_encoder(WrongSpiking)) == {"spiking trait"}
    assert failed(check_encoder(DeadWeight)) == {"parameters are trained"}


def test_reasons_say_what_to_do() -> None:
    reasons = {result.name: result.reason for result in check_encoder(NoGradient)}
    assert "looks like robustness" in reasons["input gradient"]
    assert "declare causal=True" in next(r.reason for r in check_encoder(TooModest) if r.name == "causal trait")


def test_a_crash_is_a_failed_check_with_its_place() -> None:
    reason = next(r.reason for r in check_encoder(FixedSize) if r.name == "shape and dtype")
    assert "RuntimeError" in reason
    assert "test_kits.py, line" in reason


def test_a_class_that_is_not_registered() -> None:
    with pytest.raises(UserError, match="not registered"):
        check_encoder(Sound)


class TinyBackbone(Backbone):
    """Conv, LIF, linear."""

    def __init__(self, task: Task) -> None:
        super().__init__(task, Stem(task, 16))
        self.conv, self.norm = nn.Conv2d(16, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.neuron = self.stem.spiking()
        self.head = nn.Linear(8, task.classes)

    def forward(self, spikes: Tensor) -> Tensor:
        drive = self.norm(self.conv(spikes.flatten(0, 1))).unflatten(0, spikes.shape[:2])
        logits: Tensor = self.head(self.neuron(drive).mean((3, 4)))
        return logits


@register_backbone("t_tiny", version=1)
class SoundBackbone(TinyBackbone):
    """Passes."""


@register_backbone("t_ann_that_spikes", version=1, spiking=False)
class NotAnANN(TinyBackbone):
    """Says it is an ANN."""


@register_backbone("t_batch_mates", version=1)
class BatchMates(TinyBackbone):
    """Centres logits by the batch."""

    def forward(self, spikes: Tensor) -> Tensor:
        logits = super().forward(spikes)
        return logits - logits.mean(1, keepdim=True)


@register_backbone("t_segments", version=1)
class BadSegments(TinyBackbone):
    """Segments that do not add up."""

    def segments(self, timesteps: int) -> list[int]:
        return [timesteps, 1]


class Fires(torch.autograd.Function):
    """A Heaviside step with a surrogate gradient."""

    @staticmethod
    def forward(ctx: Any, u: Tensor) -> Tensor:
        ctx.save_for_backward(u)
        return (u >= 0).to(u)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        slope: Tensor = grads[0] / (1 + u.square())
        return slope


class HandWritten(nn.Module):
    """Neurons without SpikingJelly, at rest at every first step."""

    def forward(self, drive: Tensor) -> Tensor:
        membrane, spikes = torch.zeros_like(drive[0]), []
        for step in drive:
            membrane = membrane + (step - membrane) / 2
            spikes.append(Fires.apply(membrane - 0.5))
            membrane = membrane * (1 - spikes[-1])
        return torch.stack(spikes)


@register_backbone("t_hand_written", version=1)
class HandWrittenBackbone(TinyBackbone):
    """Spikes by code of its own."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.neuron = HandWritten()


@register_backbone("t_spiking_without_spikes", version=1)
class NoNeurons(TinyBackbone):
    """Is an ANN, and does not say so."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.neuron = nn.ReLU()


@pytest.mark.parametrize(
    ("name", "checks"),
    [
        ("t_tiny", set()),
        ("t_hand_written", set()),
        ("t_spiking_without_spikes", {"declares its neurons"}),
        ("t_ann_that_spikes", {"declares its neurons"}),
        ("t_batch_mates", {"independent of batch mates"}),
        ("t_segments", {"every timestep"}),
    ],
)
def test_backbones(name: str, checks: set[str]) -> None:
    assert failed(check_backbone(name, size=8)) == checks


PLUGIN = '''
"""A plug-in."""
from robustbench_snn.plugins import FrameEncoder, register_encoder

@register_encoder("t_from_file", version=1, presets={"t_from_file_too": {}})
class FromFile(FrameEncoder):
    """Shows the image."""

    def frames(self, images, timesteps):
        return self.normalize(images).expand(timesteps, *images.shape)
'''


def test_check_file(tmp_path: Path) -> None:
    (tmp_path / "plug.py").write_text(PLUGIN)
    results = check_file(tmp_path / "plug.py")
    assert {result.component for result in results} == {"encoder t_from_file", "encoder t_from_file_too"}
    assert not failed(results)
    assert not failed(check_file(ROOT / "encoders" / "direct.py"))  # a file of the package is not loaded twice


def test_check_file_checks_one_kind_with_parameters_of_its_own() -> None:
    file = ROOT / "suites" / "attacks" / "noise.py"
    results = check_file(file, "attack", tries=2)
    assert {result.component for result in results} == {"attack noise"}
    assert not failed(results)
    with pytest.raises(UserError, match=r"has no parameter 'trys'. Did you mean 'tries'\?"):
        check_file(file, "attack", trys=2)
    with pytest.raises(UserError, match="registers no estimator"):
        check_file(file, "estimator")
    with pytest.raises(UserError, match="not for 'recipe'"):
        check_file(file, "recipe")


def test_every_kind_has_a_kit_but_whole_models() -> None:
    assert {f"{kind}s" for kind in CHECKS} == set(KINDS) - {"models"}


def test_check_file_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("import nothing_of_the_kind\n")
    for name, words in [
        ("empty", "registers no encoder or"),
        ("broken", "cannot be imported"),
        ("none", "not a file"),
    ]:
        with pytest.raises(UserError, match=words):
            check_file(tmp_path / f"{name}.py")
