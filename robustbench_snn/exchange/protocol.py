"""A published protocol: its evaluations as a suite file writes them, and whether this program still computes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from robustbench_snn.digests import canonical
from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.findings import differences
from robustbench_snn.plan.keys import listed, written
from robustbench_snn.registry.spec import ComponentSpec


def resolved_here(evaluation: ComponentSpec) -> dict[str, Any]:
    """An evaluation as the protocol of this program's tables holds it."""
    found: dict[str, Any] = canonical(listed(evaluation))
    return found


def moved(published: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Versions, and sources of plug-ins, in which a published evaluation and this program's differ, in words."""
    found = _versions(published), _versions(here)
    return [
        f"{name} was {_said(found[0].get(name))}, is {_said(found[1].get(name))}"
        for name in sorted({*found[0], *found[1]})
        if found[0].get(name) != found[1].get(name)
    ]


def _versions(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    own = [evaluation["version"], *evaluation.get("source", {}).values()]
    return {**evaluation.get("components", {}), f"evaluations/{evaluation['name']}": own}


def _said(version: Any) -> str:
    if version is None:
        return "not run"
    number, *source = version
    return f"version {number}" + (f" (source {', '.join(str(part)[:12] for part in source)})" if source else "")


def check_computable(evaluations: Sequence[Mapping[str, Any]], where: str, remedy: str) -> list[ComponentSpec]:
    """The evaluations of a published protocol, if this program computes what was published.

    A program holds one version of each component, so that it computes the published one or another.

    Args:
        evaluations: of the protocol, as published.
        where: the table, for messages.
        remedy: what to do where it does not.

    Raises:
        UserError: naming every evaluation that moved, or that is not known here.
    """
    specs, wrong = [], []
    for evaluation in evaluations:
        label, spec = evaluation["label"], written(evaluation)
        try:
            here = resolved_here(spec)
        except UserError as error:
            if "content" in evaluation:  # it reads files, and records do not say where they are
                specs.append(spec)
                continue
            wrong.append(f"{label} cannot be made here: {error}")
            continue
        specs.append(spec)
        if told := moved(evaluation, here):
            wrong.append(f"{label}: {'; '.join(told)}")
    if wrong:
        lines = "\n".join(f"  {line}" for line in wrong)
        raise UserError(
            f"this program does not compute the evaluations of {where}, so numbers do not compare:\n{lines}\n{remedy}"
        )
    return specs


def first_difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str | None:
    """The first place where two protocols differ, with both values; None if they are the same."""
    labels = [[evaluation["label"] for evaluation in found["evaluations"]] for found in (ours, theirs)]
    if labels[0] != labels[1]:
        return f"evaluations: {', '.join(labels[0])} against {', '.join(labels[1])}"
    found = next(differences("protocol", "", canonical(ours), canonical(theirs)), None)
    return None if found is None else f"{found.column}: {found.expected} against {found.found}"
