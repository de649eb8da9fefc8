"""Counts and energies of nets small enough to count by hand."""

from __future__ import annotations

import pytest
import torch
from spikingjelly.activation_based import layer, neuron
from torch import nn

from robustbench_snn.spikes.operations import count_operations


def spikes(*shape: int, fired: int) -> torch.Tensor:
    flat = torch.zeros(shape).flatten()
    flat[torch.randperm(len(flat), generator=torch.Generator().manual_seed(0))[:fired]] = 1
    return flat.reshape(shape)


def test_linear_layer_under_spikes():
    net = nn.Linear(20, 7, bias=False)
    found = count_operations(net, spikes(1, 20, fired=6))
    assert (found.synops, found.ac, found.mac) == (6 * 7, 6 * 7, 0)
    assert found.compute_pj == pytest.approx(0.9 * 42)
    assert found.memory_pj == pytest.approx(42 * 4 * 24.96)  # one weight of 4 bytes an accumulation
    assert found.formula_sops == pytest.approx(42)
    assert found.formula_macs == 0
    assert found.formula_pj == pytest.approx(0.9 * 42)


def test_linear_layer_under_reals():
    net = nn.Linear(20, 7, bias=False)
    found = count_operations(net, torch.full((1, 20), 0.5))
    assert (found.synops, found.ac, found.mac) == (0, 0, 140)
    assert found.compute_pj == found.formula_pj == pytest.approx(4.6 * 140)
    assert found.memory_pj == pytest.approx(140 * 4 * 24.96)


def test_convolution_under_spikes_counts_what_the_border_leaves():
    net = nn.Conv2d(1, 5, 3, padding=1, bias=False)
    corner = torch.zeros(1, 1, 6, 6)
    corner[0, 0, 0, 0] = 1
    middle = torch.zeros(1, 1, 6, 6)
    middle[0, 0, 3, 3] = 1
    at_corner, in_middle = count_operations(net, corner), count_operations(net, middle)
    assert (at_corner.synops, in_middle.synops) == (4 * 5, 9 * 5)
    # the formula knows the rate alone: 1/36 of 6 * 6 * 5 * 9
    assert at_corner.formula_sops == pytest.approx(45)
    assert in_middle.formula_sops == pytest.approx(45)


def test_convolution_under_reals():
    net = nn.Conv2d(3, 4, 3, padding=1, bias=False)
    found = count_operations(net, torch.full((1, 3, 8, 8), 0.5))
    assert found.mac == found.formula_macs == 8 * 8 * 4 * 3 * 9


def test_net_of_steps_counts_neuron_state_and_leaves_its_arithmetic_out():
    steps, hidden = 3, 11
    net = nn.Sequential(
        layer.Linear(20, hidden, bias=False, step_mode="m"), neuron.IFNode(step_mode="m"), nn.BatchNorm1d(4).eval()
    )[:2].eval()
    found = count_operations(net, spikes(1, steps, 20, fired=9), lambda image, number: net(image.transpose(0, 1)))
    assert (found.synops, found.ac, found.mac) == (9 * hidden, 9 * hidden, 0)
    state = 2 * steps * hidden * 4  # read and written at each step, 4 bytes each
    assert found.memory_pj == pytest.approx((9 * hidden * 4 + state) * 24.96)


def test_batch_norm_is_folded_and_shortcuts_are_not():
    class Shortcut(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.norm = nn.Linear(8, 8, bias=False), nn.BatchNorm1d(8)

        def forward(self, x):
            return x + self.norm(self.linear(x))

    found = count_operations(Shortcut().eval(), spikes(1, 8, fired=2))
    assert found.synops == 16
    assert found.mac == 0
    assert found.ac == 16 + 8  # the shortcut's eight additions


def test_values_of_two_count_as_multiplications_but_as_two_spikes_in_the_formula():
    net = nn.Linear(10, 3, bias=False)
    tokens = torch.tensor([[2.0, 1, 0, 0, 0, 0, 0, 0, 0, 1]])
    found = count_operations(net, tokens)
    assert (found.synops, found.mac) == (0, 30)
    assert found.formula_sops == pytest.approx(4 * 3)
    assert found.formula_macs == 0


def test_images_are_counted_one_at_a_time():
    net = nn.Linear(10, 3, bias=False)
    pair = torch.stack([spikes(10, fired=4), torch.full((10,), 2.0)])
    found = count_operations(net, pair)
    assert found.synops == (4 * 3 + 0) / 2  # together, the second's values would make both real-valued
    assert found.mac == (0 + 30) / 2


def test_attention_products():
    class Product(nn.Module):
        def forward(self, pair):
            return pair[:, 0] @ pair[:, 1]

    left, right = spikes(1, 4, 4, fired=5), torch.full((1, 4, 4), 0.5)
    found = count_operations(Product(), torch.stack([left, right], 1))
    assert found.synops == found.formula_sops == 5 * 4
    assert found.mac == found.formula_macs == 0


def test_weights_stay_trainable():
    net = nn.Linear(4, 2)
    count_operations(net, torch.ones(1, 4))
    assert net.weight.requires_grad
    assert net.training
