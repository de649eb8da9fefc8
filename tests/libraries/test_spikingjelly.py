"""Networks of SpikingJelly, as its tutorials write them: raw, wrapped, and step by step."""

from __future__ import annotations

import pytest
import torch
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.errors import UserError
from tests.libraries.checks import FAST, PGD, STEPS, Case, check_numbers, check_spikes, digits


def raw(step_mode: str) -> nn.Module:
    """``nn.Sequential`` of SpikingJelly's layers; the training loop runs the steps, and resets."""
    net = nn.Sequential(
        layer.Conv2d(1, 6, 3, padding=1), neuron.LIFNode(v_threshold=0.5, surrogate_function=surrogate.ATan()),
        layer.MaxPool2d(2), layer.Flatten(),
        layer.Linear(96, 10), neuron.LIFNode(v_threshold=0.2, surrogate_function=surrogate.ATan()),
    )  # fmt: skip
    functional.set_step_mode(net, step_mode)
    return net


class CSNN(nn.Module):
    """The wrapped net of the convolutional tutorial: repeats its images, and leaves the reset to the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.net = raw("m")

    def forward(self, x: Tensor) -> Tensor:
        fired: Tensor = self.net(x.unsqueeze(0).repeat(STEPS, 1, 1, 1, 1))
        return fired.mean(0)


class Recurrent(nn.Module):
    """IF and PLIF, step by step, with feedback."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), neuron.IFNode(v_threshold=0.5), nn.MaxPool2d(2), nn.Flatten(),
            layer.LinearRecurrentContainer(neuron.ParametricLIFNode(v_threshold=0.5), 96, 96), nn.Linear(96, 10),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.net(2.0 * x) for _ in range(STEPS)]).mean(0)


CASES = {
    "raw, step mode s": Case(lambda: raw("s"), 0, neurons=2, arguments={"timesteps": STEPS}),
    "raw, step mode m": Case(lambda: raw("m"), 0, neurons=2, arguments={"timesteps": STEPS}),
    "wrapped, step mode m": Case(CSNN, 0, neurons=2, start=functional.reset_net),
    "IF and recurrent PLIF": Case(Recurrent, 0, neurons=2, start=functional.reset_net),
}


@pytest.mark.parametrize("name", CASES)
def test_spikes_are_found_and_numbers_repeat(name: str) -> None:
    check_spikes(CASES[name])
    clean, attacked = check_numbers(CASES[name], "clean", PGD)
    assert attacked < clean


def test_one_raw_net_has_the_same_numbers_in_either_step_mode() -> None:
    single, multi = raw("s").eval(), raw("m").eval()
    multi.load_state_dict(single.state_dict())
    images, labels = digits()
    one, two = (evaluate(net, images, labels, [PGD], timesteps=STEPS)[0] for net in (single, multi))
    assert one.columns["correct"].tolist() == two.columns["correct"].tolist()


def test_a_raw_net_must_say_how_many_steps() -> None:
    with pytest.raises(UserError, match="timesteps=T"):
        evaluate(raw("s"), *digits())


def test_the_attack_set_is_at_least_as_strong_as_pgd() -> None:
    attacked, fast = check_numbers(CASES["wrapped, step mode m"], PGD, FAST, count=4)
    assert fast <= attacked
