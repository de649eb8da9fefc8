"""Pictures of a table's corruptions: one sample as it is, and at some severities."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from robustbench_snn.corruption.samples import CorruptedSamples
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.table import Table
from robustbench_snn.publishing.png import png
from robustbench_snn.registry import corruptions

KINDS = 6
"""Corruptions shown of one table at most, taken evenly from all of its own."""

SHOWN = (1, 3, 5)
"""Severities."""


def corrupted_names(table: Table) -> tuple[str, ...]:
    """The corruptions whose pictures stand for those that the table's evaluations generate.

    Raises:
        UserError: if there are none.
    """
    names: dict[str, None] = {}
    for evaluation in table.protocol.get("evaluations", ()):
        if evaluation.get("name") == "corruptions":
            for component, (version, *_) in evaluation.get("components", {}).items():
                kind, _, name = component.partition("/")
                if kind == "corruptions" and name in corruptions and _version(name) == version:
                    names[name] = None
    if not names:
        raise UserError("no evaluation of this table corrupts images in a way that this program knows")
    step = max(1, -(-len(names) // KINDS))
    return tuple(names)[::step]


def corrupted_pictures(table: Table, sample: Samples) -> Iterator[tuple[str, bytes]]:
    """Corruption and PNG: a sample clean, then by severity, as an evaluation generates it.

    Args:
        table: whose protocol names the corruptions and their seed.
        sample: one sample of the table.
    """
    where = torch.tensor([0])
    clean = sample.images(where).numpy()
    for name in corrupted_names(table):
        sets = [CorruptedSamples(sample, name, severity, table.protocol["seed"]) for severity in SHOWN]
        yield name, png([np.concatenate([clean, *(found.images(where).numpy() for found in sets)])], gap=1)


def _version(name: str) -> int:
    return corruptions.get(name).declaration.version
