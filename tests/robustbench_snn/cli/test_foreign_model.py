"""A suite tests a model of another making, named by a plug-in file."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.fixture_types import RunCommand

PLUGIN = '''
import torch
from spikingjelly.activation_based import neuron
from torch import nn
from robustbench_snn.model.whole import register_model

@register_model("elsewhere", version=1)
def elsewhere(task, *, width: int = 8):
    """A single-step SpikingJelly net that loops over time and never resets itself."""
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(task.channels, width, 3, padding=1)
            self.fire = neuron.LIFNode(step_mode="s")
            self.read = nn.Linear(width * task.height * task.width, task.classes)
        def forward(self, images):
            return sum(self.read(self.fire(self.conv(images)).flatten(1)) for _ in range(task.timesteps))
    torch.manual_seed(0)
    return Net()

@register_model("net", version=1, raw=True)
def net(task):
    """A raw net, whose steps the package runs."""
    pixels = task.channels * task.height * task.width
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, task.classes), neuron.IFNode(v_threshold=0.2))

@register_model("ann", version=1)
def ann(task):
    """No neurons at all."""
    return nn.Sequential(nn.Flatten(), nn.Linear(task.channels * task.height * task.width, task.classes))
'''


def test_models_of_a_plugin_are_evaluated_as_they_come(rbsnn: RunCommand, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "suite.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "foreign",
                "dataset": {"name": "digits", "limit": 12},
                "timesteps": 2,
                "models": [
                    {"name": "snn", "model": {"elsewhere": {"width": 4}}},
                    {"name": "ann", "model": "ann", "seeds": [0, 1]},
                    {"name": "raw", "model": "net", "timesteps": 3},
                ],
                "evaluations": ["clean", {"pgd": {"eps": "8/255", "steps": 2}}],
            }
        )
    )
    found = rbsnn("run", "suite.yaml", "--plugin", "mine.py", "--publish")
    assert found.returncode == 0, found.stderr
    rows = json.loads((tmp_path / "results/foreign/v1.0/table.json").read_text())["rows"]
    assert [row["model"] for row in rows] == ["snn", "ann", "raw"]
    for row in rows:
        assert row["cells"]["pgd"]["accuracy"] <= row["cells"]["clean"]["accuracy"]
        assert row["seeds"] == [0]  # nothing is trained, so seeds would repeat the same model
    again = rbsnn("run", "suite.yaml", "--plugin", "mine.py")
    assert again.returncode == 0
    assert "9 cells: 9 in the store, 0 to compute" in again.stderr
    assert rbsnn("run", "suite.yaml").returncode == 2  # without the plug-in its models are unknown
