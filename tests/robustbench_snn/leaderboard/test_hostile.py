"""Records and published versions from strangers: what is wrong with them is found, and nothing else happens."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from robustbench_snn.errors import StoreError
from robustbench_snn.leaderboard.lookup import find_record
from robustbench_snn.leaderboard.outcomes import read_outcomes
from robustbench_snn.leaderboard.verification import verify_version
from robustbench_snn.leaderboard.versions import Version
from robustbench_snn.store.records import Provenance, Record
from tests.fuzzing import whole
from tests.provenance import PROVENANCE
from tests.stored_cells import record

WRONG: dict[str, list[float]] = {
    "wall_seconds": [float("inf"), float("nan"), -1.0],
    "peak_memory_bytes": [-1, 10**400],
    "batch_size": [-1, 10**400],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_provenance_of_impossible_numbers(name: str, value: float) -> None:
    assert Provenance(**{**PROVENANCE.model_dump(), "batch_size": 0, "wall_seconds": 0.0})
    with pytest.raises(ValidationError):
        Provenance(**{**PROVENANCE.model_dump(), name: value})


@pytest.mark.parametrize("name", ["started", "finished"])
@pytest.mark.parametrize(
    "time", ["yesterday", "", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T01:00:00+01:00", "20260101T000000+00:00"]
)
def test_times_of_provenance_that_are_none_in_utc(name: str, time: str) -> None:
    with pytest.raises(ValidationError, match="is no time in UTC as 2026-01-31T23:59:59"):
        Provenance(**{**PROVENANCE.model_dump(), name: time})
    whole = {**PROVENANCE.model_dump(), name: "2026-01-01T00:00:00.000120+00:00"}
    assert Provenance(**whole).model_dump() == whole  # as it was written


@pytest.mark.parametrize("name", ["seed", "timesteps", "parameters", "samples"])
def test_counts_of_records_have_64_bits(name: str) -> None:
    identity = {"kind": "train"}
    assert record(identity, **{name: (1 << 63) - 1})
    with pytest.raises(ValidationError):
        record(identity, **{name: 1 << 63})
    line = record(identity).model_dump(mode="json") | {name: 10**400}
    with pytest.raises(ValidationError):
        Record.model_validate_json(json.dumps(line))


@pytest.fixture
def version(tmp_path: Path) -> Path:
    return whole.write_version("records.jsonl")(tmp_path).parent


@pytest.mark.parametrize("line", ["[]", "[1]", "3", "null", '"x"', "[" * 5000 + "]" * 5000, "9" * 5000, "\0", "{"])
def test_records_that_are_no_objects_are_findings(version: Path, line: str) -> None:
    with (version / "records.jsonl").open("a") as file:
        file.write(line + "\n")
    found = verify_version(version.parents[1], "quickstart", Version(1, 0)).findings
    assert any(finding.file == "records.jsonl" and finding.expected == "a record" for finding in found)


def test_pages_and_records_that_are_pipes_are_findings(version: Path) -> None:
    for name in ("leaderboard.md", "records.jsonl"):
        whole = (version / name).read_bytes()
        (version / name).unlink()
        os.mkfifo(version / name)
        assert verify_version(version.parents[1], "quickstart", Version(1, 0)).findings
        (version / name).unlink()
        (version / name).write_bytes(whole)
    assert not verify_version(version.parents[1], "quickstart", Version(1, 0)).findings


def test_outcomes_of_other_types(version: Path) -> None:
    file = version / "samples.parquet"
    table = pq.read_table(file)
    for name, values in {
        "outcome": ["x"] * table.num_rows,
        "seed": [None] * table.num_rows,
        "model": [[1]] * table.num_rows,
    }.items():
        where = table.column_names.index(name)
        pq.write_table(table.set_column(where, name, pa.array(values)), file)
        with pytest.raises(StoreError, match=f"column '{name}' does not hold"):
            read_outcomes(file)


def test_a_damaged_record_is_looked_up_in_vain(version: Path) -> None:
    file = version / "records.jsonl"
    key = json.loads(file.read_text().splitlines()[0])["key"]
    assert find_record(version.parents[1], key[:16]).key == key
    file.write_text(file.read_text().replace('"seed":', '"sead":'))
    with pytest.raises(StoreError, match=f"the record {key[:16]} in .* is damaged: "):
        find_record(version.parents[1], key[:16])
