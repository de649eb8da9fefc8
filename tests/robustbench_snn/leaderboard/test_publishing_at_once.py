"""Several publishers of one table: every version is whole and follows the one before, and none fails falsely."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.errors import StoreError, StoreWriteError
from robustbench_snn.leaderboard import index, publication
from robustbench_snn.leaderboard.index import complete_index, write_index, wrong_index
from robustbench_snn.leaderboard.manifest import read_manifest
from robustbench_snn.leaderboard.outcomes import Outcomes, read_outcomes
from robustbench_snn.leaderboard.publication import prepare, publish_prepared, publishing
from robustbench_snn.leaderboard.release import release
from robustbench_snn.leaderboard.verification import verify_version
from robustbench_snn.leaderboard.versions import Version, lines_of, load_table, versions
from robustbench_snn.leaderboard.withdrawal import withdraw, withdrawals
from robustbench_snn.store.leftovers import leftovers_of_results
from tests.tables import outcomes, publish, record, row, table

FORK = multiprocessing.get_context("fork")


def at_once(*works: Callable[[], object]) -> list[int | None]:
    """Exit codes of processes that do these things at the same time."""
    children = [FORK.Process(target=work) for work in works]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return [child.exitcode for child in children]


def of_one(model: str) -> Outcomes:
    accuracies: dict[str, Any] = {model: 0.5}
    return outcomes(**accuracies)


def released(results: Path, drafts: Path, model: str, mode: str = "publish") -> str:
    what = table(row(model))
    records = [record(key) for key in ("k" * 64, "t" * 64)]
    return release(what, of_one(model), records, results=results, drafts=drafts, mode=mode).status  # type: ignore[arg-type]


def test_publishers_of_different_rows_build_on_each_other(tmp_path: Path) -> None:
    names = ["one", "two", "three"]
    codes = at_once(*(lambda name=name: publish(table(row(name)), of_one(name), tmp_path) for name in names))
    assert codes == [0] * 3
    assert [str(version) for version in versions(tmp_path, "tab")] == ["v1.0", "v1.1", "v1.2"]
    last = load_table(tmp_path, "tab")
    assert {entry.model for entry in last.rows} == set(names)
    assert list(wrong_index(tmp_path)) == []
    for version in versions(tmp_path, "tab")[1:]:
        manifest = read_manifest(tmp_path / "tab" / str(version))
        assert manifest is not None
        assert manifest.previous is not None
        assert manifest.previous.version == f"v1.{version.minor - 1}"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_publishers_of_the_same_rows_make_one_version(tmp_path: Path) -> None:
    codes = at_once(*[lambda: released(tmp_path / "results", tmp_path / "drafts", "one")] * 3)
    assert codes == [0] * 3
    assert [str(version) for version in versions(tmp_path / "results", "tab")] == ["v1.0"]
    assert released(tmp_path / "results", tmp_path / "drafts", "one") == "stands"


def test_drafts_of_one_table_at_once(tmp_path: Path) -> None:
    draft = tmp_path / "drafts" / "tab"

    def often() -> None:
        for _ in range(5):
            released(tmp_path / "results", tmp_path / "drafts", "one", "draft")

    assert at_once(often, often, often) == [0] * 3
    assert [path.name for path in draft.parent.iterdir()] == ["tab"]
    assert (draft / "table.json").is_file()


def test_a_number_that_is_taken_is_never_published_over(tmp_path: Path) -> None:
    """Two that prepared before either published, as nobody does who holds the lock."""
    ready = [prepare(table(row(name)), of_one(name), [], tmp_path) for name in ("one", "two")]
    first = publish_prepared(ready[0], tmp_path)
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    with pytest.raises(StoreError, match=r"another process has published .*v1\.0 by now; every record is kept"):
        publish_prepared(ready[1], tmp_path)
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before


def test_a_killed_publisher_holds_nobody_up(tmp_path: Path) -> None:
    def killed() -> None:
        with publishing(tmp_path, "tab"):
            os.kill(os.getpid(), signal.SIGKILL)

    assert at_once(killed) == [-signal.SIGKILL]
    assert (tmp_path / ".tab.lock").is_file()
    assert publish(table(), outcomes(), tmp_path).name == "v1.0"
    assert not (tmp_path / ".tab.lock").exists()


@pytest.mark.parametrize("call", ["rename", "replace"])
@pytest.mark.parametrize("step", range(1, 4))
def test_a_publisher_that_is_killed_at_any_rename(tmp_path: Path, call: str, step: int) -> None:
    """The version is there whole or not at all, and the next run has it and lists it."""
    results, drafts = tmp_path / "results", tmp_path / "drafts"

    def killed() -> None:
        real, count = getattr(os, call), 0

        def counting(*args: object) -> object:
            nonlocal count
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args)

        setattr(os, call, counting)
        released(results, drafts, "one")

    (code,) = at_once(killed)
    assert code == (0 if (call, step) in (("rename", 2), ("rename", 3)) else -signal.SIGKILL)
    assert released(results, drafts, "one") in ("published", "stands")
    assert [str(version) for version in versions(results, "tab")] == ["v1.0"]
    assert list(wrong_index(results)) == []
    assert "tab/v1.0" in (results / "README.md").read_text()
    assert verify_version(results, "tab", Version(1, 0)).has_manifest
    left = [one.path.name for one in leftovers_of_results(results)]
    assert all(name.endswith(".tmp") for name in left)


def test_lists_and_notes_at_once(tmp_path: Path) -> None:
    for _ in range(3):
        publish(table(), outcomes(), tmp_path)
    works = [lambda minor=minor: withdraw(tmp_path, "tab", Version(1, minor), "wrong") for minor in range(3)]
    assert at_once(*works, lambda: write_index(tmp_path), lambda: write_index(tmp_path)) == [0] * 5
    assert set(withdrawals(tmp_path, "tab")) == {"v1.0", "v1.1", "v1.2"}


def test_a_list_that_lacks_the_version_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(table(), outcomes(), tmp_path)
    whole = (tmp_path / "index.json").read_text()
    monkeypatch.setattr(index, "make_index", lambda _: pytest.fail("written though it was complete"))
    complete_index(tmp_path, "tab", "v1.0")
    monkeypatch.undo()
    for text in ("", "[]", '{"tables": {}}', json.dumps({"tables": {"tab": {"versions": []}}})):
        (tmp_path / "index.json").write_text(text)
        complete_index(tmp_path, "tab", "v1.0")
        assert (tmp_path / "index.json").read_text() == whole


def test_a_results_folder_that_takes_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that stands still stands; what is new is refused in words."""
    results, drafts = tmp_path / "results", tmp_path / "drafts"
    released(results, drafts, "one")
    link = os.link

    def full(*_: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(publication, "place", full)
    assert released(results, drafts, "one") == "stands"
    with pytest.raises(StoreWriteError, match="the file system is read-only; every record is kept"):
        released(results, drafts, "two")
    assert [path.name for path in (results / "tab").iterdir()] == ["v1.0"]
    monkeypatch.setattr(os, "link", link)


@pytest.mark.parametrize(
    ("file", "read"),
    [
        ("table.json", lambda folder: load_table(folder.parent.parent, "tab")),
        ("records.jsonl", lines_of),
        ("samples.parquet", lambda folder: read_outcomes(folder / "samples.parquet")),
    ],
)
def test_a_published_file_that_is_missing_or_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, read: Callable[[Path], object]
) -> None:
    folder = publish(table(), outcomes(), tmp_path)
    (folder / file).rename(tmp_path / "away")
    with pytest.raises(StoreError, match=rf"{file} is missing; restore it from version control"):
        read(folder)
    (tmp_path / "away").rename(folder / file)

    def locked(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", locked)
    monkeypatch.setattr("pyarrow.parquet.ParquetFile", locked)
    with pytest.raises(StoreError, match=rf"permission denied: .*{file}") as caught:
        read(folder)
    assert "damaged" not in str(caught.value)
    assert "restore" not in str(caught.value)


@pytest.mark.parametrize("read", [read_manifest, lambda folder: withdrawals(folder.parent.parent, "tab")])
def test_a_manifest_or_note_that_may_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], object]
) -> None:
    folder = publish(table(), outcomes(), tmp_path)
    withdraw(tmp_path, "tab", Version(1, 0), "wrong")

    def locked(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", locked)
    with pytest.raises(StoreError, match="permission denied: "):
        read(folder)
