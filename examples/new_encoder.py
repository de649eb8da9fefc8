"""Writes an encoder, registers it, and compares it with direct coding on handwritten digits."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import rich
import torch
from torch import Tensor

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution import RunSettings
from robustbench_snn.leaderboard.pages import render_terminal
from robustbench_snn.leaderboard.versions import load_table
from robustbench_snn.pipeline import run_plan
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.plugins import FrameEncoder, Stem, register_encoder
from robustbench_snn.spec.files import parse_suite


@register_encoder("fading", version=1, stochastic=False, causal=True, gradient="surrogate", spiking=True)
class Fading(FrameEncoder):
    """Shows the normalised image, weaker from step to step."""

    def __init__(self, stem: Stem, *, decay: float = 0.9) -> None:
        super().__init__(stem)
        self.decay = decay

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        """(B, C, H, W) to (T, B, C, H, W)."""
        x = self.normalize(images)
        return torch.stack([x * self.decay**t for t in range(timesteps)])


SUITE = {
    "name": "fading",
    "dataset": {"name": "digits", "limit": 50, "train_limit": 400},
    "timesteps": 2,
    "backbone": {"spikformer": {"depth": 1, "width": 128, "heads": 4, "pooling": "0110"}},
    "recipe": {"epochs": 4, "lr": 4e-3, "batch_size": 32},
    "models": [{"name": "direct", "encoder": "direct"}, {"name": "fading", "encoder": {"fading": {"decay": 0.5}}}],
    "evaluations": ["clean", {"fgsm": {"eps": "8/255"}}],
    "table": {"title": "A new encoder", "baseline": "direct"},
}


def main() -> None:
    """The same as ``rbsnn run suite.yaml --plugin fading.py``, without the files."""
    suite = parse_suite(SUITE)
    plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    with TemporaryDirectory() as folder:
        results = Path(folder, "results")
        run_plan(plan, Path(folder, "runs"), results, RunSettings(), mode="publish")
        rich.print(render_terminal(load_table(results, suite.table_name), "v1.0"))


if __name__ == "__main__":
    main()
