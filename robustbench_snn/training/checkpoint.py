"""Checkpoints of a training: one safetensors file an epoch, of which the last two are kept."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_snn.digests import json_digest
from robustbench_snn.errors import StoreError
from robustbench_snn.reading import MALFORMED
from robustbench_snn.training.result import EpochRecord
from robustbench_snn.weights.tensors import read_tensors, write_tensors

KEPT = 2
"""Checkpoints kept: if the newest is damaged, the one before it serves."""

_log = logging.getLogger(__name__)


class _OfAnotherTrainingError(StoreError):
    """A checkpoint that is whole, and not ours."""


class Checkpoints:
    """The checkpoints of one training.

    Args:
        folder: where they are.
        key: what the training is (recipe, data, seed, model); a checkpoint of another key is refused.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.key = key

    def save(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
        history: Sequence[EpochRecord],
    ) -> None:
        """Writes the state after the last epoch of ``history``, then removes all but the last :data:`KEPT`."""
        state = optimizer.state_dict()
        tensors: dict[str, Tensor] = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        for index, values in state["state"].items():
            tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in values.items()}
        facts = {
            "key": self.key,
            "history": [record.model_dump() for record in history],
            "groups": state["param_groups"],
            "scaler": scaler.state_dict(),
        }
        write_tensors(self._path(len(history)), tensors, {"facts": facts, "sha256": json_digest(facts)})
        for path in self.paths()[KEPT:]:
            path.unlink(missing_ok=True)

    def paths(self) -> list[Path]:
        """All checkpoint files, newest first."""
        return sorted(self.folder.glob("epoch-*.safetensors"), reverse=True)

    def restore(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler
    ) -> list[EpochRecord]:
        """Loads the newest checkpoint that is whole; returns the history, empty if there is none.

        A damaged one is passed over with a warning, for the one before it.

        Raises:
            StoreError: if there are checkpoints and none is whole, or they are of another training.
        """
        damage: list[Exception] = []
        for path in self.paths():
            try:
                tensors, facts = _read(path)
                if facts["key"] != self.key:
                    raise _OfAnotherTrainingError(
                        f"{path} is of another training (recipe, data, model or seed differ); "
                        "name another checkpoint folder or delete this one"
                    )
                history = [EpochRecord(**record) for record in facts["history"]]
                self._apply(tensors, facts, model, optimizer, scaler)
            except _OfAnotherTrainingError:
                raise
            except (*MALFORMED, StoreError, RuntimeError) as error:  # RuntimeError: torch's, over names and shapes
                _log.warning("%s cannot be used: %s; going back to the checkpoint before it", path, error)
                damage.append(error)
                continue
            return history
        if damage:
            raise StoreError(f"no checkpoint in {self.folder} is whole; delete it to train afresh") from damage[0]
        return []

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:05d}.safetensors"

    @staticmethod
    def _apply(
        tensors: dict[str, Tensor],
        facts: dict[str, Any],
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
    ) -> None:
        weights: dict[str, Tensor] = {}
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            part, rest = name.split(".", 1)
            if part == "model":
                weights[rest] = tensor
            else:
                index, field = rest.split(".", 1)
                state.setdefault(int(index), {})[field] = tensor
        model.load_state_dict(weights)
        optimizer.load_state_dict({"state": state, "param_groups": facts["groups"]})
        if facts["scaler"]:
            scaler.load_state_dict(facts["scaler"])


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a checkpoint, and its facts, both as they were written.

    Raises:
        StoreError: if it is damaged.
    """
    tensors, header = read_tensors(path)
    if header.get("sha256") != json_digest(header.get("facts")):
        raise StoreError(f"{path} is damaged: its history does not match its checksum")
    return tensors, header["facts"]
