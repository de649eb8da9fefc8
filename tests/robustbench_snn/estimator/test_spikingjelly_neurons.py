"""Every neuron of SpikingJelly 2 works under every kind of estimator, or is refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from spikingjelly.activation_based import neuron
from spikingjelly.activation_based.neuron.few_spike import FewSpikeTable
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.api import Result
from robustbench_snn.errors import UserError
from robustbench_snn.estimator.census import LIF, take
from robustbench_snn.model.target import Target

STEPS, WIDTH = 4, 16
IMAGES = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(0))

ABSTRACT = {
    "AdaptBaseNode", "BaseNode", "ILCBaseNode", "MPBNBaseNode", "NoisyBaseNode", "NoisyILCBaseNode",
    "NoisyNonSpikingBaseNode", "NonSpikingBaseNode", "SimpleBaseNode",
}  # fmt: skip
"""They only say what their subclasses share."""
NO_LAYER = {
    "FlexSN": "built from a function of the user's",
    "HGNode": "routes between tables of few-spike neurons",
    "OutlierAwareThresholdNode": "splits between tables of few-spike neurons",
    "NoisyNonSpikingIFNode": "has no spikes",
    "NonSpikingIFNode": "has no spikes",
    "NonSpikingLIFNode": "has no spikes",
}
CODE = torch.tensor([1.0, 0.5, 0.25, 0.125])
TABLE = FewSpikeTable(theta=CODE, h=CODE, d=CODE)
BUILT: Mapping[str, Callable[[], Any]] = {
    "DSRIFNode": lambda: neuron.DSRIFNode(T=STEPS),
    "DSRLIFNode": lambda: neuron.DSRLIFNode(T=STEPS),
    "FewSpikeNode": lambda: neuron.FewSpikeNode(TABLE, step_mode="m"),
    "GatedLIFNode": lambda: AsImage(neuron.GatedLIFNode(T=STEPS, inplane=WIDTH, step_mode="m")),
    "ILCCUBALIFNode": lambda: neuron.ILCCUBALIFNode(1, WIDTH),
    "ILCIFNode": lambda: neuron.ILCIFNode(1, WIDTH),
    "ILCLIFNode": lambda: neuron.ILCLIFNode(1, WIDTH),
    "LIAFNode": lambda: neuron.LIAFNode(torch.relu, threshold_related=False, step_mode="m"),
    "MPBNLIFNode": lambda: neuron.MPBNLIFNode(out_features=WIDTH, step_mode="m"),
    "MaskedPSN": lambda: neuron.MaskedPSN(k=2, T=STEPS, step_mode="m"),
    "NoisyCUBALIFNode": lambda: neuron.NoisyCUBALIFNode(WIDTH, T=STEPS, is_training=False),
    "NoisyILCCUBALIFNode": lambda: neuron.NoisyILCCUBALIFNode(1, WIDTH, T=STEPS, is_training=False),
    "OTTTLIFNode": lambda: neuron.OTTTLIFNode(step_mode="s"),
    "PSN": lambda: neuron.PSN(T=STEPS),
    "SLTTLIFNode": lambda: neuron.SLTTLIFNode(step_mode="s"),
    "STBIFNode": lambda: neuron.STBIFNode(q_threshold=1.0, level=8, step_mode="m"),
    "SimpleLIFNode": lambda: neuron.SimpleLIFNode(2.0, True, step_mode="m"),
    "SlidingPSN": lambda: neuron.SlidingPSN(k=2, step_mode="m"),
}
OWN_GRADIENT = {"DSRIFNode", "DSRLIFNode", "ILIFNode", "LIAFNode"}
"""Not spikes of one membrane: estimators leave them their own backward pass."""


NO_GRADIENT = {"STBIFNode"}
"""SpikingJelly refuses to run them with a gradient recorded."""


class AsImage(nn.Module):
    """Takes a layer of features for an image of one pixel."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, drive: Tensor) -> Tensor:
        spikes: Tensor = self.layer(drive[..., None, None])
        return spikes.flatten(2)


class Net(nn.Module):
    """One layer of neurons between two linear layers."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.drive, self.read = nn.Linear(16, WIDTH), nn.Linear(WIDTH, 5)
        self.layer = layer

    def forward(self, images: Tensor) -> Tensor:
        drive = 3.0 * self.drive(images.flatten(1))
        if getattr(self.layer, "step_mode", "m") == "m":
            spikes = self.layer(drive.expand(STEPS, *drive.shape).contiguous())
        else:
            spikes = torch.stack([self.layer(drive) for _ in range(STEPS)])
        logits: Tensor = self.read(spikes.float()).mean(0)
        return logits


def names() -> list[str]:
    kinds = {
        name: kind for name, kind in vars(neuron).items() if isinstance(kind, type) and issubclass(kind, nn.Module)
    }
    return sorted(set(kinds) - ABSTRACT - set(NO_LAYER))


def build(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name in BUILT:
            layer: nn.Module = BUILT[name]()
        else:
            layer = getattr(neuron, name)()
            if name != "CUBALIFNode":  # it has no choice of step mode
                layer.step_mode = "m"  # type: ignore[assignment]
        return Net(layer).eval()


def attacked(name: str, entry: Mapping[str, Any]) -> Result:
    """The model's own answers are the labels, so that every sample is attacked."""
    model = build(name)
    with torch.no_grad():
        labels = Target(model)(IMAGES).argmax(1)
    return evaluate(model, IMAGES, labels, [entry])[0]


@pytest.mark.parametrize("name", names())
def test_it_works_or_is_refused_with_a_reason(name: str) -> None:
    if name in NO_GRADIENT:
        with pytest.raises(UserError, match="cannot be run with a gradient"):
            attacked(name, {"pgd": {"eps": 0.3, "steps": 2}})
        assert attacked(name, {"attack": {"attack": "square", "eps": 0.5}}).accuracy < 1.0
        return
    census = take(Target(build(name)), IMAGES)
    assert census.unreached == (("layer",) if name == "ILIFNode" else ()), "a fused kernel of several levels is named"
    assert census.spiking or name in OWN_GRADIENT
    for estimator in ("training", "assg", "pdsg", {"atan": {"alpha": 10.0}}, "rga"):
        entry = {"pgd": {"eps": 0.3, "steps": 2, "loss": "margin", "estimator": estimator}}
        others = any(type(layer) not in LIF for layer in census.reached.neurons) or census.spikes
        if estimator == "rga" and others:
            with pytest.raises(UserError, match="LIF, PLIF and IF"):
                attacked(name, entry)
            continue
        found = attacked(name, entry)
        assert found.metrics["clean_accuracy"] > 0.0
        assert len(found.details["stages"]) == 1


def test_each_class_is_known() -> None:
    assert set(NO_LAYER) | ABSTRACT <= set(vars(neuron)), "a name that SpikingJelly no longer has"
    assert set(BUILT) <= set(names())
