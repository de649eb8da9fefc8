"""What every backbone shares: its contract and its registration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from torch import Tensor, nn

from robustbench_snn.model.encoder import Stem
from robustbench_snn.model.task import Task
from robustbench_snn.registry import backbones

B_ = TypeVar("B_", bound="type[Backbone]")


def register_backbone(
    name: str,
    *,
    version: int,
    spiking: bool = True,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[[B_], B_]:
    """Puts a backbone class under ``name``; literals only.

    Args:
        name: name in suite files.
        version: raised whenever the backbone's numbers change.
        spiking: False for an ANN, which has no membrane.
        presets: other names under which some parameters have other defaults.
    """
    return backbones.register(name, version=version, presets=presets, spiking=spiking)


class Backbone(nn.Module, ABC):
    """Base class of all backbones: spikes of the encoder in, logits of every step out.

    A subclass calls ``super().__init__(task, stem)`` with the stem it wants, and takes its YAML parameters as
    keyword-only arguments after the task. Its neurons are reset by the classifier before every forward.

    Args:
        task: image sizes, classes, T at training.
        stem: the first layer that its encoder shall build.

    Shape:
        - spikes: (T, B, C_e, H_e, W_e), with C_e = ``stem.channels``
        - returns: logits (T, B, K)
    """

    readout: ClassVar[str] = "mean"
    """The readout used when a suite names none."""

    unused_parameters: int = 0
    """Parameters that the authors' code builds but never uses, and we leave out: their counts include them."""

    def __init__(self, task: Task, stem: Stem) -> None:
        super().__init__()
        self.task = task
        self.stem = stem

    @abstractmethod
    def forward(self, spikes: Tensor) -> Tensor:
        """Classifies a train of spikes, one row of logits a step."""

    def checkpointed(self) -> Iterable[nn.Module]:
        """The modules that a forward pass calls, each by its own ``forward``: what checkpointing may run again."""
        return self.children()

    def segments(self, timesteps: int) -> list[int]:
        """Lengths of the segments that a run of ``timesteps`` is cut into; one segment unless overridden."""
        return [timesteps]

    def segment_weights(self) -> list[float]:
        """Weight of each segment's cross-entropy in the training loss, summing to one."""
        return [1.0]
