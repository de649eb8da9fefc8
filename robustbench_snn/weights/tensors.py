"""Weights as safetensors files: no code in them, written in one piece, checked when read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from robustbench_snn.digests import tensor_digest
from robustbench_snn.errors import StoreError
from robustbench_snn.reading import GIB, check_file
from robustbench_snn.store.durable import write_bytes
from robustbench_snn.store.os_errors import writing

__all__ = ["read_tensors", "save_weights", "tensor_digest", "write_tensors"]

_HEADER = "robustbench_snn"

MOST_BYTES = 16 * GIB
"""Most bytes of a file of weights."""


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
        StoreError: if the file is missing, no regular file, truncated, or its content does not match its checksum.
    """
    try:
        check_file(path, MOST_BYTES)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        digest, facts = _stated(json.loads(metadata.get(_HEADER, "{}")))
        whole = digest is None or digest == tensor_digest(tensors)
    except FileNotFoundError:
        if path.exists():  # safetensors calls a file that may not be read missing
            raise StoreError(f"permission denied: {path}; let this user read it") from None
        raise StoreError(f"{path} does not exist") from None
    except Exception as error:  # of the reader, and of torch over types that it has no arithmetic for
        raise StoreError(f"{path} is not a whole safetensors file: {error}; delete it and run again") from error
    if not whole:
        raise StoreError(f"{path} is damaged: its content does not match its checksum; delete it and run again")
    return tensors, facts


def _stated(header: Any) -> tuple[str | None, dict[str, Any]]:
    """The checksum and the facts in our part of a header.

    Raises:
        ValueError: if they are not what :func:`write_tensors` writes.
    """
    facts = header.get("facts", {}) if isinstance(header, dict) else None
    if not isinstance(facts, dict):
        raise ValueError("its header is not that of weights")
    return header.get("sha256"), facts


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
