"""results/index.json lists what is published, with hashes, and follows publications and withdrawals."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from robustbench_snn.leaderboard.index import write_index, wrong_index
from robustbench_snn.leaderboard.versions import Version
from robustbench_snn.leaderboard.withdrawal import withdraw
from tests.robustbench_snn.leaderboard.conftest import SUITE, Place

RESULTS = Path(__file__).resolve().parents[3] / "results"


def wrong(results: Path) -> list[str]:
    return [str(finding) for finding in wrong_index(results)]


def test_every_file_of_a_version_is_listed_with_its_hash(published: Place) -> None:
    index = json.loads((published.results / "index.json").read_text())
    assert list(index["tables"]) == ["tiny"]
    table = index["tables"]["tiny"]
    (version,) = table["versions"]
    assert (table["newest"], version["version"], version["withdrawn"]) == ("v1.0", "v1.0", None)
    assert version["models"] == ["direct", "sigma_delta"]
    folder = published.results / "tiny" / "v1.0"
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert version["files"] == hashes
    assert "manifest.json" in hashes
    assert wrong(published.results) == []


def test_the_index_follows_publications_and_withdrawals(place: Place) -> None:
    more = SUITE | {"grid": {"encoders": ["direct", "rate"]}}
    assert place.run(more, mode="publish").released.label == "v1.1"
    assert wrong(place.results) == []
    withdraw(place.results, "tiny", Version(1, 1), "wrong labels")
    assert any("withdrawn" in finding for finding in wrong(place.results))
    write_index(place.results)
    assert wrong(place.results) == []
    table = json.loads((place.results / "index.json").read_text())["tables"]["tiny"]
    assert table["newest"] == "v1.0"
    assert "wrong labels" in table["versions"][1]["withdrawn"]


def test_a_changed_file_and_a_missing_index_are_noticed(place: Place) -> None:
    path = place.results / "tiny" / "v1.0" / "leaderboard.md"
    path.write_text(path.read_text() + "x")
    assert any("files/leaderboard.md" in finding for finding in wrong(place.results))
    page = place.results / "README.md"
    written = page.read_text()
    page.write_text(written.replace("tiny", "huge"))
    assert any("README.md, line" in finding and "huge" in finding for finding in wrong(place.results))
    page.write_text(written + "\nand more\n")
    assert any("README.md, line" in finding for finding in wrong(place.results))
    page.unlink()
    assert any("README.md, line 1" in finding for finding in wrong(place.results))
    (place.results / "index.json").unlink()
    assert any("expected an index" in finding for finding in wrong(place.results))


@pytest.mark.parametrize("damaged", ["v1.0/table.json", "withdrawn.json"])
def test_a_damaged_table_is_left_out_with_a_warning_and_still_found(place: Place, damaged: str) -> None:
    shutil.copytree(place.results / "tiny", place.results / "other")
    (place.results / "other" / damaged).write_bytes(b"{")
    with pytest.warns(UserWarning, match="the table other is left out"):
        released = place.run(SUITE | {"grid": {"encoders": ["direct", "rate"]}}, mode="publish").released
    assert (released.status, released.label) == ("published", "v1.1")
    index = json.loads((place.results / "index.json").read_text())
    assert list(index["tables"]) == ["tiny"]
    assert index["tables"]["tiny"]["newest"] == "v1.1"
    assert "other" not in (place.results / "README.md").read_text()
    (finding,) = wrong(place.results)
    assert "a table that can be read" in finding


def test_the_index_of_this_repository_is_right() -> None:
    assert wrong(RESULTS) == []
