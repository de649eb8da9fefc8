"""rbsnn gc: shows what is left over before it removes anything."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from robustbench_snn.cli import app
from robustbench_snn.store.store import Store
from tests.stored_cells import train

HEX = "0123456789abcdef" * 2


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a cell, half of another one, and half a version among the results."""
    monkeypatch.chdir(tmp_path)
    key = train(Store(tmp_path / "runs")).key
    for folder in (tmp_path / "runs" / "cells" / f"{key}.{HEX}.tmp", tmp_path / "results" / "tab" / f".v1.0.{HEX}.tmp"):
        folder.mkdir(parents=True)
        (folder / "record.json").write_text("x" * 1500)
        os.utime(folder / "record.json", (1e9, 1e9))
        os.utime(folder, (1e9, 1e9))
    return tmp_path


def halves(place: Path) -> list[Path]:
    return sorted(place.rglob("*.tmp"))


def test_it_shows_and_removes_nothing_without_yes(place: Path) -> None:
    shown = CliRunner().invoke(app, ["gc"])
    assert shown.exit_code == 0
    for half in halves(place):
        assert f"1,500  {half.relative_to(place)}: half written, and not touched for an hour" in shown.stdout
    assert "nothing was removed; rbsnn gc --yes removes 2 leftovers, 3,000 bytes" in shown.stdout
    assert len(halves(place)) == 2


def test_yes_removes_what_was_shown(place: Path) -> None:
    removed = CliRunner().invoke(app, ["gc", "--yes"])
    assert removed.exit_code == 0
    assert "removed 2 leftovers, 3,000 bytes" in removed.stdout
    assert halves(place) == []
    assert len(list((place / "runs" / "cells").iterdir())) == 1
    again = CliRunner().invoke(app, ["gc", "--yes"])
    assert again.stdout == "nothing is left over in runs and results\n"


def test_what_cannot_be_removed_is_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", locked)
    refused = CliRunner().invoke(app, ["gc", "--yes"])
    assert refused.exit_code == 1
    assert "not removed: " in refused.output
    assert "removed 0 leftovers, 0 bytes" in refused.output


def test_folders_that_are_not_there_are_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["gc", "--yes"]).exit_code == 0
    assert list(tmp_path.iterdir()) == []
