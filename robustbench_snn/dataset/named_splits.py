"""Splits of datasets whose authors published none: functions of the recordings' ids alone, each with a name."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from robustbench_snn.randomness import SampleRandom


def random_tenth(name: str, ids: Tensor, labels: Tensor) -> Tensor:
    """Which recordings are for testing, in a random split 9:1 within each class.

    The recordings of a class stand in the order of a hash of their ids and of the split's name; the last tenth of them,
    rounded down, are for testing.

    Args:
        name: of the split; another name is another split.
        ids: int64 (N,).
        labels: int64 (N,).

    Returns:
        bool (N,).
    """
    hashes = SampleRandom.for_samples("split", name, sample_ids=ids).bits(1).squeeze(1)
    test = torch.zeros(len(ids), dtype=torch.bool)
    for label in labels.unique():
        rows = (labels == label).nonzero().squeeze(1)
        order = rows[torch.argsort(hashes[rows])]
        test[order[len(order) - len(order) // 10 :]] = True
    return test


def split_digest(ids: Tensor, test: Tensor) -> str:
    """sha256, in hexadecimal, of the sorted ids of both sides: the same on every machine, whatever a folder's order.

    Args:
        ids: int64 (N,).
        test: bool (N,), those for testing.
    """
    digest = hashlib.sha256()
    for side in (ids[~test], ids[test]):
        digest.update(f"{len(side)}:{','.join(map(str, sorted(side.tolist())))};".encode())
    return digest.hexdigest()
