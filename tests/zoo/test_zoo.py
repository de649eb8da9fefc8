"""The zoo itself: every entry runs, knows the digits, and decides as its bare model does."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.errors import UserError
from robustbench_snn.model.target import Target
from robustbench_snn.randomness import SampleRandom
from tests.attack_models import held_out
from tests.zoo import ZOO, Entry, shares
from tests.zoo.truth import Plan

torch.set_num_threads(1)

QUICK = ("lif", "relu", "soft_reset")
"""Bases that train in a moment; each of the others in a few, all together in a minute."""


def marked(entry: Entry) -> object:
    return pytest.param(entry, id=entry.name, marks=() if entry.base in QUICK else pytest.mark.slow)


def logits(model: nn.Module, entry: Entry, images: Tensor) -> Tensor:
    target = Target(model, stochastic=entry.stochastic)
    with target.frozen(), torch.no_grad():
        return target(images, SampleRandom.for_samples(0, sample_ids=range(len(images))))


UNDECLARED = {
    "state: every third call",
    "state: last batch remembered",
    "state: undeclared noise",
    "state: undeclared small noise",
    "state: noise of its own generator",
}
"""They answer one image in two ways, and are refused."""


def test_names_are_unique_and_there_are_enough() -> None:
    assert len({entry.name for entry in ZOO}) == len(ZOO)
    assert sum(entry.kind == "honest" for entry in ZOO) >= 12
    assert sum(not entry.honest for entry in ZOO) >= 25
    assert all(entry.bares for entry in ZOO if not entry.honest)


@pytest.mark.parametrize("entry", [marked(entry) for entry in ZOO])
def test_entry_runs_and_decides_as_its_bare_model(entry: Entry) -> None:
    images, labels = held_out(96)
    model = entry.build()
    assert not model.training
    if entry.name in UNDECLARED:
        with pytest.raises(UserError, match=r"stochastic=True|reset="):
            logits(model, entry, images)
        return
    found = logits(model, entry, images)
    assert found.shape == (len(images), 10)
    right = float((found.argmax(1) == labels).float().mean())
    assert (right > 0.9) == entry.learns
    if entry.bares and entry.agrees:
        bare = logits(entry.bares[0](), entry, images).argmax(1)
        assert float((found.argmax(1) == bare).float().mean()) > 0.94


@pytest.mark.parametrize(
    "name",
    ["lif", "gradient: reversed", "logits: times 1e6", "spikes: comparison", "input: detach", "input: 16 levels"],
)
def test_attack_that_knows_the_mask_gets_through_it(name: str) -> None:
    images, labels = held_out(16)
    (entry,) = (entry for entry in ZOO if entry.name == name)
    plan: Plan = (("sa_pgd", {"steps": 10}, {"atan": {"alpha": 10.0}}), ("square", {"queries": 20}, "training"))
    assert shares(entry, images, labels, 1e-3, plan).all()
    assert not shares(entry, images, labels, 0.4, plan).any()


def test_truth_of_a_constant_class_is_its_share() -> None:
    """No attack moves it: what is right stays right, and what is wrong needs none."""
    images, labels = held_out(48)
    (entry,) = (entry for entry in ZOO if entry.name == "logits: constant class")
    plan: Plan = (("sa_pgd", {"steps": 2}, "training"),)
    assert torch.equal(shares(entry, images, labels, 0.4, plan), (labels == 3).float())


def test_masks_that_claim_to_be_the_same_decide_alike_off_the_clean_images() -> None:
    images, _ = held_out(64)
    noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(1))
    images = torch.cat([0.7 * images + 0.3 * noise, noise])
    for entry in ZOO:
        if entry.same and entry.base in QUICK:
            answers = [logits(build(), entry, images).argmax(1) for build in (entry.build, entry.bares[0])]
            assert torch.equal(*answers), entry.name


def test_models_that_leak_between_batch_mates_are_flagged_and_kept_membranes_are_put_back() -> None:
    images, labels = held_out(24)
    for entry in ZOO:
        if entry.kind == "state" and entry.name not in UNDECLARED:
            (found,) = evaluate(entry.build(), images, labels)
            kept = "membrane" in entry.name
            assert ("batch_dependent" in found.flags) != kept, entry.name
