"""Digests that identify a dataset's content, and ids of image files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from torch import Tensor


def fingerprint(*parts: Tensor | bytes | str) -> str:
    """sha256 of tensors (type, shape, bytes), bytes and strings in order, each with its length in front."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            digest.update(f"{part.dtype} {tuple(part.shape)}".encode())
            data = part.contiguous().numpy().tobytes()
        else:
            data = _bytes(part)
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def fingerprint_items(labels: Tensor, items: Iterable[bytes | str]) -> str:
    """sha256 of labels and of items: the encoded image of each sample, or the digest of each folder of images."""
    digest = hashlib.sha256(fingerprint(labels).encode())
    for item in items:
        data = _bytes(item)
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def path_id(path: str) -> int:
    """Sample id of an image file: 63 bits of the sha256 of its path below the root, ``val/n01440764/x.JPEG``."""
    return int.from_bytes(hashlib.sha256(_bytes(path)).digest()[:8], "big") >> 1


def _bytes(part: bytes | str) -> bytes:
    """Bytes as they are, text as UTF-8; names of files that are no text, as the system has them."""
    return part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
