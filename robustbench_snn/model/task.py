"""What a model is asked to do: the images it gets, the classes it names, the steps it has."""

from __future__ import annotations

from dataclasses import dataclass

IMAGENET_SIDE = 64
"""From this many pixels a side on, the authors' ImageNet models are meant; below, their CIFAR models."""


@dataclass(frozen=True)
class Task:
    """Everything about the data that shapes a model.

    Attributes:
        channels: image channels, 1 or 3.
        height: image height in pixels.
        width: image width in pixels.
        classes: number of classes K.
        timesteps: T at training; a position embedding over time has this many steps.
        mean: mean of each channel over the training images, for encoders that normalise.
        std: standard deviation of each channel, likewise.
    """

    channels: int
    height: int
    width: int
    classes: int
    timesteps: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if min(self.channels, self.height, self.width, self.classes, self.timesteps) < 1:
            raise ValueError(f"sizes, classes and timesteps must be at least 1: {self}")
        if not len(self.mean) == len(self.std) == self.channels:
            raise ValueError(f"mean and std must have one value a channel: {self}")
