"""Tables with drawn outcomes, to publish in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from robustbench_snn.leaderboard import publication
from robustbench_snn.leaderboard.outcomes import Outcomes, Place
from robustbench_snn.leaderboard.table import Row, Score, Table
from robustbench_snn.leaderboard.variance import Floats
from robustbench_snn.leaderboard.versions import load_table
from robustbench_snn.store.records import Record
from tests.provenance import PROVENANCE

N = 200


def score(accuracy: float | None = 0.5, **changes: Any) -> Score:
    values = {
        "accuracy": accuracy,
        "seeds": 2,
        "samples": N,
        "metrics": {"accuracy": accuracy},
        "flags": (),
        "comparable": True,
        "records": ("k" * 64,),
    }
    return Score(**(values | changes))


def row(model: str, **scores: Score) -> Row:
    return Row(
        model=model,
        identity={"encoder": {"name": model}},
        timesteps=4,
        parameters=1234567,
        seeds=(0, 1),
        cells=scores or {"clean": score()},
        training=("t" * 64,),
    )


def record(key: str) -> Record:
    return Record(
        key=key,
        kind="evaluate",
        status="done",
        suite="tab",
        model="m",
        identity={},
        seed=0,
        timesteps=4,
        parameters=1,
        metrics={"accuracy": 0.5},
        provenance=PROVENANCE,
    )


EVALUATIONS = ({"label": "clean", "name": "clean"}, {"label": "fgsm", "name": "fgsm", "parameters": {"eps": 0.1}})


def table(*rows: Row, protocol: str = "p", columns: tuple[str, ...] = ("clean",), **changes: Any) -> Table:
    found = Table(
        name="tab",
        title="Tab",
        description="a | b",
        suite="tab",
        protocol={"x": protocol, "evaluations": [part for part in EVALUATIONS if part["label"] in columns]},
        protocol_hash=protocol * 64,
        dataset="digits",
        samples=N,
        columns=columns,
        confidence=0.95,
        rows=rows or (row("direct"),),
    )
    return found.model_copy(update=changes)


def outcomes(labels: tuple[str, ...] = ("clean",), seeds: int = 3, **accuracies: float) -> Outcomes:
    """Outcomes of these mean accuracies, seeds and samples drawn apart for every model and label."""
    found: dict[Place, dict[int, Floats]] = {}
    for model, accuracy in (accuracies or {"direct": 0.5}).items():
        for label in labels:
            draw = np.random.default_rng(sum(map(ord, model + label)))
            found[model, label] = {seed: (draw.random(N) < accuracy).astype(float) for seed in range(seeds)}
    return Outcomes(np.arange(N) + 1000, found)


def publish(what: Table, per_sample: Outcomes, results: Path) -> Path:
    keys = {key for entry in what.rows for key in (*entry.training, *entry.cells["clean"].records)}
    return publication.publish(what, per_sample, [record(key) for key in sorted(keys)], results)


def published(results: Path) -> Table:
    found = load_table(results, "tab")
    assert isinstance(found, Table)
    return found
