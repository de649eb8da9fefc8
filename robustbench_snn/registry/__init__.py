"""One mechanism for every kind of component: a folder is scanned, a decorator names the class or function.

A component is one file. Its decorator gives the name; its keyword-only parameters, or the fields of its dataclass, are
its YAML parameters, validated by their annotations. Names, summaries and traits are read from the syntax tree,
so that listing and did-you-mean never import torch; a file is imported when its component is first used.

Components from outside come by entry point (group ``robustbench_snn.<kind>s``) or by :func:`load_plugin`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from robustbench_snn.registry.component import Component, explain, parameter_model
from robustbench_snn.registry.declaration import Declaration
from robustbench_snn.registry.plugin import load_plugin
from robustbench_snn.registry.registry import ROOT, Registry
from robustbench_snn.registry.traits import (
    AttackTraits,
    BackboneTraits,
    CorruptionTraits,
    DatasetTraits,
    EncoderTraits,
    EvaluationTraits,
    EventCorruptionTraits,
    ModelTraits,
    NoTraits,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from robustbench_snn.attack.contract import Attack
    from robustbench_snn.dataset.contract import Dataset
    from robustbench_snn.estimator.contract import Estimator
    from robustbench_snn.evaluation.contract import Evaluation
    from robustbench_snn.model.backbone import Backbone
    from robustbench_snn.model.encoder import Encoder

__all__ = [
    "KINDS",
    "ROOT",
    "Component",
    "Declaration",
    "Registry",
    "attacks",
    "backbones",
    "corruptions",
    "datasets",
    "encoders",
    "estimators",
    "evaluations",
    "event_corruptions",
    "explain",
    "load_plugin",
    "models",
    "parameter_model",
]

encoders: Registry[type[Encoder], EncoderTraits] = Registry("encoder", "robustbench_snn.encoders", EncoderTraits)
backbones: Registry[type[Backbone], BackboneTraits] = Registry("backbone", "robustbench_snn.backbones", BackboneTraits)
models: Registry[Callable[..., nn.Module], ModelTraits] = Registry("model", "robustbench_snn.models", ModelTraits)
evaluations: Registry[type[Evaluation], EvaluationTraits] = Registry(
    "evaluation", "robustbench_snn.suites", EvaluationTraits
)
datasets: Registry[Callable[..., Dataset], DatasetTraits] = Registry(
    "dataset", "robustbench_snn.datasets", DatasetTraits
)
corruptions: Registry[Callable[..., Tensor], CorruptionTraits] = Registry(
    "corruption", "robustbench_snn.suites.corruptions", CorruptionTraits
)
event_corruptions: Registry[Callable[..., Any], EventCorruptionTraits] = Registry(
    "event_corruption", "robustbench_snn.suites.event_corruptions", EventCorruptionTraits
)
estimators: Registry[type[Estimator], NoTraits] = Registry("estimator", "robustbench_snn.suites.estimators", NoTraits)
attacks: Registry[type[Attack], AttackTraits] = Registry("attack", "robustbench_snn.suites.attacks", AttackTraits)

KINDS: Mapping[str, Registry[Any, Any]] = MappingProxyType(
    {
        f"{registry.kind}s": registry
        for registry in (
            encoders,
            backbones,
            models,
            evaluations,
            datasets,
            corruptions,
            event_corruptions,
            estimators,
            attacks,
        )
    }
)
