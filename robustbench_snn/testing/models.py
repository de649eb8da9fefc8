"""What the conformance classes share: tasks, images, weights and devices."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from robustbench_snn.model.task import Task
from robustbench_snn.randomness import SampleRandom

BATCH = 8


def make_task(*, channels: int = 3, height: int = 8, width: int = 8, timesteps: int = 4, classes: int = 10) -> Task:
    """A small task with the mean and deviation of uniform pixels."""
    mean, std = (0.5,) * channels, (0.29,) * channels
    return Task(channels, height, width, classes, timesteps, mean, std)


def sample_images(task: Task, batch: int = BATCH, seed: int = 0) -> Tensor:
    """Uniform pixels (B, C, H, W), the same on every call."""
    streams = SampleRandom.for_samples("conformance", seed, sample_ids=range(batch))
    return streams.uniform(task.channels, task.height, task.width)


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
