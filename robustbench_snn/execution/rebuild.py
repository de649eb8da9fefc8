"""A trained model again, from its record alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robustbench_snn.errors import StoreError
from robustbench_snn.execution.building import build_model
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.target import Target
from robustbench_snn.model.task import Task
from robustbench_snn.spec.suite import ModelSpec
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store
from robustbench_snn.weights.loading import load_normalized_weights


def rebuild(store: Store, record: Record) -> Target:
    """The model that a record is about, with its trained weights, on the CPU.

    Args:
        store: holds the record of the model's training.
        record: of a training, or of an evaluation.

    Raises:
        StoreError: if the store no longer has the training, or it was a model of a plug-in.
    """
    training = record if record.kind == "train" else store.training_of(record)
    facts = training.details.get("task")
    if facts is None or "encoder" not in training.identity["model"]:
        raise StoreError(f"the model '{record.model}' cannot be built again from its record: a plug-in made it")
    model = build_model(_spec(training), Task(**_tuples(facts)))
    assert isinstance(model, Classifier)
    load_normalized_weights(model, store.weights(training.key))
    return Target(model.eval())


def _spec(training: Record) -> ModelSpec:
    identity = training.identity["model"]
    parts = {kind: {"name": identity[kind]["name"], **identity[kind]["parameters"]} for kind in ("encoder", "backbone")}
    return ModelSpec.model_validate({"name": training.model, "readout": identity["readout"], **parts})


def _tuples(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
