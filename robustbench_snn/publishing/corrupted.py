"""Pictures of a table's corruptions: one sample as it is, and at some severities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from robustbench_snn.corruption.event_samples import CorruptedEvents
from robustbench_snn.corruption.samples import CorruptedSamples
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.errors import UserError
from robustbench_snn.event.colours import coloured
from robustbench_snn.leaderboard.table import Table
from robustbench_snn.publishing.png import png
from robustbench_snn.registry import corruptions, event_corruptions
from robustbench_snn.registry.registry import Registry

_KINDS: Mapping[str, Registry[Any, Any]] = {"corruptions": corruptions, "event_corruptions": event_corruptions}
"""Registries by their own name, which is that of the evaluation too."""

KINDS = 6
"""Corruptions shown of one table at most, taken evenly from all of its own."""

SHOWN = (1, 3, 5)
"""Severities."""


def corrupted_names(table: Table) -> tuple[tuple[str, str], ...]:
    """Kind and name of the corruptions whose pictures stand for those that the table's evaluations generate.

    Raises:
        UserError: if there are none.
    """
    found: dict[tuple[str, str], None] = {}
    for evaluation in table.protocol.get("evaluations", ()):
        if evaluation.get("name") in _KINDS:
            for component, (version, *_) in evaluation.get("components", {}).items():
                kind, _, name = component.partition("/")
                known = _KINDS.get(kind)
                if known is not None and name in known and known.get(name).declaration.version == version:
                    found[kind, name] = None
    if not found:
        raise UserError("no evaluation of this table corrupts samples in a way that this program knows")
    step = max(1, -(-len(found) // KINDS))
    return tuple(found)[::step]


def corrupted_pictures(table: Table, sample: Samples) -> Iterator[tuple[str, bytes]]:
    """Corruption and PNG: a sample clean, then by severity, as an evaluation generates it; event frames added up.

    Args:
        table: whose protocol names the corruptions and their seed.
        sample: one sample of the table.
    """
    where, seed = torch.tensor([0]), table.protocol["seed"]
    for kind, name in corrupted_names(table):
        made = CorruptedSamples if kind == "corruptions" else CorruptedEvents
        shown = [sample, *(made(sample, name, severity, seed) for severity in SHOWN)]
        images = torch.cat([samples.images(where) for samples in shown])
        if kind == "event_corruptions":
            counts = images.sum(-4)
            images = coloured(counts, float(counts[0].max()))
        yield name, png([images.numpy()], gap=1)
