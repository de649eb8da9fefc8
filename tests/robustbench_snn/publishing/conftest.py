"""Sites to look at: of a table of all kinds with hostile text, of this repository's tables, and with pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.publishing.gallery import Gallery
from robustbench_snn.publishing.site import site_files
from robustbench_snn.publishing.writing import write_files
from robustbench_snn.store.store import Store
from tests.robustbench_snn.leaderboard.conftest import Place
from tests.robustbench_snn.publishing import tables_of_all_kinds
from tests.tiny_suite import TINY

ROOT = Path(__file__).resolve().parents[3]


EVALUATIONS: list[Any] = [
    "clean",
    {"pgd": {"eps": 0.05, "steps": 1, "keep_images": 2}},
    {"corruptions": {"types": ["fog", "gaussian_noise"], "severities": [1]}},
]


@pytest.fixture(scope="session")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The tiny suite with attacks, corruptions, reported numbers and weights, published; not to be changed."""
    folder = tmp_path_factory.mktemp("pictured")
    found = Place(folder / "runs", folder / "results")
    suite = TINY | {"evaluations": EVALUATIONS, "table": {"weights": True, "reported": ["tdformer"]}}
    assert found.run(suite, mode="publish").released.status == "published"
    return found


@pytest.fixture(scope="session")
def pictured_site(pictured: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictured-site") / "site"
    write_files(dict(site_files(pictured.results, Gallery(Store(pictured.store)))), folder)
    return folder


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
