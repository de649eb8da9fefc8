"""Reads state dicts from files without running code that they may hold."""

from __future__ import annotations

import argparse
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robustbench_snn.errors import UserError
from robustbench_snn.reading import check_file
from robustbench_snn.weights.tensors import MOST_BYTES, read_tensors

WRAPPERS = ("state_dict", "model", "model_state_dict", "net")
PREFIXES = ("module.", "_orig_mod.")

_SLACK = 1 << 20
"""Bytes: several names may share one small tensor."""


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a .pth or .safetensors file, out of its wrapper, without prefixes of parallel models.

    Raises:
        UserError: if the file is missing, truncated, no state dict, or holds objects that could run code.
    """
    if path.suffix == ".safetensors":
        return read_tensors(path)[0]
    try:
        most = 2 * check_file(path, MOST_BYTES).st_size + _SLACK
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:  # torch packs nothing
                _check_bytes(sum(entry.file_size for entry in archive.infolist()), most)
        # timm's checkpoints hold their command line, a Namespace of plain values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is damaged, or holds more than tensors and could run code: it was not loaded{_object(error)}. "
            "Save the state dict of its model alone, with torch.save(model.state_dict(), FILE) where it was trained"
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a pickle of plain values is a program still, and fails in all ways
        raise UserError(f"{path} cannot be read, it is truncated or no PyTorch file: {error}") from error
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(map(_is_weight, content.items())):
        raise UserError(f"{path} holds no state dict, neither bare nor under {', '.join(WRAPPERS)}")
    state = dict(content)
    try:
        _check_bytes(sum(tensor.numel() * tensor.element_size() for tensor in state.values()), most)
    except ValueError as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    for prefix in PREFIXES:
        if state and all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _check_bytes(size: int, most: int) -> None:
    if size > most:
        raise ValueError(f"it unpacks to {size} bytes, {most} are the most that its size allows")


def _is_weight(item: tuple[Any, Any]) -> bool:
    """Whether an item is a name and numbers in memory: neither sparse, nor quantised, nor a shape alone."""
    name, tensor = item
    return (
        isinstance(name, str)
        and isinstance(tensor, Tensor)
        and tensor.layout is torch.strided
        and tensor.device.type == "cpu"
        and not tensor.is_quantized
    )


def _object(error: pickle.UnpicklingError) -> str:
    """The first object that is no tensor, as torch names it; never its advice to load the file all the same."""
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f" (it holds a {found[1]})" if found else ""
