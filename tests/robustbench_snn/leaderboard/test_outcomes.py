"""The per-seed outcomes of a version, written and read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
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


def test_an_evaluation_on_the_first_samples_alone(tmp_path: Path) -> None:
    few = {("stf", "pgd"): {0: np.array([0.0, 1.0]), 1: np.array([1.0, 0.0])}}
    write_outcomes(tmp_path / "s.parquet", Outcomes(SAMPLES, {**few, **BY_SEED}))
    table = pq.read_table(tmp_path / "s.parquet")
    found = read_outcomes(tmp_path / "s.parquet")
    assert found.samples.tolist() == SAMPLES.tolist()
    assert found.samples_of(("stf", "pgd")).tolist() == [7, 3]
    assert found.by_seed["stf", "pgd"][1].tolist() == [1.0, 0.0]
    assert found.in_order_of(np.array([3, 7, 11]), ("stf", "pgd"))[1].tolist() == [0.0, 1.0]
    with pytest.raises(StoreError, match="not of this table's samples"):
        found.in_order_of(np.array([11, 3, 7]), ("stf", "pgd"))
    pq.write_table(table.slice(1), tmp_path / "s.parquet")
    with pytest.raises(StoreError, match="1 and 2 samples in pgd"):
        read_outcomes(tmp_path / "s.parquet")


def test_missing_rows_and_files_are_named(tmp_path: Path) -> None:
    write_outcomes(tmp_path / "s.parquet", Outcomes(SAMPLES, BY_SEED))
    table = pq.read_table(tmp_path / "s.parquet")
    ids = pa.array([7, 3, 12, *table.column("sample").to_pylist()[3:]])
    pq.write_table(table.slice(1), tmp_path / "s.parquet")
    with pytest.raises(StoreError, match="2 and 3 samples in clean"):
        read_outcomes(tmp_path / "s.parquet")
    pq.write_table(table.set_column(3, "sample", [ids]), tmp_path / "s.parquet")
    with pytest.raises(StoreError, match="not of this table's samples"):
        read_outcomes(tmp_path / "s.parquet")
    with pytest.raises(StoreError, match="is missing; restore it"):
        read_outcomes(tmp_path / "no.parquet")
