"""What docs/bring-your-own.md shows must run, in the order in which it is shown."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.flags import FLAGS
from tests.forked import run_forked

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/bring-your-own.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_python_runs() -> None:
    shown: dict[str, Any] = {}
    torch.manual_seed(0)
    for block in blocks("python"):
        if "@register_model" not in block:
            exec(block, shown)
    clean, attacked, evaluate = shown["clean"], shown["attacked"], shown["evaluate"]
    assert attacked.accuracy <= clean.accuracy
    images, labels = shown["images"], shown["labels"]
    kept = shown["Keeps"]()
    kept(torch.rand(13, 1, 8, 8))
    with pytest.raises(UserError, match="reset="):
        evaluate(kept, images, labels)
    with pytest.raises(UserError, match="stochastic=True"):
        evaluate(shown["noisy"], images, labels)
    with pytest.raises(UserError, match="timesteps=T"):
        evaluate(shown["Normalized"](shown["net"], [0.0], [1.0]), images, labels)


def test_normalisation_inside_is_the_mean_and_deviation_by_channel() -> None:
    shown: dict[str, Any] = {}
    exec(blocks("python")[0], shown)
    model = shown["Normalized"](nn.Identity(), [0.1, 0.2], [0.5, 2.0])
    found = model(torch.full((1, 2, 1, 1), 0.6)).flatten().tolist()
    assert np.allclose(found, [1.0, 0.2])


def test_the_suite_runs(tmp_path: Path) -> None:
    (plugin,) = [block for block in blocks("python") if "@register_model" in block]
    (suite,) = blocks("yaml")
    (tmp_path / "my_models.py").write_text(plugin)
    (tmp_path / "mine.yaml").write_text(suite)
    (command,) = re.findall(r"^rbsnn (.*)$", PAGE, re.MULTILINE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = run_forked(command.split(), tmp_path, environment, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "mine" in done.stdout


def test_every_flag_that_is_named_is_explained() -> None:
    (table,) = re.findall(r"\| flag \| do \|\n.*?\n\n", PAGE, re.DOTALL)
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert len(named) == 10
    assert set(named) <= set(FLAGS)
