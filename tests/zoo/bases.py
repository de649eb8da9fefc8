"""Trained weights of the zoo, shared by all entries of one base."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from spikingjelly.activation_based import neuron
from torch import Tensor, nn

from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.neurons import reset
from robustbench_snn.model.task import Task
from robustbench_snn.registry import backbones, encoders
from robustbench_snn.training.adversarial import AdversarialConfig, adversarial_loss
from tests import attack_models
from tests.attack_models import ConvLIF, digits
from tests.zoo.bodies import Attentive, Complementary, OneStep, Rated, StraightBinary
from tests.zoo.handwritten import Detached, SoftReset

CACHE = "RBSNN_ZOO_CACHE"
"""Environment variable that names a folder for trained weights; without it they live as long as the process."""
TRAINING = 1300
"""The first so many digits are for training, see ``attack_models.held_out``."""


@dataclass(frozen=True)
class Recipe:
    """How a base is made: an untrained model, epochs, the radius of adversarial training (0: none), learning rate."""

    make: Callable[[], nn.Module]
    epochs: int = 8
    eps: float = 0.0
    rate: float = 4e-3


def body(node: Callable[..., nn.Module], mode: str = "m", width: int = 8) -> ConvLIF:
    """The body of most entries with other neurons."""
    return ConvLIF(mode, width, cast("type[nn.Module]", node))


def node(kind: Callable[..., nn.Module], *left_out: str, **fixed: Any) -> Callable[..., nn.Module]:
    """Neurons of a class that takes other arguments than the body gives."""

    def make(**given: Any) -> nn.Module:
        return kind(**{name: value for name, value in given.items() if name not in left_out} | fixed)

    return make


def relu(**_: Any) -> nn.Module:
    """No spikes: the ANN twin."""
    return nn.ReLU()


def packaged(encoder: str, backbone: str) -> Classifier:
    """A small model of this package."""
    built = backbones.create(
        backbone, Task(1, 8, 8, 10, 4, (0.3,), (0.35,)), depth=1, width=64, heads=2, pooling="0011"
    )
    return Classifier(encoders.create(encoder, built.stem), built, 4)


_all = ("surrogate_function", "detach_reset")
NEURONS: dict[str, Callable[..., nn.Module]] = {
    "if": neuron.IFNode,
    "plif": neuron.ParametricLIFNode,
    "psn": node(neuron.PSN, "detach_reset", "step_mode", T=4),
    "gated_lif": node(neuron.GatedLIFNode, "detach_reset", T=4),
    "masked_psn": node(neuron.MaskedPSN, "detach_reset", k=2, T=4, lambda_init=1.0),
    "sliding_psn": node(neuron.SlidingPSN, "detach_reset", k=2),
    "integer_lif": node(neuron.ILIFNode, *_all),
    "ternary_lif": neuron.TernaryLIFNode,
    "ternary_if": neuron.TernaryIFNode,
    "klif": neuron.KLIFNode,
    "qif": neuron.QIFNode,
    "eif": neuron.EIFNode,
    "resonate_and_fire": neuron.RAFNode,
    "izhikevich": neuron.IzhikevichNode,
    "half_threshold_if": node(neuron.HalfThresholdIFNode),
    "simple_lif": node(neuron.SimpleLIFNode, tau=2.0, decay_input=True),
}
"""Library neurons by the name of their base."""

RECIPES: dict[str, Recipe] = {
    **{name: Recipe(partial(body, made)) for name, made in NEURONS.items()},
    "complementary_lif": Recipe(partial(body, Complementary)),
    "sltt_lif": Recipe(partial(body, OneStep, "s")),
    "lif": Recipe(ConvLIF),
    "wide": Recipe(partial(ConvLIF, width=24)),
    "adversarial": Recipe(ConvLIF, 12, 0.1),
    "relu": Recipe(partial(body, relu)),
    "relu_adversarial": Recipe(partial(body, relu), 12, 0.1),
    "soft_reset": Recipe(partial(body, SoftReset)),
    "attentive": Recipe(Attentive),
    "rated": Recipe(Rated),
    "binary": Recipe(lambda: StraightBinary(ConvLIF())),
    "detached": Recipe(partial(body, Detached)),
    "spikformer": Recipe(partial(packaged, "direct", "spikformer"), rate=2e-3),
    "tdformer": Recipe(partial(packaged, "direct", "tdformer"), 12, rate=2e-3),
    "stf": Recipe(partial(packaged, "stf_tf_only", "spikformer"), rate=2e-3),
}


def trained(name: str) -> nn.Module:
    """A fresh copy of a base, trained, in eval mode."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = RECIPES[name].make()
    model.load_state_dict(_state(name))
    return model.eval()


def conv_lif(mode: str = "m") -> ConvLIF:
    """The base that most masks are put round."""
    model = ConvLIF(mode)
    model.load_state_dict(_state("lif"))
    return model.eval()


def dressed(node: Callable[..., nn.Module], base: str = "lif", mode: str = "m") -> nn.Module:
    """The weights of a base, in a body of other neurons that fire alike."""
    model = body(node, mode)
    model.load_state_dict(_state(base), strict=False)
    return model.eval()


@cache
def _state(name: str) -> dict[str, Tensor]:
    folder = os.environ.get(CACHE)
    if not folder:
        return _train(name)
    here = Path(__file__)
    sources = (here, here.with_name("bodies.py"), here.with_name("handwritten.py"), Path(attack_models.__file__))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    path = Path(folder) / f"{name}-{digest}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({key: value.contiguous() for key, value in _train(name).items()}, path)
    return load_file(path)


def _train(name: str) -> dict[str, Tensor]:
    if name == "lif":
        return attack_models.trained_state()
    recipe, (images, labels) = RECIPES[name], digits()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = recipe.make().train()
        learn(model, images[:TRAINING], labels[:TRAINING], recipe)
    return model.state_dict()


def learn(model: nn.Module, images: Tensor, labels: Tensor, recipe: Recipe) -> None:
    """Adam under one cycle of the learning rate; the radius of adversarial training grows over half the epochs."""
    batches = -(-len(images) // 64) * recipe.epochs
    optimizer = torch.optim.Adam(model.parameters(), recipe.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=batches)
    for epoch in range(recipe.epochs):
        eps = recipe.eps * epoch * 2 / recipe.epochs
        for rows in torch.randperm(len(images)).split(64):
            model.train()
            reset(model)
            optimizer.zero_grad()
            if eps:
                config = AdversarialConfig(eps=min(eps, recipe.eps), steps=3, alpha=min(eps, recipe.eps) / 2)
                loss = adversarial_loss(model, images[rows], labels[rows], config)
            else:
                loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            schedule.step()


__all__ = ["NEURONS", "RECIPES", "body", "conv_lif", "dressed", "node", "trained"]
