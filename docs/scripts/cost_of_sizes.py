"""What a training step, a forward pass and an input gradient cost for candidates of a size, in processor seconds.

    python docs/scripts/cost_of_sizes.py --side 32 --channels 3

One thread; the median of several rounds, in which the candidates take turns. docs/experiments.md plans from this.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from robustbench_snn.machine import keep_freed_memory
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.fusing import fusing
from robustbench_snn.model.input_gradient import input_gradient
from robustbench_snn.model.target import Target
from robustbench_snn.model.task import Task
from robustbench_snn.registry import backbones, encoders

BATCH = 64
Size = dict[str, Any]


def sizes(side: int) -> dict[str, tuple[str, str, Size]]:
    """Candidates: a name, then encoder, backbone and its parameters."""
    found: dict[str, tuple[str, str, Size]] = {}
    candidates = [
        (1, 64, "1110"),
        (2, 64, "1110"),
        (1, 128, "1110"),
        (2, 128, "1110"),
        (1, 128, "0111"),
        (1, 128, "0011"),
    ]
    for depth, width, pooling in candidates:
        if side >= 2 ** pooling.count("1"):
            size = {"depth": depth, "width": width, "heads": 4, "pooling": pooling}
            found[f"spikformer {depth}-{width} {pooling}"] = ("direct", "spikformer", size)
    return found


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # as runs do
    works = {name: _works(arguments.side, arguments.channels, *size) for name, size in sizes(arguments.side).items()}
    spent: dict[str, dict[str, list[float]]] = {name: {} for name in works}
    for _ in range(arguments.rounds + 1):
        for name, kinds in works.items():
            for kind, work in kinds.items():
                start = time.process_time()
                work()
                spent[name].setdefault(kind, []).append(time.process_time() - start)
    print("| size | training, images/s | forward, images/s | input gradient, images/s |\n|---|---:|---:|---:|")
    for name, kinds_spent in spent.items():
        rates = (BATCH / statistics.median(seconds[1:]) for seconds in kinds_spent.values())
        print(f"| {name} | " + " | ".join(f"{rate:,.0f}" for rate in rates) + " |")


def _works(side: int, channels: int, encoder: str, backbone: str, size: Size) -> dict[str, Callable[[], object]]:
    torch.manual_seed(0)
    task = Task(channels, side, side, 10, 4, (0.5,) * channels, (0.25,) * channels)
    images, labels = torch.rand(BATCH, channels, side, side), torch.arange(BATCH) % 10

    def build() -> Classifier:
        body = backbones.create(backbone, task, **size)
        return Classifier(encoders.create(encoder, body.stem), body, 4)

    trained, target = build(), Target(build())
    optimizer = torch.optim.AdamW(trained.parameters(), lr=1e-3)

    def training() -> None:
        optimizer.zero_grad()
        with fusing(trained):
            F.cross_entropy(trained(images), labels).backward()
        optimizer.step()

    def forward() -> None:
        with target.frozen(), torch.no_grad():
            target(images)

    def gradient() -> None:
        with target.frozen():
            leaf = images.clone().requires_grad_()
            input_gradient(F.cross_entropy(target(leaf), labels), leaf)

    return {"training": training, "forward": forward, "gradient": gradient}


if __name__ == "__main__":
    main()
