"""The spike-driven transformer, version 1 (Yao et al., NeurIPS 2023, arXiv:2307.01694)."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.backbones.attention import SpikeDrivenAttention
from robustbench_snn.backbones.blocks import blocks
from robustbench_snn.backbones.layers import ConvStage, to_tokens, truncated_normal
from robustbench_snn.backbones.shape import Shape
from robustbench_snn.backbones.stem import SpikingStem
from robustbench_snn.backbones.transformer import SpikingTransformer
from robustbench_snn.model.backbone import register_backbone
from robustbench_snn.model.task import Task


@register_backbone(
    "sdt",
    version=2,
    presets={
        "sdt_2_256": {"depth": 2, "width": 256, "heads": 8},
        "sdt_2_512": {"depth": 2, "width": 512, "heads": 8},
        "sdt_8_384": {"depth": 8, "width": 384, "heads": 8},
        "sdt_8_512": {"depth": 8, "width": 512, "heads": 8},
        "sdt_8_768": {"depth": 8, "width": 768, "heads": 8},
    },
)
class SpikeDrivenTransformer(SpikingTransformer):
    """SDT V1: membrane shortcuts, and an attention of masks and additions only.

    The stem's last stage hands its membrane potential on: its spikes drive a position branch, conv-BN, which is
    added to that potential. The head reads spikes of the mean token.

    Args:
        task: image sizes, classes, T at training.
        shape: size, neurons and pooling; two of its fields mean something more here.
        heads: (of the shape) attention heads; they change nothing but the count of the official code's unused
            parameters.
        pool: (of the shape) max-pool ``after`` the neurons (as published) or ``before`` them, in stages 1 to 3. Stage
            4 always pools its membrane potential (as published), for that is what it hands on.
    """

    def __init__(self, task: Task, *, shape: Shape = Shape(depth=2, width=256, heads=8)) -> None:
        super().__init__(task, shape, blocks(SpikeDrivenAttention, shape, membrane=True))
        self.stem_stages = SpikingStem(task, shape, membrane=True)
        self.position_neuron = shape.neuron.build()
        self.position = ConvStage(shape.width, shape.width, None)
        self.head_neuron = shape.neuron.build()
        # The official code builds a heads x heads "talking heads" convolution a block and never calls it.
        self.unused_parameters = shape.depth * shape.heads**2
        truncated_normal(self.stem_stages, self.position, self.blocks)

    def tokenize(self, spikes: Tensor) -> Tensor:
        """The stem's later stages; tokens are membrane potentials."""
        membrane = self.stem_stages(spikes)
        return to_tokens(membrane + self.position(self.position_neuron(membrane)))

    def classify(self, tokens: Tensor) -> Tensor:
        """Tokens (T, B, N, C) to logits (T, B, K): the head on the spikes of the mean token, step by step."""
        logits: Tensor = self.head(self.head_neuron(tokens.mean(2)))
        return logits
