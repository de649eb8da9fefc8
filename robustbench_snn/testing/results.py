"""Running a class of checks without pytest, one result a check."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robustbench_snn.errors import UserError


@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Attributes:
        name: the check, e.g. ``causal trait``.
        passed: whether it held.
        reason: why not; empty if it held.
        component: what was checked, e.g. ``encoder stf``.
    """

    name: str
    passed: bool
    reason: str = ""
    component: str = ""


def require(condition: object, message: str) -> None:
    """Raises AssertionError with this message unless the condition holds; unlike ``assert``, also under -O."""
    if not condition:
        raise AssertionError(message)


def run_checks(suite: Any, component: str) -> list[CheckResult]:
    """Calls every ``test_`` method of a conformance class and notes how it went.

    Args:
        suite: an instance of a conformance class.
        component: what it checks, for the results.
    """
    results = []
    for method in [name for name in dir(suite) if name.startswith("test_")]:
        name = method.removeprefix("test_").replace("_", " ")
        try:
            getattr(suite, method)()
        except Exception as error:  # a component under test may fail in any way
            results.append(CheckResult(name, False, _explain(error), component))
        else:
            results.append(CheckResult(name, True, component=component))
    return results


def check_component(
    kit: type[Any], kind: str, component: str, parameters: Mapping[str, Any], **settings: Any
) -> list[CheckResult]:
    """Runs every check of a conformance class on one component.

    Args:
        kit: the conformance class.
        kind: singular, for the results.
        component: a registered name.
        parameters: YAML parameters to build it with.
        **settings: more attributes of the conformance class.

    Returns:
        One result a check, in alphabetical order.
    """
    facts = {"component": component, "parameters": parameters, **settings}
    return run_checks(type("Checks", (kit,), facts)(), f"{kind} {component}")


def _explain(error: Exception) -> str:
    """The check's own words; for an unforeseen error its type and the line that raised it."""
    if isinstance(error, AssertionError | UserError) and str(error):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"
