"""The IDX format of MNIST and its relatives: a header of big-endian sizes, then bytes."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from robustbench_snn.errors import DatasetError
from robustbench_snn.reading import GIB, check_file

_UNSIGNED_BYTE = 0x08

MOST_BYTES = 4 * GIB
"""Most bytes of one file, unpacked; MNIST's images are 47 MB."""

_PACKED = 1100
"""How many times its size a gzipped file can unpack to."""


def read_idx(path: Path, dimensions: int) -> Tensor:
    """Reads a file of unsigned bytes, gzipped (``.gz``) or plain.

    Args:
        path: the file.
        dimensions: how many the tensor must have.

    Returns:
        uint8 tensor of the shape in the header.

    Raises:
        DatasetError: if the file is truncated or too large, or its header promises something else.
    """
    start = 4 + 4 * dimensions
    try:
        size = check_file(path, MOST_BYTES).st_size
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = file.read(start)
            shape = _shape(path, header, dimensions)
            promised = math.prod(shape)
            if promised > size * _PACKED:  # nothing is set apart for what cannot be there
                raise EOFError(f"its header promises {promised} bytes, it has {size}")
            content = file.read(promised + 1)  # no more than is promised, whatever it unpacks to
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read: {error}; it may be truncated: get it again") from error
    if len(content) != promised:
        holds = "more" if len(content) > promised else f"{len(content)} bytes"
        raise DatasetError(
            f"{path} holds {holds}, but its header promises {' x '.join(str(size) for size in shape)}; it may be "
            "truncated: get it again"
        )
    return torch.from_numpy(np.frombuffer(content, np.uint8).copy()).reshape(shape)


def _shape(path: Path, header: bytes, dimensions: int) -> tuple[int, ...]:
    """The sizes in a header.

    Raises:
        DatasetError: if it is another format's, or its sizes are none that a file of images or labels has.
    """
    magic = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    if len(header) < 4 + 4 * dimensions or header[:4] != magic:
        raise DatasetError(
            f"{path} is not an IDX file of bytes in {dimensions} dimensions: it begins with {header[:4].hex()}, "
            f"not {magic.hex()}"
        )
    shape: tuple[int, ...] = struct.unpack(f">{dimensions}I", header[4:])
    if not 0 < math.prod(shape) <= MOST_BYTES:
        raise DatasetError(
            f"{path}: its header promises {' x '.join(str(size) for size in shape)} bytes; 1 to {MOST_BYTES} can be "
            "read"
        )
    return shape
