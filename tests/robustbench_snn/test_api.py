"""``evaluate`` on models of any making."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from robustbench_snn import evaluate
from robustbench_snn.errors import UserError
from tests.attack_models import Linear, Noisy, held_out, trained


def test_results_of_several_evaluations_in_order() -> None:
    images, labels = held_out(16)
    entries: list[Any] = [
        "clean",
        {"fgsm": {"eps": ["2/255", 0.15]}},
        {"pgd": {"eps": 0.15, "steps": 3, "keep_images": 2}},
    ]
    found = evaluate(trained(), images, labels, entries, seed=3)
    assert [result.name for result in found] == ["clean", "fgsm", "fgsm", "pgd"]
    assert found[1].parameters["eps"] == pytest.approx(2 / 255)
    for result in found:
        assert len(result.columns["correct"]) == 16
        assert result.accuracy == pytest.approx(float(np.mean(result.columns["correct"])))
        assert result.seed == 3
    assert found[0].accuracy >= found[1].accuracy >= found[2].accuracy
    assert found[3].arrays["adversarial"].shape == (2, 1, 8, 8)


@pytest.mark.parametrize("mode", ["m", "s"])
def test_a_model_that_never_resets_itself_and_its_two_step_modes(mode: str) -> None:
    images, labels = held_out(16)
    model = trained(mode).train()
    entry = {"pgd": {"eps": 0.15, "steps": 3}}
    first, second = (evaluate(model, images, labels, [entry])[0] for _ in range(2))
    assert (first.columns["correct"] == second.columns["correct"]).all()
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    reference = evaluate(trained("m"), images, labels, [entry])[0]
    assert (first.columns["correct"] == reference.columns["correct"]).all()


def test_an_ann_and_a_stochastic_model() -> None:
    model = Linear()
    images = torch.rand(12, 1, 4, 4)
    labels = model(images).argmax(1)
    entry = {"snn_fast": {"eps": 0.05}}
    (ann,) = evaluate(model, images, labels, [entry])
    assert "not_for_publication" in ann.flags
    (noisy,) = evaluate(Noisy(model, 0.1), images, labels, [{"pgd": {"eps": 0.05, "steps": 2}}], stochastic=True)
    assert noisy.metrics["worst"] <= noisy.metrics["accuracy"]
    assert {"vote", "worst"} <= set(noisy.columns)


@pytest.mark.parametrize(
    ("images", "labels", "entry", "message"),
    [
        (torch.randn(4, 1, 8, 8) * 3, torch.zeros(4), "clean", "raw pixels"),
        (torch.full((4, 1, 8, 8), torch.nan), torch.zeros(4), "clean", "raw pixels"),
        (torch.rand(4, 8, 8), torch.zeros(4), "clean", "must be"),
        (torch.rand(4, 1, 8, 8), torch.full((4,), 12), "clean", "classes"),
        (torch.rand(4, 1, 8, 8), torch.zeros(4), "claen", "clean"),
        (torch.rand(4, 1, 8, 8), torch.zeros(4), {"pgd": {"eps": 2.0}}, "eps"),
        (torch.rand(4, 1, 8, 8), torch.zeros(4), {"pgd": {"eps": 0.1, "stpes": 3}}, "steps"),
        (torch.rand(4, 1, 8, 8), torch.zeros(4), {"pgd": {"eps": 0.1}, "fgsm": {"eps": 0.1}}, "one name"),
    ],
)
def test_bad_input_is_explained(images: torch.Tensor, labels: torch.Tensor, entry: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        evaluate(trained(), images, labels, [entry])  # type: ignore[list-item]


def test_a_model_that_returns_no_logits() -> None:
    with pytest.raises(UserError, match="logits"):
        evaluate(nn.Identity(), torch.rand(2, 1, 4, 4), torch.zeros(2), ["clean"])
