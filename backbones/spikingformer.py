"""Spikingformer: spike-driven residual learning (Zhou et al., 2023, arXiv:2304.11954)."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.backbones.attention import SpikingSelfAttention
from robustbench_snn.backbones.blocks import blocks
from robustbench_snn.backbones.layers import ConvStage, to_tokens, truncated_normal
from robustbench_snn.backbones.shape import Shape
from robustbench_snn.backbones.stem import SpikingStem
from robustbench_snn.backbones.transformer import SpikingTransformer
from robustbench_snn.model.backbone import register_backbone
from robustbench_snn.model.task import Task


@register_backbone(
    "spikingformer",
    version=2,
    presets={
        "spikingformer_4_384": {"depth": 4, "width": 384, "heads": 12},
        "spikingformer_8_384": {"depth": 8, "width": 384, "heads": 6},
        "spikingformer_8_512": {"depth": 8, "width": 512, "heads": 8},
        "spikingformer_8_768": {"depth": 8, "width": 768, "heads": 12},
    },
)
class Spikingformer(SpikingTransformer):
    """Spikingformer: as Spikformer, but shortcuts carry membrane potentials and every product sees 0/1 spikes only.

    Neurons stand before the projections instead of behind them. The stem has a fifth convolution in place of the
    position branch, and it ends with the batch norm. The ImageNet presets have heads of 64 channels, as the 8-512 of
    the published code; for 8-384 and 8-768 that is our reading.

    Args:
        task: image sizes, classes, T at training.
        shape: size, neurons and pooling; published with ``pool: after``.
    """

    def __init__(self, task: Task, *, shape: Shape = Shape(depth=4, width=384, heads=12)) -> None:
        super().__init__(task, shape, blocks(SpikingSelfAttention, shape, membrane=True))
        self.stem_stages = SpikingStem(task, shape)
        self.last_stage = ConvStage(shape.width, shape.width, None)
        # The official code builds two LayerNorms a block and never calls them.
        self.unused_parameters = shape.depth * 4 * shape.width
        truncated_normal(self.head)

    def tokenize(self, spikes: Tensor) -> Tensor:
        """The stem's later stages; tokens are membrane potentials."""
        return to_tokens(self.last_stage(self.stem_stages(spikes)))
