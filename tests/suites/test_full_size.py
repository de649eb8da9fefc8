"""Every cell of the suites made for photographs and for GPUs, run with tiny models and few samples on a CPU.

But for the diagnostics, half a minute a model however small: ``test_diagnostics_fire.py`` runs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from robustbench_snn.attack import examination
from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution import RunSettings
from robustbench_snn.model.building import build_classifier
from robustbench_snn.model.task import Task
from robustbench_snn.pipeline import run_plan
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.registry.spec import component_spec
from robustbench_snn.spec.entry import ClassifierEntry
from robustbench_snn.spec.files import load_suite, parse_suite
from robustbench_snn.training import resolve_recipe
from tests.event_files import write_cifar10_dvs

SUITES = (
    *("cifar10-stf", "cifar10-tdformer"),
    *("cifar10-encoders", "cifar10-backbones", "cifar10-robust", "cifar10-stochastic", "fashion-mnist"),
)
"""All that ``cifar10-timesteps`` is made of is among theirs."""
SMALL: dict[str, Any] = {"depth": 1, "width": 128, "heads": 4, "pooling": "0100"}
PARTS: dict[str, dict[str, Any]] = {
    "snn_standard": {"tier": "quick", "most_steps": 1},
    "epsilon_curve": {"tier": "quick"},
    "corruptions": {"types": ["gaussian_noise", "saturate"]},
}
"""What would take minutes a cell even here; the rest of each evaluation stays as the suite has it."""
RADII = ("snn_standard", "snn_extended", "pgd", "fgsm")
"""Of these one radius is run, in a list or as evaluations of their own: others are the same code."""


def tiny(name: str, dataset: dict[str, Any]) -> dict[str, Any]:
    """A shipped suite with models, data and the longest attacks made small, and nothing else changed."""
    suite = load_suite(name)
    written = suite.model_dump(mode="json")
    models = [model_of(entry.model_dump(mode="json")) for entry in suite.entries()]
    evaluations = at_one_radius([shortened(one) for one in written["evaluations"] if "diagnostics" not in one])
    kept = {key: written[key] for key in ("name", "evaluation_seed", "table")}
    return kept | {"dataset": dataset, "seeds": [0], "models": models, "evaluations": evaluations}


def model_of(entry: dict[str, Any]) -> dict[str, Any]:
    backbone = component_spec(entry["backbone"])
    base, parameters = backbone.name.removesuffix("_4_384"), {**backbone.parameters, **SMALL}
    if base == "qkformer":
        parameters["depth"] = 3  # a block for each of its stages
    if base == "spiking_vgg11":
        parameters = {"width": 4}  # it has no blocks
    adversarial = resolve_recipe(entry["recipe"]).adversarial
    recipe = {"epochs": 1, "batch_size": 4, "adversarial": adversarial and adversarial.model_dump(mode="json")}
    kept = {key: entry[key] for key in ("name", "encoder", "readout")}
    return kept | {"backbone": {base: parameters}, "timesteps": min(entry["timesteps"], 2), "recipe": recipe}


def shortened(written: Any) -> Any:
    if isinstance(written, str):
        return written
    ((name, parameters),) = written.items()
    short = {**parameters, **PARTS.get(name, {})} | ({"limit": 2} if "limit" in parameters else {})
    if name in RADII and isinstance(short.get("eps"), list):
        short["eps"] = short["eps"][:1]
    if name == "epsilon_curve":
        short["eps"] = short["eps"][:2]
    return {name: short}


def at_one_radius(evaluations: list[Any]) -> list[Any]:
    found, seen = [], []
    for one in evaluations:
        name, parameters = next(iter(one.items())) if isinstance(one, dict) else (one, {})
        rest = (name, {key: value for key, value in parameters.items() if key not in ("eps", "label")})
        if name not in RADII or rest not in seen:
            found.append(one)
        seen.append(rest)
    return found


@pytest.fixture
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Examinations compare the gradient with one step of random signs, not eight: half the time goes there."""
    monkeypatch.setattr(examination, "NOISES", 1)


@pytest.mark.slow
@pytest.mark.usefixtures("short_looks")
@pytest.mark.parametrize("name", SUITES)
def test_every_cell_of_a_large_suite_runs(name: str, tmp_path: Path) -> None:
    assert unfinished(name, {"digits": {"limit": 2, "train_limit": 8}}, tmp_path) == {}


@pytest.mark.slow
def test_every_cell_of_the_suite_of_recorded_events_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RBSNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RBSNN_CIFAR10_DVS_ROOT", str(tmp_path / "recordings"))
    write_cifar10_dvs(tmp_path / "recordings", numbers=(0, 950))
    parameters = load_suite("cifar10-dvs").dataset.parameters
    assert "root" not in parameters  # people name it by the environment
    small = {"frames": 2, "size": 16, "limit": 2, "train_limit": 8}
    assert unfinished("cifar10-dvs", {"cifar10_dvs": {**parameters, **small}}, tmp_path) == {}


@pytest.mark.parametrize("side", [64, 128])
def test_its_models_take_two_polarities_at_the_sizes_of_event_cameras(side: int) -> None:
    sizes: dict[str, Any] = {"channels": 2, "height": side, "width": side, "classes": 10}
    task = Task(**sizes, timesteps=2, mean=(0.0, 0.0), std=(1.0, 1.0), frames=2)
    for entry in load_suite("cifar10-dvs").entries():
        assert isinstance(entry, ClassifierEntry)
        model = build_classifier(entry.encoder, entry.backbone, task).eval()
        with torch.no_grad():
            answers = model(torch.ones(2, 2, 2, side, side))
        assert answers.shape == (2, 10)
        assert answers.isfinite().all()


def unfinished(name: str, dataset: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """What failed or is missing, by model, of a run that must have a row for each of the suite's."""
    spec = parse_suite(tiny(name, dataset), name)
    plan = make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters))
    rows = run_plan(plan, tmp_path / "runs", tmp_path / "results", RunSettings(), mode="draft").released.table.rows
    found = {row.model: (row.failures, row.gaps) for row in rows if row.failures or row.gaps}
    there = [row.model for row in rows]
    return found | {entry.name: "no row" for entry in load_suite(name).entries() if entry.name not in there}
