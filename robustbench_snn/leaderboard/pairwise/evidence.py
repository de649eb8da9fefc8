"""What is known of one model: every seed's outcomes, and what exactly they were measured with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robustbench_snn.digests import json_digest
from robustbench_snn.leaderboard.variance import Floats
from robustbench_snn.store.records import Record


@dataclass(frozen=True)
class Measured:
    """One evaluation of one model.

    Attributes:
        label: of the evaluation.
        name: of the evaluation.
        parts: what was run, as keys hold it, in the order of its parts.
        setting: dataset, digest of the samples, and evaluation seed.
        samples: sample ids, int64 (N,).
        by_seed: share correct of each sample in [0, 1], (N,) in the order of ``samples``, by training seed.
        flags: checks that failed for any seed.
        comparable: False for protocols that a table sets apart.
    """

    label: str
    name: str
    parts: tuple[Mapping[str, Any], ...]
    setting: Mapping[str, Any]
    samples: NDArray[np.int64]
    by_seed: Mapping[int, Floats]
    flags: tuple[str, ...] = ()
    comparable: bool = True

    @property
    def outcomes(self) -> Floats:
        """(seeds, N), lowest seed first."""
        return np.stack([found for _, found in sorted(self.by_seed.items())])

    @cached_property
    def setting_digest(self) -> str:
        """Of the setting: equal for equal ones."""
        return json_digest(self.setting)

    @cached_property
    def part_digests(self) -> tuple[str, ...]:
        """Of each part."""
        return tuple(json_digest(part) for part in self.parts)

    @property
    def content(self) -> tuple[str, ...]:
        """Equal for what was run alike on the same samples."""
        return (self.setting_digest, *self.part_digests)


@dataclass(frozen=True)
class Evidence:
    """All evaluations of one model that has outcomes.

    Attributes:
        place: where it is from, as the user wrote it.
        model: name of the model there.
        measured: its evaluations.
        joined: whether the parts of an evaluation stand together; a store does not know which belong together.
        gaps: what is missing, by label.
        weights: sha256 of every network behind it.
        made_by: programs and machines that computed it.
    """

    place: str
    model: str
    measured: tuple[Measured, ...]
    joined: bool = True
    gaps: Mapping[str, str] = field(default_factory=dict)
    weights: frozenset[str] = frozenset()
    made_by: frozenset[str] = frozenset()


def setting_of(record: Record) -> dict[str, Any]:
    """What two evaluations must share before anything else of them compares."""
    return {name: record.identity[name] for name in ("dataset", "samples", "seed")}


def networks(records: Sequence[Record]) -> frozenset[str]:
    """sha256 of the weights behind evaluations."""
    return frozenset(str(record.identity["weights"]) for record in records)


def makers(records: Sequence[Record]) -> frozenset[str]:
    """Program and machine of each record, in words."""
    found = set()
    for record in records:
        made = record.provenance
        version = made.packages.get("robustbench_snn", "unknown version")
        commit = f", commit {made.git_commit[:12]}{' (changed)' if made.git_dirty else ''}" if made.git_commit else ""
        found.add(f"robustbench_snn {version}{commit}, {made.device} ({made.hardware})")
    return frozenset(found)
