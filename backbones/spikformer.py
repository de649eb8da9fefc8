"""Spikformer: when spiking neural network meets transformer (Zhou et al., ICLR 2023, arXiv:2209.15425)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from robustbench_snn.backbones.attention import SpikingSelfAttention, ValuedAttention
from robustbench_snn.backbones.blocks import blocks
from robustbench_snn.backbones.layers import ConvStage, to_tokens, truncated_normal
from robustbench_snn.backbones.pooling import Form, is_imagenet
from robustbench_snn.backbones.shape import Shape
from robustbench_snn.backbones.stem import SpikingStem
from robustbench_snn.backbones.transformer import SpikingTransformer
from robustbench_snn.model.backbone import register_backbone
from robustbench_snn.model.task import Task


@register_backbone(
    "spikformer",
    version=2,
    presets={
        "spikformer_4_384": {"depth": 4, "width": 384, "heads": 12, "form": "cifar"},
        "spikformer_4_256": {"depth": 4, "width": 256, "heads": 8, "form": "cifar"},
        "spikformer_2_384": {"depth": 2, "width": 384, "heads": 12, "form": "cifar"},
        "spikformer_8_384": {"depth": 8, "width": 384, "heads": 6, "form": "imagenet"},
        "spikformer_8_512": {"depth": 8, "width": 512, "heads": 8, "form": "imagenet"},
        "spikformer_8_768": {"depth": 8, "width": 768, "heads": 12, "form": "imagenet"},
    },
)
class Spikformer(SpikingTransformer):
    """Spikformer: a convolutional stem (SPS), then blocks of spiking self-attention (SSA) and MLP.

    The encoder is the stem's first stage conv(C to D/8)-BN-LIF; the backbone begins at the second. Shortcuts add
    spikes, so that tokens hold small whole numbers. The ImageNet presets have heads of 64 channels, as the 8-512 of
    the published code; for 8-384 and 8-768 that is our reading.

    Args:
        task: image sizes, classes, T at training.
        shape: size, neurons and pooling; published with ``pool: after``.
        form: the authors' CIFAR code (queries, keys and values with bias) or their ImageNet code (without);
            ``auto`` takes the latter from 64 pixels a side.
    """

    attention: ClassVar[type[ValuedAttention]] = SpikingSelfAttention

    def __init__(self, task: Task, *, shape: Shape = Shape(depth=4, width=384, heads=12), form: Form = "auto") -> None:
        imagenet = is_imagenet(form, task)
        super().__init__(task, shape, blocks(self.attention, shape, bias=not imagenet))
        self.stem_stages = SpikingStem(task, shape)
        self.position = ConvStage(shape.width, shape.width, shape.neuron)
        # The official code builds two LayerNorms a block and never calls them.
        self.unused_parameters = shape.depth * 4 * shape.width
        truncated_normal(self.head, *([] if imagenet else [self.blocks]))

    def tokenize(self, spikes: Tensor) -> Tensor:
        """The stem's later stages; a position branch adds its spikes to theirs, so that tokens are 0, 1 or 2."""
        features = self.stem_stages(spikes)
        return to_tokens(features + self.position(features))
