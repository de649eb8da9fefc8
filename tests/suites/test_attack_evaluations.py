"""Evaluations that attack, end to end on small models."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.external import ExternalSet, score
from robustbench_snn.attack.standard_set import last, members
from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.evaluation.correctness import tie_flags
from robustbench_snn.model.target import Target
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
            self.accuracies, self.steps = [0.5, 0.4, 0.395, 0.3, 0.295, 0.29], list[str]()
            self.standing, self.share = [0], torch.ones(1000)

        @property
        def robust_accuracy(self) -> float:
            return self.accuracies[len(self.steps)]

        def attack(self, stage: object) -> None:
            self.steps.append(stage.name)  # type: ignore[attr-defined]

    cascade = Falling()
    found = SNNStandard(eps=0.1, most_steps=3200)._converge(cascade, spiking=True)  # type: ignore[arg-type]
    margin = "assg-0.425, margin"
    names = ["sa_pgd-200 assg", f"sa_pgd-400 {margin}", "sa_pgd-800 assg", f"sa_pgd-1600 {margin}", "sa_pgd-3200 assg"]
    assert cascade.steps == names, "a single quiet doubling, 400, does not end it"
    assert found["stopped_at"] == 3200
    assert found["converged"]
    cascade.steps.clear()
    capped = SNNStandard(eps=0.1, most_steps=400)
    stopped = capped._converge(cascade, spiking=True)  # type: ignore[arg-type]
    assert not stopped["converged"]
    assert capped._flags([stopped]) == ["not_converged"]


@pytest.mark.parametrize(
    ("accuracies", "done", "broken", "converged"),
    [
        ([0.3, 0.3], 0, [0], True),
        ([0.3, 0.25, 0.245, 0.24], 0, [50, 5, 5], True),
        ([0.3, 0.25, 0.25, 0.2, 0.2, 0.2], 0, [50, 0, 50, 0, 0], True),
        ([0.3, 0.3, 0.3], 1, [0, 0], True),
        ([0.3, 0.0], 0, [300], True),
        ([0.9 - 0.1 * turn for turn in range(9)], 0, [100] * 8, False),
        ([0.9 - 0.1 * turn for turn in range(9)], 1, [100] * 7, False),
    ],
    ids=["quiet at once", "a point", "two in a row", "one before", "nobody left", "limit", "limit, one before"],
)
def test_square_starts_again_from_other_streams_until_starts_are_quiet(
    accuracies: list[float], done: int, broken: list[int], converged: bool
) -> None:
    class Falling:
        def __init__(self) -> None:
            self.starts = list[str]()

        @property
        def robust_accuracy(self) -> float:
            return accuracies[len(self.starts)]

        @property
        def standing(self) -> list[int]:
            return [0] * round(1000 * self.robust_accuracy)

        def attack(self, stage: Any) -> SimpleNamespace:
            before = len(self.standing)
            self.starts.append(stage.seed_label)
            return SimpleNamespace(broken=before - len(self.standing))

    cascade, (square,) = Falling(), last("standard")
    evaluation = SNNStandard(eps=0.1)
    found = evaluation._start_again(cascade, square, done=done)  # type: ignore[arg-type]
    assert found == {"starts": done + len(broken), "broken": broken, "converged": converged}
    names = ["square-5000", *(f"square-5000, restart {start}" for start in range(2, 9))]
    assert cascade.starts == names[done : done + len(broken)]
    assert evaluation._flags([{"converged": True}, found]) == ([] if converged else ["not_converged"])


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


def test_a_saturated_surrogate_is_found_and_no_obstacle_to_the_attacks_that_are_judged() -> None:
    from spikingjelly.activation_based import surrogate

    model, (images, labels) = trained(), held_out(24)
    for layer in (model.spike1, model.spike2):
        layer.surrogate_function = surrogate.PiecewiseQuadratic(alpha=1e6)
    entry = {"diagnostics": {"eps": 0.15, "steps": 8, "queries": 60}}
    assert set(evaluate(model, images, labels, [entry])[0].flags) == {"zero_gradient", "no_input_gradient"}


def test_external_sets_only_lower_a_result(tmp_path: Path) -> None:
    model, images, labels = linear_set(8)
    samples = ArraySamples(images, labels, torch.arange(100, 108))
    worst = evaluate(model, images, labels, [{"pgd": {"eps": 0.2, "keep_images": 8}}])[0]
    adversarial = worst.arrays["adversarial"].copy()
    adversarial[0] = 2.0  # not admissible
    path = tmp_path / "set.npz"
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


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.2), ("l2", 0.5)])
def test_an_external_set_of_8_bit_pixels_may_be_half_a_grey_level_off(
    tmp_path: Path, norm: Literal["linf", "l2"], eps: float
) -> None:
    """Rounding an image of the ball puts it up to half a level outside; a float set has no such excuse."""
    model, images, labels = linear_set(8)
    (worst,) = evaluate(model, images, labels, [{"pgd": {"eps": eps, "norm": norm, "keep_images": 8}}])
    levels = np.round(worst.arrays["adversarial"] * 255).astype(np.uint8)
    subject = Subject(Target(model), ArraySamples(images, labels, torch.arange(8)))
    found = {}
    further = levels.astype(np.int64) + np.where(levels > images.numpy() * 255, 1, -1)
    sets: dict[str, np.ndarray[Any, Any]] = {
        "uint8": levels,
        "float": (levels / 255.0).astype(np.float32),
        "too far": further.astype(np.uint8),
    }
    for name, pixels in sets.items():
        np.savez(tmp_path / "set.npz", ids=np.arange(8), images=pixels)
        external = ExternalSet.load(tmp_path / "set.npz")
        found[name] = score(external, subject, Ball(eps, norm), {"correct": np.ones(8, bool)})
        assert found[name].details["eps"] == eps
    outside = ~Ball(eps, norm).contains(torch.tensor(sets["float"]), images)
    assert outside.any(), "or the slack is not needed"
    assert found["uint8"].details["rejected"] == 0
    assert found["uint8"].metrics["accuracy"] == pytest.approx(worst.accuracy, abs=1 / 8)
    assert found["float"].details["rejected"] == int(outside.sum())
    delta = np.abs(sets["too far"] / 255.0 - images.numpy()).reshape(8, -1)
    sizes, slack = (delta.max(1), 0.5) if norm == "linf" else (np.sqrt((delta**2).sum(1)), 0.5 * 16**0.5)
    assert found["too far"].details["rejected"] == int((sizes > eps + slack / 255 + 1e-5).sum()) > 0


class Ties(nn.Module):
    """Logits of whole spikes, k / 2: the first samples tie with a lower class, the next with a higher, one is NaN."""

    def __init__(self, lower: int, higher: int, nan: int) -> None:
        super().__init__()
        self.counts = lower, higher, nan
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        place = (images.flatten(1).amax(1) * 100).round().long()
        lower, higher, nan = self.counts
        logits = torch.tensor([0.0, 1.0, 0.0]).repeat(len(images), 1) + self.weight * images.flatten(1).sum(1)[:, None]
        logits[place < lower, 0] = 1.0
        logits[(place >= lower) & (place < lower + higher), 2] = 1.0
        logits[(place >= lower + higher) & (place < lower + higher + nan), 0] = torch.nan
        return logits


@pytest.mark.parametrize("entry", ["clean", {"pgd": {"eps": 1e-6, "steps": 1}}, {"torchattacks.FGSM": {"eps": 1e-6}}])
def test_ties_and_nan_are_wrong_and_argmax_says_what_it_would_have_said(entry: Any) -> None:
    images = (torch.arange(20.0) / 100).reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2).contiguous()
    labels = torch.ones(20, dtype=torch.int64)
    (found,) = evaluate(Ties(3, 2, 1), images, labels, [entry])
    assert found.metrics["accuracy"] == pytest.approx(14 / 20)
    assert found.metrics["argmax_accuracy"] == pytest.approx(17 / 20), "three ties go to class 0, NaN is no answer"
    assert "ties" in found.flags
    assert "non_finite_logits" in found.flags
    (clear,) = evaluate(Ties(0, 0, 2), images, labels, [entry])
    assert "ties" not in clear.flags, "NaN is no tie"
    assert clear.metrics["accuracy"] == pytest.approx(0.9)
    assert clear.metrics["argmax_accuracy"] == 1.0


def test_one_tie_in_a_hundred_raises_no_flag() -> None:
    assert tie_flags(torch.eye(100)[0]) == []
    assert tie_flags(torch.eye(99)[0]) == ["ties"]


def test_the_graz_ensemble_is_below_each_of_its_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = held_out(24)
    rules = {"triangle 0.5": {"triangle": {"gamma": 0.5}}, "exp_d 2": {"exp_d": {"gamma": 2.0}}, "bptr": "bptr"}
    attack = {"pgd": {"steps": 4, "loss": "plain_ce"}}
    union, *single = evaluate(
        trained(),
        images,
        labels,
        [
            {"graz_ensemble": {"eps": 0.12, "attack": "pgd", "steps": 4}},
            *({"attack": {"attack": attack, "eps": 0.12, "estimator": rule}} for rule in rules.values()),
        ],
    )
    assert all(union.accuracy <= one.accuracy for one in single)
    assert union.accuracy < min(one.accuracy for one in single), "or the other rules add nothing"
    assert set(rules) <= set(union.details["rules"])
    assert len(set(union.details["rules"]) - {"activation"}) == 18
    titles = [title.split()[0] for title in union.details["rules"]]
    assert [titles.count(name) for name in ("triangle", "rectangle", "exp", "exp_d", "ste", "bptr")] == [
        5,
        5,
        3,
        3,
        1,
        1,
    ]


def test_the_graz_ensemble_tries_the_images_of_the_activation_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose rules see no gradient falls to the images of its twin, which has one."""
    from robustbench_snn.suites import graz_ensemble

    model, images, labels = linear_set()
    entry = {"graz_ensemble": {"eps": 0.1, "attack": "fgsm"}}
    (plain,) = evaluate(model, images, labels, [{"fgsm": {"eps": 0.1}}])
    monkeypatch.setattr(graz_ensemble, "relu_twin", lambda target: Target(model))
    (found,) = evaluate(Masked(model), images, labels, [entry])
    assert found.details["rules"] == ["triangle 0.25", "activation"], "no neurons: one rule is as good as eighteen"
    assert found.accuracy <= plain.accuracy
    assert found.details["stages"][1]["broken"] > found.details["stages"][0]["broken"]


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

    model, images, labels = linear_set(48, classes=10)
    (ours,) = evaluate(model, images, labels, [{"autoattack": {"eps": 0.1}}])
    target = Target(model)
    with target.frozen():
        attack = pyautoattack.AutoAttack(AsModule(target), norm="Linf", eps=0.1, device="cpu", seed=0)
        adversarial = attack.run_standard_evaluation(images, labels, batch_size=48)
        adversarial = adversarial if isinstance(adversarial, Tensor) else adversarial[0]
        official = float(correct(target(adversarial), labels).float().mean())
    assert abs(ours.accuracy - official) <= 1 / 48 + 1e-6


def test_members_that_differ_in_their_start_alone_are_two_where_there_are_spikes() -> None:
    spiking, without = members("standard"), members("standard", spiking=False)
    assert len({member.seed_label for member in spiking}) == len(spiking) == 8
    assert [member.seed_label for member in without] == [
        "pgd-10",
        "sa_pgd-100",
        "sa_pgd-100 margin",
        "sa_pgd-50 targeted",
        "apgd_ce-100",
    ]
    assert {str(member.estimator) for member in without} == {"training"}
    lif_only = [member for member in members("extended") if member.needs_lif]
    assert lif_only
    assert not [member for member in members("extended", lif=False) if member.needs_lif]
