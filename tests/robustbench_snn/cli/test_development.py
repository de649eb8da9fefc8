"""Commands for those who build components."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import torch

from robustbench_snn.model.building import build_classifier
from robustbench_snn.model.task import Task
from robustbench_snn.registry.spec import ComponentSpec
from robustbench_snn.testing.scaffold import new_component
from robustbench_snn.weights.tensors import read_tensors, save_weights

Run = Callable[..., subprocess.CompletedProcess[str]]

CHEATING = """
from robustbench_snn.plugins import FrameEncoder, register_encoder

@register_encoder("cheating", version=1, causal=True, stochastic=False)
class Cheating(FrameEncoder):
    '''Direct coding under no_grad: its zero gradient looks like robustness.'''

    def frames(self, images, timesteps):
        return self.normalize(images).detach().expand(timesteps, *images.shape)
"""


def test_a_new_component_passes_its_checks(rbsnn: Run, tmp_path: Path) -> None:
    kind = "encoder"
    written = rbsnn("new", kind, "my_code", "--folder", "mine")
    assert written.returncode == 0, written.stderr
    assert (tmp_path / "mine" / "test_my_code.py").is_file()
    assert "wrote mine/my_code.py" in written.stdout
    *_, check, test, run = written.stdout.splitlines()
    assert (check.split(), test.split()) == (
        ["rbsnn", "check", kind, "mine/my_code.py"],
        ["pytest", "mine/test_my_code.py"],
    )
    assert "--plugin mine/my_code.py" in run
    checked = rbsnn(*check.split()[1:])
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "0 failed" in checked.stdout


def test_check_takes_parameters(rbsnn: Run, tmp_path: Path) -> None:
    new_component("corruption", "my_dirt", tmp_path)
    checked = rbsnn("check", "corruption", "my_dirt.py", "--set", "rising=[cifar]")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    refused = rbsnn("check", "corruption", "my_dirt.py", "--set", "share=1")
    assert refused.returncode == 2
    assert "has no parameter 'share'" in refused.stderr


def test_new_refuses_what_it_cannot_write(rbsnn: Run) -> None:
    refused = rbsnn("new", "attack", "pgd")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


def test_an_encoder_that_hides_its_gradient_fails_and_is_told_why(rbsnn: Run, tmp_path: Path) -> None:
    (tmp_path / "cheating.py").write_text(CHEATING)
    checked = rbsnn("check", "encoder", "cheating.py", COLUMNS="200")
    assert checked.returncode == 1
    line = next(line for line in checked.stdout.splitlines() if "input gradient" in line)
    assert "failed" in line


def test_checks_of_a_file_that_registers_nothing_are_a_clear_error(rbsnn: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("")
    for kind in ("encoder", "nonsense"):
        found = rbsnn("check", kind, "empty.py")
        assert found.returncode == 2
        assert "Traceback" not in found.stderr


def test_explain_knows_its_flags_and_what_is_near(rbsnn: Run) -> None:
    assert "gradient" in rbsnn("explain", "zero_gradient").stdout
    unknown = rbsnn("explain", "zero_grad")
    assert unknown.returncode == 2
    assert "Did you mean 'zero_gradient'?" in unknown.stderr


def test_plot_encoder_writes_pictures(rbsnn: Run, tmp_path: Path) -> None:
    drawn = rbsnn("plot", "encoder", "stf", "--timesteps", "3", "--set", "kernel=1")
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "encoder_stf.png").stat().st_size > 1000
    assert (tmp_path / "encoder_stf.svg").stat().st_size > 1000


def test_plot_encoder_reads_an_image_and_refuses_what_is_none(rbsnn: Run, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("not an image")
    found = rbsnn("plot", "encoder", "direct", "--image", "no.png")
    assert found.returncode == 2
    assert "no.png is not a whole image" in found.stderr


def test_weights_can_be_named_in_a_suite(rbsnn: Run, tmp_path: Path) -> None:
    """Weights and the normalization that goes with them reach the store as they are."""
    task = Task(1, 8, 8, 10, 2, (0.3,), (0.4,))
    parameters = {"depth": 1, "width": 128, "heads": 4, "pooling": "0110"}
    backbone = ComponentSpec(name="spikformer", parameters=parameters)
    torch.manual_seed(0)
    model = build_classifier(ComponentSpec(name="direct"), backbone, task)
    save_weights(model, tmp_path / "mine.safetensors", {"mean": [0.25], "std": [0.5]})
    (tmp_path / "suite.yaml").write_text(
        "name: imported\n"
        "dataset: {name: digits, limit: 10, train_limit: 32}\n"
        "timesteps: 2\n"
        "backbone: {spikformer: {depth: 1, width: 128, heads: 4, pooling: '0110'}}\n"
        "models: [{name: imported, encoder: direct, weights: mine.safetensors}]\n"
        "evaluations: [clean]\n"
    )
    found = rbsnn("run", "suite.yaml")
    assert found.returncode == 0, found.stderr
    (stored,) = tmp_path.glob("runs/cells/*/weights.safetensors")
    tensors, facts = read_tensors(stored)
    assert facts == {"mean": [0.25], "std": [0.5]}
    assert all(torch.equal(tensors[name], value) for name, value in model.state_dict().items())


def test_damaged_weights_are_named(rbsnn: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.pth").write_bytes(b"PK\x03\x04 truncated")
    found = rbsnn("import-weights", "bad.pth")
    assert found.returncode == 2
    assert "bad.pth" in found.stderr
    assert "Traceback" not in found.stderr
