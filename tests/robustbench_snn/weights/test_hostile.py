"""Weights, checkpoints and adversarial images from strangers: each is one message, and nothing is set apart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from robustbench_snn.attack.external import ExternalSet
from robustbench_snn.errors import StoreError, UserError
from robustbench_snn.exchange.archive import unpack
from robustbench_snn.training.checkpoint import Checkpoints
from robustbench_snn.training.result import EpochRecord
from robustbench_snn.weights.importing import import_weights, import_weights_report
from robustbench_snn.weights.loading import load_normalized_weights
from robustbench_snn.weights.tensors import read_tensors, save_weights
from tests.fuzzing import whole

SETS: dict[str, tuple[dict[str, Any], str]] = {
    "ids of text": ({"ids": np.array(["a", "b"])}, "holds <U1, not numbers"),
    "ids that would be cut": ({"ids": np.array([0.5, 1.5])}, "ids must be whole numbers, not float64"),
    "images of integers": ({"images": np.zeros((2, 1, 8, 8), np.int64)}, "not int64"),
    "objects": ({"ids": np.array([{}, []], dtype=object)}, "not numbers"),
    "one id twice": ({"ids": np.array([1, 1])}, "each once"),
}


@pytest.mark.parametrize("name", list(SETS))
def test_external_sets_of_other_types(tmp_path: Path, name: str) -> None:
    arrays: dict[str, Any] = {"ids": np.array([0, 1]), "images": np.zeros((2, 1, 8, 8), np.uint8)} | SETS[name][0]
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(UserError, match=SETS[name][1]):
        ExternalSet.load(tmp_path / "set.npz")


def test_external_sets_that_are_no_zip(tmp_path: Path) -> None:
    np.save(tmp_path / "set.npy", np.zeros((2, 1, 8, 8)))
    os.mkfifo(tmp_path / "pipe.npz")
    for name in ("set.npy", "pipe.npz", "nothing.npz", "."):
        with pytest.raises(UserError, match=r"cannot be read as \.npz"):
            ExternalSet.load(tmp_path / name)


def test_a_safetensors_header_that_is_a_list(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    for header in ("[]", "[1]", '{"facts": []}', "3", "{", "[" * 5000 + "]" * 5000):
        save_file({"weight": torch.zeros(2)}, file, metadata={"robustbench_snn": header})
        with pytest.raises(StoreError, match="is not a whole safetensors file"):
            read_tensors(file)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(StoreError, match="a pipe or device"):
        read_tensors(file)


@pytest.mark.parametrize("mean", ["x", [0.5], [0.5] * 4, [[0.5]] * 3, [True] * 3, [float("nan")] * 3, [-0.5] * 3, {}])
def test_a_header_whose_mean_is_none(tmp_path: Path, mean: Any) -> None:
    model: Any = whole.small_model()
    save_weights(model, tmp_path / "w.safetensors", {"mean": mean, "std": [0.5] * 3})
    with pytest.raises(UserError, match=r"the mean in the header of .* is not that of images of 3 channels"):
        load_normalized_weights(model, tmp_path / "w.safetensors")


def checkpoint(folder: Path, **changes: torch.Tensor | None) -> Path:
    state = {**whole.published_state(), **changes}
    torch.save({name: tensor for name, tensor in state.items() if tensor is not None}, folder / "w.pth")
    return folder / "w.pth"


HEADS: dict[str, tuple[torch.Tensor, str]] = {
    "of no dimensions": (torch.tensor(1.0), r"head\.weight is \(\), not classes x width"),
    "of no classes": (torch.zeros(0, whole.WIDTH), "not classes x width"),
    "far too wide": (torch.zeros(1, 1 << 16), "too few numbers"),
    "of a trillion classes": (torch.zeros(1, 1).expand(10**12, 16), "unpacks to .* bytes"),
    "sparse": (torch.zeros(3, whole.WIDTH).to_sparse(), "no state dict"),
    "of a shape alone": (torch.zeros(3, whole.WIDTH, device="meta"), "no state dict"),
}


@pytest.mark.parametrize("name", list(HEADS))
def test_heads_of_published_weights(tmp_path: Path, name: str) -> None:
    head, message = HEADS[name]
    file = checkpoint(tmp_path, **{"head.weight": head})
    with pytest.raises(UserError, match=message):
        import_weights_report(file, heads=1)


def test_published_weights_that_are_packed_or_a_pipe(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(64 << 20))
    with pytest.raises(UserError, match="unpacks to 67108864 bytes"):
        import_weights(tmp_path / "bomb.pth")
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(UserError, match="a pipe or device"):
        import_weights(tmp_path / "pipe.pth")


def test_a_pipe_as_submission(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "entry.zip")
    (tmp_path / "to").mkdir()
    with pytest.raises(UserError, match="a pipe or device"):
        unpack(tmp_path / "entry.zip", tmp_path / "to")


def training(folder: Path) -> tuple[nn.Module, torch.optim.Optimizer, torch.amp.GradScaler]:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    history = [EpochRecord(epoch=1, loss=1.0, accuracy=0.5, lr=0.1, images=4, seconds=1.0)]
    Checkpoints(folder, "key").save(model, optimizer, scaler, history)
    Checkpoints(folder, "key").save(model, optimizer, scaler, history * 2)
    return model, optimizer, scaler


def test_a_checkpoint_whose_learning_rate_was_changed_is_passed_over(tmp_path: Path) -> None:
    model, optimizer, scaler = training(tmp_path)
    assert len(Checkpoints(tmp_path, "key").restore(model, optimizer, scaler)) == 2
    newest, before = Checkpoints(tmp_path, "key").paths()
    content = newest.read_bytes()
    assert b'lr\\": 0.1' in content
    newest.write_bytes(content.replace(b'lr\\": 0.1', b'lr\\": 0.3'))
    assert len(Checkpoints(tmp_path, "key").restore(model, optimizer, scaler)) == 1
    assert optimizer.param_groups[0]["lr"] == 0.1
    before.unlink()
    with pytest.raises(StoreError, match=r"no checkpoint in .* is whole"):
        Checkpoints(tmp_path, "key").restore(model, optimizer, scaler)
    training(tmp_path)
    with pytest.raises(StoreError, match="of another training"):
        Checkpoints(tmp_path, "other").restore(model, optimizer, scaler)


def test_a_checkpoint_of_another_models_shapes_is_passed_over(tmp_path: Path) -> None:
    training(tmp_path)
    model = nn.Linear(3, 2)
    with pytest.raises(StoreError, match=r"no checkpoint in .* is whole"):
        Checkpoints(tmp_path, "key").restore(
            model, torch.optim.SGD(model.parameters()), torch.amp.GradScaler("cpu", enabled=False)
        )
