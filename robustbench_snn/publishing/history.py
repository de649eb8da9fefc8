"""What changed from one version of a table to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robustbench_snn.leaderboard.table import AnyTable


@dataclass(frozen=True)
class Moved:
    """A number that is another one in the newer version: accuracies in [0, 1], None for none."""

    model: str
    label: str
    before: float | None
    after: float | None


@dataclass(frozen=True)
class Changes:
    """The difference between two versions.

    Attributes:
        compares: whether both have the same protocol, so that their numbers compare.
        protocol: what differs between the protocols, in words.
        added: models of the newer version alone.
        removed: models of the older version alone.
        moved: accuracies that differ; empty where the protocols differ.
    """

    compares: bool
    protocol: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    moved: tuple[Moved, ...]


def changes(older: AnyTable, newer: AnyTable) -> Changes:
    """What a newer version changed."""
    before, after = ({row.model: row for row in table.rows} for table in (older, newer))
    compares = older.protocol_hash == newer.protocol_hash
    moved = []
    for model in (name for name in after if name in before) if compares else ():
        ours, theirs = before[model].cells, after[model].cells
        for label in dict.fromkeys((*older.columns, *newer.columns)):
            was, now = (cells[label].accuracy if label in cells else None for cells in (ours, theirs))
            if was != now:
                moved.append(Moved(model, label, was, now))
    return Changes(
        compares,
        tuple(_protocol(older.protocol, newer.protocol)) if not compares else (),
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
        tuple(moved),
    )


def _protocol(older: Mapping[str, Any], newer: Mapping[str, Any]) -> list[str]:
    found = [
        f"{name} changed" for name in sorted({*older, *newer} - {"evaluations"}) if older.get(name) != newer.get(name)
    ]
    before, after = (_by_label(protocol) for protocol in (older, newer))
    found += [f"evaluation {label} is new" for label in after if label not in before]
    found += [f"evaluation {label} is gone" for label in before if label not in after]
    found += [f"evaluation {label} changed" for label in after if label in before and before[label] != after[label]]
    return found or ["the order of the evaluations, or how protocols are hashed"]


def _by_label(protocol: Mapping[str, Any]) -> dict[str, Any]:
    return {str(part.get("label", part.get("name"))): part for part in protocol.get("evaluations", ())}
