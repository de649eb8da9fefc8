"""The per-seed outcomes of a version, written and read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from robustbench_snn.errors import StoreError
from robustbench_snn.leaderboard.outcomes import Outcomes, read_outcomes, write_outcomes

SAMPLES = np.array([7, 3, 11])
BY_SEED = {
    ("stf", "clean"): {0: np.array([1.0, 0.0, 1.0]), 5: np.array([0.0, 0.0, 1.0])},
    ("a/b", "c/d"): {2: np.array([0.1, 1 / 3, 0.7])},
}


def test_outcomes_come_back_to_the_bit_from_rows_in_any_order(tmp_path: Path) -> None:
    write_outcomes(tmp_path / "s.parquet", Outcomes(SAMPLES, BY_SEED))
    table = pq.read_table(tmp_path / "s.parquet")
    assert table.column_names == ["model", "evaluation", "seed", "sample", "outcome"]
    assert table.num_rows == 9
    for order in (np.arange(9), np.random.default_rng(0).permutation(9)):
        pq.write_table(table.take(order), tmp_path / "t.parquet")
        found = read_outcomes(tmp_path / "t.parquet")
        back = np.argsort(found.samples)
        assert found.samples[back].tolist() == [3, 7, 11]
        assert {place: set(seeds) for place, seeds in found.by_seed.items()} == {
            place: set(seeds) for place, seeds in BY_SEED.items()
        }
        for place, seeds in BY_SEED.items():
            for seed, shares in seeds.items():
                assert found.by_seed[place][seed][back].tolist() == shares[np.argsort(SAMPLES)].tolist()


def test_no_outcomes_at_all(tmp_path: Path) -> None:
    write_outcomes(tmp_path / "s.parquet", Outcomes(SAMPLES, {}))
    assert read_outcomes(tmp_path / "s.parquet").by_seed == {}


def test_missing_rows_and_files_are_named(tmp_path: Path) -> None:
    write_outcomes(tmp_path / "s.parquet", Outcomes(SAMPLES, BY_SEED))
    pq.write_table(pq.read_table(tmp_path / "s.parquet").slice(0, 8), tmp_path / "s.parquet")
    with pytest.raises(StoreError, match="not of this table's samples"):
        read_outcomes(tmp_path / "s.parquet")
    with pytest.raises(StoreError, match="missing or damaged"):
        read_outcomes(tmp_path / "no.parquet")
