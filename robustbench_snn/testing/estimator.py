"""What every gradient estimator must satisfy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_snn.dataset.samples import Samples
from robustbench_snn.estimator.contract import Estimator, estimating
from robustbench_snn.model.neurons import NeuronConfig
from robustbench_snn.model.target import Target
from robustbench_snn.registry import estimators
from robustbench_snn.testing.results import CheckResult, check_component, require
from robustbench_snn.testing.subject import NEURON, samples_for, small_target, untouched
from robustbench_snn.testing.watching import living_tensors

NEURONS: Mapping[str, NeuronConfig] = {
    "LIF": NEURON,
    "PLIF": NEURON.model_copy(update={"type": "plif"}),
    "IF": NEURON.model_copy(update={"type": "if"}),
}


class EstimatorConformance:
    """The checks of an estimator; subclass it in a pytest file as ``Test...`` and name the component.

    Attributes:
        component: a registered name.
        parameters: YAML parameters to build it with.
    """

    component: ClassVar[str]
    parameters: ClassVar[Mapping[str, Any]] = {}

    def build(self) -> Estimator:
        """A fresh estimator."""
        estimator: Estimator = estimators.create(self.component, **self.parameters)
        return estimator

    def cases(self) -> Iterator[tuple[str, Target, Samples]]:
        """Models with LIF, PLIF and IF neurons, behind the encoder in step mode m and s."""
        for name, neuron in NEURONS.items():
            for step_mode in ("m", "s"):
                target = small_target(neuron=neuron, step_mode=step_mode)
                yield f"{name} neurons in step mode {step_mode}", target, samples_for(target)

    def test_same_logits(self) -> None:
        """The forward pass is the model's own, bit by bit."""
        for case, target, samples in self.cases():
            plain, _ = answer(target, samples)
            with estimating(target, self.build()) as estimator:
                logits, _ = answer(target, samples, estimator)
            gap = float((plain - logits).abs().max())
            require(torch.equal(plain, logits), f"{case}: the logits change by up to {gap:.3g}")

    def test_gradient(self) -> None:
        """Finite, not zero for any sample, and the model's own only if the estimator says that it replaces nothing."""
        for case, target, samples in self.cases():
            _, own = answer(target, samples)
            with estimating(target, self.build()) as estimator:
                _, gradient = answer(target, samples, estimator)
            require(bool(gradient.isfinite().all()), f"{case}: the input gradient is not finite")
            alive = (gradient != 0).flatten(1).any(1)
            require(bool(alive.all()), f"{case}: the input gradient of {int((~alive).sum())} samples is zero")
            same = torch.equal(gradient, own)
            require(not (same and estimator.replaces), f"{case}: the gradient is that of the training surrogate")
            require(same or estimator.replaces, f"{case}: another gradient than the model's own, and replaces is False")

    def test_restores_the_model(self) -> None:
        """Afterwards every part of the model is its own again, after an error inside too."""
        for case, target, samples in self.cases():
            before = answer(target, samples)
            with untouched(target), estimating(target, self.build()) as estimator:
                answer(target, samples, estimator)
            try:
                with untouched(target), estimating(target, self.build()):
                    target(samples.images(torch.arange(len(samples))))
                    raise _StopError
            except _StopError:
                pass
            after = answer(target, samples)
            same = all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
            require(same, f"{case}: logits or gradients of the model alone are others afterwards")

    def test_two_uses_agree(self) -> None:
        """A fresh estimator gives the same gradient on the same images as the one before it."""
        for case, target, samples in self.cases():
            gradients = []
            for _ in range(2):
                with estimating(target, self.build()) as estimator:
                    gradients.append(answer(target, samples, estimator)[1])
            require(torch.equal(*gradients), f"{case}: two fresh estimators give different gradients")

    def test_stateful_trait(self) -> None:
        """Declared stateless: used again it gives the same. Declared stateful: it does not, unless frozen."""
        _, target, samples = next(self.cases())
        with estimating(target, self.build()) as estimator:
            first, again = (answer(target, samples, estimator, frozen=False)[1] for _ in range(2))
            kept = answer(target, samples, estimator, frozen=True)[1]
            last = answer(target, samples, estimator, frozen=True)[1]
        declared, same = type(self.build()).stateful, torch.equal(first, again)
        require(same != declared, f"declared stateful={declared}, but a second use on the same images gives "
                f"{'the same gradient' if same else 'another gradient'}")  # fmt: skip
        require(torch.equal(kept, last), "rows(..., frozen=True) does not keep what is known as it is")

    def test_independent_of_batch_mates(self) -> None:
        """A sample's gradient depends on its own spikes."""
        for case, target, samples in self.cases():
            gradients = []
            for part in (samples, samples.subset(torch.tensor([3, 5]))):
                with estimating(target, self.build()) as estimator:
                    gradients.append(answer(target, part, estimator)[1])
            same = torch.equal(gradients[0][[3, 5]], gradients[1])
            require(same, f"{case}: the gradient of a sample changes with the other samples of its batch")

    def test_keeps_nothing(self) -> None:
        """Gradients that are done leave no tensors behind: attacks ask for thousands of them."""
        for case, target, samples in islice(self.cases(), 2):  # one kind of neuron, in both step modes
            with estimating(target, self.build()) as estimator:
                kept = []
                for uses in (2, 3):  # what is made once, for whatever comes, is there after two
                    for _ in range(uses):
                        answer(target, samples, estimator, frozen=False)
                    kept.append(living_tensors())
            require(
                kept[1] <= kept[0], f"{case}: {kept[1] - kept[0]} more tensors are alive after three more gradients"
            )


class _StopError(Exception):
    """Raised inside on purpose."""


def answer(
    target: Target, samples: Samples, estimator: Estimator | None = None, *, frozen: bool = True
) -> tuple[Tensor, Tensor]:
    """Logits (B, K) and the input gradient (B, C, H, W) of the cross-entropy, under the estimator in force."""
    leaf = samples.images(torch.arange(len(samples))).clone().requires_grad_()
    with target.frozen(), torch.enable_grad():
        if estimator is None:
            logits = target(leaf)
        else:
            with estimator.rows(torch.arange(len(samples)), frozen=frozen):
                logits = target(leaf)
        loss = F.cross_entropy(logits, samples.labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, leaf)
    return logits.detach(), gradient


def check_estimator(component: str, **parameters: Any) -> list[CheckResult]:
    """Runs every check of :class:`EstimatorConformance`; one result a check, in alphabetical order.

    Args:
        component: a registered name.
        **parameters: YAML parameters to build it with.
    """
    return check_component(EstimatorConformance, "estimator", component, parameters)
