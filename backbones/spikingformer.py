"""Spikingformer: spike-driven residual learning (Zhou et al., 2023, arXiv:2304.11954)."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.backbones.attention import SpikingSelfAttention
from robustbench_snn.backbones.blocks import MLP, Block
from robustbench_snn.backbones.layers import ConvStage, PoolOrder, Positive, to_tokens, truncated_normal
from robustbench_snn.backbones.pooling import first_stage, grid_after, pooled_stages, require_divisible
from robustbench_snn.backbones.stem import SpikingStem
from robustbench_snn.backbones.transformer import SpikingTransformer
from robustbench_snn.model.backbone import register_backbone
from robustbench_snn.model.neurons import NeuronConfig
from robustbench_snn.model.task import Task


@register_backbone(
    "spikingformer",
    version=1,
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
        depth: number of blocks.
        width: channels D of the tokens; a multiple of 8 and of ``heads``.
        heads: attention heads.
        neuron: type and constants of all neurons, the encoder's included.
        pool: max-pool ``after`` the neurons (as published) or ``before`` them, in every stage that pools.
        pooling: one digit a stage, 1 halves the image; ``auto`` goes by the image's size (32 px: ``0011``).
    """

    def __init__(
        self,
        task: Task,
        *,
        depth: Positive = 4,
        width: Positive = 384,
        heads: Positive = 12,
        neuron: NeuronConfig = NeuronConfig(),
        pool: PoolOrder = "after",
        pooling: str = "auto",
    ) -> None:
        require_divisible(width, {"the stem's stages": 8, "heads": heads})
        pooled = pooled_stages(pooling, task)
        super().__init__(
            task,
            first_stage(task, width // 8, neuron, pooled[0], pool),
            width=width,
            grid=grid_after(task, pooled),
            blocks=[
                Block(
                    SpikingSelfAttention(width, heads, neuron, membrane=True, bias=False),
                    MLP(width, neuron, membrane=True),
                )
                for _ in range(depth)
            ],
        )
        self.stem_stages = SpikingStem(width, neuron, pooled, pool)
        self.last_stage = ConvStage(width, width, None)
        # The official code builds two LayerNorms a block and never calls them.
        self.unused_parameters = depth * 4 * width
        truncated_normal(self.head)

    def tokenize(self, spikes: Tensor) -> Tensor:
        """The stem's later stages; tokens are membrane potentials."""
        return to_tokens(self.last_stage(self.stem_stages(spikes)))
