"""Where a model makes its spikes, found by running it: whoever wrote it, and however."""

from __future__ import annotations

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch
from spikingjelly.activation_based.neuron import (
    IFNode,
    LIFNode,
    ParametricLIFNode,
    SimpleIFNode,
    SimpleLIFNode,
)
from torch import Tensor, nn

from robustbench_snn.errors import UserError
from robustbench_snn.estimator.noting import Notes, probe_streams
from robustbench_snn.estimator.reach import Axes, Reached, others_than
from robustbench_snn.model.target import Target, Through

LIF = (LIFNode, ParametricLIFNode, IFNode, SimpleLIFNode, SimpleIFNode)
_known: WeakKeyDictionary[nn.Module, dict[bool, Census]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Census:
    """Where a model makes its spikes.

    Attributes:
        reached: what an estimator reaches.
        steps: steps of plain tensor operations that the gradient by the images meets: comparisons, roundings.
        squashed: the logits are the argmax, a rounding or a squashing of something.
        unreached: names of the modules that make spikes which no estimator reaches, in order.
        cut: passing through what cuts the gradient reaches more than leaving it.
        spikes: slopes that an estimator gives in one forward pass, beyond those of swapped neurons.
    """

    reached: Reached = field(default_factory=Reached)
    steps: int = 0
    squashed: bool = False
    unreached: tuple[str, ...] = ()
    cut: bool = False
    spikes: int = 0

    def swapped_by(self, lif_only: bool) -> list[nn.Module]:
        """The neurons that an estimator is applied to.

        Raises:
            UserError: where an estimator needs LIF neurons, and the model fires by others too.
        """
        if lif_only and not self.lif:
            other = [type(module).__name__ for module in self.reached.neurons if type(module) not in LIF]
            what = other[0] if other else "spikes made outside of SpikingJelly's neurons"
            raise UserError(f"this estimator is defined for LIF, PLIF and IF neurons, not for {what}; leave it out")
        return list(self.reached.neurons)

    @property
    def lif(self) -> bool:
        """Whether all spikes are those of LIF, PLIF and IF neurons; a subclass may differ from its base."""
        return not self.spikes and all(type(module) in LIF for module in self.reached.neurons)

    @property
    def spiking(self) -> bool:
        """Whether an estimator finds anything to act on."""
        return bool(self.reached.neurons or self.reached.firings or self.spikes)

    @property
    def beyond(self) -> bool:
        """Whether there is more to do than to swap surrogate functions of neurons."""
        return bool(self.reached.firings or self.steps or self.squashed)


def census_of(target: Target, images: Tensor | None) -> Census | None:
    """The census of a model, taken at its first use.

    Args:
        target: the model, in the mode in which it is attacked.
        images: (B, C, H, W), a few typical ones; None takes no census.
    """
    known = _known.setdefault(target.model, {})
    mode = target.model.training
    if mode not in known and images is not None:
        known[mode] = take(target, images)
    return known.get(mode)


def take(target: Target, images: Tensor) -> Census:
    """Runs the model twice, once as it is and once through what cuts its gradient, and notes every step.

    Where spikes are made outside of SpikingJelly's neurons, it is run at another batch size too: see :func:`_axes`.

    Raises:
        UserError: if the model runs only without a gradient, or holds TorchScript.
    """
    if any(isinstance(module, torch.jit.ScriptModule) for module in target.model.modules()):
        raise UserError(
            f"{type(target.model).__name__} holds TorchScript, into which nothing can look: pass the module that it "
            "was scripted or traced from. Only attacks that need no gradient can be tried: square, rays, spsa, noise"
        )
    if target.one_at_a_time:
        images = images[:1]
    with torch.no_grad():
        target(images, probe_streams(images))  # whatever a model does at its first call only
    plain = Notes(target, Through.NO)
    try:
        plain.run(images)
    except RuntimeError as error:
        raise UserError(
            f"{type(target.model).__name__} cannot be run with a gradient recorded: {error} Only attacks that need no "
            "gradient can be tried: square, rays, spsa, noise"
        ) from error
    try:
        through = Notes(target, Through.ALL)
        through.run(images)
    except RuntimeError:  # what was detached for a reason, such as a change in place, has no gradient
        through = plain
    swapped = set(plain.swappable)
    more = [
        here.place
        for here, there in zip(plain.events, through.events, strict=False)
        if there.depends and not here.depends and not here.stack & swapped
    ]
    found = plain.firings()
    straight = {kind: place for kind, place in plain.straight.items() if kind not in found and place is not None}
    return Census(
        reached=Reached(found, straight, frozenset(swapped), _axes(through, images)),
        steps=plain.steps,
        squashed=plain.squashed or through.squashed,
        unreached=tuple(dict.fromkeys([*plain.unseen(), *more])),
        cut=bool(through.cuts or straight or more) or _hooked(target.model),
        spikes=len(plain.sloped),
    )


def _axes(few: Notes, images: Tensor) -> Axes:
    """Which dimension holds the samples, where spikes are made: the one that grows with the batch.

    Sizes alone do not tell it: T may be the size of a batch, or a multiple of it.
    """
    target, batch = few.target, few.batch
    if target.one_at_a_time or not few.sloped:
        return {}
    many = Notes(target, few.through)
    try:
        many.run(images[torch.arange(batch + 1) % len(images)])  # the target pads it to the next size
    except Exception:  # a model of one batch size, which may say so by any error
        return {}
    found: dict[tuple[str, int], set[tuple[int, tuple[int, ...]]]] = {}
    for here, there in zip(few.sloped, many.sloped, strict=False):
        if (here.place, len(here.shape)) != (there.place, len(there.shape)):
            return {}  # what it does changes with the batch
        grown = [axis for axis, size in enumerate(here.shape) if there.shape[axis] != size]
        if len(grown) == 1 and there.shape[grown[0]] * batch == here.shape[grown[0]] * many.batch:
            known = found.setdefault((here.place, len(here.shape)), set())
            known.add((grown[0], others_than(grown[0], here.shape)))
    return found


def _hooked(model: nn.Module) -> bool:
    """Whether some module changes gradients as they pass."""
    return any(module._backward_hooks or module._backward_pre_hooks for module in model.modules())
