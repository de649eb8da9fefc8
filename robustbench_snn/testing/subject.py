"""A small spiking model and its samples, for the kits of what runs on a model: attacks, estimators, evaluations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_snn.dataset.event_frames import EventFrames
from robustbench_snn.dataset.samples import ArraySamples, Samples
from robustbench_snn.model.backbone import Backbone
from robustbench_snn.model.calibration import calibrate
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.encoder import Stem
from robustbench_snn.model.neurons import NeuronConfig, StepMode
from robustbench_snn.model.target import Target
from robustbench_snn.model.task import Task
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import encoders
from robustbench_snn.testing.models import BATCH, make_task, sample_images
from robustbench_snn.testing.results import require

NEURON = NeuronConfig(surrogate="sigmoid", alpha=2.5)
"""A training surrogate that no estimator has by default."""


class SmallBackbone(Backbone):
    """Convolution, batch norm, neurons, linear readout; its neurons run in either step mode."""

    def __init__(self, task: Task, *, neuron: NeuronConfig = NEURON, step_mode: StepMode = "m") -> None:
        super().__init__(task, Stem(task, 8, neuron=neuron))
        self.step_mode = step_mode
        self.drive = nn.Sequential(nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8))
        self.neuron = self.stem.spiking(step_mode=step_mode)
        self.head = nn.Linear(8 * ((self.stem.height + 1) // 2) * ((self.stem.width + 1) // 2), task.classes)

    def forward(self, spikes: Tensor) -> Tensor:
        current = self.drive(spikes.flatten(0, 1)).unflatten(0, spikes.shape[:2])
        if self.step_mode == "s":
            current = torch.stack([self.neuron(step) for step in current])
        else:
            current = self.neuron(current)
        logits: Tensor = self.head(current.flatten(2))
        return logits


def small_target(task: Task | None = None, *, encoder: str | None = None, seed: int = 0, **backbone: Any) -> Target:
    """A calibrated model with random weights, the same on every call: 8 channels, about 600 neurons.

    Args:
        task: image size, classes and T; 3 x 8 x 8, 5 classes and T = 3 without it.
        encoder: a registered name; ``rate`` makes the model stochastic. On event frames ``events`` if left out.
        seed: of the weights.
        **backbone: of :class:`SmallBackbone`.
    """
    task = task or make_task(timesteps=3, classes=5)
    encoder = encoder or ("events" if task.events else "direct")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = SmallBackbone(task, **backbone)
        model = Classifier(encoders.create(encoder, body.stem), body, task.timesteps)
        streams = SampleRandom.for_samples("conformance", "calibration", sample_ids=range(32))
        return Target(calibrate(model, lambda whole: whole(sample_images(task, 32, seed=1), random=streams)))


def samples_for(target: Target, count: int = BATCH, *, wrong: int = 0) -> Samples:
    """Images whose labels are what the model says, so that it is right about all of them but the first ``wrong``."""
    assert isinstance(target.model, Classifier)
    task = target.model.encoder.stem.task
    images = sample_images(task, count)
    streams = SampleRandom.for_samples("conformance", "labels", sample_ids=range(count))
    with torch.no_grad():
        labels = target(images, streams).argmax(1)
    labels[:wrong] = (labels[:wrong] + 1) % task.classes
    return (EventFrames if task.events else ArraySamples)(images, labels, 100 + torch.arange(count))


@contextmanager
def untouched(target: Target) -> Iterator[None]:
    """Requires that weights, modes and parts of a model are the same afterwards, even after an error."""
    before = _state(target)
    try:
        yield
    finally:
        after = _state(target)
        changed = [name for name in before | after if not _equal(before.get(name), after.get(name))]
        require(not changed, f"the model is not as it was before: {', '.join(changed[:3])} changed")


def _state(target: Target) -> dict[str, Any]:
    """Weights by value; modes, trainability, hooks and swapped parts by identity."""
    found: dict[str, Any] = {name: value.clone() for name, value in target.model.state_dict().items()}
    for name, parameter in target.model.named_parameters():
        found[f"{name}.requires_grad"] = parameter.requires_grad
        found[f"{name}.grad"] = parameter.grad is not None
    for path, module in target.model.named_modules():
        parts = {**vars(module), **module._modules}
        found |= {f"{path}.{name}": id(value) for name, value in parts.items() if name != "_random"}
        found[f"{path} hooks"] = len(module._forward_hooks) + len(module._forward_pre_hooks)
    return found


def _equal(before: Any, after: Any) -> bool:
    return torch.equal(before, after) if isinstance(before, Tensor) and isinstance(after, Tensor) else before == after
