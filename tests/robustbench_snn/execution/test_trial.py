"""Models that cannot run are found before anything is trained, all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.execution import RunSettings, run_cells
from robustbench_snn.execution.session import Session
from robustbench_snn.execution.standing import standing
from robustbench_snn.execution.trial import check_models
from robustbench_snn.model.task import Task
from robustbench_snn.model.whole import register_model
from robustbench_snn.pipeline import run_plan
from robustbench_snn.plan.plan import Plan, make_plan
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.store import Store
from tests.tiny_suite import TINY

BUILT: list[str] = []


@register_model("trial_few_classes", version=1)
def few_classes(task: Task) -> nn.Module:
    """Three classes, whatever is asked for."""
    BUILT.append("few")
    return nn.Sequential(nn.Flatten(), nn.Linear(task.channels * task.height * task.width, 3))


@register_model("trial_breaks", version=1)
def breaks(task: Task) -> nn.Module:
    """Cannot be built."""
    raise LookupError("no such layer")


@register_model("trial_sound", version=1)
def sound(task: Task) -> nn.Module:
    """Can be run."""
    BUILT.append("sound")
    return nn.Sequential(nn.Flatten(), nn.Linear(task.channels * task.height * task.width, task.classes))


def planned(*models: dict[str, Any], **changes: Any) -> Plan:
    spec = parse_suite(TINY | {"models": list(models)} | changes)
    return make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters))


def backbone(**parameters: Any) -> dict[str, Any]:
    return {"spikformer": {"depth": 1, "width": 128, "heads": 4, "pooling": "0100"} | parameters}


def test_all_impossible_models_are_named_and_nothing_is_computed(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"not tensors")
    plan = planned(
        {"name": "direct", "encoder": "direct"},
        {"name": "heads", "encoder": "direct", "backbone": backbone(heads=5)},
        {"name": "pooled", "encoder": "direct", "backbone": backbone(pooling="1111")},
        {"name": "damaged", "encoder": "direct", "weights": str(tmp_path / "weights.safetensors")},
        {"name": "few", "model": "trial_few_classes"},
        {"name": "broken", "model": "trial_breaks"},
        {"name": "half", "encoder": "rate", "recipe": {"epochs": 1, "mixed_precision": "fp16"}},
    )
    with pytest.raises(UserError, match="6 models cannot run, so nothing was computed") as raised:
        run_plan(plan, tmp_path / "runs", tmp_path / "results", RunSettings())
    reasons = dict(line.strip().split(": ", 1) for line in str(raised.value).splitlines()[1:])
    assert list(reasons) == ["heads", "pooled", "damaged", "few", "broken", "half"]
    assert "width 128 is not divisible by 5" in reasons["heads"]
    assert "halves an image of 8 pixels" in reasons["pooled"]
    assert "is not a whole safetensors file" in reasons["damaged"]
    assert "names 3 classes, digits has 10" in reasons["few"]
    assert reasons["broken"].startswith("LookupError: no such layer (in test_trial.py, line ")
    assert "fp16 needs a CUDA device" in reasons["half"]
    assert not list((tmp_path / "runs").glob("*/*")), "no record, no failure, no checkpoint"


def test_weights_of_another_model_are_found(tmp_path: Path) -> None:
    plan = planned({"name": "direct", "encoder": "direct"})
    store = Store(tmp_path / "runs")
    list(run_cells(Session(plan, store, RunSettings())))
    (file,) = store.root.glob("cells/*/weights.safetensors")
    narrow = planned({"name": "wide", "encoder": "direct", "backbone": backbone(width=64), "weights": str(file)})
    with pytest.raises(UserError, match=r"wide: .* holds the weights of another model"):
        check_models(narrow, standing(narrow, store), store, RunSettings())


def test_models_whose_cells_are_done_are_not_built_again(tmp_path: Path) -> None:
    plan = planned({"name": "mine", "model": "trial_sound"})
    store = Store(tmp_path)
    list(run_cells(Session(plan, store, RunSettings())))
    BUILT.clear()
    check_models(plan, standing(plan, store), store, RunSettings())
    assert BUILT == []
    check_models(plan, standing(plan, store), store, RunSettings(fresh=True))
    assert BUILT == ["sound"]
    more = planned({"name": "mine", "model": "trial_sound"}, evaluations=["clean", "profile"])
    check_models(more, standing(more, store), store, RunSettings())
    assert BUILT == ["sound", "sound"], "an evaluation is left"


def test_one_trial_a_model_that_leaves_the_random_numbers_as_they_were(tmp_path: Path) -> None:
    plan = planned({"name": "direct", "encoder": "direct"}, {"name": "rate", "encoder": "rate"}, seeds=[3, 4])
    store = Store(tmp_path)
    torch.manual_seed(11)
    expected = torch.rand(4)
    torch.manual_seed(11)
    check_models(plan, standing(plan, store), store, RunSettings())
    assert torch.equal(torch.rand(4), expected)
