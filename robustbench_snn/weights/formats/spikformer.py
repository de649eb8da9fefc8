"""State dicts of Spikformer (github.com/ZK-Zhou/spikformer) and of SDT (github.com/BICLab/Spike-Driven-Transformer).

SDT took over Spikformer's names.
"""

from __future__ import annotations

from robustbench_snn.weights.formats.layout import Layout, Names, State, attention, conv_norm, encoder, mlp


def names(depth: int, imagenet: bool) -> Names:
    """Layers of either model."""
    stem = "patch_embed"
    yield from encoder(f"{stem}.proj")
    for number in (1, 2, 3):
        ours = f"backbone.stem_stages.stages.{number - 1}"
        yield from conv_norm(f"{stem}.proj_conv{number}", f"{stem}.proj_bn{number}", ours)
    yield from conv_norm(f"{stem}.rpe_conv", f"{stem}.rpe_bn", "backbone.position")
    for index in range(depth):
        yield from attention(f"block.{index}.attn", f"backbone.blocks.{index}.attention")
        yield from mlp(f"block.{index}.mlp", f"backbone.blocks.{index}.mlp")
    yield "head", "backbone.head"


def is_imagenet(state: State) -> bool:
    """Spikformer's ImageNet code projects queries without bias."""
    return not any(key in state for key in ("block.0.attn.q_linear.bias", "block.0.attn.q_conv.bias"))


SPIKFORMER = Layout(
    backbone="spikformer",
    pool="after",
    blocks=r"block\.\d+\.",
    heads=12,
    names=names,
    unused=r"block\.\d+\.norm[12]\.",
    imagenet=is_imagenet,
)

SDT = Layout(
    backbone="sdt",
    pool="after",
    blocks=r"block\.\d+\.",
    heads=8,
    names=names,
    unused=r"block\.\d+\.attn\.talking_heads\.",
    imagenet_heads=8,
)
