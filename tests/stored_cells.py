"""A small store with true cells in it: a training and an evaluation of its model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from robustbench_snn.digests import json_digest, tensor_digest
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store, write_samples
from robustbench_snn.weights.tensors import save_weights
from tests.provenance import PROVENANCE

CORRECT = np.array([True, False, True, True])
SAMPLES = {"id": np.arange(4), "label": np.array([0, 1, 2, 0]), "correct": CORRECT}


def record(identity: dict[str, Any], **changes: Any) -> Record:
    """A record whose key is that of its identity."""
    values: dict[str, Any] = {
        "key": json_digest(identity),
        "kind": identity["kind"],
        "status": "done",
        "suite": "s",
        "model": "m",
        "identity": identity,
        "seed": 0,
        "timesteps": 4,
        "parameters": 10,
        "provenance": PROVENANCE,
    }
    return Record(**(values | changes))


def train(store: Store, seed: int = 0) -> Record:
    """Stores a training, whose weights depend on the seed."""
    torch.manual_seed(seed)
    model = nn.Linear(2, 2)
    identity = {"key_version": 2, "kind": "train", "model": {"encoder": {"name": "direct"}}, "seed": seed}
    trained = record(identity, seed=seed, weights_sha256=tensor_digest(model.state_dict()))
    return store.write(trained, lambda folder: save_weights(model, folder / "weights.safetensors"))


def evaluate(store: Store, training: Record, **changes: Any) -> Record:
    """Stores an evaluation of a training's model: three of four samples right."""
    identity = {
        "key_version": 2,
        "kind": "evaluate",
        "evaluation": {"name": "clean", "version": 1},
        "model": training.identity["model"],
        "weights": training.weights_sha256,
        "peers": {},
    }
    metrics = {"accuracy": 0.75, "clean_accuracy": 0.75, "drop_to_T1": -0.1, "images_per_second": 1234.5}
    values: dict[str, Any] = {"samples": 4, "metrics": metrics, "weights_sha256": training.weights_sha256} | changes
    return store.write(record(identity, **values), fill)


def fill(folder: Path) -> None:
    """Writes the per-sample outcomes of the evaluation."""
    write_samples(folder / "samples.parquet", SAMPLES)
