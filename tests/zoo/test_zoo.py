"""The zoo itself: every entry runs, knows the digits, and decides as its bare model does."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn.model.target import Target
from robustbench_snn.randomness import SampleRandom
from tests.attack_models import held_out
from tests.zoo import ZOO, Entry, truth

torch.set_num_threads(1)

SLOW = ("wide", "adversarial", "relu_adversarial", "spikformer", "tdformer", "stf", "rated", "attentive")
"""Bases that take more than a moment to train; library neurons do as well, all together."""
QUICK = ("lif", "relu", "binary", "soft_reset")


def marked(entry: Entry) -> object:
    return pytest.param(entry, id=entry.name, marks=() if entry.base in QUICK else pytest.mark.slow)


def logits(model: nn.Module, entry: Entry, images: Tensor) -> Tensor:
    target = Target(model, stochastic=entry.stochastic)
    with target.frozen(), torch.no_grad():
        return target(images, SampleRandom.for_samples(0, sample_ids=range(len(images))))


def test_names_are_unique_and_there_are_enough() -> None:
    assert len({entry.name for entry in ZOO}) == len(ZOO)
    assert sum(entry.kind == "honest" for entry in ZOO) >= 12
    assert sum(not entry.honest for entry in ZOO) >= 25
    assert all(entry.bares for entry in ZOO if not entry.honest)


@pytest.mark.parametrize("entry", map(marked, ZOO))
def test_entry_runs_and_decides_as_its_bare_model(entry: Entry) -> None:
    images, labels = held_out(96)
    model = entry.build()
    assert not model.training
    found = logits(model, entry, images)
    assert found.shape == (len(images), 10)
    right = float((found.argmax(1) == labels).float().mean())
    assert (right > 0.9) == entry.learns
    if entry.bares and entry.agrees:
        bare = logits(entry.bares[0](), entry, images).argmax(1)
        assert float((found.argmax(1) == bare).float().mean()) > 0.97


@pytest.mark.parametrize("name", ["gradient: reversed", "logits: plus 1e4", "spikes: comparison", "input: detach"])
def test_truth_is_that_of_the_bare_model(name: str) -> None:
    """These masks change no decision, so that the attack that knows them leaves what it leaves of the bare model."""
    images, labels = held_out(8)
    by_name = {entry.name: entry for entry in ZOO}
    masked, bare = by_name[name], by_name["lif"]
    assert truth(masked, images, labels, 0.3) == truth(bare, images, labels, 0.3) == 0.0
    assert truth(masked, images, labels, 1e-3) == 1.0


def test_gradient_masks_leave_the_logits_as_they_are() -> None:
    images, _ = held_out(16)
    for entry in ZOO:
        if entry.kind == "gradient":
            torch.testing.assert_close(
                logits(entry.build(), entry, images), logits(entry.bares[0](), entry, images), rtol=0.0, atol=0.0
            )


def test_refused_entries_answer_one_image_in_two_ways() -> None:
    """By another draw or a kept state the second time, or by other batch mates; an honest model does not."""
    images, _ = held_out(24)
    for entry in ZOO:
        if entry.refused or entry.name == "lif":
            target = Target(entry.build(), stochastic=False)
            with target.frozen(), torch.no_grad():
                answers = [target(images) for _ in range(3)]
                alone = target(images[:8])
            same = all(torch.equal(answers[0], answer) for answer in answers[1:])
            assert (same and torch.equal(answers[0][:8], alone)) != entry.refused, entry.name
