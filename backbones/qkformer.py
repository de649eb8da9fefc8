"""QKFormer: hierarchical spiking transformer using Q-K attention (Zhou et al., NeurIPS 2024, arXiv:2403.16552)."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from robustbench_snn.backbones.attention import SpikingSelfAttention, TokenQKAttention
from robustbench_snn.backbones.blocks import blocks
from robustbench_snn.backbones.layers import (
    ConvStage,
    PoolOrder,
    max_pool,
    over_steps,
    to_maps,
    to_tokens,
    truncated_normal,
)
from robustbench_snn.backbones.pooling import Form, is_imagenet, require_divisible
from robustbench_snn.backbones.shape import Shape
from robustbench_snn.backbones.transformer import SpikingTransformer
from robustbench_snn.errors import UserError
from robustbench_snn.model.backbone import register_backbone
from robustbench_snn.model.neurons import NeuronConfig
from robustbench_snn.model.task import Task


class PatchEmbedding(nn.Module):
    """The paper's SPEDS: conv stages beside a 1x1 conv stage as shortcut, their spikes added (values 0, 1, 2).

    Args:
        inputs: channels C_in.
        outputs: channels C_out.
        neuron: type and constants of the neurons.
        pools: one entry a 3x3 convolution of the main path: whether its stage halves the maps; one at most does.
        order: pool after the neurons or before them.

    Shape:
        - maps: (T, B, C_in, H, W)
        - returns: (T, B, C_out, H', W')
    """

    def __init__(
        self, inputs: int, outputs: int, neuron: NeuronConfig, pools: tuple[bool, ...], order: PoolOrder
    ) -> None:
        super().__init__()
        widths = (inputs, *[outputs] * len(pools))
        self.main = nn.Sequential(
            *(
                ConvStage(before, after, neuron, pool=pool, order=order)
                for before, after, pool in zip(widths[:-1], widths[1:], pools, strict=True)
            )
        )
        self.shortcut = ConvStage(inputs, outputs, neuron, kernel=1, stride=2 if any(pools) else 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Runs both paths over all steps."""
        result: Tensor = self.main(maps) + self.shortcut(maps)
        return result


@register_backbone(
    "qkformer",
    version=2,
    presets={
        "qkformer_4_384": {"depth": 4, "width": 384, "heads": 8, "form": "cifar"},
        "qkformer_10_384": {"depth": 10, "width": 384, "heads": 6, "form": "imagenet"},
        "qkformer_10_512": {"depth": 10, "width": 512, "heads": 8, "form": "imagenet"},
        "qkformer_10_768": {"depth": 10, "width": 768, "heads": 12, "form": "imagenet"},
    },
)
class QKFormer(SpikingTransformer):
    """QKFormer (HST-depth-width): three stages of D/4, D/2 and D channels, each behind a patch embedding.

    The first two stages attend by Q-K token attention, linear in the tokens; the third by spiking self-attention.
    The official code flattens T and B before the last neurons of its self-attention, so that their membranes run
    on from sample to sample; here, as everywhere, every sample starts at rest.

    Args:
        task: image sizes, classes, T at training.
        shape: size, neurons and pooling; four of its fields mean something more here.
        depth: (of the shape) blocks in all: 1, 1, the rest (CIFAR) or 1, 2, the rest (ImageNet) in the three stages.
        width: (of the shape) channels D of the last stage; a multiple of 8 and of 4 times ``heads``.
        pool: (of the shape) max-pool ``after`` the neurons or ``before`` them (as published), in every stage that
            pools. The default is that of all our backbones.
        pooling: (of the shape) one digit for the stem's first and second convolution and for the second and third
            patch embedding; ``auto`` goes by the image's size (32 px: ``0011``, 224 px: ``1111``, both as published).
        form: the authors' CIFAR model (patch embeddings pool in their last convolution) or their ImageNet model (a
            third convolution in the stem, patch embeddings pool in their first); ``auto`` takes the latter from 64
            pixels a side.
    """

    def __init__(self, task: Task, *, shape: Shape = Shape(depth=4, width=384, heads=8), form: Form = "auto") -> None:
        width, neuron, pool = shape.width, shape.neuron, shape.pool
        require_divisible(width, {"the first stage's D/8": 8, "4 times heads": 4 * shape.heads})
        imagenet = is_imagenet(form, task)
        early = (1, 2) if imagenet else (1, 1)
        if shape.depth <= sum(early):
            raise UserError(
                f"depth {shape.depth} leaves no block for the last stage of QKFormer; take {sum(early) + 1} or more"
            )
        last = replace(shape, depth=shape.depth - sum(early))
        super().__init__(task, last, blocks(SpikingSelfAttention, last))

        def stage(channels: int, depth: int) -> nn.ModuleList:
            return blocks(TokenQKAttention, replace(shape, depth=depth, width=channels))

        def pools(halve: bool) -> tuple[bool, bool]:
            return (halve, False) if imagenet else (False, halve)

        pooled = shape.pooled(task)
        first = (pooled[1], False) if imagenet else (pooled[1],)
        self.first_pool = max_pool(pooled[0] and pool == "after")
        self.embed1 = PatchEmbedding(width // 8, width // 4, neuron, first, pool)
        self.stage1 = stage(width // 4, early[0])
        self.embed2 = PatchEmbedding(width // 4, width // 2, neuron, pools(pooled[2]), pool)
        self.stage2 = stage(width // 2, early[1])
        self.embed3 = PatchEmbedding(width // 2, width, neuron, pools(pooled[3]), pool)
        truncated_normal(self.head)

    def tokenize(self, spikes: Tensor) -> Tensor:
        """Everything before the last stage: patch embeddings and stages of Q-K token attention."""
        maps = self.embed1(over_steps(self.first_pool, spikes))
        maps = self.embed2(_attend(self.stage1, maps))
        maps = self.embed3(_attend(self.stage2, maps))
        return to_tokens(maps)


def _attend(blocks: nn.ModuleList, maps: Tensor) -> Tensor:
    """Runs blocks of tokens on maps (T, B, C, H, W)."""
    tokens = to_tokens(maps)
    for block in blocks:
        tokens = block(tokens)
    return to_maps(tokens, (maps.shape[3], maps.shape[4]))
