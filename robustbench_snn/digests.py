"""sha256 of contents: of JSON, of files, of tensors."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from torch import Tensor

_files: dict[tuple[int, int, int, int], str] = {}


def canonical(content: Any) -> Any:
    """Content as its JSON reads back: keys are text, tuples and sets are lists, models are objects."""
    return json.loads(json.dumps(content, default=_plain))


def json_digest(content: Any) -> str:
    """sha256, in hexadecimal, of the canonical JSON of some content; the same before and after it was stored."""
    text = json.dumps(canonical(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """sha256, in hexadecimal, of a file; computed once in this process while its size and time stay the same.

    Raises:
        OSError: if it cannot be read, or is no regular file: a pipe would never end.
    """
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(f"{path.name} is no regular file")
    known = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    if known not in _files:
        with path.open("rb") as file:
            _files[known] = hashlib.file_digest(file, "sha256").hexdigest()
    return _files[known]


def tensor_digest(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names, types, shapes and bytes of tensors, in order of their names."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} {value!r} cannot be part of a key")
