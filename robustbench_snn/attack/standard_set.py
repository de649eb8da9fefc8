"""The standard SNN attack set: its members, in order, for each tier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from robustbench_snn.attack.cascade import Stage
from robustbench_snn.attack.stages import stage
from robustbench_snn.registry import attacks, estimators
from robustbench_snn.registry.spec import component_spec

Tier = Literal["quick", "fast", "standard", "extended"]
SET_VERSION = 3
"""Raised whenever the members of ``standard``, or when they run, change."""
NOT_FOR_PUBLICATION: tuple[Tier, ...] = ("quick", "fast")


@dataclass(frozen=True)
class Member:
    """An attack, its parameters and its backward pass.

    Attributes:
        seed_label: what its random streams follow from; part of the set's version.
        attack: name of the attack.
        parameters: of the attack.
        estimator: the backward pass.
    """

    seed_label: str
    attack: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    estimator: str | Mapping[str, Any] = "training"

    @property
    def identity(self) -> str:
        """What it does, and from which start."""
        return repr((self.seed_label, self.attack, sorted(self.parameters.items()), component_spec(self.estimator)))

    @property
    def needs_lif(self) -> bool:
        """Whether its estimator is defined for LIF, PLIF and IF neurons alone."""
        return bool(estimators.get(component_spec(self.estimator).name).implementation.needs_lif)

    @property
    def blind(self) -> bool:
        """Whether the attack needs no gradient."""
        return not attacks.declaration(self.attack).traits.gradient

    def components(self) -> Iterable[tuple[str, str]]:
        """Kind and name of what it is made of."""
        return [("attacks", self.attack), ("estimators", component_spec(self.estimator).name)]

    def stage(self) -> Stage:
        """Builds it."""
        estimator = None if self.blind else component_spec(self.estimator)
        return stage(self.seed_label, attacks.create(self.attack, **self.parameters), estimator)


def _sa_pgd(name: str, steps: int, estimator: str | Mapping[str, Any], **parameters: Any) -> Member:
    return Member(f"sa_pgd-{steps} {name}", "sa_pgd", {"steps": steps, **parameters}, estimator)


def _assg(level: float) -> Mapping[str, Any]:
    return {"assg": {"level": level}}


def doubled(steps: int, *, spiking: bool = True) -> Member:
    """A member of the convergence rule: cross-entropy at one level of ASSG, the margin at another, by turns."""
    if (steps // 100).bit_length() % 2 == 0:  # 200, 800, ...
        return _fitted(_sa_pgd("assg", steps, _assg(0.45)), spiking)
    return _fitted(_sa_pgd("assg-0.425, margin", steps, _assg(0.425), loss="margin"), spiking)


_FIRST = Member("pgd-10", "pgd", {"steps": 10})
_SQUARE = Member("square-5000", "square", {"queries": 5000})

_FAST = (
    _FIRST,
    _sa_pgd("assg", 50, _assg(0.45)),
    _sa_pgd("atan-10", 50, {"atan": {"alpha": 10.0}}),
    Member("square-500", "square", {"queries": 500}),
)

_STANDARD = (
    _FIRST,
    _sa_pgd("assg", 100, _assg(0.45)),
    _sa_pgd("assg, restart 2", 100, _assg(0.45)),
    _sa_pgd("assg, margin", 100, _assg(0.45), loss="margin"),
    _sa_pgd("assg-0.425", 100, _assg(0.425)),
    _sa_pgd("atan-10, margin", 100, {"atan": {"alpha": 10.0}}, loss="margin"),
    _sa_pgd("assg, targeted", 50, _assg(0.45), loss="targeted"),
    Member("apgd_ce-100", "apgd_ce", {"steps": 100}),
)

_MORE: tuple[tuple[str, str | Mapping[str, Any]], ...] = (
    ("atan-0.5", {"atan": {"alpha": 0.5}}),
    ("atan-2", {"atan": {"alpha": 2.0}}),
    ("atan-5", {"atan": {"alpha": 5.0}}),
    ("triangle-0.5", {"triangle": {"gamma": 0.5}}),
    ("triangle-1", {"triangle": {"gamma": 1.0}}),
    ("triangle-2", {"triangle": {"gamma": 2.0}}),
    ("rectangle-1", {"rectangle": {"width": 1.0}}),
    ("rectangle-2", {"rectangle": {"width": 2.0}}),
    ("sigmoid-4", {"sigmoid": {"alpha": 4.0}}),
    ("pdsg", "pdsg"),
    ("hart triangle-2", {"hart": {"gamma": 2.0}}),
    ("hart atan-2", {"hart": {"surrogate": "atan", "alpha": 2.0}}),
    ("training", "training"),
)


def members(tier: Tier, *, spiking: bool = True, lif: bool = True) -> tuple[Member, ...]:
    """The cascade of a tier, without the convergence rule and what follows it.

    ``standard`` is frozen as version 3 of the set: a change makes a new version.

    Args:
        tier: which.
        spiking: False for a model without spikes, on which no estimator has an effect: members that differ in nothing
            else are then one.
        lif: False for a model with other neurons than LIF, PLIF and IF: estimators of those alone are left out.
    """
    match tier:
        case "quick":
            chosen: tuple[Member, ...] = (_FIRST,)
        case "fast":
            chosen = _FAST
        case "standard":
            chosen = _STANDARD
        case "extended":
            wide = tuple(_sa_pgd(name, 1000, spec) for name, spec in (("assg", _assg(0.45)), *_MORE))
            chosen = (*_STANDARD, *wide)
    fitted = [_fitted(member, spiking) for member in chosen if lif or not spiking or not member.needs_lif]
    return tuple({member.identity: member for member in reversed(fitted)}.values())[::-1]  # the first of each


def last(tier: Tier) -> tuple[Member, ...]:
    """What follows the convergence rule: Square, the slowest, on what nothing else broke."""
    return (_SQUARE,) if tier in ("standard", "extended") else ()


def again(member: Member, start: int) -> Member:
    """The same member from another random stream; starts count from 1, the first of which is the member itself."""
    return member if start == 1 else replace(member, seed_label=f"{member.seed_label}, restart {start}")


def _fitted(member: Member, spiking: bool) -> Member:
    """The member for a model without spikes: under the model's own gradient, and called so."""
    if spiking or member.estimator == "training":
        return member
    loss = member.parameters.get("loss")
    label = f"{member.attack}-{member.parameters['steps']}{f' {loss}' if loss else ''}"
    return replace(member, seed_label=label, estimator="training")
