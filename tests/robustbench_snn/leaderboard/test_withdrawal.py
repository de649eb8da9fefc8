"""A withdrawn version stays, with its reason beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustbench_snn.errors import StoreError, UserError
from robustbench_snn.leaderboard.versions import Version
from robustbench_snn.leaderboard.withdrawal import FILE, withdraw, withdrawals


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for version in ("v1.0", "v2.0"):
        (tmp_path / "digits" / version).mkdir(parents=True)
        (tmp_path / "digits" / version / "table.json").write_text("{}")
    return tmp_path


def test_the_note_says_why_and_the_version_stays_as_it_was(results: Path) -> None:
    assert withdrawals(results, "digits") == {}
    withdraw(results, "digits", Version(1, 0), "made from a dirty tree", "v2.0")
    (name, note), *rest = withdrawals(results, "digits").items()
    assert (name, note.reason, note.superseded_by, rest) == ("v1.0", "made from a dirty tree", "v2.0", [])
    assert [path.name for path in (results / "digits" / "v1.0").iterdir()] == ["table.json"]


def test_a_second_withdrawal_keeps_the_first(results: Path) -> None:
    withdraw(results, "digits", Version(1, 0), "one")
    withdraw(results, "digits", Version(2, 0), "two")
    assert {name: note.reason for name, note in withdrawals(results, "digits").items()} == {
        "v1.0": "one",
        "v2.0": "two",
    }


@pytest.mark.parametrize(("version", "reason"), [(Version(3, 0), "why"), (Version(1, 0), " ")])
def test_an_unknown_version_and_an_empty_reason_are_refused(results: Path, version: Version, reason: str) -> None:
    with pytest.raises(UserError):
        withdraw(results, "digits", version, reason)
    assert withdrawals(results, "digits") == {}


def test_a_damaged_note_is_an_error(results: Path) -> None:
    (results / "digits" / FILE).write_text('{"v1.0": {"reason": ""}}')
    with pytest.raises(StoreError, match="damaged"):
        withdrawals(results, "digits")


def test_the_sentence_names_what_to_read_instead(results: Path) -> None:
    withdraw(results, "digits", Version(1, 0), "made from a dirty tree.", "v2.0")
    assert withdrawals(results, "digits")["v1.0"].told().startswith("made from a dirty tree; read v2.0 instead (20")
