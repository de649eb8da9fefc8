"""State dicts of QKFormer (github.com/zhouchenlin2096/QKFormer)."""

from __future__ import annotations

from robustbench_snn.weights.formats.layout import Layout, Names, State, attention, conv_norm, encoder, mlp


def names(depth: int, imagenet: bool) -> Names:
    """Layers of the CIFAR and ImageNet code, which differ in the stem's second convolution and in the blocks' names."""
    yield from encoder("patch_embed1.proj")
    embeddings = {1: ("proj1", "proj2"), 2: ("proj3", "proj4"), 3: ("proj3", "proj4")}
    for number, convolutions in embeddings.items():
        theirs, ours = f"patch_embed{number}", f"backbone.embed{number}"
        for index, name in enumerate(convolutions):
            yield from conv_norm(f"{theirs}.{name}_conv", f"{theirs}.{name}_bn", f"{ours}.main.{index}")
        yield from conv_norm(f"{theirs}.proj_res_conv", f"{theirs}.proj_res_bn", f"{ours}.shortcut")
    early = (1, 2) if imagenet else (1, 1)
    for number, blocks in zip((1, 2, 3), (*early, depth - sum(early)), strict=True):
        for index in range(blocks):
            ours = f"backbone.blocks.{index}" if number == 3 else f"backbone.stage{number}.{index}"
            for name in ("tssa", "ssa", "attn"):
                yield from attention(f"stage{number}.{index}.{name}", f"{ours}.attention")
            yield from mlp(f"stage{number}.{index}.mlp", f"{ours}.mlp")
    yield "head", "backbone.head"


def is_imagenet(state: State) -> bool:
    """The ImageNet code's stem has one convolution more."""
    return "patch_embed1.proj2_conv.weight" in state


QKFORMER = Layout(
    backbone="qkformer",
    pool="before",
    blocks=r"stage[123]\.\d+\.",
    heads=8,
    names=names,
    imagenet=is_imagenet,
)
