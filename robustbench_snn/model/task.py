"""What a model is asked to do: the images or event frames it gets, the classes it names, the steps it has."""

from __future__ import annotations

from dataclasses import dataclass

from robustbench_snn.errors import UserError

IMAGENET_SIDE = 64
"""From this many pixels a side on, the authors' ImageNet models are meant; below, their CIFAR models."""


@dataclass(frozen=True)
class Task:
    """Everything about the data that shapes a model.

    Attributes:
        channels: image channels, 1 or 3; of event frames 2, the polarities ON and OFF.
        height: image height in pixels.
        width: image width in pixels.
        classes: number of classes K.
        timesteps: T at training; a position embedding over time has this many steps.
        mean: mean of each channel over the training images, for encoders that normalise.
        std: standard deviation of each channel, likewise; that of event frames is 1, and their mean 0.
        frames: F, how many event frames (F, C, H, W) a sample has; None for images (C, H, W).
    """

    channels: int
    height: int
    width: int
    classes: int
    timesteps: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    frames: int | None = None

    def __post_init__(self) -> None:
        if min(self.channels, self.height, self.width, self.classes, self.timesteps) < 1:
            raise ValueError(f"sizes, classes and timesteps must be at least 1: {self}")
        if not len(self.mean) == len(self.std) == self.channels:
            raise ValueError(f"mean and std must have one value a channel: {self}")
        if self.frames is not None and self.frames < self.timesteps:
            raise UserError(
                f"a model of {self.timesteps} timesteps takes an event frame a step, and samples have {self.frames}; "
                "lower timesteps, or raise the dataset's frames"
            )

    @property
    def events(self) -> bool:
        """Whether samples are event frames."""
        return self.frames is not None
