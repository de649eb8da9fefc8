"""Faults of time on spikes written out by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robustbench_snn.randomness import SampleRandom
from robustbench_snn.timesteps.faults import Fault, jitter, shuffle


def streams(batch: int, seed: int = 0) -> SampleRandom:
    return SampleRandom.for_samples(seed, sample_ids=range(batch))


STEPS = torch.arange(1.0, 5.0).reshape(4, 1, 1).expand(4, 2, 3)
"""Every step holds its own number."""


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("drop", step=2), [1, 3, 4]),
        (Fault("drop", step=4), [1, 2, 3]),
        (Fault("blank", step=1), [0, 2, 3, 4]),
        (Fault("freeze", step=3), [1, 2, 2, 4]),
    ],
)
def test_faults_of_one_step(fault: Fault, expected: list[int]) -> None:
    found = fault(STEPS, streams(2))
    assert found[:, 0, 0].tolist() == expected
    assert bool((found == found[:, :1, :1]).all())


def test_shuffle_gives_every_sample_an_order_of_its_own() -> None:
    spikes = torch.arange(1.0, 7.0).reshape(6, 1, 1).expand(6, 50, 2)
    found = shuffle(spikes, streams(50))
    assert torch.equal(found.sort(0).values, spikes)
    assert torch.equal(found[..., 0], found[..., 1])  # one order for all neurons of a sample
    assert len({tuple(row) for row in found[..., 0].T.tolist()}) > 40
    assert torch.equal(shuffle(spikes[:, 7:9], streams(50)[slice(7, 9)]), found[:, 7:9])


def test_delete_drops_the_share_asked_for() -> None:
    found = Fault("delete", rate=0.3)(torch.ones(4, 8, 500), streams(8))
    assert float(found.mean()) == pytest.approx(0.7, abs=0.02)
    assert torch.equal(Fault("delete", rate=0.0)(STEPS, streams(2)), STEPS)
    assert not Fault("delete", rate=1.0)(STEPS, streams(2)).any()


def test_jitter_moves_single_spikes_by_one_step() -> None:
    spikes = torch.zeros(5, 4, 2000)
    spikes[2] = 1
    found = jitter(spikes, streams(4), 0.4)
    assert torch.equal(found.sum(0), torch.ones(4, 2000))  # nothing to collide with: none is lost
    shares = found.mean((1, 2)).tolist()
    assert shares == pytest.approx([0, 0.2, 0.6, 0.2, 0], abs=0.02)


def test_jitter_keeps_spikes_inside_the_run() -> None:
    spikes = torch.zeros(3, 1, 4000)
    spikes[0] = 1
    found = jitter(spikes, streams(1), 1.0)
    assert found.mean((1, 2)).tolist() == pytest.approx([0.5, 0.5, 0], abs=0.03)


@given(st.integers(0, 1000), st.floats(0, 1), st.integers(1, 6))
@settings(max_examples=40)
def test_jitter_never_makes_spikes(seed: int, rate: float, steps: int) -> None:
    spikes = (streams(3, seed).uniform(steps, 40).transpose(0, 1) < 0.4).float()
    found = jitter(spikes, streams(3, seed), rate)
    assert set(found.unique().tolist()) <= {0.0, 1.0}
    assert bool((found.sum(0) <= spikes.sum(0)).all())
    reach = torch.nn.functional.max_pool1d(spikes.permute(1, 2, 0), 3, 1, 1).permute(2, 0, 1)
    assert bool((found <= reach).all())


def test_names() -> None:
    found = [Fault("drop", step=2).name, Fault("shuffle").name, Fault("jitter", rate=0.1).name]
    assert found == ["drop_2", "shuffle", "jitter_0.1"]
    with pytest.raises(ValueError, match="unknown fault"):
        Fault("melt")  # type: ignore[arg-type]
