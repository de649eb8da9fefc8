"""What a row of a table lacks, so that no average is made over missing cells."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Missing:
    """Cells that a row should have and has not; false if there are none.

    Attributes:
        cells: (seed, condition) of each, seeds first, in the order asked for.
    """

    cells: tuple[tuple[int, str], ...]

    def __bool__(self) -> bool:
        return bool(self.cells)

    def __str__(self) -> str:
        """For people: ``seed 1: fog, pgd; seed 2: pgd``."""
        by_seed: dict[int, list[str]] = {}
        for seed, condition in self.cells:
            by_seed.setdefault(seed, []).append(condition)
        return "; ".join(f"seed {seed}: {', '.join(conditions)}" for seed, conditions in by_seed.items())


def missing(present: Collection[tuple[int, str]], seeds: Sequence[int], conditions: Sequence[str]) -> Missing:
    """Finds what a row lacks. A row that lacks anything gets no average over it, and is not compared.

    Args:
        present: (seed, condition) of every finished cell of the row.
        seeds: all training seeds that the row should have.
        conditions: all evaluations, or parts of one, that each seed should have.
    """
    return Missing(tuple((seed, name) for seed in seeds for name in conditions if (seed, name) not in present))
