"""Parameters that an evaluation takes from the others beside it: the radius of the diagnostics, for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from robustbench_snn.errors import UserError
from robustbench_snn.registry import evaluations as registry
from robustbench_snn.registry.spec import ComponentSpec

NONE_STATED = "states no eps, and no attack beside it does (in its norm): write {eps: 8/255}"
"""What is wrong with an evaluation that finds nothing to take over."""


def borrowed(evaluations: Sequence[ComponentSpec]) -> tuple[ComponentSpec, ...]:
    """The evaluations, with what some leave out filled in as if it had been written.

    An evaluation that :attr:`Evaluation.borrows_ball` and states no eps takes that of the first attack
    beside it that states one, the first of a list, and the norm with it; a norm that it states itself must be that
    attack's. Attacks are the evaluations that have an ``eps`` and a ``norm``. Where there is none it stays as it is.

    Args:
        evaluations: in their order, as written.
    """
    lent = [found for one in evaluations if (found := _stated(one)) is not None]
    return tuple(_filled(one, lent) if lacks_eps(one) else one for one in evaluations)


def lacks_eps(evaluation: ComponentSpec) -> bool:
    """Whether an evaluation states no eps, and would take that of an attack beside it."""
    component = _loaded(evaluation)
    lacking = component is not None and evaluation.parameters.get("eps") is None
    return lacking and component.implementation.borrows_ball


def _filled(evaluation: ComponentSpec, lent: Sequence[tuple[Any, Any]]) -> ComponentSpec:
    """With the first eps of the norm that it states, or of any."""
    own = evaluation.parameters.get("norm")
    for eps, norm in lent:
        if own in (None, norm):
            return evaluation.model_copy(update={"parameters": {**evaluation.parameters, "eps": eps, "norm": norm}})
    return evaluation


def _stated(evaluation: ComponentSpec) -> tuple[Any, Any] | None:
    """The first eps, as written, and the norm of an attack that states one."""
    component, eps = _loaded(evaluation), evaluation.parameters.get("eps")
    fields = {} if component is None else component.parameters.model_fields
    if not {"eps", "norm"} <= set(fields) or component.implementation.borrows_ball:
        return None
    first = next(iter(eps), None) if isinstance(eps, list | tuple) else eps
    return None if first is None else (first, evaluation.parameters.get("norm", fields["norm"].default))


def _loaded(evaluation: ComponentSpec) -> Any:
    try:
        return registry.get(evaluation.name)
    except UserError:  # whoever checks the entry says so
        return None
