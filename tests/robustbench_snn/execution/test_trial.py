"""Models that cannot run are found before anything is trained, all at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.execution import RunSettings, run_cells
from robustbench_snn.execution.models import TrainedModels
from robustbench_snn.execution.session import Session
from robustbench_snn.execution.standing import standing
from robustbench_snn.execution.trial import check_models
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.encoder import FrameEncoder, Stem, register_encoder
from robustbench_snn.model.task import Task
from robustbench_snn.model.whole import register_model
from robustbench_snn.pipeline import run_plan
from robustbench_snn.plan.cells import TrainCell
from robustbench_snn.plan.plan import Plan, make_plan
from robustbench_snn.spec.entry import ClassifierEntry
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


def boom(error: BaseException) -> Any:
    raise error


ANSWERS: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "list": (
        lambda logits: [logits],
        r"Answers must return logits \(B, K\), a tensor .*; it returned list",
    ),
    "whole": (lambda logits: logits.argmax(1), r"a tensor of real numbers; it returned int64 \(8,\)"),
    "one": (lambda logits: logits[0], r"Answers returned \(10,\) for 8 images; a model must return logits \(B, K\)"),
    "exits": (lambda logits: boom(SystemExit(0)), "SystemExit: 0"),
    "raises": (lambda logits: boom(BaseException("all")), "BaseException: all"),
}


class Answers(nn.Module):
    """Answers in one of the ways above."""

    def __init__(self, task: Task, how: str) -> None:
        super().__init__()
        self.head = nn.Linear(task.channels * task.height * task.width, task.classes)
        self.how = how

    def forward(self, images: Tensor) -> Any:
        return ANSWERS[self.how][0](self.head(images.flatten(1)))


@register_model("trial_answers", version=1)
def answers(task: Task, *, how: str) -> nn.Module:
    """As it is told."""
    return Answers(task, how)


@register_model("trial_no_module", version=1)
def no_module(task: Task) -> nn.Module:
    """Forgets to return it."""
    return None  # type: ignore[return-value]


@register_encoder("trial_keeps", version=1)
class Keeps(FrameEncoder):
    """Neurons written by hand, whose membranes stay."""

    def __init__(self, stem: Stem) -> None:
        super().__init__(stem)
        self.v: Tensor | float = 0.0

    def forward(self, images: Tensor, timesteps: int) -> Tensor:
        self.v = self.v + 0.6 + 0.0 * super().forward(images, timesteps)
        return (self.v >= 1.0).to(images)

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        """The image at every step."""
        return images.expand(timesteps, *images.shape)


@register_encoder("trial_spikes", version=1)
class Spikes(FrameEncoder):
    """Swaps steps and samples, or drops the steps."""

    def __init__(self, stem: Stem, *, drops: bool) -> None:
        super().__init__(stem)
        self.drops = drops

    def forward(self, images: Tensor, timesteps: int) -> Tensor:
        spikes = super().forward(images, timesteps)
        return spikes[0] if self.drops else spikes.transpose(0, 1)

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        """The image at every step."""
        return images.expand(timesteps, *images.shape)


def refused(*models: dict[str, Any], folder: Path) -> dict[str, str]:
    """Why each of these models cannot run."""
    plan, store = planned(*models), Store(folder)
    with pytest.raises(UserError) as raised:
        check_models(plan, standing(plan, store), store, RunSettings())
    return dict(line.strip().split(": ", 1) for line in str(raised.value).splitlines()[1:])


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
    assert reasons["broken"].startswith(
        "trial_breaks cannot be made: LookupError: no such layer (in test_trial.py, line "
    )
    assert "fp16 needs a CUDA device" in reasons["half"]
    assert not list((tmp_path / "runs").glob("*/*")), "no record, no failure, no checkpoint"


def test_answers_of_another_form_are_named_with_what_is_wanted(tmp_path: Path) -> None:
    models = [{"name": how, "model": {"trial_answers": {"how": how}}} for how in ANSWERS]
    encoded = [{"name": name, "encoder": {"trial_spikes": {"drops": name == "drops"}}} for name in ("drops", "swaps")]
    found = refused(*models, {"name": "none", "model": "trial_no_module"}, *encoded, folder=tmp_path)
    for how, (_, reason) in ANSWERS.items():
        assert re.search(reason, found[how])
    assert "is NoneType, not a torch.nn.Module" in found["none"]
    wanted = "Spikes must return spikes (T, B, C, H, W) with T, B = (2, 3); it returned float32"
    assert found["drops"].startswith(f"{wanted} (3, ")
    assert found["swaps"].startswith(f"{wanted} (3, 2, ")


def test_a_model_larger_than_the_memory_is_refused_before_it_is_built(tmp_path: Path) -> None:
    body = backbone(depth=1000, width=65_536)
    found = refused({"name": "huge", "encoder": "direct", "backbone": body}, folder=tmp_path)
    assert "GiB of memory that this machine has" in found["huge"]


def test_weights_of_another_model_are_found(tmp_path: Path) -> None:
    plan = planned({"name": "direct", "encoder": "direct"})
    store = Store(tmp_path / "runs")
    list(run_cells(Session(plan, store, RunSettings())))
    (file,) = store.root.glob("cells/*/weights.safetensors")
    narrow = planned({"name": "wide", "encoder": "direct", "backbone": backbone(width=64), "weights": str(file)})
    with pytest.raises(UserError, match=r"wide: .* holds the weights of another model"):
        check_models(narrow, standing(narrow, store), store, RunSettings())


def test_models_whose_cells_are_done_are_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned({"name": "direct", "encoder": "direct"})
    store = Store(tmp_path)
    list(run_cells(Session(plan, store, RunSettings())))
    built: list[str] = []
    whole = TrainedModels.classifier

    def noted(self: TrainedModels, entry: ClassifierEntry, cell: TrainCell) -> Classifier:
        built.append(entry.name)
        return whole(self, entry, cell)

    monkeypatch.setattr(TrainedModels, "classifier", noted)
    check_models(plan, standing(plan, store), store, RunSettings())
    assert built == []
    check_models(plan, standing(plan, store), store, RunSettings(fresh=True))
    assert built == ["direct"]
    more = planned({"name": "direct", "encoder": "direct"}, evaluations=["clean", "profile"])
    check_models(more, standing(more, store), store, RunSettings())
    assert built == ["direct"] * 2, "an evaluation is left"


def test_one_trial_a_model_that_leaves_the_random_numbers_as_they_were(tmp_path: Path) -> None:
    plan = planned({"name": "direct", "encoder": "direct"}, {"name": "rate", "encoder": "rate"}, seeds=[3, 4])
    store = Store(tmp_path)
    torch.manual_seed(11)
    expected = torch.rand(4)
    torch.manual_seed(11)
    check_models(plan, standing(plan, store), store, RunSettings())
    assert torch.equal(torch.rand(4), expected)


def test_what_stays_from_one_pass_to_the_next_is_found(tmp_path: Path) -> None:
    plan = planned({"name": "mine", "encoder": "trial_keeps"})
    store = Store(tmp_path)
    with pytest.raises(UserError, match="mine: its encoder gives something else for the same images a second"):
        check_models(plan, standing(plan, store), store, RunSettings())
