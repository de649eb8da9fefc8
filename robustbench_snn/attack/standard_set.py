"""The standard SNN attack set: its members, in order, for each tier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from robustbench_snn.attack.cascade import Stage
from robustbench_snn.attack.stages import stage
from robustbench_snn.registry import attacks
from robustbench_snn.registry.spec import component_spec

Tier = Literal["quick", "fast", "standard", "extended"]
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

    def components(self) -> Iterable[tuple[str, str]]:
        """Kind and name of what it is made of."""
        return [("attacks", self.attack), ("estimators", component_spec(self.estimator).name)]

    def stage(self) -> Stage:
        """Builds it."""
        blind = not attacks.declaration(self.attack).traits.gradient
        estimator = None if blind else component_spec(self.estimator)
        return stage(self.seed_label, attacks.create(self.attack, **self.parameters), estimator)


def _assg(seed_label: str, steps: int, loss: str = "ce") -> Member:
    return Member(seed_label, "sa_pgd", {"steps": steps, "loss": loss}, {"assg": {"level": 0.45}})


def doubled(steps: int) -> Member:
    """A member of the convergence rule."""
    return _assg(f"sa_pgd-{steps} assg", steps)


_FIRST = Member("pgd-10", "pgd", {"steps": 10})
_SQUARE = Member("square-5000", "square", {"queries": 5000})

_FAST = (
    _FIRST,
    _assg("sa_pgd-50 assg", 50),
    Member("sa_pgd-50 atan-10", "sa_pgd", {"steps": 50}, {"atan": {"alpha": 10.0}}),
    Member("square-500", "square", {"queries": 500}),
)

_STANDARD = (
    _FIRST,
    _assg("sa_pgd-100 assg", 100),
    _assg("sa_pgd-100 assg, restart 2", 100),
    _assg("sa_pgd-100 assg, restart 3", 100),
    _assg("sa_pgd-100 assg, margin", 100, "margin"),
    Member("sa_pgd-100 atan-10", "sa_pgd", {"steps": 100}, {"atan": {"alpha": 10.0}}),
    Member("sa_pgd-100 rectangle-0.5", "sa_pgd", {"steps": 100}, {"rectangle": {"width": 0.5}}),
    Member("apgd_ce-100", "apgd_ce", {"steps": 100}),
    Member("apgd_t-100", "apgd_t", {"steps": 100}),
    Member("sa_pgd-100 hart", "sa_pgd", {"steps": 100}, "hart"),
    Member("sa_pgd-100 rga", "sa_pgd", {"steps": 100}, "rga"),
    Member("sa_pgd-100 bptr", "sa_pgd", {"steps": 100}, "bptr"),
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


def members(tier: Tier) -> tuple[Member, ...]:
    """The cascade of a tier, without the convergence rule and what follows it.

    ``standard`` is frozen as version 1 of the set: a change makes a new version.
    """
    match tier:
        case "quick":
            return (_FIRST,)
        case "fast":
            return _FAST
        case "standard":
            return _STANDARD
        case "extended":
            wide = tuple(Member(f"sa_pgd-1000 {name}", "sa_pgd", {"steps": 1000}, spec) for name, spec in _MORE)
            return (*_STANDARD, _assg("sa_pgd-1000 assg", 1000), *wide)


def last(tier: Tier) -> tuple[Member, ...]:
    """What follows the convergence rule: Square, the slowest, on what nothing else broke."""
    return (_SQUARE,) if tier in ("standard", "extended") else ()
