"""What every attack shares: its contract and its registration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.parameters import Parameterized
from robustbench_snn.registry import attacks

A_ = TypeVar("A_", bound="type[Attack]")


def register_attack(
    name: str,
    *,
    version: int,
    norms: tuple[Literal["linf", "l2"], ...] = ("linf", "l2"),
    gradient: bool = True,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[[A_], A_]:
    """Puts an attack class under ``name``; literals only.

    Args:
        name: name in suite files.
        version: raised whenever the attack's numbers change.
        norms: the norms that it is defined for.
        gradient: False for a black-box attack, which no estimator can help.
        presets: other names under which some parameters have other defaults.
    """
    return attacks.register(name, version=version, presets=presets, norms=norms, gradient=gradient)


class Attack(Parameterized, ABC):
    """Base class of all attacks; the annotated fields of a subclass are its YAML parameters.

    An attack treats every sample on its own: per-sample state only, per-sample random streams only, and no
    decision that looks at the other samples.
    """

    @abstractmethod
    def run(self, active: ActiveSet) -> None:
        """Tries to fool the active samples; results are what the active set has noted."""
