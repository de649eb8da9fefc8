"""Weights files: whole, safe, and of the right model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from robustbench_snn.errors import StoreError, UserError
from robustbench_snn.weights.loading import load_weights
from robustbench_snn.weights.tensors import save_weights


def test_round_trip(tmp_path: Path) -> None:
    model, other = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    model(torch.rand(4, 3, 2, 2))
    path = tmp_path / "folder/weights.safetensors"
    digest = save_weights(model, path, {"epoch": 3})
    assert load_weights(other, path) == {"epoch": 3}
    assert save_weights(other, tmp_path / "again.safetensors", {"epoch": 3}) == digest
    assert path.read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    stored = load_file(path)  # any reader of the format takes it
    assert all(torch.equal(stored[name], tensor) for name, tensor in model.state_dict().items())
    assert list(path.parent.iterdir()) == [path]


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(StoreError, match="does not exist"):
        load_weights(nn.Linear(2, 2), path)
    save_weights(nn.Linear(2, 2), path)
    with pytest.raises(UserError, match=r"another model: shapes differ: .*bias is \(2,\), the model has \(3,\)"):
        load_weights(nn.Linear(2, 3), path)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(StoreError, match="not a whole safetensors file"):
        load_weights(nn.Linear(2, 2), path)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(StoreError, match="checksum"):
        load_weights(nn.Linear(2, 2), path)
