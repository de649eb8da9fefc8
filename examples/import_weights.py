"""Imports a checkpoint with the names of the authors' code, here a small Spikformer's, made on the fly."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from robustbench_snn import import_weights
from robustbench_snn.weights.importing import import_weights_report

DEPTH, WIDTH, HEADS, CLASSES = 1, 64, 4, 10


def layers() -> dict[str, nn.Module]:
    """The layers of https://github.com/ZK-Zhou/spikformer by their names there, at random weights."""
    found: dict[str, nn.Module] = {"head": nn.Linear(WIDTH, CLASSES)}
    channels = (3, WIDTH // 8, WIDTH // 4, WIDTH // 2, WIDTH)
    for stage, (before, after) in enumerate(pairwise(channels)):
        found[f"patch_embed.proj_conv{stage or ''}"] = nn.Conv2d(before, after, 3, bias=False)
        found[f"patch_embed.proj_bn{stage or ''}"] = nn.BatchNorm2d(after)
    found["patch_embed.rpe_conv"] = nn.Conv2d(WIDTH, WIDTH, 3, bias=False)
    found["patch_embed.rpe_bn"] = nn.BatchNorm2d(WIDTH)
    for block in range(DEPTH):
        for part in ("q", "k", "v", "proj"):
            found[f"block.{block}.attn.{part}_linear"] = nn.Linear(WIDTH, WIDTH)
            found[f"block.{block}.attn.{part}_bn"] = nn.BatchNorm1d(WIDTH)
        for number, (before, after) in enumerate(((WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH)), start=1):
            found[f"block.{block}.mlp.fc{number}_linear"] = nn.Linear(before, after)
            found[f"block.{block}.mlp.fc{number}_bn"] = nn.BatchNorm1d(after)
    return found


def main() -> None:
    """Saves the checkpoint as the authors do, says what meets what, and runs the model."""
    torch.manual_seed(0)
    state = {f"{name}.{key}": value for name, layer in layers().items() for key, value in layer.state_dict().items()}
    with TemporaryDirectory() as folder:
        file = Path(folder, "spikformer.pth")
        torch.save({"state_dict": state}, file)
        report = import_weights_report(file, format="spikformer", heads=HEADS)
        print(f"{len(report.mapped)} tensors have found their place; left over: {report.explain() or 'none'}")
        model = import_weights(file, format="spikformer", heads=HEADS)  # depth, width and classes are read off
    parameters = sum(parameter.numel() for parameter in model.parameters())
    with torch.no_grad():
        logits = model(torch.rand(2, 3, 32, 32))  # raw pixels in [0, 1]; normalisation is inside
    print(f"{parameters:,} parameters; images (2, 3, 32, 32) to logits {tuple(logits.shape)}")


if __name__ == "__main__":
    main()
