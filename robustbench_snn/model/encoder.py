"""What every spike encoder shares: its contract, its stem, its registration.

An encoder is everything between the pixels and the first spikes: images (B, C, H, W) in [0, 1], or event frames
(B, F, C, H, W), to spikes (T, B, C_e, H_e, W_e). The backbone says how many channels C_e it wants, through the
:class:`Stem`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import torch
from spikingjelly.activation_based.neuron import BaseNode
from torch import Tensor, nn

from robustbench_snn.errors import UserError
from robustbench_snn.model.coding_gradients import Backward, blurred, coded_with_backward
from robustbench_snn.model.frozen_norm import BatchNorm2d
from robustbench_snn.model.max_pool import MaxPool2d
from robustbench_snn.model.neurons import NeuronConfig, StepMode
from robustbench_snn.model.position_embedding import Overrun, PositionEmbedding, sincos_position_embedding
from robustbench_snn.model.task import Task
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import encoders
from robustbench_snn.registry.data_kind import unfit
from robustbench_snn.registry.traits import EncoderTraits, Gradient, Takes

E_ = TypeVar("E_", bound="type[Encoder]")


def register_encoder(
    name: str,
    *,
    version: int,
    stochastic: bool = False,
    causal: bool = True,
    gradient: Gradient = "surrogate",
    spiking: bool = True,
    takes: Takes = "images",
    presets: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[[E_], E_]:
    """Puts an encoder class under ``name`` with its traits (see :class:`EncoderTraits`); literals only."""
    traits = EncoderTraits(stochastic=stochastic, causal=causal, gradient=gradient, spiking=spiking, takes=takes)
    register = encoders.register(
        name,
        version=version,
        presets=presets,
        stochastic=stochastic,
        causal=causal,
        gradient=gradient,
        spiking=spiking,
        takes=takes,
    )

    def decorate(cls: E_) -> E_:
        cls.traits, cls.registered_name = traits, name
        registered: E_ = register(cls)
        return registered

    return decorate


@dataclass(frozen=True)
class Stem:
    """The first layer as the backbone wants it; an encoder builds its parts from here.

    Attributes:
        task: image sizes, T at training, mean and std.
        channels: C_e, the channels of the spikes.
        neuron: type and constants of the spiking neurons.
        pool: a 3x3 max-pool with stride 2 follows the convolution's batch norm (stems that downsample).
    """

    task: Task
    channels: int
    neuron: NeuronConfig = NeuronConfig()
    pool: bool = False

    @property
    def height(self) -> int:
        """H_e, the height of the spikes in pixels."""
        return (self.task.height + 1) // 2 if self.pool else self.task.height

    @property
    def width(self) -> int:
        """W_e, the width of the spikes in pixels."""
        return (self.task.width + 1) // 2 if self.pool else self.task.width

    def conv_bn(self) -> nn.Sequential:
        """3x3 convolution without bias, batch norm and, in a downsampling stem, max-pool: one step at a time."""
        layers: list[nn.Module] = [
            nn.Conv2d(self.task.channels, self.channels, 3, padding=1, bias=False),
            BatchNorm2d(self.channels),
        ]
        return nn.Sequential(*layers, *([MaxPool2d(3, 2, 1)] if self.pool else []))

    def spiking(self, *, step_mode: StepMode = "m") -> nn.Module:
        """A layer of the backbone's neurons; for the ANN twin a ReLU."""
        return self.neuron.build(step_mode=step_mode)

    def spiking_only(self, encoder: str) -> BaseNode:
        """A layer of neurons, for an encoder that needs their membrane or their surrogate gradient.

        Raises:
            UserError: if the backbone is an ANN, whose first layer has neither.
        """
        layer = self.spiking()
        if not isinstance(layer, BaseNode):
            raise UserError(
                f"encoder '{encoder}' needs spiking neurons, and this backbone has none; use 'direct' with an ANN"
            )
        return layer

    def position_embedding(self, overrun: Overrun = "hold") -> PositionEmbedding:
        """The feature form of the position embedding, one map (C_e, H_e, W_e) a step."""
        table = sincos_position_embedding(self.task.timesteps, self.channels, self.height, self.width)
        return PositionEmbedding(table, overrun)


class Encoder(nn.Module, ABC):
    """Base class of all encoders.

    A subclass calls ``super().__init__(stem)``, takes its YAML parameters as keyword-only arguments, and
    implements :meth:`forward`. It is reset before every forward by the classifier, keeps no other state, and
    treats every sample on its own.

    Args:
        stem: what the backbone wants of the first layer.

    Raises:
        UserError: if it does not take the task's kind of data.

    Shape:
        - images: (B, C, H, W), float, raw pixels in [0, 1]; or event frames (B, F, C, H, W), for those that take them
        - returns: (T, B, C_e, H_e, W_e), spikes
    """

    traits: EncoderTraits
    """The class's declaration; an instance whose parameters change it says so with :meth:`declare`."""

    registered_name: ClassVar[str]
    """The name given by :func:`register_encoder`."""

    drive: nn.Sequential
    """The stem's convolution and batch norm, where the encoder has one: see :meth:`driven`."""

    mean: Tensor
    std: Tensor

    def __init__(self, stem: Stem) -> None:
        super().__init__()
        declared = getattr(self, "traits", EncoderTraits())
        name = getattr(self, "registered_name", type(self).__name__)
        if refusal := unfit("encoders", name, declared.takes, events=stem.task.events, data="the task"):
            raise UserError(refusal)
        self.stem = stem
        self.register_buffer("mean", torch.tensor(stem.task.mean).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(stem.task.std).reshape(1, -1, 1, 1), persistent=False)
        self._random: SampleRandom | None = None

    @abstractmethod
    def forward(self, images: Tensor, timesteps: int) -> Tensor:
        """Encodes images for ``timesteps`` steps."""

    def declare(self, **traits: Any) -> None:
        """Corrects some traits of this instance, where a parameter changes what the class declares."""
        self.traits = replace(self.traits, **traits)

    def normalize(self, images: Tensor) -> Tensor:
        """Subtracts the mean and divides by the standard deviation of the training images, by channel."""
        return (images - self.mean) / self.std

    def shown(self, x: Tensor, timesteps: int) -> Tensor:
        """What the steps are shown, (T, B, C, H, W): a still image every time, or the first T of its event frames.

        Raises:
            UserError: if there are fewer event frames than steps.
        """
        if not self.stem.task.events:
            return x.expand(timesteps, *x.shape)
        if timesteps > x.shape[1]:
            raise UserError(
                f"{timesteps} timesteps need as many event frames, and the samples have {x.shape[1]}; ask for no more "
                "steps, or raise the dataset's frames"
            )
        return x[:, :timesteps].transpose(0, 1)

    def shown_singly(self, x: Tensor, timesteps: int) -> tuple[Tensor, ...]:
        """The same, T times (B, C, H, W): gradients of a still image are then added up in the order of steps."""
        return self.shown(x, timesteps).unbind(0) if self.stem.task.events else (x,) * timesteps

    def driven(self, x: Tensor, timesteps: int) -> Tensor:
        """The drive of every step, (T, B, C_e, H_e, W_e), of normalised images or event frames.

        A still image goes through :attr:`drive` once, whatever T is.
        """
        if not self.stem.task.events:
            still: Tensor = self.drive(x)
            return still.expand(timesteps, *still.shape)
        return self.driven_by_step(self.shown(x, timesteps))

    def driven_by_step(self, shown: Tensor) -> Tensor:
        """The drive of what differs from step to step, (T, B, C, H, W) to (T, B, C_e, H_e, W_e)."""
        drive: Tensor = self.drive(shown.flatten(0, 1))
        return drive.reshape(*shown.shape[:2], *drive.shape[1:])

    def attach(self, backbone: nn.Module) -> None:
        """Called once by the classifier, for an encoder that reaches beyond itself; does nothing unless overridden.

        Args:
            backbone: the backbone behind this encoder, both still on the CPU and untrained.
        """

    def seed(self, random: SampleRandom | None) -> None:
        """Sets the streams for the next forward passes; None draws fresh ones from torch's generator each time."""
        self._random = random

    def random(self, images: Tensor) -> SampleRandom:
        """The random streams of this forward pass, one a sample: all that a stochastic encoder may draw from."""
        if self._random is None:
            return SampleRandom.from_torch(len(images), images.device)
        if len(self._random) != len(images):
            raise ValueError(f"{len(self._random)} random streams for a batch of {len(images)} images")
        return self._random

    def overrun(self, timesteps: int) -> str:
        """What happens at ``timesteps`` when training had another T: one phrase for the record."""
        if timesteps == self.stem.task.timesteps:
            return "as trained"
        return f"first {timesteps} event frames" if self.stem.task.events else "formula holds for any T"


class FrameEncoder(Encoder):
    """An encoder that turns the image into T input frames; the shared stem conv-BN-LIF makes the spikes."""

    def __init__(self, stem: Stem) -> None:
        super().__init__(stem)
        self.drive = stem.conv_bn()
        self.neuron = stem.spiking()

    @abstractmethod
    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        """Images (B, C, H, W) in [0, 1] to frames (T, B, C, H, W)."""

    def forward(self, images: Tensor, timesteps: int) -> Tensor:
        frames = self.frames(images, timesteps)
        assert frames.shape == (timesteps, *images.shape), frames.shape
        spikes: Tensor = self.neuron(self.driven_by_step(frames))
        return spikes


class PixelCoding(FrameEncoder):
    """A deterministic code of single pixels that has no useful derivative of its own.

    A subclass implements :meth:`code`; the backward pass is chosen by name.

    Args:
        stem: what the backbone wants of the first layer.
        backward: see :data:`robustbench_snn.model.coding_gradients.Backward`.
        width: half-width of BPDA's blur, in units of the pixel range; see
            :func:`robustbench_snn.model.coding_gradients.blurred`.
    """

    def __init__(self, stem: Stem, backward: Backward, width: float) -> None:
        super().__init__(stem)
        self.backward: Backward = backward
        self.blur = width
        self.declare(gradient=backward)

    @abstractmethod
    def code(self, pixels: Tensor, timesteps: int) -> Tensor:
        """Pixels (B, C, H, W) in [0, 1] to frames (T, B, C, H, W); never differentiated."""

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        """The code's frames with the declared backward."""
        with torch.no_grad():
            coded = self.code(images.clamp(0.0, 1.0), timesteps).to(images.dtype)
        smooth = blurred(lambda pixels: self.code(pixels, timesteps).to(images.dtype), self.blur)
        return coded_with_backward(coded, images, self.backward, smooth)
