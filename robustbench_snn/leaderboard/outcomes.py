"""Every seed's outcome on every sample: what all numbers of a table follow from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from robustbench_snn.errors import StoreError
from robustbench_snn.leaderboard.variance import Floats
from robustbench_snn.store.os_errors import unreadable

Place = tuple[str, str]
"""Where a score stands: (model, evaluation label)."""


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of the models of a table.

    Attributes:
        samples: sample ids, int64 (N,).
        by_seed: share correct of each sample in [0, 1], float64 (N,) in the order of ``samples``, by place and
            training seed; of the first samples alone, where an evaluation has a limit.
    """

    samples: NDArray[np.int64]
    by_seed: Mapping[Place, Mapping[int, Floats]]

    def of(self, place: Place) -> Floats:
        """The outcomes of one score, (seeds, N), lowest seed first."""
        return np.stack([outcomes for _, outcomes in sorted(self.by_seed[place].items())])

    def samples_of(self, place: Place) -> NDArray[np.int64]:
        """The samples of one score."""
        return self.samples[: len(next(iter(self.by_seed[place].values())))]

    def in_order_of(self, samples: NDArray[np.int64], place: Place) -> dict[int, Floats]:
        """The outcomes of one score by seed, in the order of other samples.

        Raises:
            StoreError: if these, or as many of them as the score has, are not the score's samples.
        """
        ids = self.samples_of(place)
        return {
            seed: aligned(samples[: len(ids)], ids, shares, place[0]) for seed, shares in self.by_seed[place].items()
        }


def aligned(samples: NDArray[np.int64], ids: NDArray[Any], outcomes: NDArray[Any], whose: str) -> Floats:
    """Outcomes (N,), given in the order of ``ids``, in the order of ``samples``.

    Raises:
        StoreError: if the two are not the same samples.
    """
    if np.array_equal(ids, samples):
        return np.array(outcomes, dtype=np.float64)
    order, wanted = np.argsort(ids, kind="stable"), np.argsort(samples, kind="stable")
    if not np.array_equal(np.asarray(ids)[order], samples[wanted]):
        raise StoreError(f"the outcomes of {whose} are not of this table's samples; run the suite again")
    found = np.empty(len(samples))
    found[wanted] = np.asarray(outcomes, dtype=np.float64)[order]
    return found


def write_outcomes(path: Path, outcomes: Outcomes) -> None:
    """Writes one row a model, evaluation, seed and sample: columns model, evaluation, seed, sample, outcome."""
    blocks = [
        (model, label, seed, shares)
        for (model, label), of_seeds in outcomes.by_seed.items()
        for seed, shares in sorted(of_seeds.items())
    ]
    counts = [len(shares) for *_, shares in blocks]
    ids = [outcomes.samples[:count] for count in counts]
    columns = {
        "model": _repeated([model for model, *_ in blocks], counts),
        "evaluation": _repeated([label for _, label, *_ in blocks], counts),
        "seed": pa.array(np.repeat(np.array([seed for _, _, seed, _ in blocks], dtype=np.int64), counts)),
        "sample": pa.array(np.concatenate(ids) if blocks else np.empty(0, dtype=np.int64)),
        "outcome": pa.array(np.concatenate([shares for *_, shares in blocks]) if blocks else np.empty(0)),
    }
    pq.write_table(pa.table(columns), path, compression="zstd")


def _repeated(values: list[str], counts: list[int]) -> pa.DictionaryArray:
    places = {name: place for place, name in enumerate(dict.fromkeys(values))}
    codes = np.repeat(np.array([places[value] for value in values], dtype=np.int32), counts)
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(places), type=pa.string()))


def read_outcomes(path: Path) -> Outcomes:
    """Reads what :func:`write_outcomes` wrote, its rows in any order.

    Raises:
        StoreError: if the file is missing or damaged, or the models have not all met the same samples.
    """
    try:
        table = pq.read_table(path, columns=["model", "evaluation", "seed", "sample", "outcome"])
    except (OSError, pa.ArrowInvalid) as error:
        raise unreadable(path, error, "restore it from version control") from None
    codes = [table.column(name).combine_chunks().dictionary_encode() for name in ("model", "evaluation", "seed")]
    names = [code.dictionary.to_pylist() for code in codes]
    shape = tuple(max(len(found), 1) for found in names)
    numbers = np.ravel_multi_index([code.indices.to_numpy() for code in codes], shape)
    kept, of_block = np.unique(numbers, return_inverse=True)
    blocks = np.stack(np.unravel_index(kept, shape), axis=1)
    rows = np.split(np.argsort(of_block, kind="stable"), np.cumsum(np.bincount(of_block.ravel()))[:-1])
    ids, shares = table.column("sample").to_numpy(), table.column("outcome").to_numpy()
    _check_lengths(path, [(names[1][label], len(where)) for (_, label, _), where in zip(blocks, rows, strict=False)])
    samples = ids[max(rows, key=len)] if len(blocks) else np.empty(0, dtype=np.int64)
    found: dict[Place, dict[int, Floats]] = {}
    for (model, label, seed), where in zip(blocks, rows, strict=False):
        place = names[0][model], names[1][label]
        outcome = aligned(samples[: len(where)], ids[where], shares[where], f"{path}: {place[0]}")
        found.setdefault(place, {})[names[2][seed]] = outcome
    return Outcomes(samples, found)


def _check_lengths(path: Path, blocks: list[tuple[str, int]]) -> None:
    lengths: dict[str, int] = {}
    for label, length in blocks:
        if lengths.setdefault(label, length) != length:
            raise StoreError(f"{path}: models have met {lengths[label]} and {length} samples in {label}; restore it")
