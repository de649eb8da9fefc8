"""What a dataset is, how one is registered, and how one is loaded by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import torch
from pydantic import Field, PositiveInt

from robustbench_snn.dataset.samples import Samples
from robustbench_snn.dataset.splits import balanced_order, hold_out
from robustbench_snn.errors import DatasetError
from robustbench_snn.model.task import Task
from robustbench_snn.registry import datasets

Limit = PositiveInt | None
"""How many samples to use at most; None for all."""

TRAINING_IDS = 1_000_000_000
"""Where the ids of training images begin, in sets that come in two parts: test images keep their row number in the
published file, and no id stands for two images."""

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
"""A share of the training images, held out for validation."""


@dataclass(frozen=True)
class Dataset:
    """Labelled images, or event frames, in three fixed splits.

    Attributes:
        name: the registered name.
        classes: number of classes K.
        channels: image channels, 1 or 3; of event frames 2, the polarities ON and OFF.
        height: image height in pixels.
        width: image width in pixels.
        mean: mean of each channel over the training images, on [0, 1]; of event frames 0.
        std: standard deviation of each channel, likewise; of event frames 1.
        train: the training samples.
        validation: samples for choosing hyperparameters; may be empty.
        test: the samples that evaluations report on. With a ``limit`` these are the first of a fixed,
            class-balanced order: a smaller limit is a prefix of a larger one, and of the whole set.
        fingerprint: sha256, in hexadecimal, of all labels and images as stored, whatever the limits.
        class_names: names of the classes, where the source tells them.
        source: where it was found, for people to read; no key depends on it.
        frames: F, how many event frames a sample has; None for images.
        binning: how events became frames, in words: "8 frames of equal time".

    Raises:
        DatasetError: if mean and std are not one finite number a channel, std above 0, or a split has samples of
            another shape.
    """

    name: str
    classes: int
    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train: Samples
    validation: Samples
    test: Samples
    fingerprint: str
    class_names: tuple[str, ...] = ()
    source: str = ""
    frames: int | None = None
    binning: str = ""

    @property
    def events(self) -> bool:
        """Whether samples are event frames (F, C, H, W)."""
        return self.frames is not None

    def __post_init__(self) -> None:
        statistics = {"mean": self.mean, "std": self.std}
        for name, values in statistics.items():
            if len(values) != self.channels or not all(map(math.isfinite, values)):
                raise DatasetError(
                    f"dataset '{self.name}' has {name} {values}; it takes one finite number for each of its "
                    f"{self.channels} channels"
                )
        if min(self.std) <= 0:
            raise DatasetError(f"dataset '{self.name}' has std {self.std}; encoders divide by it: it lies above 0")
        frames = () if self.frames is None else (self.frames,)
        shape = (*frames, self.channels, self.height, self.width)
        for split, samples in {"training": self.train, "validation": self.validation, "test": self.test}.items():
            found = _shape(samples)
            if found not in (None, shape):
                raise DatasetError(
                    f"dataset '{self.name}' has {split} samples of shape {found} beside others of {shape}"
                )

    def task(self, timesteps: int) -> Task:
        """What a model for this dataset is asked to do, in ``timesteps`` steps.

        Raises:
            UserError: if samples have fewer event frames than that.
        """
        return Task(
            channels=self.channels,
            height=self.height,
            width=self.width,
            classes=self.classes,
            timesteps=timesteps,
            mean=self.mean,
            std=self.std,
            frames=self.frames,
        )


def _shape(samples: Samples) -> tuple[int, ...] | None:
    """Of the first sample; None where there is none, or it cannot be decoded, as whoever asks for it will be told."""
    if not len(samples):
        return None
    with suppress(DatasetError):
        return tuple(samples.images(torch.arange(1)).shape[1:])
    return None


D_ = TypeVar("D_", bound=Callable[..., Dataset])


def register_dataset(
    name: str,
    *,
    version: int,
    files: Sequence[str] = (),
    inside: Sequence[str] = (".",),
    places: Sequence[str] = (),
    install: str = "",
    events: bool = False,
) -> Callable[[D_], D_]:
    """Puts a dataset function under ``name``; literals only.

    The places are read by :func:`robustbench_snn.dataset.locate.find`, and by ``rbsnn doctor`` without importing
    the function.

    Args:
        name: the name in suite files.
        version: raised whenever its samples, splits or ids change.
        files: glob patterns that must all match in a folder for it to be this dataset.
        inside: sub-folders of a root that may hold the files.
        places: folders to look in when no root is named; ``~`` is the home folder.
        install: how to get the dataset: a command, or what to do.
        events: its samples are event frames (F, C, H, W), not images.
    """
    return datasets.register(
        name, version=version, files=files, inside=inside, places=places, install=install, events=events
    )


def load_dataset(name: str, /, **parameters: Any) -> Dataset:
    """Loads a dataset by name.

    Args:
        name: a registered name, see ``rbsnn list datasets``.
        parameters: its parameters, validated.

    Raises:
        UserError: if the name or a parameter is wrong.
        DatasetError: if it is not there (the message says where it was looked for, and what to run), or broken.
    """
    dataset: Dataset = datasets.create(name, **parameters)
    return dataset


def build(
    name: str,
    *,
    train: Samples,
    test: Samples,
    validation: Samples | float,
    classes: int,
    statistics: tuple[Sequence[float], Sequence[float]] | Callable[[Samples], tuple[Sequence[float], Sequence[float]]],
    fingerprint: str,
    limit: int | None = None,
    train_limit: int | None = None,
    class_names: Sequence[str] = (),
    source: str = "",
    binning: str = "",
) -> Dataset:
    """Puts a dataset together: holds out validation samples, orders, limits and checks.

    Args:
        name: the registered name.
        train: all training samples.
        test: all test samples.
        validation: the validation samples, or the share of ``train`` to hold out for them.
        classes: number of classes K.
        statistics: mean and standard deviation by channel, or a function of the training split that finds them.
        fingerprint: sha256, in hexadecimal, of all labels and images as stored.
        limit: use this many test samples.
        train_limit: use this many training samples.
        class_names: names of the classes.
        source: where it was found.
        binning: how events became frames, where samples are event frames.

    Raises:
        DatasetError: if a split is empty or a label is outside 0..K-1.
    """
    for split, samples in {"training": train, "test": test}.items():
        if not len(samples):
            raise DatasetError(f"dataset '{name}' has no {split} images in {source or 'its source'}")
        if int(samples.labels.min()) < 0 or int(samples.labels.max()) >= classes:
            raise DatasetError(
                f"dataset '{name}' has {split} labels {int(samples.labels.min())}..{int(samples.labels.max())}, "
                f"outside 0..{classes - 1}; labels below 0 mean that the publisher hides them"
            )
    if isinstance(validation, Samples):
        rest, held = train, validation
    else:
        rest, held = hold_out(train, round(validation * len(train)))
    mean, std = statistics(rest) if callable(statistics) else statistics
    first = rest.images(balanced_order(rest)[:1])
    chosen = rest.subset(balanced_order(rest)[:train_limit])
    return Dataset(
        name=name,
        classes=classes,
        channels=first.shape[-3],
        height=first.shape[-2],
        width=first.shape[-1],
        mean=tuple(round(float(value), 4) for value in mean),
        std=tuple(round(float(value), 4) for value in std),
        train=chosen,
        validation=held,
        test=test.subset(balanced_order(test)[:limit]),
        fingerprint=fingerprint,
        class_names=tuple(class_names),
        source=source,
        frames=first.shape[1] if first.ndim == 5 else None,
        binning=binning,
    )
