"""A trained model again, from its record alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robustbench_snn.errors import StoreError
from robustbench_snn.model.building import build_classifier
from robustbench_snn.model.target import Target
from robustbench_snn.model.task import Task
from robustbench_snn.registry.spec import ComponentSpec
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
    return restored(training, store.weights(training.key))


def restored(training: Record, weights: Path) -> Target:
    """The model of a training's record, with the weights in a file, on the CPU.

    Raises:
        StoreError: if it was a model of a plug-in.
    """
    identity, facts = training.identity["model"], training.details.get("task")
    if facts is None or "encoder" not in identity:
        raise StoreError(f"the model '{training.model}' cannot be built again from its record: a plug-in made it")
    encoder, backbone = _component(identity["encoder"]), _component(identity["backbone"])
    model = build_classifier(encoder, backbone, Task(**_tuples(facts)), identity["readout"])
    load_normalized_weights(model, weights)
    return Target(model.eval())


def _component(identity: Mapping[str, Any]) -> ComponentSpec:
    return ComponentSpec(name=identity["name"], parameters=identity["parameters"])


def _tuples(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
