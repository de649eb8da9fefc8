"""What every evaluation must satisfy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from robustbench_snn.registry import evaluations
from robustbench_snn.testing.results import CheckResult, require, run_checks


class EvaluationConformance:
    """The checks of an evaluation; subclass it in a pytest file as ``Test...`` and name the component.

    Attributes:
        component: a registered name.
        parameters: YAML parameters to build it with.
    """

    component: ClassVar[str]
    parameters: ClassVar[Mapping[str, Any]] = {}

    def test_splits_into_cells_of_its_own(self) -> None:
        """What :meth:`Evaluation.split` makes of its parameters, the evaluation itself accepts."""
        found = evaluations.get(self.component)
        cells = found.target.split(found.validate(self.parameters))
        require(cells, "split() gave no cell")
        for cell in cells:
            found.create(**cell)


def check_evaluation(component: str, **parameters: Any) -> list[CheckResult]:
    """Runs every check of :class:`EvaluationConformance`; one result a check."""
    suite = type("Checks", (EvaluationConformance,), {"component": component, "parameters": parameters})()
    return run_checks(suite, f"evaluation {component}")
