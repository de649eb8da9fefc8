"""Losses: their formulas, and that no scale of the logits changes what an attack finds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from robustbench_snn.attack.losses import LOSSES, TEMPERATURE, ce, dlr, likely_classes, targeted_dlr, tet
from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.testing import check_attack
from tests.attack_models import Linear, held_out_samples, trained
from tests.suites.attacks.test_attacks import attacked, linear_margin, linear_samples

torch.set_num_threads(1)

LOGITS = torch.tensor([[4.0, 1.0, -1.0, 0.5, 3.0], [0.0, 0.1, 0.2, 0.3, 0.05]])
LABELS = torch.tensor([0, 3])


def test_ce_is_the_textbook_one_on_logits_of_one_range() -> None:
    by_hand = torch.stack([LOGITS[0] * 20.0 / 5.0, LOGITS[1] * 20.0 / 0.3])
    torch.testing.assert_close(ce(LOGITS, LABELS), cross_entropy(by_hand, LABELS, reduction="none"))
    assert TEMPERATURE == 20.0


def test_the_range_is_a_constant_to_the_gradient() -> None:
    """z_i has the slope (p_i - y_i) 20 / range, for the largest and the smallest logit too."""
    leaf = LOGITS.clone().requires_grad_()
    (found,) = torch.autograd.grad(ce(leaf, LABELS).sum(), leaf)
    factor = torch.tensor([[20.0 / 5.0], [20.0 / 0.3]])
    expected = factor * ((factor * LOGITS).softmax(1) - torch.eye(5)[LABELS])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("scale", [1e-20, 1e-6, 50.0, 1e20])
def test_values_do_not_depend_on_the_scale(scale: float) -> None:
    targets = torch.tensor([1, 1])
    for loss in (ce, dlr, lambda z, y: targeted_dlr(z, y, targets)):
        torch.testing.assert_close(loss(scale * LOGITS, LABELS), loss(LOGITS, LABELS), rtol=1e-4, atol=1e-5)
    steps = torch.stack([LOGITS, 3.0 * LOGITS.flip(1)])
    torch.testing.assert_close(tet(scale * steps, LABELS), tet(steps, LABELS), rtol=1e-4, atol=1e-5)


def test_tet_keeps_the_weights_of_the_steps() -> None:
    """A step that says nothing stays silent beside one that does: one range for all steps."""
    steps = torch.stack([LOGITS[:1], 1e-3 * LOGITS[:1]])
    by_hand = torch.stack([cross_entropy(step * 20.0 / 5.0, LABELS[:1]) for step in steps]).mean()
    torch.testing.assert_close(tet(steps, LABELS[:1])[0], by_hand)


def test_equal_logits_leave_a_finite_loss_and_gradient() -> None:
    leaf = torch.full((2, 4), 0.7, requires_grad=True)
    value = ce(leaf, torch.tensor([0, 1]))
    (slope,) = torch.autograd.grad(value.sum(), leaf)
    assert value.isfinite().all()
    assert slope.isfinite().all()


@pytest.mark.parametrize("loss", ["ce", "margin"])
def test_two_classes_are_attacked_to_the_exact_answer(loss: str) -> None:
    """One range for both logits would leave cross-entropy one value, and the label's logit no gradient."""
    model = Linear(classes=2)
    images = 0.3 + 0.4 * torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.bias.copy_(-0.5 * model.weight.sum(1))
        logits = model(images)
        far = (logits[:, 0] - logits[:, 1]).abs() / (model.weight[0] - model.weight[1]).abs().sum()
    samples = ArraySamples(images, logits.argmax(1), torch.arange(60))
    for eps in (0.03, 0.06):
        left = attacked(model, samples, "pgd", eps, loss=loss, steps=20).robust_accuracy
        assert left == pytest.approx(float((far > eps).float().mean()), abs=1e-6)
        assert 0.05 < left < 0.95


def test_tet_of_one_step_is_ce() -> None:
    for logits in (LOGITS, LOGITS[:, :2]):
        labels = LABELS.clamp_max(1)
        assert torch.equal(tet(logits[None], labels), ce(logits, labels))


def test_likely_classes_are_the_wrong_ones_in_order() -> None:
    assert likely_classes(LOGITS, LABELS).tolist() == [[4, 1, 3, 2], [2, 1, 4, 0]]


class Times(torch.nn.Module):
    def __init__(self, model: torch.nn.Module, scale: float) -> None:
        super().__init__()
        self.model, self.scale = model, scale

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.scale * self.model(images)
        return result


def test_no_scale_fools_pgd_but_with_the_textbook_loss() -> None:
    samples = held_out_samples(40)
    left = {
        (loss, scale): int(40 * attacked(Times(trained(), scale), samples, "pgd", 0.15, loss=loss).robust_accuracy)
        for loss in ("ce", "plain_ce")
        for scale in (1.0, 50.0, 1e-6)
    }
    assert all(abs(left["ce", scale] - left["ce", 1.0]) <= 1 for scale in (50.0, 1e-6))
    assert left["plain_ce", 50.0] > left["plain_ce", 1.0] + 4, "or the test proves nothing"
    assert left["ce", 1.0] <= left["plain_ce", 1.0] + 1


FEW: dict[str, dict[str, Any]] = {"fgsm": {}, "pgd": {"steps": 3}, "mi_fgsm": {"steps": 3}, "apgd": {"steps": 4}}


@pytest.mark.parametrize("attack", FEW)
def test_the_kit_catches_a_loss_with_a_scale(attack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``independent of scale`` fails for plain_ce; for every other loss it passes."""
    from robustbench_snn.testing.attack import AttackConformance

    for name in list(vars(AttackConformance)):
        if name.startswith("test_") and name != "test_independent_of_scale":
            monkeypatch.delattr(AttackConformance, name)
    passed = {loss: check_attack(attack, loss=loss, **FEW[attack])[0].passed for loss in LOSSES}
    assert passed == {loss: loss != "plain_ce" for loss in LOSSES}


def test_targeted_sa_pgd_is_exact_on_a_linear_model() -> None:
    model, samples = linear_samples()
    exact = linear_margin(model, samples, 0.05, "linf")
    found = attacked(model, samples, "sa_pgd", 0.05, steps=20, loss="targeted", targets=1).broken_by > 0
    assert not found[exact > 1e-4].any()
    assert found[exact < -1e-4].all()


def test_targeted_sa_pgd_tries_as_many_classes_as_it_is_told() -> None:
    """Of two boundaries only the one that is not the likeliest class's is in reach."""
    model = Linear(pixels=4, classes=3)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0], [1.01], [0.0]]).expand(3, 4))
        model.bias.copy_(torch.tensor([0.0, -0.12, 1.85]))
    samples = ArraySamples(torch.full((1, 1, 2, 2), 0.5), torch.tensor([0]))
    for targets, broken in ((1, False), (2, True)):
        cascade = attacked(
            model, samples, "sa_pgd", 0.1, steps=10, loss="targeted", targets=targets, random_start=False
        )
        assert bool((cascade.broken_by > 0).all()) is broken
    assert attacked(model, samples, "sa_pgd", 0.1, steps=10, loss="targeted").queries[0] < 1 + 2 * 11
