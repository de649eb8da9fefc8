"""Event frames on disk: made once from recordings, in pieces, as they are asked for."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from robustbench_snn.dataset.content import cache_folder
from robustbench_snn.digests import tensor_digest
from robustbench_snn.errors import DatasetError
from robustbench_snn.reading import check_file

PIECE_BYTES = 1 << 25
"""Bytes of a file of the cache: 64 recordings of CIFAR10-DVS in 16 frames, 1,451 of N-MNIST in 10."""

_HEADER_BYTES = 1 << 16


class FrameCache:
    """Counts of a set of recordings, kept in ``$RBSNN_CACHE/event_frames/KEY``, or else below ``~/.cache``.

    A file holds a piece of the set as safetensors (no code is in them) with its sha256, is written beside its place and
    renamed into it, and mapped into memory when it is read: what is read stays the system's to drop. A file that is
    missing, truncated or damaged is made anew. Processes that make the same piece at once write the same bytes.

    Args:
        key: of all that the counts depend on.
        count: N, recordings of the set.
        shape: (F, C, H, W).
        make: the counts of one recording, uint8 of that shape.
    """

    def __init__(self, key: str, count: int, shape: tuple[int, ...], make: Callable[[int], Tensor]) -> None:
        self.folder = cache_folder() / "event_frames" / key
        self.count, self.shape, self.make = count, shape, make
        self.each = max(1, PIECE_BYTES // math.prod(shape))
        self._pieces: dict[int, Tensor] = {}
        self._lock = threading.Lock()

    def __call__(self, rows: Tensor) -> Tensor:
        """The counts at these rows, int64 (B,), as uint8 (B, F, C, H, W).

        Raises:
            DatasetError: if a recording cannot be read, or the cache not be written.
        """
        found = torch.empty((len(rows), *self.shape), dtype=torch.uint8)
        pieces = rows // self.each
        for piece in pieces.unique().tolist():
            here = pieces == piece
            found[here] = self._piece(piece)[rows[here] - piece * self.each]
        return found

    def file(self, piece: int) -> Path:
        """Where a piece of the set is kept."""
        return self.folder / f"{piece:05d}.safetensors"

    def _piece(self, piece: int) -> Tensor:
        with self._lock:
            if piece not in self._pieces:
                found = self._read(piece)
                self._pieces[piece] = self._made(piece) if found is None else found
            return self._pieces[piece]

    def _rows(self, piece: int) -> range:
        return range(piece * self.each, min(self.count, (piece + 1) * self.each))

    def _read(self, piece: int) -> Tensor | None:
        """A piece that is there and whole."""
        path, size = self.file(piece), (len(self._rows(piece)), *self.shape)
        with contextlib.suppress(Exception):  # of a damaged file, whatever it is; the content is checked
            check_file(path, math.prod(size) + _HEADER_BYTES)
            with safe_open(path, framework="pt") as file:
                counts: Tensor = file.get_tensor("counts")
                stated = (file.metadata() or {}).get("sha256")
            if counts.dtype == torch.uint8 and counts.shape == size and stated == tensor_digest({"counts": counts}):
                return counts
        return None

    def _made(self, piece: int) -> Tensor:
        tensors = {"counts": torch.stack([self.make(row) for row in self._rows(piece)])}
        path = self.file(piece)
        part = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(save(tensors, metadata={"sha256": tensor_digest(tensors)}))
            part.replace(path)
        except OSError as error:
            raise DatasetError(
                f"event frames cannot be kept in {path}: {error.strerror or error}; set the environment variable "
                "RBSNN_CACHE to a folder that has room"
            ) from None
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        found = self._read(piece)  # mapped, not held
        return tensors["counts"] if found is None else found
