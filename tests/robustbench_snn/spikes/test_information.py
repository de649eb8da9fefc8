"""Mutual information against closed forms and enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robustbench_snn.spikes.information import (
    SpikeInformation,
    binary_mutual_information,
    copula,
    gaussian_copula_information,
)


@pytest.mark.parametrize("rho", [0.0, 0.5, -0.9])
def test_gaussians_have_their_closed_form(rho: float) -> None:
    generator = torch.Generator().manual_seed(1)
    x, noise = torch.randn(2, 20_000, 2, generator=generator, dtype=torch.float64)
    y = rho * x + math.sqrt(1 - rho**2) * noise
    assert gaussian_copula_information(x, y) == pytest.approx(-math.log(1 - rho**2), abs=0.02)
    # invariant under any rising map of each variable
    assert gaussian_copula_information(x.exp(), y**3) == pytest.approx(gaussian_copula_information(x, y), abs=1e-12)


def test_bias_of_few_samples_is_removed() -> None:
    generator = torch.Generator().manual_seed(2)
    found = [gaussian_copula_information(*torch.randn(2, 40, 4, generator=generator)) for _ in range(60)]
    # without the correction independent variables would seem to share 4 * 4 / (2 * 40) = 0.2 nats
    assert np.mean(found) < 0.08


def test_degenerate_variables() -> None:
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(3))
    assert gaussian_copula_information(x, 5 * x[:, :1]) == math.inf
    assert gaussian_copula_information(x, torch.ones(50, 3)) == 0.0
    y = x + torch.randn(50, 2, generator=torch.Generator().manual_seed(5))
    doubled = torch.cat([y, y[:, :1], torch.ones(50, 1)], 1)
    assert gaussian_copula_information(x, doubled) == pytest.approx(gaussian_copula_information(x, y))
    with pytest.raises(ValueError, match="too few"):
        gaussian_copula_information(x[:5], x[:5] + 1)


def test_copula_of_ranks_by_hand() -> None:
    values = torch.tensor([[3.0], [1.0], [1.0], [9.0]])
    expected = torch.special.ndtri(torch.tensor([[3.0], [1.5], [1.5], [4.0]], dtype=torch.float64) / 5)
    torch.testing.assert_close(copula(values), expected)


def test_discrete_cases_with_known_answers() -> None:
    n = 10_000

    def information(both: int, first: int, second: int) -> float:
        shared, one, other = (torch.tensor([x]) for x in (both, first, second))
        return float(binary_mutual_information(shared, one, other, n))

    correction = 1 / (2 * n)
    assert information(2500, 5000, 5000) == 0.0  # independent; the correction would make it negative
    assert information(5000, 5000, 5000) == pytest.approx(math.log(2) + correction)  # the same variable
    assert information(0, 5000, 5000) == pytest.approx(math.log(2) + correction)  # each other's opposite
    assert information(3000, 3000, n) == 0.0  # a constant tells nothing
    # a symmetric channel that errs with probability 0.1
    error = -0.1 * math.log(0.1) - 0.9 * math.log(0.9)
    assert information(4500, 5000, 5000) == pytest.approx(math.log(2) - error - correction)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40))
@settings(max_examples=60)
def test_plug_in_is_that_of_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    from sklearn.metrics import mutual_info_score

    a, b = np.array(pairs).T
    both, first, second = (torch.tensor([int(x)]) for x in ((a & b).sum(), a.sum(), b.sum()))
    found = float(binary_mutual_information(both, first, second, len(a)))
    occupied = len(set(pairs))
    correction = (len(set(a)) + len(set(b)) - occupied - 1) / (2 * len(a))
    assert found == pytest.approx(max(0.0, mutual_info_score(a, b) + correction), abs=1e-12)


def test_steps_that_repeat_share_all_and_others_nothing() -> None:
    spikes = (torch.rand(3, 4000, 6, generator=torch.Generator().manual_seed(4)) < 0.3).float()
    spikes[2] = spikes[0]
    whole, parts = SpikeInformation(), SpikeInformation()
    whole.add(spikes)
    for piece in spikes.split(700, 1):
        parts.add(piece)
    matrix = whole.matrix()
    assert torch.equal(matrix, parts.matrix())
    assert torch.equal(matrix, matrix.T)
    entropy = -0.3 * math.log(0.3) - 0.7 * math.log(0.7)
    assert float(matrix[0, 2]) == pytest.approx(entropy, abs=0.01)
    assert float(matrix[0, 0]) == float(matrix[0, 2])
    assert float(matrix[0, 1]) < 0.001
