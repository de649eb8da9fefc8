"""Every cell of the suites made for GPUs, run with tiny models and few samples on a CPU.

But for the diagnostics, half a minute a model however small: ``test_diagnostics_fire.py`` runs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution import RunSettings
from robustbench_snn.pipeline import run_plan
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.registry.spec import component_spec
from robustbench_snn.spec.files import load_suite, parse_suite

SMALL: dict[str, Any] = {"depth": 1, "width": 128, "heads": 4, "pooling": "0100"}
PARTS: dict[str, dict[str, Any]] = {
    "snn_standard": {"tier": "quick", "most_steps": 1},
    "corruptions": {"types": ["gaussian_noise", "saturate"]},
}
"""What would take minutes a cell even here; the rest of each evaluation stays as the suite has it."""


def tiny(name: str) -> dict[str, Any]:
    """A shipped suite with models, data and the longest attacks made small, and nothing else changed."""
    suite = load_suite(name).model_dump(mode="json")
    for model in suite["models"]:
        backbone = component_spec(model["backbone"] or suite["backbone"])
        base, parameters = backbone.name.removesuffix("_4_384"), {**backbone.parameters, **SMALL}
        model["backbone"] = {base: parameters}
    suite["dataset"] = {"digits": {"limit": 2, "train_limit": 8}}
    suite["timesteps"] = 2
    suite["recipe"] = {"epochs": 1, "batch_size": 4}
    suite["seeds"] = [0]
    suite["evaluations"] = [shortened(one) for one in suite["evaluations"] if "diagnostics" not in one]
    return suite


def shortened(written: Any) -> Any:
    if isinstance(written, str):
        return written
    ((name, parameters),) = written.items()
    return {name: {**parameters, **PARTS.get(name, {})} | ({"limit": 2} if "limit" in parameters else {})}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cifar10-stf", "cifar10-tdformer"])
def test_every_cell_of_a_full_size_suite_runs(name: str, tmp_path: Path) -> None:
    spec = parse_suite(tiny(name), name)
    plan = make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters))
    finished = run_plan(plan, tmp_path / "runs", tmp_path / "results", RunSettings(), mode="draft")
    rows = finished.released.table.rows
    assert [row.model for row in rows] == [entry.name for entry in load_suite(name).entries()]
    assert not any(row.failures or row.gaps for row in rows), [row.failures for row in rows]
