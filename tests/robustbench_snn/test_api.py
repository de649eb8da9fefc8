"""``evaluate`` on models of any making."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from robustbench_snn import evaluate
from robustbench_snn.errors import UserError
from robustbench_snn.testing.models import make_task
from robustbench_snn.testing.subject import samples_for, small_target
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
    "entry",
    [
        {"clean": {"draws": 3}},
        {"pgd": {"eps": 0.05, "steps": 2, "draws": 2, "judging_draws": 3}},
        {"corruptions": {"types": ["gaussian_noise"], "severities": [3], "draws": 2}},
    ],
)
@pytest.mark.parametrize("encoder", ["direct", "rate"])
def test_permuted_samples_with_their_ids_give_permuted_results(encoder: str, entry: dict[str, Any]) -> None:
    target = small_target(encoder=encoder)
    samples = samples_for(target, 24, wrong=3)
    images, labels, ids = samples.images(torch.arange(24)), samples.labels, 7 * torch.arange(24) + 1000
    order = torch.randperm(24, generator=torch.Generator().manual_seed(1))

    def found(rows: torch.Tensor, sample_ids: torch.Tensor | None) -> dict[str, np.ndarray[Any, Any]]:
        (result,) = evaluate(target.model, images[rows], labels[rows], [entry], sample_ids=sample_ids, batch_size=7)
        return {name: np.asarray(column) for name, column in result.columns.items()}

    straight, permuted = found(torch.arange(24), ids), found(order, ids[order])
    for name, column in straight.items():
        assert np.array_equal(column[order.numpy()], permuted[name]), name
    if encoder == "rate":  # the draws follow the ids: without them a sample gets those of its place
        without = found(order, None)
        assert any(not np.array_equal(straight[name][order.numpy()], without[name]) for name in straight)


@pytest.mark.parametrize("ids", [[0, 0, 1, 2], [0, 1, 2], [0.0, 1.0, 2.0, 3.0]])
def test_sample_ids_are_whole_and_different(ids: list[float]) -> None:
    with pytest.raises(UserError, match="4 whole numbers, all different"):
        evaluate(Linear(), torch.rand(4, 1, 4, 4), torch.zeros(4, dtype=torch.int64), ["clean"], sample_ids=ids)


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
        (
            torch.rand(4, 1, 8, 8),
            torch.zeros(4),
            {"pgd": {"eps": 0.1}, "fgsm": {"eps": 0.1}},
            "write a component as a name",
        ),
    ],
)
def test_bad_input_is_explained(images: torch.Tensor, labels: torch.Tensor, entry: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        evaluate(trained(), images, labels, [entry])  # type: ignore[list-item]


@pytest.mark.parametrize("entry", ["clean", {"fgsm": {"eps": 0.1}}])
def test_a_single_evaluation_needs_no_list(entry: Any) -> None:
    images, labels = held_out(4)
    (alone,), (listed,) = (evaluate(trained(), images, labels, given) for given in (entry, [entry]))
    assert (alone.name, alone.metrics) == (listed.name, listed.metrics)


def test_what_is_no_model_no_array_and_no_device_is_told() -> None:
    images, labels = held_out(4)
    loader = DataLoader(TensorDataset(images, labels))
    wrong: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("a function; it must be a torch.nn.Module", (lambda x: x, images, labels), {}),
        ("images are a DataLoader", (trained(), loader, labels), {}),
        ("labels are a list", (trained(), images, ["one", "two", "three", "four"]), {}),
        ("device 'cudaa' cannot be used", (trained(), images, labels), {"device": "cudaa"}),
        ("device 'cuda:99' cannot be used", (trained(), images, labels), {"device": "cuda:99"}),
    ]
    for message, given, options in wrong:
        with pytest.raises(UserError, match=message):
            evaluate(*given, **options)


def test_a_model_that_returns_no_logits() -> None:
    with pytest.raises(UserError, match="logits"):
        evaluate(nn.Identity(), torch.rand(2, 1, 4, 4), torch.zeros(2), ["clean"])


def test_diagnostics_take_the_eps_of_the_attack_beside_them() -> None:
    model, images, labels = Linear(), torch.rand(4, 1, 4, 4), torch.zeros(4, dtype=torch.int64)
    small = {"steps": 2, "queries": 2}
    *_, found = evaluate(model, images, labels, [{"pgd": {"eps": ["8/255", 0.5]}}, {"diagnostics": small}])
    assert (found.parameters["eps"], found.parameters["norm"]) == (8 / 255, "linf")
    with pytest.raises(UserError, match=r"diagnostics: states no eps"):
        evaluate(model, images, labels, ["clean", "diagnostics"])


def test_event_frames_are_evaluated_as_images_are() -> None:
    target = small_target(make_task(timesteps=3, classes=5, frames=4))
    samples = samples_for(target, 24, wrong=3)
    frames = samples.images(torch.arange(24))
    (found,) = evaluate(target.model, frames, samples.labels, "clean")
    assert found.accuracy == 21 / 24
    with pytest.raises(UserError, match="evaluation 'fgsm' takes images, and what was given has event frames"):
        evaluate(target.model, frames, samples.labels, {"fgsm": {"eps": "8/255"}})
    with pytest.raises(UserError, match="event frames count events"):
        evaluate(target.model, frames + 0.5, samples.labels)
