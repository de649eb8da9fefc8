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
from robustbench_snn.estimator.census import Census, census_of
from robustbench_snn.estimator.noting import probe_streams
from robustbench_snn.estimator.reach import Reach, Slope, Slopes
from robustbench_snn.estimator.surrogate import ReplacedSpike, own_slope
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
    needs_lif: ClassVar[bool] = False
    """Whether it is defined for LIF, PLIF and IF neurons of SpikingJelly alone."""
    replaces: ClassVar[bool] = True
    """Whether it puts another backward pass in place of the model's own."""

    @abstractmethod
    def applied(self, neuron: nn.Module) -> AbstractContextManager[None]:
        """Replaces the backward pass of one layer of neurons while inside."""

    def reach(self, target: Target, census: Census) -> Reach | None:
        """What acts on the spikes that no neuron of SpikingJelly makes; None where there is nothing to do.

        The model's own gradient is helped where it has none: a rounding passes it straight through, a comparison
        takes the surrogate function of the neuron around it, or ATan(2).
        """
        if not (census.steps or census.squashed or target.through):
            return None
        return Reach(target, census.reached, None, own_slope, through=target.through)

    def rows(self, rows: Tensor, *, frozen: bool) -> AbstractContextManager[None]:
        """The next forward pass is of these rows of the active set; ``frozen`` for repeated EOT draws."""
        return nullcontext()


class SpikeEstimator(Estimator):
    """Replaces the derivative of the spike by the membrane potential, and keeps it out of the spike's own reset.

    A reset left in the graph carries the replaced slope back into the membrane, where it does harm: see
    :mod:`robustbench_snn.estimator.own_reset`.
    """

    @abstractmethod
    def derivative(self, membrane: Tensor) -> Tensor:
        """What stands for ds/du at u = membrane potential - threshold, of any shape."""

    def slopes(self) -> Slope:
        """The slope of one place where spikes are made: u (B, ...) and the step, from 0, to ds/du."""
        return lambda membrane, step: self.derivative(membrane)

    def reach(self, target: Target, census: Census) -> Reach | None:
        """See :meth:`Estimator.reach`: every spike takes this estimator's slope."""
        if not (census.beyond or target.through):
            return None
        slopes: Slopes = lambda layer: self.slopes()  # noqa: E731
        return Reach(target, census.reached, slopes, slopes, through=target.through)

    def surrogate(self, neuron: nn.Module) -> nn.Module:
        """The surrogate function to swap in: u to spikes; SpikingJelly's own where it has a fused kernel."""
        return ReplacedSpike(self.derivative)

    def applied(self, neuron: nn.Module) -> AbstractContextManager[None]:
        """See :meth:`Estimator.applied`."""
        return _sloped(neuron, self.surrogate(neuron))


@contextmanager
def _sloped(neuron: nn.Module, surrogate: nn.Module) -> Iterator[None]:
    with swapped(neuron, "surrogate_function", surrogate), swapped(neuron, "detach_reset", True):
        yield


class TemporalEstimator(Estimator, TemporalBackward):
    """Replaces the backward pass of a layer of neurons over all steps at once."""

    needs_lif: ClassVar[bool] = True

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

    It acts on SpikingJelly's neurons, on every autograd Function whose output is a Heaviside step (or a staircase) of
    an argument, and on comparisons, signs and roundings of plain tensor operations. Other threads that run the same
    model wait until the estimator is out of force.

    Args:
        target: the model; one without spikes is left as it is.
        spec: name, name with parameters, or the estimator itself.
        probe: a few images (B, C, H, W); on the first use with this model its spikes are looked for, its logits with
            and without the estimator are compared bit by bit, and the slopes that it gives are counted. Without a
            census of the model, only SpikingJelly's neurons are reached.
        parameters: of the estimator, when ``spec`` is a name.

    Raises:
        UserError: if the estimator is unknown, would change the logits, or does not fit the model's neurons.

    Example:
        >>> with estimating(target, "atan", alpha=10.0):  # doctest: +SKIP
        ...     loss(target(images), labels).sum().backward()
    """
    if isinstance(spec, Estimator):
        estimator = spec
    else:
        estimator = make({spec: parameters} if isinstance(spec, str) and parameters else spec)
    with lock_of(target.model):
        census = census_of(target, probe)
        before = None if probe is None or _seen(target, estimator, census) else _logits(target, probe)
        if before is not None and probe is not None and not torch.equal(before, _logits(target, probe)):
            raise UserError(
                f"{type(target.model).__name__} gives other logits for the same images a second time: it draws random "
                "numbers (declare it stochastic) or keeps state that reset does not clear"
            )
        with ExitStack() as stack:
            for neuron in target.neurons if census is None else census.swapped_by(estimator.needs_lif):
                stack.enter_context(estimator.applied(neuron))
            reach = None if census is None else estimator.reach(target, census)
            if reach is not None:
                stack.enter_context(reach.in_force())
            if before is not None and probe is not None:
                _assert_same(target, estimator, before, _logits(target, probe, estimator))
                _assert_used(target, estimator, census, reach)
            yield estimator


def _seen(target: Target, estimator: Estimator, census: Census | None) -> bool:
    if census is None or not (census.reached.neurons or census.beyond):
        return True  # nothing is swapped
    return _name(target, estimator) in _checked.get(target.model, ())


def _name(target: Target, estimator: Estimator) -> str:
    return f"{type(estimator).__qualname__} {target.device} {target.through}"


def _logits(target: Target, probe: Tensor, estimator: Estimator | None = None) -> Tensor:
    """Logits by the code path that a gradient takes: kernels may differ without one."""
    rows = torch.arange(len(probe), device=probe.device)
    if target.one_at_a_time and len(probe) > 1:
        return torch.cat([_logits(target, probe[row : row + 1], estimator) for row in range(len(probe))])
    with torch.enable_grad(), nullcontext() if estimator is None else estimator.rows(rows, frozen=True):
        return target(probe.detach().requires_grad_(), probe_streams(probe)).detach()


def _assert_used(target: Target, estimator: Estimator, census: Census | None, reach: Reach | None) -> None:
    """Every spike that the census saw has been given a slope, once."""
    counts = isinstance(estimator, SpikeEstimator) and not target.through  # a cut may hide more spikes
    if counts and census is not None and reach is not None and reach.given != census.spikes:
        raise UserError(
            f"{type(estimator).__name__} gave {reach.given} slopes in a forward pass of {type(target.model).__name__}, "
            f"in which {census.spikes} spikes were seen: its forward pass changes from call to call, and an attack "
            "under this estimator could follow the model's own gradient"
        )
    _checked.setdefault(target.model, set()).add(_name(target, estimator))


def _assert_same(target: Target, estimator: Estimator, before: Tensor, after: Tensor) -> None:
    if not torch.equal(before.nan_to_num(), after.nan_to_num()):
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
