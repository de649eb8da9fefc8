"""Where the records of a table come from: programs, machines and versions of keys are told apart, never mixed silently.

A table grows over years and machines. Whether two of its rows were made alike is part of what it says: where records
differ in one of the aspects below, every row says what its own records are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from robustbench_snn.leaderboard.table import Table

ASPECTS = ("program", "libraries", "machine", "key version")
"""In what the origins of two records may differ."""


def marked(table: Table, records: Mapping[str, str]) -> Table:
    """The table with its origins noted anew.

    Args:
        table: any.
        records: those behind its numbers, as lines of JSON by key.
    """
    origins = {key: _origin(json.loads(line)) for key, line in records.items()}
    of_rows = {
        row.model: [
            origins[key]
            for key in (*row.training, *(k for s in row.cells.values() for k in s.records))
            if key in origins
        ]
        for row in table.rows
    }
    everything = [origin for found in of_rows.values() for origin in found]
    mixed = tuple(aspect for aspect in ASPECTS if len({origin[aspect] for origin in everything}) > 1)
    rows = tuple(
        row.model_copy(update={"notes": tuple(_note(aspect, of_rows[row.model]) for aspect in mixed)})
        for row in table.rows
    )
    return table.model_copy(update={"rows": rows, "mixed": mixed})


def _note(aspect: str, origins: list[dict[str, str]]) -> str:
    return f"{aspect}: {'; '.join(sorted({origin[aspect] for origin in origins})) or 'unknown'}"


def _origin(record: Mapping[str, Any]) -> dict[str, str]:
    """What a record says of itself, in words, by aspect."""
    where, packages = record["provenance"], record["provenance"]["packages"]
    commit = f" at {where['git_commit'][:12]}" if where["git_commit"] else ""
    changed = ", with uncommitted changes" if where["git_dirty"] else ""
    hardware = where["hardware"].rpartition(", ")[0] or where["hardware"]  # the number of threads changes no number
    device = where["device"].partition(":")[0]
    return {
        "program": f"robustbench_snn {packages.get('robustbench_snn', 'of unknown version')}{commit}{changed}",
        "libraries": ", ".join(f"{name} {packages[name]}" for name in ("torch", "spikingjelly") if name in packages),
        "machine": f"{device} ({where['hardware'] if device == 'cuda' else hardware})",
        "key version": str(record["identity"].get("key_version", "1")),
    }
