"""Sites to look at: of a table of all kinds with hostile text, and of this repository's tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustbench_snn.publishing.site import site_files
from robustbench_snn.publishing.writing import write_files
from tests.robustbench_snn.publishing import tables_of_all_kinds

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def hostile_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of the table of all kinds: in the second, one model's numbers are others and one is new."""
    results = tmp_path_factory.mktemp("hostile") / "results"
    models = dict(tables_of_all_kinds.MODELS)
    first = dict(list(models.items())[1:]) | {"direct": 0.25}
    tables_of_all_kinds.publish(results, first)
    tables_of_all_kinds.publish(results, models)
    return results


@pytest.fixture(scope="session")
def hostile_site(hostile_results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile-site") / "site"
    write_files(dict(site_files(hostile_results)), folder)
    return folder


@pytest.fixture(scope="session")
def shipped_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shipped-site") / "site"
    write_files(dict(site_files(ROOT / "results")), folder)
    return folder
