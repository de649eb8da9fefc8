"""Pictures of a run's records, and scoring of images from outside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.fixture_types import RunCommand

SUITE = {
    "name": "tiny",
    "dataset": {"name": "digits", "limit": 24, "train_limit": 256},
    "timesteps": 2,
    "backbone": {"spikformer": {"depth": 1, "width": 128, "heads": 4, "pooling": "0110"}},
    "recipe": {"epochs": 4, "lr": 4e-3, "batch_size": 16},
    "grid": {"encoders": ["direct"], "timesteps": [1, 2]},
    "evaluations": [
        {"pgd": {"eps": "16/255", "steps": 2, "keep_images": 6}},
        "timesteps",
        {"profile": {"count_images": 1}},
    ],
}


@pytest.fixture
def run(rbsnn: RunCommand, tmp_path: Path) -> dict[str, str]:
    """A finished run; returns the records' keys by evaluation, of the model trained at T = 2."""
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(SUITE))
    found = rbsnn("run", "tiny.yaml", "--publish")
    assert found.returncode == 0, found.stderr
    table = json.loads(rbsnn("leaderboard", "tiny", "--json").stdout)
    return {label: cell["records"][0] for label, cell in table["rows"][1]["cells"].items()}


def test_records_become_pictures_and_outside_images_only_lower_a_score(
    rbsnn: RunCommand, run: dict[str, str], tmp_path: Path
) -> None:
    drawn = rbsnn("plot", "attack", run["pgd"][:16])
    assert drawn.returncode == 0, drawn.stderr
    for name in ("breakdown", "images", "spikes"):
        assert list(tmp_path.glob(f"attack_*_{name}.png")), drawn.stdout
    assert rbsnn("plot", "attack", run["profile"][:16]).returncode == 2
    refused = rbsnn("plot", "spikes", run["pgd"][:16])
    assert refused.returncode == 2
    assert "(pgd of " in refused.stderr
    assert "has no firing rates" in " ".join(refused.stderr.split())
    for arguments in (
        ("columns", "tiny"),
        ("timesteps", "tiny"),
        ("matrix", "tiny", "--to", "heat"),
        ("spikes", run["profile"]),
    ):
        drawn = rbsnn("plot", *arguments)
        assert drawn.returncode == 0, drawn.stderr
        assert "wrote" in drawn.stdout
    assert list(tmp_path.glob("heat_*.png"))

    arrays = np.load(tmp_path / "runs" / "cells" / run["pgd"] / "arrays.npz")
    ids = json.loads(rbsnn("leaderboard", "tiny", "--record", run["pgd"][:16]).stdout)["samples"]
    assert ids == 24
    import pyarrow.parquet as pq

    columns = pq.read_table(tmp_path / "runs" / "cells" / run["pgd"] / "samples.parquet").to_pydict()
    np.savez(tmp_path / "outside.npz", ids=np.array(columns["id"][:6]), images=arrays["clean"])
    np.savez(tmp_path / "black.npz", ids=np.array(columns["id"][:6]), images=np.zeros_like(arrays["clean"]))
    unchanged = rbsnn("score", "tiny.yaml", run["pgd"][:16], "outside.npz", "--json")
    assert unchanged.returncode == 0, unchanged.stderr
    facts = json.loads(unchanged.stdout)
    assert facts["metrics"]["accuracy"] == facts["metrics"]["before"]
    refused = json.loads(rbsnn("score", "tiny.yaml", run["pgd"][:16], "black.npz", "--json").stdout)
    assert refused["details"]["rejected"] == 6
    assert refused["metrics"]["accuracy"] <= refused["metrics"]["before"]
    assert refused["flags"] == ["external_rejected"]
    other = rbsnn("score", "tiny.yaml", run["pgd"][:16], "outside.npz", "--set", "dataset.limit=5")
    assert other.returncode == 2
    assert "other samples" in " ".join(other.stderr.split())
