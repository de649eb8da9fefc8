"""Evaluations that attack, end to end on small models."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.errors import UserError
from robustbench_snn.suites.snn_standard import SNNStandard
from tests.attack_models import Linear, held_out, trained

torch.set_num_threads(1)


def linear_set(count: int = 24, classes: int = 4) -> tuple[Linear, Tensor, Tensor]:
    model = Linear(classes=classes)
    images = 0.25 + 0.5 * torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    return model, images, model(images).argmax(1).detach()


def test_fast_set_is_below_each_of_its_members() -> None:
    images, labels = held_out(24)
    union, pgd, sa = evaluate(
        trained(),
        images,
        labels,
        [
            {"snn_fast": {"eps": 0.15}},
            {"pgd": {"eps": 0.15}},
            {"attack": {"attack": {"sa_pgd": {"steps": 50}}, "eps": 0.15, "estimator": {"atan": {"alpha": 10.0}}}},
        ],
    )
    assert union.accuracy <= min(pgd.accuracy, sa.accuracy)
    stages = union.details["stages"]
    assert [stage["attacked"] for stage in stages[1:]] == [stage["attacked"] - stage["broken"] for stage in stages[:-1]]
    assert union.accuracy == pytest.approx(stages[-1]["robust_accuracy"])
    broken = union.columns["broken_by"]
    assert [int((broken == n + 1).sum()) for n in range(len(stages))] == [stage["broken"] for stage in stages]


def test_convergence_rule_doubles_while_accuracy_falls() -> None:
    class Falling:
        def __init__(self) -> None:
            self.accuracies, self.steps = [0.5, 0.4, 0.3, 0.295], list[str]()

        @property
        def robust_accuracy(self) -> float:
            return self.accuracies[len(self.steps)]

        def attack(self, stage: object) -> None:
            self.steps.append(stage.name)  # type: ignore[attr-defined]

    cascade = Falling()
    found = SNNStandard(eps=0.1)._converge(cascade)  # type: ignore[arg-type]
    assert cascade.steps == ["sa_pgd-200 assg", "sa_pgd-400 assg", "sa_pgd-800 assg"]
    assert found["stopped_at"] == 800
    assert found["converged"]
    cascade.steps.clear()
    capped = SNNStandard(eps=0.1, most_steps=400)
    stopped = capped._converge(cascade)  # type: ignore[arg-type]
    assert not stopped["converged"]
    assert capped._flags(stopped) == ["not_converged"]


def test_epsilon_curve_falls_and_its_area_is_the_trapezoids() -> None:
    model, images, labels = linear_set()
    (curve,) = evaluate(model, images, labels, [{"epsilon_curve": {"eps": [0.3, 0.05, 0.1], "tier": "quick"}}])
    points = curve.details["curve"]
    heights = [point["accuracy"] for point in points]
    assert [point["eps"] for point in points] == [0.0, 0.05, 0.1, 0.3]
    assert heights == sorted(heights, reverse=True)
    area = sum((a + b) / 2 * w for a, b, w in zip(heights, heights[1:], [0.05, 0.05, 0.2], strict=False)) / 0.3
    assert curve.metrics["area"] == pytest.approx(area)
    separate = evaluate(model, images, labels, [{"pgd": {"eps": 0.1}}])[0]
    assert heights[2] <= separate.accuracy


def test_transfer_matrix_row() -> None:
    model, images, labels = linear_set()
    peers = {"twin": model, "stranger": Linear(classes=4, seed=9)}
    (found,) = evaluate(model, images, labels, [{"transfer": {"eps": 0.1}}], peers=peers)
    sources = found.details["sources"]
    assert sources["twin"]["accuracy"] < sources["stranger"]["accuracy"]
    assert found.accuracy <= sources["twin"]["accuracy"]
    with pytest.raises(UserError, match="Did you mean 'twin'"):
        evaluate(model, images, labels, [{"snn_quick": {"eps": 0.1, "transfer_from": ["twim"]}}], peers=peers)


def test_torchattacks_flags_what_must_not_be_quoted() -> None:
    model = Linear(classes=10)
    images = 0.25 + 0.5 * torch.rand(4, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    labels = model(images).argmax(1)
    autoattack, beyond, within = evaluate(
        model,
        images,
        labels,
        [
            {"torchattacks.AutoAttack": {"eps": 0.1}},
            {"torchattacks.PGD": {"eps": 0.05, "options": {"eps": 0.1, "steps": 2}}},
            {"torchattacks.PGD": {"eps": 0.1, "options": {"steps": 2}}},
        ],
    )
    assert "torchattacks_autoattack" in autoattack.flags
    assert "outside_ball" in beyond.flags
    assert beyond.details["outside"] == 4
    assert not within.flags


def test_torchattacks_autoattack_gives_the_same_images_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left alone it seeds its members with the time of day, in seconds."""
    clock = SimpleNamespace(time=count(1000, 7).__next__)
    monkeypatch.setattr("torchattacks.attacks.autoattack.time", clock)
    entry = {"torchattacks.AutoAttack": {"eps": 0.3, "keep_images": 6}}
    one, other = (evaluate(trained(), *held_out(6), [entry])[0] for _ in range(2))
    assert one.accuracy == 0.0, "or its slow members run"
    np.testing.assert_array_equal(one.arrays["adversarial"], other.arrays["adversarial"])


def test_torchattacks_does_not_depend_on_the_batch_size_nor_move_the_model() -> None:
    model, (images, labels) = trained(), held_out(70)
    entry = {"torchattacks.PGD": {"eps": 0.15, "options": {"steps": 3, "alpha": 0.05}}}
    one, other = (evaluate(model, images, labels, [entry], batch_size=size)[0] for size in (7, 64))
    assert (one.columns["correct"] == other.columns["correct"]).all()
    assert one.details["outside"] == 0
    assert not model.training
    with pytest.raises(UserError, match="PGD"):
        evaluate(model, images, labels, [{"torchattacks": {"attack": "PDG", "eps": 0.1}}])


class Masked(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images.detach())
        return logits


class BatchNormed(nn.Module):
    """Subtracts the mean of its batch."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images - images.mean(0, keepdim=True))
        return logits


def diagnose(model: nn.Module, images: Tensor, labels: Tensor, **parameters: object) -> set[str]:
    entry = {"diagnostics": {"eps": 0.1, "samples": 24, "steps": 8, "queries": 60, **parameters}}
    (found,) = evaluate(model, images, labels, [entry])
    return set(found.flags)


def test_diagnostics_pass_an_honest_model() -> None:
    flags = diagnose(*linear_set(), steps=20)
    assert flags <= {"rounding_undoes_attack"}


def test_diagnostics_catch_a_masked_gradient() -> None:
    model, images, labels = linear_set()
    flags = diagnose(Masked(model), images, labels, eps=0.2, queries=300)
    assert {"zero_gradient", "unbounded_attack_fails", "black_box_beats_white_box"} <= flags


def test_diagnostics_catch_batch_dependence() -> None:
    model, images, labels = linear_set()
    assert "batch_dependent" in diagnose(BatchNormed(model), images, labels)


def test_diagnostics_catch_a_saturated_surrogate() -> None:
    from spikingjelly.activation_based import surrogate

    model, (images, labels) = trained(), held_out(24)
    for layer in (model.spike1, model.spike2):
        layer.surrogate_function = surrogate.PiecewiseQuadratic(alpha=1e6)
    flags = diagnose(model, images, labels, eps=0.15)
    assert "zero_gradient" in flags
    assert "foreign_gradients_stronger" in flags


def test_external_sets_only_lower_a_result(tmp_path: object) -> None:
    from robustbench_snn.attack.ball import Ball
    from robustbench_snn.attack.external import ExternalSet, score
    from robustbench_snn.dataset.samples import ArraySamples
    from robustbench_snn.evaluation.contract import Subject
    from robustbench_snn.model.target import Target

    model, images, labels = linear_set(8)
    samples = ArraySamples(images, labels, torch.arange(100, 108))
    worst = evaluate(model, images, labels, [{"pgd": {"eps": 0.2, "keep_images": 8}}])[0]
    adversarial = worst.arrays["adversarial"].copy()
    adversarial[0] = 2.0  # not admissible
    path = tmp_path / "set.npz"  # type: ignore[operator]
    np.savez(path, ids=np.arange(100, 108)[::-1], images=adversarial[::-1])
    found = score(ExternalSet.load(path), Subject(Target(model), samples), Ball(0.2), {"correct": np.ones(8, bool)})
    expected = worst.columns["correct"].copy()
    expected[0] = True
    assert (found.columns["correct"] == expected).all()
    assert found.flags == ["external_rejected"]
    again = score(ExternalSet.load(path), Subject(Target(model), samples), Ball(0.2), {"correct": np.zeros(8, bool)})
    assert again.metrics["accuracy"] == 0.0
    np.savez(path, images=adversarial)
    with pytest.raises(UserError, match="lacks ids"):
        ExternalSet.load(path)


def test_stf_paper_is_marked_and_clamps_in_normalised_space() -> None:
    from robustbench_snn.model.classifier import Classifier
    from robustbench_snn.model.task import Task
    from robustbench_snn.registry import backbones, encoders

    task = Task(1, 8, 8, 10, 2, (0.3,), (0.35,))
    backbone = backbones.create("spikformer", task, depth=1, width=32, heads=2)
    model = Classifier(encoders.create("direct", backbone.stem), backbone, 2)
    images, labels = held_out(8)
    (found,) = evaluate(model, images, labels, ["stf_paper"])
    assert not found.comparable
    assert found.flags == ("paper_protocol",)
    assert {"fgsm_average", "pgd_average", "pgd_50"} <= set(found.metrics)
    with pytest.raises(UserError, match="normalisation"):
        evaluate(trained(), images, labels, ["stf_paper"])


@pytest.mark.slow
def test_own_autoattack_is_near_the_official_one() -> None:
    pyautoattack = pytest.importorskip("pyautoattack")
    from robustbench_snn.attack.as_module import AsModule
    from robustbench_snn.evaluation.correctness import correct
    from robustbench_snn.model.target import Target

    model, images, labels = linear_set(48, classes=10)
    (ours,) = evaluate(model, images, labels, [{"autoattack": {"eps": 0.1}}])
    target = Target(model)
    with target.frozen():
        attack = pyautoattack.AutoAttack(AsModule(target), norm="Linf", eps=0.1, device="cpu", seed=0)
        adversarial = attack.run_standard_evaluation(images, labels, batch_size=48)
        adversarial = adversarial if isinstance(adversarial, Tensor) else adversarial[0]
        official = float(correct(target(adversarial), labels).float().mean())
    assert abs(ours.accuracy - official) <= 1 / 48 + 1e-6
