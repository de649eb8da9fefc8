"""What the conformance classes share: components, tasks, images, weights and devices."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from robustbench_snn.errors import UserError
from robustbench_snn.model.encoder import Encoder
from robustbench_snn.model.task import Task
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import Component, encoders
from robustbench_snn.registry.data_kind import fits
from robustbench_snn.registry.traits import Takes

BATCH = 8


def make_task(
    *,
    channels: int = 3,
    height: int = 8,
    width: int = 8,
    timesteps: int = 4,
    classes: int = 10,
    frames: int | None = None,
) -> Task:
    """A small task with the mean and deviation of uniform pixels; with ``frames``, one of event frames."""
    if frames is not None:
        return Task(2, height, width, classes, timesteps, (0.0, 0.0), (1.0, 1.0), frames)
    mean, std = (0.5,) * channels, (0.29,) * channels
    return Task(channels, height, width, classes, timesteps, mean, std)


def sample_images(task: Task, batch: int = BATCH, seed: int = 0) -> Tensor:
    """Uniform pixels (B, C, H, W), or event frames (B, F, C, H, W) of 0 to 3 events, most of them 0.

    They are the same on every call.
    """
    streams = SampleRandom.for_samples("conformance", seed, sample_ids=range(batch))
    if task.frames is None:
        return streams.uniform(task.channels, task.height, task.width)
    return (4.0 * streams.uniform(task.frames, task.channels, task.height, task.width) ** 6).floor()


def kinds_of_data(takes: Takes) -> list[bool]:
    """Whether the data are event frames, for each kind that a component declares: what a kit runs its checks on."""
    return [events for events in (False, True) if fits(takes, events=events)]


def stir(model: nn.Module) -> None:
    """Moves every parameter a little: some start out equal at every step or place, which hides what they do."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))


def mixed_weights(output: Tensor) -> Tensor:
    """Fixed weights of both signs for the entries of an output: a plain sum is blind to spikes that only move."""
    places = torch.arange(output.numel(), dtype=torch.float64, device=output.device)
    return torch.cos(places).reshape(output.shape).to(output.dtype)


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Writes the weights of one module to a safetensors file and reads them into another, strictly."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "weights.safetensors"
        save_file({name: value.contiguous() for name, value in source.state_dict().items()}, file)
        target.load_state_dict(load_file(file), strict=True)


def other_device() -> torch.device:
    """A GPU if there is one; else ``meta``, which has shapes but no values and refuses tensors left on the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "meta")


def find_encoder(component: str | type[Encoder]) -> Component[Any, Any]:
    """The registered component of a name, or of a decorated class.

    Raises:
        UserError: if the class was never registered.
    """
    if isinstance(component, str):
        return encoders.get(component)
    name = vars(component).get("registered_name")  # not inherited: a subclass registers for itself
    if name is None:
        raise UserError(f"{component.__name__} is not registered; decorate it with @register_encoder(name, ...)")
    return encoders.get(name)
