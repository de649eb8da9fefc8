"""Tables of one protocol in one table."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.errors import UserError
from robustbench_snn.exchange.merging import merge_tables
from robustbench_snn.exchange.published import Published, read_version
from robustbench_snn.leaderboard import release as releasing
from robustbench_snn.leaderboard.verification import verify
from tests.robustbench_snn.exchange.conftest import SUITE, Place


def run(folder: Path, encoders: list[str], **changes: Any) -> Published:
    """A draft of the tiny suite with other models."""
    suite = SUITE | {"grid": {"encoders": encoders}, "table": {}} | changes
    return read_version(Place(folder / "runs", folder / "results").run(suite, mode="draft").folder)


@pytest.fixture(scope="session")
def draft(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Another suite under the same protocol."""
    return run(tmp_path_factory.mktemp("draft"), ["ttfs"], name="another")


def test_a_draft_joins_a_published_table_as_if_run_with_it(published: Place, draft: Published, tmp_path: Path) -> None:
    version = read_version(published.results / "tiny" / "v1.0")
    released = merge_tables({"version": version, "draft": draft}, tmp_path / "merged", publish=True)
    assert (released.status, released.label) == ("published", "v1.0")
    place = Place(published.store, tmp_path / "at_once")
    at_once = place.run(SUITE | {"grid": {"encoders": ["direct", "sigma_delta", "ttfs"]}}, mode="publish")
    assert released.table.rows == at_once.released.table.rows
    assert [found.findings for found in verify(tmp_path / "merged")] == [()]
    assert merge_tables({"version": version, "draft": draft}, tmp_path / "merged", publish=True).status == "stands"


def test_rows_join_the_latest_version_of_a_table(place: Place, draft: Published) -> None:
    other = read_version(place.results / "tiny" / "v1.0")
    released = merge_tables({"other": other, "draft": draft}, place.results, publish=True)
    assert released.label == "v1.1"
    assert [row.model for row in released.table.rows] == ["direct", "sigma_delta", "ttfs"]
    assert [found.findings for found in verify(place.results)] == [(), ()]


def test_other_protocols_are_refused_by_their_first_difference(published: Place, tmp_path: Path) -> None:
    version = read_version(published.results / "tiny" / "v1.0")
    other = run(tmp_path, ["ttfs"], evaluations=["clean", {"fgsm": {"eps": 0.05}}])
    with pytest.raises(UserError, match=r"different protocols: evaluations\[1\]/parameters/eps: 0.02 against 0.05"):
        merge_tables({"version": version, "other": other}, tmp_path / "merged", publish=True)
    fewer = run(tmp_path, ["ttfs"], evaluations=["clean"])
    with pytest.raises(UserError, match="evaluations: clean, fgsm against clean"):
        merge_tables({"version": version, "fewer": fewer}, tmp_path / "merged", publish=True)
    assert not (tmp_path / "merged").exists()


def test_rows_of_one_name_that_differ_are_conflicts(published: Place, tmp_path: Path) -> None:
    version = read_version(published.results / "tiny" / "v1.0")
    other = run(tmp_path, ["direct"], seeds=[4])
    with pytest.raises(UserError, match=r"rows of one name that differ: 'direct' of version and of other\. Rename"):
        merge_tables({"version": version, "other": other}, tmp_path / "merged", publish=True)
    assert not (tmp_path / "merged").exists()
    released = merge_tables(
        {"version": version, "other": other}, tmp_path / "merged", prefer=other.folder, publish=True
    )
    assert {row.model: row.seeds for row in released.table.rows} == {"direct": (4,), "sigma_delta": (0, 1)}


def test_the_preferred_source_is_called_as_messages_call_it(place: Place, draft: Published, tmp_path: Path) -> None:
    """A source is called as its user wrote it, and the table that is there by its folder, name or version."""
    other = run(tmp_path, ["direct"], seeds=[4])
    sources = {"mine.zip": other, "draft": draft}  # the latter has no 'direct'
    table = place.results / "tiny"
    conflict = f"'direct' of {table} and of mine.zip"
    for name, said in {"draft": conflict, "mine": f"--prefer mine is none of {table}, mine.zip, draft"}.items():
        with pytest.raises(UserError, match=re.escape(said)):
            merge_tables(sources, place.results, prefer=Path(name), publish=True)
    for prefer in (table, Path("tiny"), table / "v1.0"):
        released = merge_tables({"mine.zip": other}, place.results, prefer=prefer, publish=True)
        assert (released.status, released.label) == ("stands", "v1.0")
    released = merge_tables(sources, place.results, prefer=Path("./mine.zip"), publish=True)
    assert {row.model: row.seeds for row in released.table.rows}["direct"] == (4,)


def test_a_row_that_holds_all_others_is_taken_wherever_it_stands(published: Place, tmp_path: Path) -> None:
    parts = {str(seed): run(tmp_path / f"{seed}", ["direct"], seeds=[seed]) for seed in (0, 1)}
    version = read_version(published.results / "tiny" / "v1.0")
    released = merge_tables({**parts, "version": version}, tmp_path / "merged", publish=True)
    assert {row.model: row.seeds for row in released.table.rows} == {"direct": (0, 1), "sigma_delta": (0, 1)}


def test_doubtful_records_are_published_only_when_asked(
    published: Place, draft: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releasing, "program_state", lambda: "dirty")
    version = read_version(published.results / "tiny" / "v1.0")
    with pytest.raises(UserError, match="not published: the program's working tree is dirty"):
        merge_tables({"version": version, "draft": draft}, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_version_whose_predecessor_is_nowhere_is_left_alone(place: Place, draft: Published) -> None:
    version = read_version(place.results / "tiny" / "v1.0")
    merge_tables({"version": version, "draft": draft}, place.results, publish=True)
    shutil.rmtree(place.results / "tiny" / "v1.0")
    more = SUITE | {"grid": {"encoders": ["imp"]}, "table": {}}
    other = read_version(place.run(more, mode="draft").folder)
    before = sorted(place.results.rglob("*"))
    with pytest.raises(UserError, match=r"v1\.0, which v1\.1 follows, is neither beside"):
        merge_tables({"other": other}, place.results, publish=True)
    assert sorted(place.results.rglob("*")) == before
