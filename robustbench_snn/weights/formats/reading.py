"""Reads state dicts from files without running code that they may hold."""

from __future__ import annotations

import argparse
import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from robustbench_snn.errors import UserError
from robustbench_snn.weights.tensors import read_tensors

WRAPPERS = ("state_dict", "model", "model_state_dict", "net")
PREFIXES = ("module.", "_orig_mod.")


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a .pth or .safetensors file, out of its wrapper, without prefixes of parallel models.

    Raises:
        UserError: if the file is missing, truncated, no state dict, or holds objects that could run code.
    """
    if path.suffix == ".safetensors":
        return read_tensors(path)[0]
    try:
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
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} cannot be read, it is truncated or no PyTorch file: {error}") from error
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(f"{path} holds no state dict, neither bare nor under {', '.join(WRAPPERS)}")
    state = {str(key): value for key, value in content.items()}
    for prefix in PREFIXES:
        if state and all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _object(error: pickle.UnpicklingError) -> str:
    """The first object that is no tensor, as torch names it; never its advice to load the file all the same."""
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f" (it holds a {found[1]})" if found else ""
