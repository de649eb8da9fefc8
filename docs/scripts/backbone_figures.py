"""Draws every backbone from its module tree, and writes the tables of docs/backbones.md.

    python docs/scripts/backbone_figures.py

Shapes, parameters and multiply-accumulates come from a run on torch's meta device: nothing is typed in by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from robustbench_snn.backbones.attention import Attention
from robustbench_snn.backbones.blocks import MLP, Block
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.counting import count_parameters, direct_classifier
from robustbench_snn.model.neurons import spiking_neurons
from robustbench_snn.model.task import Task

DOCS = Path(__file__).resolve().parents[1]
FIGURES = DOCS / "figures" / "backbones"
CIFAR = (
    *("spikformer_4_384", "spikingformer_4_384", "sdt_2_256", "sdt_2_512", "qkformer_4_384"),
    *("tdformer_v1", "tdformer_sdt_2_256", "tdformer_qkformer_4_384"),
    *("spikformer_ann_4_384", "sew_resnet18", "spiking_vgg11"),
)
IMAGENET = ("spikformer_8_768", "spikingformer_8_768", "sdt_8_768", "qkformer_10_768", "tdformer_qkformer_10_768")
RATES = (0.1, 0.2)
TIMESTEPS = 4
PICOJOULE_MAC, PICOJOULE_AC = 4.6, 0.9


@dataclass(frozen=True)
class Row:
    """One box of a figure: its depth in the tree, its text, the shape that leaves it, its parameters."""

    level: int
    title: str
    layers: str
    shape: tuple[int, ...] | None
    parameters: int


@dataclass(frozen=True)
class Numbers:
    """Of one model: parameters as the authors count, used ones, and multiply-accumulates of an image at T = 4."""

    parameters: int
    used: int
    first_layer: float
    others: float

    def synops(self, rate: float) -> float:
        """Synaptic operations at one firing rate everywhere: rate times the MACs of all layers but the first."""
        return rate * self.others

    def millijoule(self, rate: float) -> float:
        """4.6 pJ a MAC of the real-valued first layer, 0.9 pJ an accumulation of the others."""
        return (PICOJOULE_MAC * self.first_layer + PICOJOULE_AC * self.synops(rate)) * 1e-9


def meta_classifier(name: str) -> tuple[Classifier, Tensor]:
    """A model without memory and an image for it, of the size that its preset is for."""
    size, classes = (224, 1000) if name in IMAGENET else (32, 10)
    task = Task(3, size, size, classes, TIMESTEPS, (0.0,) * 3, (1.0,) * 3)
    with torch.device("meta"):
        return direct_classifier(name, {}, task).eval(), torch.empty(1, 3, size, size)


@torch.no_grad()
def measure(name: str) -> Numbers:
    """Counts one model."""
    classifier, image = meta_classifier(name)
    with FlopCounterMode(display=False) as counter:
        classifier(image)
    first = sum(counter.get_flop_counts()["Classifier.encoder"].values()) / 2  # the image stands still: run once
    count = count_parameters(classifier)
    return Numbers(count.parameters, count.parameters_used, first, counter.get_total_flops() / 2 - first)


@torch.no_grad()
def rows(name: str) -> list[Row]:
    """The boxes of one model's figure, in the order in which they first run."""
    classifier, image = meta_classifier(name)
    order: dict[nn.Module, tuple[int, ...]] = {}

    def note(module: nn.Module, _: Any, out: Tensor) -> None:
        order.setdefault(module, tuple(out.shape))

    for module in classifier.modules():
        module.register_forward_hook(note)
    classifier(image)
    found = [Row(0, "encoder", layers(classifier.encoder), order[classifier.encoder], size(classifier.encoder))]
    return found + list(_walk(classifier.backbone, order, 0))


def _walk(parent: nn.Module, order: Mapping[nn.Module, tuple[int, ...]], level: int) -> Iterator[Row]:
    ran = {module: index for index, module in enumerate(order)}
    last = len(ran)

    def first_run(item: tuple[str, nn.Module]) -> int:
        return min((ran[module] for module in item[1].modules() if module in ran), default=last)

    for name, child in sorted(parent.named_children(), key=first_run):
        title, one = name.replace("_", " "), child
        if isinstance(child, nn.ModuleList):
            title, one = f"{title} x {len(child)}", child[0]
        if isinstance(one, nn.Identity | nn.MaxPool2d) or (name == "head" and size(child) == 0):
            continue
        if isinstance(one, Block | Attention | MLP) or name in ("base", "main", "stages", "stem_stages") or (
            isinstance(one, nn.Sequential) and size(one) > 0 and not _plain(one)
        ) or type(one).__name__ == "PatchEmbedding":  # fmt: skip
            yield Row(level, title, type(one).__name__ if type(one) is not nn.Sequential else "", None, size(child))
            yield from _walk(one, order, level + 1)
        else:
            yield Row(level, title, layers(one), order.get(one), size(child))


def _plain(module: nn.Sequential) -> bool:
    return len(list(module.modules())) < 3


def layers(module: nn.Module) -> str:
    """The layers of one box, from its leaves."""
    names = []
    for leaf in module.modules():
        if leaf in spiking_neurons(module):
            threshold = getattr(leaf, "v_threshold", 1.0)
            names.append(type(leaf).__name__.removesuffix("Node") + (f" ({threshold:g})" if threshold != 1 else ""))
        elif isinstance(leaf, nn.Conv2d):
            stride = f"/{leaf.stride[0]}" if leaf.stride[0] > 1 else ""
            names.append(
                f"conv{leaf.kernel_size[0]}x{leaf.kernel_size[1]}{stride} {leaf.in_channels}-{leaf.out_channels}"
            )
        elif isinstance(leaf, nn.Linear):
            names.append(f"linear {leaf.in_features}-{leaf.out_features}")
        elif isinstance(leaf, nn.modules.batchnorm._BatchNorm):
            names.append("BN")
        elif isinstance(leaf, nn.MaxPool2d):
            names.append("max-pool")
        elif isinstance(leaf, nn.ReLU):
            names.append("ReLU")
        elif type(leaf).__name__ == "SpatialMask":
            names.append("mask")
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def size(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def draw(name: str) -> Path:
    """Draws one model, top to bottom; returns the SVG's path."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

    mpl.rcParams.update({"svg.hashsalt": name, "svg.fonttype": "none"})  # the same small file every time
    boxes = rows(name)
    figure = Figure(figsize=(8.2, 0.42 * len(boxes) + 0.6))
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    axes.set_xlim(0, 100)
    axes.set_ylim(-len(boxes) - 0.2, 1.2)
    axes.axis("off")
    axes.text(1, 0.6, name, fontsize=12, weight="bold")
    for index, row in enumerate(boxes):
        left, y = 1 + 4 * row.level, -index - 0.45
        group = row.shape is None
        color = "#f1f3f5" if group else "#fff3bf" if "attention" in row.title else "#d0ebff"
        if any(word in row.title for word in ("control", "processing")):
            color = "#ffd8a8"
        patch = FancyBboxPatch(
            (left, y - 0.36),
            98 - left,
            0.72,
            boxstyle="round,pad=0.02,rounding_size=0.6",
            fc=color,
            ec="#868e96",
            lw=0.7,
        )
        axes.add_patch(patch)
        axes.text(left + 1, y, row.title, va="center", fontsize=8.5, weight="bold" if group else "normal")
        axes.text(left + 25, y, row.layers, va="center", fontsize=7.5, color="#343a40")
        shape = "" if row.shape is None else "x".join(str(number) for number in row.shape)
        axes.text(97, y, f"{shape}    {row.parameters:,}", va="center", ha="right", fontsize=7.5, family="monospace")
    FIGURES.mkdir(parents=True, exist_ok=True)
    path = FIGURES / f"{name}.svg"
    figure.savefig(path, metadata={"Date": None})
    return path


def table(names: tuple[str, ...]) -> str:
    """Markdown table of parameters, MACs, SynOps and energy."""
    lines = [
        "| model | parameters | used | MACs, first layer | MACs, the others | "
        + " | ".join(f"SynOps at rate {rate:g} (energy)" for rate in RATES) + " |",
        "|---|--:|--:|--:|--:|" + "--:|" * len(RATES),
    ]  # fmt: skip
    for name in names:
        n = measure(name)
        spiking = not name.startswith("spikformer_ann")
        cells = [f"{n.synops(r) / 1e6:,.0f} M ({n.millijoule(r):.2f} mJ)" if spiking else "none" for r in RATES]
        lines.append(
            f"| `{name}` | {n.parameters:,} | {n.used:,} | {n.first_layer / 1e6:,.2f} M | {n.others / 1e6:,.0f} M | "
            + " | ".join(cells) + " |"
        )  # fmt: skip
    return "\n".join(lines)


def with_tables(page: str) -> str:
    """The page with its generated parts filled in."""
    for part, names in {"cifar": CIFAR, "imagenet": IMAGENET}.items():
        begin, end = f"<!-- table {part} -->\n", "\n<!-- end -->"
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}{table(names)}{end}{rest.partition(end)[2]}"
    return page


def main() -> None:
    """Writes everything."""
    for name in CIFAR:
        if not name.endswith("2_512"):
            draw(name)
    page = DOCS / "backbones.md"
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
