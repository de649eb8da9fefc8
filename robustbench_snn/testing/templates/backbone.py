"""Template title: say here what it does and where it is from (authors, year, arXiv id)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from robustbench_snn.plugins import Backbone, Stem, Task, register_backbone


@register_backbone("template_name", version=1)
class TemplateName(Backbone):
    """One line for listings: one convolution with spiking neurons, and a linear readout of their mean.

    Args:
        width: channels of the convolution.

    Shape:
        - spikes: (T, B, C_e, H_e, W_e)
        - returns: logits (T, B, K)
    """

    def __init__(self, task: Task, *, width: Annotated[int, Field(ge=1)] = 16) -> None:
        super().__init__(task, Stem(task, width))
        self.current = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.neuron = self.stem.spiking()
        self.head = nn.Linear(width, task.classes)

    def forward(self, spikes: Tensor) -> Tensor:
        """Time is folded into the batch wherever steps do not meet: neurons alone see (T, B, ...)."""
        current = self.current(spikes.flatten(0, 1)).unflatten(0, spikes.shape[:2])
        logits: Tensor = self.head(self.neuron(current).mean((3, 4)))
        return logits
