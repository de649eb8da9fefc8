"""Gradient estimators: other backward passes for the very same forward pass.

A spike has no useful derivative, so an attack must put something in its place; a model's own training surrogate is
one choice among many, and often a poor one for an attacker. Swapping it never changes a logit, which is asserted
when a model first meets an estimator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from robustbench_snn.errors import UserError
from robustbench_snn.estimator.surrogate import ReplacedSpike
from robustbench_snn.estimator.temporal import TemporalBackward, TimeRecord, replaced_backward
from robustbench_snn.model.swapping import swapped
from robustbench_snn.model.target import Target, lock_of
from robustbench_snn.parameters import Parameterized
from robustbench_snn.registry import estimators
from robustbench_snn.registry.spec import ComponentSpec, component_spec

E_ = TypeVar("E_", bound="type[Estimator]")

_checked: WeakKeyDictionary[nn.Module, set[str]] = WeakKeyDictionary()


def register_estimator(
    name: str, *, version: int, presets: Mapping[str, Mapping[str, Any]] | None = None
) -> Callable[[E_], E_]:
    """Puts an estimator class under ``name``; literals only."""
    return estimators.register(name, version=version, presets=presets)


class Estimator(Parameterized, ABC):
    """Base class of all estimators; the annotated fields of a subclass are its YAML parameters."""

    stateful: ClassVar[bool] = False
    """Whether it keeps something for each sample from one forward pass to the next."""
    replaces: ClassVar[bool] = True
    """Whether it puts another backward pass in place of the model's own."""

    @abstractmethod
    def applied(self, neuron: nn.Module) -> AbstractContextManager[None]:
        """Replaces the backward pass of one layer of neurons while inside."""

    def rows(self, rows: Tensor, *, frozen: bool) -> AbstractContextManager[None]:
        """The next forward pass is of these rows of the active set; ``frozen`` for repeated EOT draws."""
        return nullcontext()


class SpikeEstimator(Estimator):
    """Replaces the derivative of the spike by the membrane potential."""

    @abstractmethod
    def derivative(self, membrane: Tensor) -> Tensor:
        """What stands for ds/du at u = membrane potential - threshold, of any shape."""

    def surrogate(self, neuron: nn.Module) -> nn.Module:
        """The surrogate function to swap in: u to spikes; SpikingJelly's own where it has a fused kernel."""
        return ReplacedSpike(self.derivative)

    def applied(self, neuron: nn.Module) -> AbstractContextManager[None]:
        """See :meth:`Estimator.applied`."""
        return swapped(neuron, "surrogate_function", self.surrogate(neuron))


class TemporalEstimator(Estimator, TemporalBackward):
    """Replaces the backward pass of a layer of neurons over all steps at once."""

    def applied(self, neuron: nn.Module) -> AbstractContextManager[None]:
        """See :meth:`Estimator.applied`."""
        return replaced_backward(neuron, self)


def make(spec: ComponentSpec | str | Mapping[str, Any]) -> Estimator:
    """The estimator that a suite file names.

    Raises:
        UserError: if there is none of that name, or its parameters are wrong.
    """
    estimator: Estimator = component_spec(spec).create("estimators")
    return estimator


@contextmanager
def estimating(
    target: Target,
    spec: ComponentSpec | str | Mapping[str, Any] | Estimator,
    probe: Tensor | None = None,
    **parameters: Any,
) -> Iterator[Estimator]:
    """Puts an estimator in force for a model while inside; the model is restored even on error.

    Other threads that run the same model wait until the estimator is out of force.

    Args:
        target: the model; one without spiking neurons is left as it is.
        spec: name, name with parameters, or the estimator itself.
        probe: a few images (B, C, H, W); on the first use with this model its logits with and without the
            estimator are compared bit by bit.
        parameters: of the estimator, when ``spec`` is a name.

    Raises:
        UserError: if the estimator is unknown, or would change the logits.

    Example:
        >>> with estimating(target, "atan", alpha=10.0):  # doctest: +SKIP
        ...     loss(target(images), labels).sum().backward()
    """
    if isinstance(spec, Estimator):
        estimator = spec
    else:
        estimator = make({spec: parameters} if isinstance(spec, str) and parameters else spec)
    with lock_of(target.model):
        before = None if probe is None or _seen(target, estimator) else _logits(target, probe)
        if before is not None and probe is not None and not torch.equal(before, _logits(target, probe)):
            raise UserError(
                f"{type(target.model).__name__} gives other logits for the same images a second time: it draws random "
                "numbers (declare it stochastic) or keeps state that reset does not clear"
            )
        with ExitStack() as stack:
            for neuron in target.neurons:
                stack.enter_context(estimator.applied(neuron))
            if before is not None and probe is not None:
                with watching(target) as idle:
                    after = _logits(target, probe, estimator)
                _assert_same(target, estimator, before, after)
                _assert_used(target, estimator, idle() if isinstance(estimator, SpikeEstimator) else [])
            yield estimator


def _seen(target: Target, estimator: Estimator) -> bool:
    if not estimator.replaces or not target.neurons:
        return True  # nothing is swapped
    return f"{type(estimator).__qualname__} {target.device}" in _checked.get(target.model, ())


def _logits(target: Target, probe: Tensor, estimator: Estimator | None = None) -> Tensor:
    """Logits by the code path that a gradient takes: kernels may differ without one."""
    from robustbench_snn.randomness import SampleRandom

    streams = SampleRandom.for_samples("probe", sample_ids=range(len(probe)), device=probe.device)
    rows = torch.arange(len(probe), device=probe.device)
    with torch.enable_grad(), nullcontext() if estimator is None else estimator.rows(rows, frozen=True):
        return target(probe.detach().requires_grad_(), streams).detach()


class _Watched(dict[str, "nn.Module | None"]):
    """The parts of a layer of neurons, counting how often it asks for its surrogate function.

    Some of SpikingJelly's layers call it, others only look up its slope: asking for it is what all have in common.
    """

    asked = 0

    def __getitem__(self, name: str) -> nn.Module | None:
        self.asked += name == "surrogate_function"
        return super().__getitem__(name)


@contextmanager
def watching(target: Target) -> Iterator[Callable[[], list[str]]]:
    """Watches which layers of neurons ask for their surrogate function while inside.

    Yields:
        A function that names those that ran and never asked.
    """
    ran: set[str] = set()
    kept: dict[str, tuple[nn.Module, dict[str, nn.Module | None]]] = {}
    with ExitStack() as hooks:
        for name, module in target.model.named_modules():
            if any(module is neuron for neuron in target.neurons):
                hooks.callback(module.register_forward_hook(lambda *_, name=name: ran.add(name)).remove)
                kept[name] = module, module._modules
        watched = {name: _Watched(parts) for name, (_, parts) in kept.items()}
        for name, (module, parts) in kept.items():
            hooks.callback(module.__dict__.__setitem__, "_modules", parts)
            module.__dict__["_modules"] = watched[name]
        yield lambda: sorted(name for name in ran if not watched[name].asked)


def _assert_used(target: Target, estimator: Estimator, idle: list[str]) -> None:
    if idle:
        raise UserError(
            f"{type(estimator).__name__} has no effect on {len(idle)} of {len(target.neurons)} layers of neurons of "
            f"{type(target.model).__name__} (first: {idle[0]}): they do not fire by their surrogate function, so an "
            "attack under this estimator would follow their own gradient; leave it out"
        )
    _checked.setdefault(target.model, set()).add(f"{type(estimator).__qualname__} {target.device}")


def _assert_same(target: Target, estimator: Estimator, before: Tensor, after: Tensor) -> None:
    if not torch.equal(before, after):
        if before.is_cuda and torch.allclose(before, after, rtol=1e-3, atol=1e-4):
            raise UserError(
                "SpikingJelly's fused GPU kernel rounds otherwise than its torch reference, which estimators run on; "
                "set the environment variable SJ_LIF_CUDA_IMPLEMENTATION (SJ_PLIF_..., SJ_IF_...) to torch, so that "
                "both are the same, and run again"
            )
        raise UserError(
            f"{type(estimator).__name__} changes the logits of {type(target.model).__name__} by up to "
            f"{float((before - after).abs().max()):.3g}: its neurons do not fire by their surrogate function, "
            "so this estimator cannot attack it; leave it out"
        )


__all__ = [
    "Estimator",
    "SpikeEstimator",
    "TemporalEstimator",
    "TimeRecord",
    "estimating",
    "make",
    "register_estimator",
]
