"""Pictures of an attack, where the store holds its images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from robustbench_snn.event.colours import attacked
from robustbench_snn.leaderboard.table import Row
from robustbench_snn.publishing.png import png
from robustbench_snn.publishing.version_page import Published
from robustbench_snn.store.records import Column
from robustbench_snn.store.store import Store

MOST = 8
"""Images shown of one attack."""


def pictures(store: Store, one: Published, row: Row) -> Mapping[str, bytes]:
    """PNG files by name: for each attack whose first seed kept its images, clean, attacked and changed ones.

    Args:
        store: where the cells of the records lie; those that it lacks have no picture.
        one: the version.
        row: the entry.
    """
    found = {}
    for number, label in enumerate(row.cells, start=1):
        for record in one.records_of(row, label):
            if not store.has(record.key):
                continue
            arrays = store.arrays(record.key)
            if {"clean", "adversarial"} <= set(arrays) and len(arrays["clean"]):
                found[f"pictures-{number}.png"] = _png(arrays["clean"], arrays["adversarial"])
                break
    return found


def _png(clean: Column, adversarial: Column) -> bytes:
    """Three rows of images (N, C, H, W) in [0, 1]: clean, attacked, and the change around grey, made visible.

    Event frames (N, F, 2, H, W) are shown added up, and the changed events in the third row.
    """
    clean, adversarial = clean[:MOST], adversarial[:MOST]
    if clean.ndim == 5:
        return png([part.numpy() for part in attacked(torch.from_numpy(clean), torch.from_numpy(adversarial))], gap=1)
    change = adversarial - clean
    largest = float(np.abs(change).max()) or 1.0
    return png([clean, adversarial, 0.5 + change / (2 * largest)])
