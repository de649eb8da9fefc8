"""Weights as safetensors files: no code in them, written in one piece, checked when read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from robustbench_snn.digests import tensor_digest
from robustbench_snn.errors import StoreError
from robustbench_snn.store.durable import write_bytes
from robustbench_snn.store.os_errors import writing

__all__ = ["read_tensors", "save_weights", "tensor_digest", "write_tensors"]

_HEADER = "robustbench_snn"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Writes tensors and facts (anything JSON) to a safetensors file, wholly or not at all.

    The same tensors and facts give the same bytes.

    Raises:
        StoreWriteError: if the folder cannot be written.
    """
    flat = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    header = json.dumps({"facts": dict(facts), "sha256": tensor_digest(flat)}, sort_keys=True)
    content = save(flat, metadata={_HEADER: header})  # one entry: safetensors writes several in any order
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what :func:`write_tensors` wrote; of another writer's file the tensors, and no facts.

    Raises:
        StoreError: if the file is missing, truncated, or its content does not match its checksum.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        header = json.loads(metadata.get(_HEADER, "{}"))
    except FileNotFoundError:
        if path.exists():  # safetensors calls a file that may not be read missing
            raise StoreError(f"permission denied: {path}; let this user read it") from None
        raise StoreError(f"{path} does not exist") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise StoreError(f"{path} is not a whole safetensors file: {error}; delete it and run again") from error
    if "sha256" in header and header["sha256"] != tensor_digest(tensors):
        raise StoreError(f"{path} is damaged: its content does not match its checksum; delete it and run again")
    return tensors, header.get("facts", {})


def save_weights(model: nn.Module, path: Path, facts: Mapping[str, Any] | None = None) -> str:
    """Writes a model's weights and buffers, as :func:`~.loading.load_weights` reads them.

    Args:
        model: whose ``state_dict()`` is written.
        path: the safetensors file.
        facts: anything JSON, for the file's header.

    Returns:
        The :func:`tensor_digest` of the weights.

    Raises:
        StoreWriteError: if the folder cannot be written.
    """
    state = model.state_dict()
    write_tensors(path, state, facts or {})
    return tensor_digest(state)
