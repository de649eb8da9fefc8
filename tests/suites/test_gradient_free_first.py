"""Where no gradient leads anywhere, attacks that need none come first; where one beats all others, they are added."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.attack.cascade import Cascade
from robustbench_snn.attack.stages import stage
from robustbench_snn.attack.standard_set import Member, members
from robustbench_snn.suites import snn_standard
from robustbench_snn.suites.attacks.noise import Noise
from tests.attack_models import Linear, held_out, trained


class ByHand(nn.Module):
    """A trained network behind a detour that cuts every gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.model = trained()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(torch.from_numpy(images.detach().numpy().copy()))
        return logits


@pytest.mark.parametrize(
    ("model", "names", "starts"),
    [
        (ByHand(), ["blind", "pgd-10", "square, restart 2", "square, restart 3"], 3),  # the first is among the blind
        (trained(), ["pgd-10", "square"], 1),
    ],
)
def test_the_order_follows_from_the_examination(
    monkeypatch: pytest.MonkeyPatch, model: nn.Module, names: list[str], starts: int
) -> None:
    monkeypatch.setattr(snn_standard, "members", lambda tier, **_: members("quick"))
    monkeypatch.setattr(snn_standard, "last", lambda tier: (Member("square", "square", {"queries": 2}),))
    monkeypatch.setattr(snn_standard, "gradient_free_stages", lambda *_: [stage("blind", Noise(), None)])
    (found,) = evaluate(model.eval(), *held_out(16), [{"snn_standard": {"eps": 0.05, "most_steps": 100}}])
    assert [one["name"] for one in found.details["stages"]] == names
    assert ("useless_gradients" in found.flags) == (names[0] == "blind")
    assert found.details["square"]["starts"] == starts


@pytest.mark.parametrize(("most", "converged"), [(8, True), (1, False)])
def test_what_all_starts_of_the_black_box_break_is_counted_and_doubted(
    monkeypatch: pytest.MonkeyPatch, most: int, converged: bool
) -> None:
    monkeypatch.setattr(snn_standard, "MOST_STARTS", most)
    monkeypatch.setattr(snn_standard, "members", lambda tier, **_: ())
    monkeypatch.setattr(snn_standard, "last", lambda tier: (Member("square", "square", {"queries": 20}),))
    monkeypatch.setattr(snn_standard, "gradient_free_stages", lambda *_: [])
    monkeypatch.setattr(snn_standard.SNNStandard, "_converge", lambda *_, **__: {"converged": True})
    (found,) = evaluate(trained(), *held_out(24), [{"snn_standard": {"eps": 0.15}}])
    broken = found.details["square"]["broken"]
    assert (sum(broken[1:]) > 0) == converged, "or a single start finds all"
    assert broken == [stage["broken"] for stage in found.details["stages"]]
    assert found.details["broken_by_black_box_only"] == sum(broken)
    assert "black_box_beats_white_box" in found.flags
    assert ("not_converged" in found.flags) != converged


@pytest.mark.parametrize(("lower", "suspect"), [(0.3, True), (0.1, False), (0.04, False)])
def test_a_black_box_that_lowers_a_stochastic_model_and_breaks_nobody_is_seen(
    monkeypatch: pytest.MonkeyPatch, lower: float, suspect: bool
) -> None:
    def start(cascade: Cascade, *_: object, **__: object) -> dict[str, Any]:
        cascade.share -= lower
        return {"starts": 1, "broken": [0], "converged": True}

    monkeypatch.setattr(snn_standard, "members", lambda tier, **_: ())
    monkeypatch.setattr(snn_standard, "gradient_free_stages", lambda *_: [])
    monkeypatch.setattr(snn_standard.SNNStandard, "_start_again", staticmethod(start))
    monkeypatch.setattr(snn_standard.SNNStandard, "_converge", lambda *_, **__: {"converged": True})
    images = torch.rand(10, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    model, entry = Linear(), {"snn_standard": {"eps": 0.1, "draws": 1, "judging_draws": 5}}
    (found,) = evaluate(model, images, model(images).argmax(1), [entry], stochastic=True)
    assert found.details["broken_by_black_box_only"] == 0
    assert ("black_box_beats_white_box" in found.flags) == suspect


@pytest.mark.parametrize("count", [7, 49, 50, 51, 99, 100, 150, 350, 1000])
def test_whole_samples_are_doubted_as_whole_numbers(count: int) -> None:
    limit = max(1, snn_standard.BLIND_SHARE * count)
    for right in range(count + 1):
        shares = torch.zeros(count, dtype=torch.float64)
        shares[:right] = 1.0
        for broken in {0, 1, 2, int(limit), int(limit) + 1, right} & set(range(right + 1)):
            after = shares.clone()
            after[:broken] = 0.0
            fall = float(shares.mean()) - float(after.mean())
            assert snn_standard.doubted(fall, count) == (broken > limit)
