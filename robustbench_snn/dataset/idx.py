"""The IDX format of MNIST and its relatives: a header of big-endian sizes, then bytes."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from robustbench_snn.errors import DatasetError

_UNSIGNED_BYTE = 0x08


def read_idx(path: Path, dimensions: int) -> Tensor:
    """Reads a file of unsigned bytes, gzipped (``.gz``) or plain.

    Args:
        path: the file.
        dimensions: how many the tensor must have.

    Returns:
        uint8 tensor of the shape in the header.

    Raises:
        DatasetError: if the file is truncated, or its header promises something else.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read: {error}; it may be truncated: get it again") from error
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes([0, 0, _UNSIGNED_BYTE, dimensions]):
        raise DatasetError(
            f"{path} is not an IDX file of bytes in {dimensions} dimensions: it begins with {content[:4].hex()}, "
            f"not {bytes([0, 0, _UNSIGNED_BYTE, dimensions]).hex()}"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != int(np.prod(shape, dtype=np.int64)):
        raise DatasetError(
            f"{path} holds {len(content) - start} bytes, but its header promises "
            f"{' x '.join(str(size) for size in shape)}; it may be truncated: get it again"
        )
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=start).copy()).reshape(shape)
