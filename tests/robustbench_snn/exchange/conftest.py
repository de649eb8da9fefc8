"""The tiny suite published, with and without weights, to be extended, merged and submitted to."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.leaderboard import release as releasing
from tests.robustbench_snn.leaderboard.conftest import SUITE, Place, place, published

__all__ = ["SUITE", "Place", "place", "published"]

NEW: dict[str, Any] = {"name": "mine", "models": [{"name": "mine", "encoder": "ttfs"}]}
"""A suite file that names a model and nothing else."""


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is that of a commit, whatever this checkout is."""
    monkeypatch.setattr(releasing, "doubts", lambda records: [])


@pytest.fixture
def elsewhere(published: Place, tmp_path: Path) -> Place:
    """A machine that has the published table as a download, and no records."""
    shutil.copytree(published.results / "tiny", tmp_path / "download" / "tiny")
    return Place(tmp_path / "runs", tmp_path / "results")


@pytest.fixture(scope="session")
def weighty(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The tiny suite published with its weights; not to be changed."""
    folder = tmp_path_factory.mktemp("weighty")
    place = Place(folder / "runs", folder / "results")
    suite = SUITE | {"table": {"baseline": "direct", "weights": True}, "seeds": [0]}
    assert place.run(suite, mode="publish").released.status == "published"
    return place
