"""Conformance kit: the checks that every component passes, ours and those of third parties.

Two ways in. A class to subclass in a pytest file::

    from robustbench_snn.testing import EncoderConformance

    class TestMine(EncoderConformance):
        component = "mine"

and a function that returns results to print: :func:`check_encoder`, :func:`check_backbone`,
:func:`check_evaluation`, or :func:`check_file` for whatever a Python file registers.
"""

from robustbench_snn.testing.backbone import BackboneConformance, check_backbone
from robustbench_snn.testing.encoder import EncoderConformance, check_encoder
from robustbench_snn.testing.evaluation import EvaluationConformance, check_evaluation
from robustbench_snn.testing.files import check_file
from robustbench_snn.testing.results import CheckResult

__all__ = [
    "BackboneConformance",
    "CheckResult",
    "EncoderConformance",
    "EvaluationConformance",
    "check_backbone",
    "check_encoder",
    "check_evaluation",
    "check_file",
]
