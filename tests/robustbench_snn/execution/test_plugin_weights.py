"""A plug-in's model is built anew for every run: its weights are compared with those of the record."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from spikingjelly.activation_based import neuron
from torch import nn

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.execution import RunSettings, run_cells
from robustbench_snn.execution.models import TrainedModels
from robustbench_snn.execution.session import Session
from robustbench_snn.model.task import Task
from robustbench_snn.model.whole import register_model
from robustbench_snn.pipeline import compute_plan
from robustbench_snn.plan.plan import Plan, make_plan
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store

SCALE = [1.0]


@register_model("weights_from_outside", version=1)
def weights_from_outside(task: Task) -> nn.Module:
    """Its weights come from elsewhere, as from a file that is replaced."""
    head = nn.Linear(task.channels * task.height * task.width, task.classes)
    with torch.no_grad():
        head.weight.mul_(SCALE[0])
    return nn.Sequential(nn.Flatten(), head)


def planned(*evaluations: str) -> Plan:
    suite = {
        "name": "outside",
        "dataset": {"name": "digits", "limit": 8},
        "timesteps": 1,
        "models": [{"name": "mine", "model": "weights_from_outside"}],
        "evaluations": list(evaluations),
    }
    return make_plan(parse_suite(suite), load_dataset("digits", limit=8))


def records(store: Path, *evaluations: str, fresh: bool = False) -> list[Record]:
    plan = planned(*evaluations)
    return [record for _, record in run_cells(Session(plan, Store(store), RunSettings(fresh=fresh)))]


def test_other_weights_than_those_recorded_are_refused(tmp_path: Path) -> None:
    train, clean = records(tmp_path, "clean")
    assert (train.status, clean.status) == ("done", "done")
    SCALE[0] = 2.0
    try:
        refused = records(tmp_path, "clean", "profile")[-1]
        assert refused.failure is not None
        assert refused.failure.is_users
        assert "builds other weights" in refused.failure.message
        assert "--fresh" in refused.failure.message
        for left in (("clean",), ("clean", "profile")):  # though nothing is left of the first
            with pytest.raises(UserError, match=r"mine: .* builds other weights .* run with --fresh"):
                compute_plan(planned(*left), tmp_path, RunSettings())
        again = records(tmp_path, "clean", "profile", fresh=True)
        assert [record.status for record in again] == ["done"] * 3
        assert again[0].weights_sha256 != train.weights_sha256
        assert {record.weights_sha256 for record in again} == {again[0].weights_sha256}
    finally:
        SCALE[0] = 1.0


@register_model("raw_net", version=1, raw=True)
def raw_net(task: Task) -> nn.Module:
    """One step a call."""
    pixels = task.channels * task.height * task.width
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, task.classes), neuron.IFNode(v_threshold=0.3))


def test_the_steps_of_a_raw_net_are_run_for_it(tmp_path: Path) -> None:
    suite = {
        "name": "raw",
        "dataset": {"name": "digits", "limit": 8},
        "timesteps": 3,
        "models": [{"name": "mine", "model": "raw_net"}],
        "evaluations": ["clean"],
    }
    plan, store = make_plan(parse_suite(suite), dataset := load_dataset("digits", limit=8)), Store(tmp_path)
    assert [record.status for _, record in run_cells(Session(plan, store, RunSettings()))] == ["done", "done"]
    target = TrainedModels(plan, store, RunSettings()).target(plan.train[0])
    images = dataset.test.images(torch.arange(8))
    assert isinstance(target.model, nn.Sequential)
    current, v, spikes = target.model[:2](images), torch.zeros(8, 10), torch.zeros(8, 10)
    for _ in range(3):
        v = v + current
        spikes, v = spikes + (v >= 0.3), v * (v < 0.3)
    assert spikes.any()
    torch.testing.assert_close(target(images), spikes / 3)
