"""The stem that Spikformer, Spikingformer and SDT share: convolutions that double the channels, two or more pooling."""

from __future__ import annotations

from torch import Tensor, nn

from robustbench_snn.backbones.layers import ConvStage, max_pool, over_steps
from robustbench_snn.backbones.shape import Shape
from robustbench_snn.model.task import Task


class SpikingStem(nn.Module):
    """Stages 2 to 4 of the stem: D/8 to D/4 to D/2 to D channels; stage 1 is the encoder.

    Args:
        task: image sizes.
        shape: width, neurons and pooling.
        membrane: the last stage ends with its batch norm (and max-pool), without neurons.

    Shape:
        - spikes: (T, B, D/8, H_e, W_e)
        - returns: (T, B, D, H', W')
    """

    def __init__(self, task: Task, shape: Shape, *, membrane: bool = False) -> None:
        super().__init__()
        width, neuron, order, pooled = shape.width, shape.neuron, shape.pool, shape.pooled(task)
        # The encoder has pooled before its neurons already; a pool after them comes first here.
        self.first_pool = max_pool(pooled[0] and order == "after")
        last = None if membrane else neuron
        self.stages = nn.Sequential(
            ConvStage(width // 8, width // 4, neuron, pool=pooled[1], order=order),
            ConvStage(width // 4, width // 2, neuron, pool=pooled[2], order=order),
            ConvStage(width // 2, width, last, pool=pooled[3], order=order),
        )

    def forward(self, spikes: Tensor) -> Tensor:
        """Runs the stages over all steps."""
        features: Tensor = self.stages(over_steps(self.first_pool, spikes))
        return features
