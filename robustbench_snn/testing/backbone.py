"""What every backbone must satisfy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robustbench_snn.estimator.census import take
from robustbench_snn.model.backbone import Backbone
from robustbench_snn.model.calibration import calibrate
from robustbench_snn.model.neurons import reset, spiking_neurons
from robustbench_snn.model.target import Target
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import backbones
from robustbench_snn.testing.models import BATCH, copy_weights, make_task, mixed_weights, other_device, stir
from robustbench_snn.testing.results import CheckResult, check_component, require


class _Alone(nn.Module):
    """A backbone as a model: spikes (B, T, C_e, H_e, W_e) to logits (B, K)."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, spikes: Tensor) -> Tensor:
        logits: Tensor = self.backbone(spikes.transpose(0, 1))
        return logits.mean(0)


class BackboneConformance:
    """The checks of a backbone; subclass it in a pytest file as ``Test...`` and name the component.

    Attributes:
        component: a registered name.
        parameters: YAML parameters to build it with; a small depth and width keep the checks fast.
        size: height and width of the images, in pixels.
        timesteps: T at training.
        every_timesteps: the T's to run at.
    """

    component: ClassVar[str]
    parameters: ClassVar[Mapping[str, Any]] = {}
    size: ClassVar[int] = 32
    timesteps: ClassVar[int] = 4
    every_timesteps: ClassVar[range] = range(1, 11)

    def build(self, *, channels: int = 3, classes: int = 10, calibrated: bool = True) -> Backbone:
        """A fresh backbone in eval mode, as if trained a little; the same weights every time."""
        task = make_task(
            channels=channels, height=self.size, width=self.size, timesteps=self.timesteps, classes=classes
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            backbone: Backbone = backbones.create(self.component, task, **self.parameters)
            if calibrated:
                stir(backbone)
                calibrate(backbone, lambda model: self.classify(model, self.spikes(model)))
        return backbone.eval()

    def spikes(self, backbone: Backbone, timesteps: int | None = None, seed: int = 0) -> Tensor:
        """Random input spikes (T, B, C_e, H_e, W_e), three in ten, the same on every call."""
        stem, steps = backbone.stem, self.timesteps if timesteps is None else timesteps
        streams = SampleRandom.for_samples("conformance", seed, sample_ids=range(BATCH))
        draws = streams.uniform(steps, stem.channels, stem.height, stem.width)
        return (draws < 0.3).float().transpose(0, 1).contiguous()

    def classify(self, backbone: Backbone, spikes: Tensor) -> Tensor:
        """One run from rest."""
        reset(backbone)
        logits: Tensor = backbone(spikes)
        return logits

    def test_shape_and_dtype(self) -> None:
        """Logits of every step, for 1 and 3 channels and other numbers of classes."""
        for channels, classes in [(3, 10), (1, 7)]:
            backbone = self.build(channels=channels, classes=classes)
            logits = self.classify(backbone, self.spikes(backbone))
            wanted = (self.timesteps, BATCH, classes)
            require(tuple(logits.shape) == wanted, f"logits are {tuple(logits.shape)}, expected (T, B, K) {wanted}")
            require(logits.dtype == torch.float32, f"float32 spikes gave {logits.dtype}")
            require(bool(torch.isfinite(logits).all()), "logits are not finite")

    def test_every_timestep(self) -> None:
        """Any T, whatever T was at training."""
        backbone = self.build()
        for steps in self.every_timesteps:
            logits = self.classify(backbone, self.spikes(backbone, steps)[:, :1])
            require(len(logits) == steps, f"T = {steps} gave logits of {len(logits)} steps")
            lengths = backbone.segments(steps)
            require(sum(lengths) == steps, f"segments({steps}) = {lengths} do not add up to {steps}")
        weights = backbone.segment_weights()
        require(abs(sum(weights) - 1.0) < 1e-6, f"segment_weights() = {weights} do not sum to one")

    def test_deterministic_and_reset(self) -> None:
        """The same spikes give the same logits, whatever ran before."""
        backbone = self.build()
        spikes = self.spikes(backbone)
        first = self.classify(backbone, spikes)
        self.classify(backbone, self.spikes(backbone, seed=1))
        require(torch.equal(first, self.classify(backbone, spikes)), "a run shows in the next one, or is random")

    def test_declares_its_neurons(self) -> None:
        """Declared spiking: it has SpikingJelly's neurons, or spikes are seen elsewhere; an ANN has no such layers."""
        backbone = self.build()
        declared = backbones.get(self.component).declaration.traits.spiking
        count = len(spiking_neurons(backbone))
        reason = f"declared spiking={declared}, but has {count} layers of spiking neurons"
        if declared and not count:  # neurons of its own making; a declared ANN may compare without firing
            fires = take(Target(_Alone(backbone)), self.spikes(backbone).transpose(0, 1)).spiking
            require(fires, f"{reason}, and no spikes were seen elsewhere; declare spiking=False")
        else:
            require(declared == (count > 0), reason)

    def test_independent_of_batch_mates(self) -> None:
        """A sample's logits depend on its own spikes."""
        backbone = self.build()
        spikes, others = self.spikes(backbone), self.spikes(backbone, seed=1)
        others[:, 0] = spikes[:, 0]
        same = torch.equal(self.classify(backbone, spikes)[:, 0], self.classify(backbone, others)[:, 0])
        require(same, "in eval mode, the logits of a sample change with the other samples of its batch")

    def test_input_gradient(self) -> None:
        """The gradient reaches the spikes of every sample."""
        backbone = self.build()
        spikes = self.spikes(backbone).requires_grad_()
        logits = self.classify(backbone, spikes)
        (gradient,) = torch.autograd.grad((logits * mixed_weights(logits)).sum(), spikes)
        require(bool(torch.isfinite(gradient).all()), "the gradient at the input spikes is not finite")
        alive = (gradient != 0).transpose(0, 1).flatten(1).any(1)
        require(bool(alive.all()), "no gradient reaches the input spikes")

    def test_save_and_load(self) -> None:
        """The weights go through a safetensors file into a fresh backbone that then gives the same logits."""
        backbone, fresh = self.build(), self.build(calibrated=False)
        with torch.no_grad():
            for parameter in fresh.parameters():
                parameter.add_(1.0)
        copy_weights(backbone, fresh)
        spikes = self.spikes(backbone)
        same = torch.equal(self.classify(backbone, spikes), self.classify(fresh, spikes))
        require(same, "logits differ after saving and loading: something that matters is no parameter and no buffer")

    def test_device_move(self) -> None:
        """Moved as a whole, nothing stays behind."""
        device = other_device()
        backbone = self.build()
        spikes = self.spikes(backbone).to(device)
        logits = self.classify(backbone.to(device), spikes)
        require(logits.device.type == device.type, f"on {device}, the logits are on {logits.device}")


def check_backbone(component: str, *, size: int = 32, timesteps: int = 4, **parameters: Any) -> list[CheckResult]:
    """Runs every check of :class:`BackboneConformance`.

    Args:
        component: a registered name.
        size: height and width of the images, in pixels.
        timesteps: T at training.
        **parameters: YAML parameters to build it with.

    Returns:
        One result a check, in alphabetical order.
    """
    return check_component(BackboneConformance, "backbone", component, parameters, size=size, timesteps=timesteps)
