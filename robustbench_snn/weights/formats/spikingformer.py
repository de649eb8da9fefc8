"""State dicts of Spikingformer (github.com/zhouchenlin2096/Spikingformer)."""

from __future__ import annotations

from robustbench_snn.weights.formats.layout import Layout, Names, attention, conv_norm, encoder, mlp


def names(depth: int, imagenet: bool) -> Names:
    """Layers of the CIFAR code (``block0_conv``) and of the ImageNet code (``proj_conv``, ``proj1_conv``)."""
    stem = "patch_embed"
    for first, prefix in ((f"{stem}.block0", f"{stem}.block"), (f"{stem}.proj", f"{stem}.proj")):
        yield from encoder(first)
        for number in (1, 2, 3, 4):
            ours = f"stem_stages.stages.{number - 1}" if number < 4 else "last_stage"
            yield from conv_norm(f"{prefix}{number}_conv", f"{prefix}{number}_bn", f"backbone.{ours}")
    for index in range(depth):
        yield from attention(f"block.{index}.attn", f"backbone.blocks.{index}.attention")
        yield from mlp(f"block.{index}.mlp", f"backbone.blocks.{index}.mlp")
    yield "head", "backbone.head"


SPIKINGFORMER = Layout(
    backbone="spikingformer",
    pool="after",
    blocks=r"block\.\d+\.",
    heads=12,
    names=names,
    unused=r"block\.\d+\.norm[12]\.",
)
