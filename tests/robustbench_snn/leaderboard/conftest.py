"""A tiny suite, computed and published once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution import RunSettings
from robustbench_snn.pipeline import Finished, run_plan
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.spec.files import parse_suite

SUITE: dict[str, Any] = {
    "name": "tiny",
    "dataset": {"name": "digits", "limit": 20, "train_limit": 64},
    "timesteps": 2,
    "seeds": [0, 1],
    "backbone": {"spikformer": {"depth": 1, "width": 128, "heads": 4, "pooling": "0100"}},
    "recipe": {"epochs": 1, "batch_size": 32},
    "grid": {"encoders": ["direct", "sigma_delta"]},
    "evaluations": ["clean", {"fgsm": {"eps": 0.02}}],
    "table": {"baseline": "direct"},
}


@dataclass(frozen=True)
class Place:
    """Folders of records and of published tables."""

    store: Path
    results: Path

    def run(self, suite: dict[str, Any] | None = None, **settings: Any) -> Finished:
        """Runs the suite."""
        spec = parse_suite(suite or SUITE)
        plan = make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters))
        return run_plan(plan, self.store, self.results, RunSettings(), **settings)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The tiny suite as v1.0; not to be changed."""
    folder = tmp_path_factory.mktemp("published")
    place = Place(folder / "runs", folder / "results")
    assert place.run(mode="publish").released.status == "published"
    return place


@pytest.fixture
def place(published: Place, tmp_path: Path) -> Place:
    """A copy of it, to be changed."""
    import shutil

    shutil.copytree(published.store, tmp_path / "runs")
    shutil.copytree(published.results, tmp_path / "results")
    return Place(tmp_path / "runs", tmp_path / "results")
