"""Conformance kits: the checks that every component passes, ours and those of third parties.

Two ways in. A class to subclass in a pytest file::

    from robustbench_snn.testing import EncoderConformance

    class TestMine(EncoderConformance):
        component = "mine"

and a function that returns results to print: :func:`check_encoder`, :func:`check_attack` and so on, one a kind, or
:func:`check_file` for whatever a Python file registers.
"""

from robustbench_snn.testing.attack import AttackConformance, check_attack
from robustbench_snn.testing.backbone import BackboneConformance, check_backbone
from robustbench_snn.testing.corruption import CorruptionConformance, check_corruption
from robustbench_snn.testing.dataset import DatasetConformance, check_dataset
from robustbench_snn.testing.encoder import EncoderConformance, check_encoder
from robustbench_snn.testing.estimator import EstimatorConformance, check_estimator
from robustbench_snn.testing.evaluation import EvaluationConformance, check_evaluation
from robustbench_snn.testing.event_corruption import EventCorruptionConformance, check_event_corruption
from robustbench_snn.testing.files import CHECKS, check_file
from robustbench_snn.testing.results import CheckResult

__all__ = [
    "CHECKS",
    "AttackConformance",
    "BackboneConformance",
    "CheckResult",
    "CorruptionConformance",
    "DatasetConformance",
    "EncoderConformance",
    "EstimatorConformance",
    "EvaluationConformance",
    "EventCorruptionConformance",
    "check_attack",
    "check_backbone",
    "check_corruption",
    "check_dataset",
    "check_encoder",
    "check_estimator",
    "check_evaluation",
    "check_event_corruption",
    "check_file",
]
